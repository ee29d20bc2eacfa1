"""How large a folded constant would get, computed before it is computed.

A few bytes of an ONNX file can ask for a constant of any size (Expand, Range, …), so every foldable op has a bound
here; an op without one is not folded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .tensors import Array

Operands = Sequence[Array | None]
Attributes = Mapping[str, Any]
Bound = Callable[[Operands, Attributes], int]


def _given(operands: Operands) -> list[Array]:
    return [array for array in operands if array is not None]


def _integers(array: Array | None) -> list[int]:
    return [] if array is None else [int(size) for size in array.reshape(-1)]


def _first(operands: Operands) -> Array:
    if not operands or operands[0] is None:
        raise ValueError("its first operand is missing")
    return operands[0]


def _total(operands: Operands, attributes: Attributes) -> int:
    """Ops that move or reduce: no more elements than come in."""
    return sum(array.size for array in _given(operands))


def _broadcast(operands: Operands, attributes: Attributes) -> int:
    return math.prod(np.broadcast_shapes(*(array.shape for array in _given(operands))))


def _shape_operand(operands: Operands, attributes: Attributes) -> int:
    return math.prod(_integers(_first(operands)))


def _expand(operands: Operands, attributes: Attributes) -> int:
    have, want = list(reversed(_first(operands).shape)), list(reversed(_integers(operands[1])))
    return math.prod(max(sizes) for sizes in zip(_padded(have, want), _padded(want, have), strict=True))


def _padded(sizes: list[int], other: list[int]) -> list[int]:
    return sizes + [1] * (len(other) - len(sizes))


def _tile(operands: Operands, attributes: Attributes) -> int:
    return _first(operands).size * math.prod(_integers(operands[1]))


def _range(operands: Operands, attributes: Attributes) -> int:
    start, limit, delta = (array.reshape(-1)[0].item() for array in _given(operands))
    return max(0, math.ceil((limit - start) / delta))


def _gather(operands: Operands, attributes: Attributes) -> int:
    data, indices = _given(operands)
    return indices.size * (data.size // max(1, data.shape[attributes.get("axis", 0)]))


def _pad(operands: Operands, attributes: Attributes) -> int:
    pads = list(attributes.get("pads") or _integers(operands[1] if len(operands) > 1 else None))
    data = _first(operands)
    grown = sum(max(0, pad) for pad in pads)
    return math.prod(size + grown for size in data.shape)


def _matmul(operands: Operands, attributes: Attributes) -> int:
    """Elements of the result, or multiplications in units of a thousand, so that the work is bounded too."""
    a, b = _given(operands)[:2]
    inner = max(1, a.shape[0 if attributes.get("transA") else -1])
    products = a.size * b.size // inner
    return max(products // inner, products // 1024)


def _bounds(bound: Bound, ops: str) -> dict[str, Bound]:
    return dict.fromkeys(ops.split(), bound)


BOUNDS: dict[str, Bound] = (
    _bounds(
        _broadcast,
        "Abs Add And Cast CastLike Ceil Clip Cos Div Equal Erf Exp Floor Greater GreaterOrEqual IsInf "
        "IsNaN Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sin "
        "Softplus Softsign Sqrt Sub Sum Tanh Where Xor",
    )
    | _bounds(
        _total,
        "ArgMax ArgMin Concat CumSum DequantizeLinear Flatten GatherElements QuantizeLinear ReduceL2 ReduceMax "
        "ReduceMean ReduceMin ReduceProd ReduceSum Reshape ScatterElements ScatterND Size Slice Softmax Split Squeeze "
        "Transpose Trilu Unsqueeze",
    )
    | _bounds(_matmul, "MatMul Gemm")
    | {
        "ConstantOfShape": _shape_operand,
        "Expand": _expand,
        "Tile": _tile,
        "Range": _range,
        "Gather": _gather,
        "Pad": _pad,
    }
)
