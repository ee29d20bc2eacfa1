"""Attention: the function of scaled products, and the module with its projections, in operations that a host runs."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from ....ir import Value
from ....ir.ops import Add, Dense, Mask, MatMul, Mean, Mul, Softmax, Transpose
from ...common.emit import Array, is_mask
from ..call import Call

_MODULE_HINT = "write it with nn.Linear and scaled_dot_product_attention"


def _masked(call: Call, scores: Value, mask: Array) -> Value:
    """Scores plus a mask, or hidden where a mask of bools is False."""
    call.require(mask.ndim < 4 or len(mask) == 1, "NMC-I015", "its mask holds another one for each sample")
    keep = mask if mask.dtype == np.bool_ else ~np.isneginf(mask)
    seen = bool(keep.any(axis=-1).all())
    call.require(seen, "NMC-I011", "a row of its mask hides everything, which gives NaN")
    if mask.dtype != np.bool_:
        finite = np.where(keep, mask, 0) if is_mask(mask) else mask
        scores = call.emit(Add(), scores, call.weight("mask", finite.astype(np.float32)), part="biased")
    if keep.all():
        return scores
    return call.emit(Mask(-math.inf), scores, call.weight("keep", keep.astype(np.float32)), part="masked")


def _weights(call: Call, q: Value, k: Value, scale: float, masks: list[Array]) -> Value:
    """softmax(scale · Q·Kᵀ + mask) over the keys."""
    rank = q.type.rank
    scaled = call.emit(Mul(), q, call.weight("scale", np.array(scale, np.float32)), part="scaled")
    turned = call.emit(Transpose((*range(rank - 2), rank - 1, rank - 2)), k, part="turned")
    scores = call.emit(MatMul(), scaled, turned, part="scores")
    for mask in masks:
        scores = _masked(call, scores, mask)
    return call.emit(Softmax(rank - 1), scores, part="softmax")


def attention(
    call: Call,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    """softmax(scale · Q·Kᵀ + mask) · V."""
    q, k, v = (call.value(x, role) for x, role in ((query, "query"), (key, "key"), (value, "value")))
    rank = q.type.rank
    fits = rank >= 3 and rank == k.type.rank == v.type.rank
    call.require(fits, "NMC-I012", f"its query, key and value are {q.type}, {k.type} and {v.type}")
    call.require(not enable_gqa, "NMC-I011", "enable_gqa shares heads", "repeat the keys and values")
    call.require(dropout_p == 0, "NMC-I011", f"its dropout_p is {dropout_p}", "call model.eval()")
    factor = 1 / math.sqrt(q.type.shape[-1]) if scale is None else call.number(scale, "scale")
    causal = [np.tri(q.type.shape[-2], k.type.shape[-2], dtype=np.bool_)] if is_causal else []
    given = [] if attn_mask is None else [call.constant(attn_mask, "mask")]
    return call.emit(MatMul(), _weights(call, q, k, factor, causal + given), v)


def _heads(call: Call, x: Value, name: str, weight: Any, bias: Array | None, heads: int) -> Value:
    """The projection of x, (N, heads, L, E / heads)."""
    matrix = call.constant(weight, "weight")
    b = None if bias is None else call.weight(f"{name}.bias", bias)
    y = call.emit(Dense(), x, call.weight(f"{name}.weight", matrix), b, part=f"{name}.projected")
    _, length, size = y.type.shape
    split = call.reshape(y, (1, length, heads, size // heads), "N___", f"{name}.heads")
    return call.emit(Transpose((0, 2, 1, 3)), split, part=name)


def multihead(
    call: Call,
    layer: nn.MultiheadAttention,
    query: Any,
    key: Any,
    value: Any,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Value, ...]:
    """(attention of the projected operands, projected; with need_weights its weights). True in a mask hides."""
    hint = "give the layer batch_first=True and inputs of (samples, length, features)"
    call.require(layer.batch_first, "NMC-I015", "its axis 0 is the length, where samples are", hint)
    call.require(not (layer.training and layer.dropout), "NMC-I011", "it is in training mode", "call model.eval()")
    tensor = partial(getattr, layer)  # None where the layer has none, which its annotations do not say
    plain = tensor("bias_k") is None and tensor("bias_v") is None and not layer.add_zero_attn
    call.require(plain, "NMC-I011", "it adds keys and values of its own (add_bias_kv, add_zero_attn)", _MODULE_HINT)
    call.require(key_padding_mask is None, "NMC-I011", "it is given a key_padding_mask", "leave padding out")
    operands = [call.value(x, role) for x, role in ((query, "query"), (key, "key"), (value, "value"))]
    types = ", ".join(str(x.type) for x in operands)
    call.require(all(x.type.rank == 3 for x in operands), "NMC-I015", f"its operands are {types}", hint)
    together, bias = tensor("in_proj_weight"), tensor("in_proj_bias")
    weights = [tensor(f"{x}_proj_weight") for x in "qkv"] if together is None else together.chunk(3)
    biases = [None] * 3 if bias is None else np.split(call.constant(bias, "bias"), 3)
    rows = zip(operands, ("query", "key", "value"), weights, biases, strict=True)
    q, k, v = (_heads(call, *row, layer.num_heads) for row in rows)
    masks: list[Array] = []
    if is_causal and not need_weights:  # then torch does not look at the mask
        masks = [np.tri(q.type.shape[-2], k.type.shape[-2], dtype=np.bool_)]
    elif attn_mask is not None:
        mask = call.constant(attn_mask, "mask")
        call.require(mask.ndim == 2, "NMC-I015", f"its mask has shape {list(mask.shape)}, one of every sample and head")
        masks = [~mask if mask.dtype == np.bool_ else mask]
    seen = _weights(call, q, k, 1 / math.sqrt(q.type.shape[-1]), masks)
    mixed = call.emit(Transpose((0, 2, 1, 3)), call.emit(MatMul(), seen, v, part="mixed"), part="samples")
    joined = call.reshape(mixed, operands[0].type.shape, "N__", "joined")
    out = [call.optional(getattr(layer.out_proj, role), f"out.{role}") for role in ("weight", "bias")]
    result = call.emit(Dense(), joined, *out)
    if not need_weights:
        return (result,)
    return result, call.emit(Mean((1,), False), seen, part="mean") if average_attn_weights else seen
