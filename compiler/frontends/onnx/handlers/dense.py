"""Gemm and MatMul: layers that multiply by a constant matrix, and products of two computed values."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ir.ops import Add, Dense, MatMul, Mul
from ...common.emit import Array, as_float32
from ..call import Call
from .reduce import along


def _scaled(array: Array, factor: float) -> Array:
    return array if factor == 1.0 else as_float32(as_float32(array).astype(np.float64) * factor)


def _gemm_bias(call: Call, outputs: int) -> Array | None:
    """beta · C as one number an output; C may be a scalar, a row, or 1 in both axes."""
    bias, beta = call.optional_constant(2, "bias"), call.finite("beta", 1.0)
    if bias is None or beta == 0.0:
        return None
    call.require(bias.ndim <= 2, "NMC-I012", f"C has shape {list(bias.shape)}")
    row = bias.reshape(-1) if bias.ndim < 2 else bias[0] if len(bias) else bias.reshape(-1)
    if bias.ndim == 2 and bias.shape[0] != 1:
        call.require(False, "NMC-I015", f"C has shape {list(bias.shape)}: another bias for each sample")
    call.require(row.shape in ((1,), (outputs,)), "NMC-I012", f"C has shape {list(bias.shape)} for {outputs} outputs")
    return _scaled(np.broadcast_to(row, (outputs,)), beta)


def gemm(call: Call) -> Value:
    """y = alpha · x · B + beta · C."""
    call.require(not call.flag("transA"), "NMC-I015", "transA = 1 would sum over the samples")
    alpha, transposed = call.finite("alpha", 1.0), call.flag("transB")
    matrix = call.constant(1, "matrix B")
    call.require(matrix.ndim == 2, "NMC-I012", f"B has shape {list(matrix.shape)}")
    rows = matrix if transposed else matrix.T
    summand = call.operand(2)
    bias = None if isinstance(summand, Value) else _gemm_bias(call, len(rows))
    w = call.weight("weight", _scaled(rows, alpha))
    b = None if bias is None else call.weight("bias", bias)
    x = call.value()
    call.require(x.type.rank == 2 + call.inner, "NMC-I012", f"Gemm takes an input of rank 2, this one is {x.type}")
    if not isinstance(summand, Value):
        return call.emit(Dense(), x, w, b)
    call.require(summand.type.rank == 2, "NMC-I015", f"C is {summand.type}, without the samples in front")
    scale = call.weight("beta", np.array(call.finite("beta", 1.0), np.float32))
    scaled = call.emit(Mul(), summand, scale, part="summand")
    return call.emit(Add(), call.emit(Dense(), x, w, part="product"), scaled)


def _two_values(call: Call, a: Value, b: Value) -> Value:
    """The product of two computed values, whose samples are axis 0 of both."""
    why = f"both operands must have their samples in front: {a.type} and {b.type} align from the right"
    call.require(a.type.rank == b.type.rank, "NMC-I015", why)
    why = f"the product of {a.type} and {b.type} would run over the samples"
    call.require(a.type.rank > 2, "NMC-I015", why)
    return call.emit(MatMul(), a, b)


def _constant_first(call: Call, matrix: Array, x: Value) -> Value:
    call.require(matrix.ndim >= 2, "NMC-I011", f"its left operand has shape {list(matrix.shape)}, a matrix is needed")
    call.require(x.type.rank > 2, "NMC-I015", f"with {x.type} on the right the product would run over the samples")
    why = f"its left operand has shape {list(matrix.shape)}: a matrix for each sample, or an axis before {x.type}"
    apart = matrix.ndim < x.type.rank or (matrix.ndim == x.type.rank and matrix.shape[0] == 1)
    call.require(apart, "NMC-I015", why)
    if all(size == 1 for size in matrix.shape[:-2]):
        return along(call, x, x.type.rank - 2, matrix.reshape(matrix.shape[-2:]))
    return call.emit(MatMul(), call.weight("matrix", matrix), x)


def matmul(call: Call) -> Value:
    """y = x · B over the last axis of x, which may have any rank: a dense layer for one constant matrix B."""
    left, right = call.operand(0), call.operand(1)
    if isinstance(left, np.ndarray):
        return _constant_first(call, left, call.value(1))
    if isinstance(left, Value) and isinstance(right, Value):
        return _two_values(call, left, right)
    matrix = call.constant(1, "right operand")
    x = call.value()
    if matrix.ndim == 1:
        call.require(x.type.rank > 1, "NMC-I015", f"the product of {x.type} and a vector would run over the samples")
        column = call.emit(Dense(), x, call.weight("weight", matrix[None]), part="column")
        return call.reshape(column, x.type.shape[:-1], x.type.axes[:-1])
    call.require(x.type.rank >= matrix.ndim, "NMC-I015", f"a matrix of rank {matrix.ndim} puts an axis before {x.type}")
    if any(size != 1 for size in matrix.shape[:-2]):
        why = f"its right operand has shape {list(matrix.shape)}: a matrix for each sample"
        call.require(matrix.ndim < x.type.rank or matrix.shape[0] == 1, "NMC-I015", why)
        return call.emit(MatMul(), x, call.weight("matrix", matrix))
    return call.emit(Dense(), x, call.weight("weight", matrix.reshape(matrix.shape[-2:]).T))
