"""Layers that multiply by a constant matrix, and batch norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....ir import Value
from ....ir.ops import BatchNorm, Dense, MatMul
from ...common.emit import as_float32
from ..call import Call


def linear(call: Call, input: Any, weight: Any, bias: Any = None) -> Value:
    """x · Wᵀ + b over the last axis."""
    matrix = call.constant(weight, "weight")
    call.require(matrix.ndim == 2, "NMC-I011", f"its weight has shape {list(matrix.shape)}")
    w, b = call.weight("weight", matrix), call.optional(bias, "bias")
    return call.emit(Dense(), call.value(input), w, b)


def matmul(call: Call, input: Any, other: Any) -> Value:
    """x · B over the last axis of x, which may have any rank: a dense layer for a constant matrix B."""
    if isinstance(input, Value) and isinstance(other, Value):
        why = f"both operands must have their samples in front: {input.type} and {other.type}"
        call.require(input.type.rank == other.type.rank > 2, "NMC-I015", why)
        return call.emit(MatMul(), input, other)
    why = "its left operand is the constant one: the product would run over the second to last axis"
    hint = "write it as Linear (x @ W), with a transpose around it"
    call.require(not isinstance(other, Value), "NMC-I011", why, hint)
    matrix = call.constant(other, "right operand")
    whole = matrix.ndim >= 2 and all(size == 1 for size in matrix.shape[:-2])
    call.require(whole, "NMC-I011", f"its right operand has shape {list(matrix.shape)}, one matrix is needed")
    x = call.value(input)
    call.require(x.type.rank >= matrix.ndim, "NMC-I015", f"a matrix of rank {matrix.ndim} puts an axis before {x.type}")
    return call.emit(Dense(), x, call.weight("weight", matrix.reshape(matrix.shape[-2:]).T))


def addmm(call: Call, input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Value:
    """input + mat1 · mat2, as core ATen spells a linear layer."""
    call.require(beta == alpha == 1, "NMC-I011", f"its beta is {beta} and its alpha {alpha}")
    bias, matrix = call.constant(input, "bias"), call.constant(mat2, "right operand")
    call.require(bias.shape == matrix.shape[1:], "NMC-I011", f"its bias has shape {list(bias.shape)}")
    w, b = call.weight("weight", matrix.T), call.weight("bias", bias)
    return call.emit(Dense(), call.value(mat1), w, b)


def batch_norm(
    call: Call,
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
) -> Value:
    known = not training and running_mean is not None and running_var is not None
    hint = "use track_running_stats=True, and eval mode"
    call.require(known, "NMC-I011", "its statistics would come from the inputs", hint)
    mean, variance = (as_float32(call.constant(c, "statistics")) for c in (running_mean, running_var))
    gamma = np.ones_like(mean) if weight is None else call.constant(weight, "weight")
    beta = np.zeros_like(mean) if bias is None else call.constant(bias, "bias")
    eps = call.number(eps, "eps")
    call.require(bool(np.all(variance + eps > 0)), "NMC-I011", "a variance is negative")
    arrays = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
    weights = [call.weight(role, array) for role, array in arrays.items()]
    return call.emit(BatchNorm(eps), call.value(input), *weights)


def aten_batch_norm(
    call: Call,
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Value:
    return batch_norm(call, input, running_mean, running_var, weight, bias, training, momentum, eps)


def native_batch_norm(
    call: Call, input: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, momentum: float, eps: float
) -> list[Value]:
    """Core ATen's spelling, whose first result is the normed input."""
    return [batch_norm(call, input, running_mean, running_var, weight, bias, False, momentum, eps)]
