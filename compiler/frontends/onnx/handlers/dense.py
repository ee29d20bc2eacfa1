"""Gemm and MatMul: layers that multiply by a constant matrix."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ir.ops import Dense
from ...common.emit import Array, as_float32
from ..call import Call


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
    bias = _gemm_bias(call, len(rows))
    w = call.weight("weight", _scaled(rows, alpha))
    b = None if bias is None else call.weight("bias", bias)
    x = call.value()
    call.require(x.type.rank == 2, "NMC-I012", f"Gemm takes an input of rank 2, this one is {x.type}")
    return call.emit(Dense(), x, w, b)


def matmul(call: Call) -> Value:
    """y = x · B over the last axis of x, which may have any rank."""
    left = call.operand(0)
    if isinstance(left, np.ndarray):
        why = "its left operand is the constant one: the product would run over the second to last axis"
        call.require(False, "NMC-I011", why, "write it as Linear (x @ W), with a transpose around it")
    matrix = call.constant(1, "right operand")
    call.require(matrix.ndim >= 2, "NMC-I011", f"its right operand has shape {list(matrix.shape)}, a matrix is needed")
    whole = all(size == 1 for size in matrix.shape[:-2])
    call.require(whole, "NMC-I011", f"its right operand has shape {list(matrix.shape)}: several matrices")
    w = call.weight("weight", matrix.reshape(matrix.shape[-2:]).T)
    x = call.value()
    call.require(x.type.rank >= matrix.ndim, "NMC-I015", f"a matrix of rank {matrix.ndim} puts an axis before {x.type}")
    return call.emit(Dense(), x, w)
