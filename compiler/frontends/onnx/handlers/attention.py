"""Attention and rotary embeddings, spelled out in products, softmax and masks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ....ir import Value
from ....ir.ops import Activation, Add, Concat, Dense, Mask, MatMul, Mul, Softmax, Transpose
from ...common.emit import Array, as_float32, is_float
from ..call import Call

_SAMPLES = "it holds another {role} for each sample"


def _operand(call: Call, index: int, role: str) -> Value | None:
    """A computed operand or a constant that all samples share; None if it is absent or empty."""
    operand = call.operand(index)
    if isinstance(operand, np.ndarray):
        if not operand.size:
            return None
        call.require(operand.shape[:1] == (1,), "NMC-I015", _SAMPLES.format(role=role), "give one for all samples")
        return call.weight(role, operand, "N" + "_" * (operand.ndim - 1))
    return operand


def _heads(call: Call, index: int, role: str, count: int) -> Value:
    """An operand as (N, heads, length, size of a head)."""
    x = _operand(call, index, role)
    call.require(x is not None, "NMC-I011", f"its {role} is missing")
    assert x is not None
    call.require(x.type.rank in (3, 4), "NMC-I012", f"its {role} is {x.type}")
    if x.type.rank == 4:
        return x
    _, length, size = x.type.shape
    call.require(count >= 1 and size % max(count, 1) == 0, "NMC-I012", f"{count} heads for its {role} {x.type}")
    split = call.reshape(x, (1, length, count, size // count), f"{x.type.axes[:2]}__", f"{role}.heads")
    return call.emit(Transpose((0, 2, 1, 3)), split, part=f"{role}.moved")


@dataclass(frozen=True)
class Scores:
    """What is added to the scores, and which keys a query sees, all broadcasting to (N, heads, queries, keys)."""

    bias: Array | Value | None
    keep: Array

    def rows(self) -> Array:
        """Queries that see a key at all."""
        return np.asarray(self.keep.any(axis=-1, keepdims=True))


def _frontier(call: Call, queries: int, keys: int, past: int, valid: int | None) -> Array:
    """Which keys the attributes let a query see: those behind it (causal), near it (windows), and no padding."""
    offset = past if valid is None else valid - queries
    distance = np.arange(queries)[:, None] + offset - np.arange(keys)[None]
    keep = np.ones((queries, keys), np.bool_)
    if call.flag("is_causal"):
        keep &= distance >= 0
    if call.opset >= 25:
        left, right = call.integer("left_window_size", -1), call.integer("right_window_size", -1)
        keep &= (distance <= left) | (left < 0)
        keep &= (-distance <= right) | (right < 0)
    return keep if valid is None else keep & (np.arange(keys) < valid)


def _scores(call: Call, shape: tuple[int, ...], past: int) -> Scores:
    lengths = call.optional_integers(6, "nonpad_kv_seqlen") if call.opset >= 24 else None
    call.require(lengths is None or len(set(lengths)) == 1, "NMC-I015", "each sample has its own number of valid keys")
    queries, keys = shape[2:]
    keep = _frontier(call, queries, keys, past, lengths[0] if lengths else None)
    mask = call.operand(3)
    if mask is None:
        return Scores(None, keep)
    width = mask.type.shape[-1] if isinstance(mask, Value) else mask.shape[-1]
    if isinstance(mask, Value):
        fits = mask.type.rank == 4 and width == keys
        call.require(fits, "NMC-I012", f"its computed mask is {mask.type} for scores of shape {list(shape)}")
        return Scores(mask, keep)
    call.require(mask.ndim < 4 or len(mask) == 1, "NMC-I015", _SAMPLES.format(role="mask"), "give one for all samples")
    call.require(width <= keys, "NMC-I012", f"a mask of shape {list(mask.shape)} for {keys} keys")
    ends = [(0, 0)] * (mask.ndim - 1) + [(0, keys - width)]
    if mask.dtype == np.bool_:
        return Scores(None, keep & np.pad(mask, ends))
    call.require(is_float(mask), "NMC-I011", f"its mask is {mask.dtype}, a float or BOOL is needed")
    bias = np.pad(mask.astype(np.float32), ends, constant_values=-np.inf)
    seen = bias != -np.inf
    return Scores(np.where(seen, bias, 0), keep & seen)


def _with_past(call: Call, x: Value, index: int, role: str) -> tuple[Value, int]:
    past = _operand(call, index, role)
    if past is None:
        return x, 0
    return call.emit(Concat(2), past, x, part=f"{role}.all"), past.type.shape[2]


def _weights(call: Call, scores: Value, given: Scores) -> tuple[Value, Value]:
    """The masked scores and their softmax. A query that sees no key gets weights of 0."""
    rows, bias = given.rows(), given.bias
    if bias is not None:
        scores = call.emit(Add(), scores, bias if isinstance(bias, Value) else call.weight("mask", bias), part="biased")
    keep = given.keep | ~rows
    if not keep.all():
        scores = call.emit(Mask(-math.inf), scores, call.weight("keep", keep.astype(np.float32)), part="masked")
    weights = call.emit(Softmax(3), scores, part="softmax")
    if not rows.all():
        weights = call.emit(Mul(), weights, call.weight("rows", rows.astype(np.float32)), part="seen")
    return scores, weights


def attention(call: Call) -> list[Value]:
    """softmax(scale · Q·Kᵀ + mask) · V; heads of Q in groups share a head of K and V."""
    call.ignore("softmax_precision")  # nmc's interpreter computes in float64
    heads, kv_heads = call.integer("q_num_heads", 0), call.integer("kv_num_heads", 0)
    flat = call.value().type.rank == 3 if isinstance(call.operand(0), Value) else False
    letters = call.value().type.axes if flat else ""
    q, k, v = (_heads(call, i, role, n) for i, role, n in ((0, "q", heads), (1, "k", kv_heads), (2, "v", kv_heads)))
    (k, past), (v, _) = _with_past(call, k, 4, "past_key"), _with_past(call, v, 5, "past_value")
    _, count, queries, size = q.type.shape
    groups = k.type.shape[1]
    fits = groups == v.type.shape[1] and count % groups == 0 and k.type.shape[2:] == (v.type.shape[2], size)
    call.require(fits, "NMC-I012", f"its query, keys and values are {q.type}, {k.type} and {v.type}")
    scale = call.finite("scale", 1 / math.sqrt(size))
    shape = (1, count, queries, k.type.shape[2])
    scaled = call.emit(Mul(), q, call.weight("scale", np.array(scale, np.float32)), part="scaled")
    raw = scores = _product(call, scaled, call.emit(Transpose((0, 1, 3, 2)), k, part="k.turned"), groups, "scores")
    softcap = call.finite("softcap", 0.0)
    if softcap:
        down, up = (call.weight(role, np.array(n, np.float32)) for role, n in (("down", 1 / softcap), ("up", softcap)))
        bent = call.emit(Activation("tanh"), call.emit(Mul(), scores, down, part="small"), part="bent")
        scores = call.emit(Mul(), bent, up, part="capped")
    capped = scores
    given = _scores(call, shape, past)
    masked, weights = _weights(call, scores, given)
    if not given.rows().all():
        hidden = call.weight("hidden", np.broadcast_to(given.rows(), given.keep.shape).astype(np.float32))
        masked = call.emit(Mask(-math.inf), masked, hidden, part="hidden")
    result = _product(call, weights, v, groups, "heads" if flat else "")
    if flat:
        back = call.emit(Transpose((0, 2, 1, 3)), result, part="back")
        result = call.reshape(back, (1, queries, count * v.type.shape[3]), letters)
    mode = call.integer("qk_matmul_output_mode", 0)
    call.require(0 <= mode <= 3, "NMC-I011", f"its qk_matmul_output_mode is {mode}")
    clear = mode > 0 or not softcap or call.results_used() < 4
    call.require(clear, "NMC-I011", "qk_matmul_output_mode 0 with softcap, which runtimes read differently", "mode 1")
    return [result, k, v, (raw, capped, masked, weights)[mode]]


def _product(call: Call, a: Value, b: Value, groups: int, part: str) -> Value:
    """a · b, where heads of a in groups meet one head of b."""
    _, count, rows, inner = a.type.shape
    if count == groups:
        return call.emit(MatMul(), a, b, part=part)
    grouped = call.reshape(a, (1, groups, count // groups, rows, inner), f"N__{a.type.axes[2:]}", f"{part}.a")
    shared = call.reshape(b, (1, groups, 1, *b.type.shape[2:]), f"N__{b.type.axes[2:]}", f"{part}.b")
    made = call.emit(MatMul(), grouped, shared, part=f"{part}.groups")
    return call.reshape(made, (1, count, rows, b.type.shape[3]), f"N_{made.type.axes[3:]}", part)


def _angles(call: Call, index: int, role: str, positions: Array | None) -> Array:
    """cos or sin of each position: (length, half the rotated size)."""
    cache = as_float32(call.constant(index, role))
    rank = 3 if positions is None else 2
    call.require(cache.ndim == rank, "NMC-I012", f"its {role} has shape {list(cache.shape)}")
    rows = cache if positions is None else cache[positions]
    same = bool(np.all(rows == rows[:1]))
    call.require(same, "NMC-I015", "each sample has positions of its own", "give all samples the same positions")
    return rows[0]


def rotary_embedding(call: Call) -> Value:
    """Pairs of features turned by an angle of their position: x · cos + (x with each pair turned by 90°) · sin."""
    x, heads = call.value(), call.integer("num_heads", 0)
    positions = call.optional_constant(3, "positions")
    if positions is not None:
        whole = positions.dtype.kind in "iu" and positions.ndim == 2
        call.require(whole, "NMC-I012", f"its positions are {positions.dtype}{list(positions.shape)}")
        most = len(call.constant(1, "cos_cache"))
        call.require(bool(np.all((positions >= 0) & (positions < most))), "NMC-I012", f"positions beyond {most} angles")
    cos, sin = (_angles(call, i, role, positions) for i, role in ((1, "cos_cache"), (2, "sin_cache")))
    call.require(x.type.rank in (3, 4), "NMC-I012", f"its input is {x.type}")
    split = x
    if x.type.rank == 3:
        _, length, size = x.type.shape
        call.require(heads >= 1 and size % max(heads, 1) == 0, "NMC-I012", f"{heads} heads for {x.type}")
        split = call.reshape(x, (1, length, heads, size // heads), f"{x.type.axes[:2]}__", "heads")
    size, length = split.type.shape[3], x.type.shape[-2]
    turned = call.integer("rotary_embedding_dim", 0) or size
    fits = turned <= size and turned % 2 == 0 and cos.shape == sin.shape == (length, turned // 2)
    call.require(fits, "NMC-I012", f"angles of shape {list(cos.shape)} for {length} positions of {turned} features")
    interleaved = call.flag("interleaved")
    first = np.arange(0, turned, 2) if interleaved else np.arange(turned // 2)
    second = first + (1 if interleaved else turned // 2)
    matrix = np.zeros((size, size), np.float32)
    matrix[first, second], matrix[second, first] = -1, 1
    tables = [np.full((length, size), fill, np.float32) for fill in (1, 0)]
    for table, angles in zip(tables, (cos, sin), strict=True):
        table[:, first] = table[:, second] = angles
    shape = (1, length, 1, size) if x.type.rank == 3 else (1, 1, length, size)
    c, s = (call.weight(role, table.reshape(shape)) for role, table in zip(("cos", "sin"), tables, strict=True))
    across = call.emit(Dense(), split, call.weight("turn", matrix), part="turned")
    along = call.emit(Mul(), split, c, part="along")
    made = call.emit(Add(), along, call.emit(Mul(), across, s, part="across"), part="" if split is x else "added")
    return call.reshape(made, x.type.shape, x.type.axes)
