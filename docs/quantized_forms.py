"""The forms of operators on codes of a quantizer, for docs/reference/coverage.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from operator_forms import Form

X = Form.X
_RNG = np.random.default_rng(0)
_SCALE, _WEIGHT_SCALE = np.float32(0.05), np.float32(0.004)
_ZERO, _WEIGHT_ZERO = np.uint8(128), np.int8(0)
_CODE = (_SCALE, _ZERO)
_EACH = (np.full(4, 0.004, np.float32), np.zeros(4, np.int8))


def _integers(*shape: int) -> Any:
    return _RNG.integers(-127, 128, shape).astype(np.int8)


def _conv(what: str, weight: Any, code: Any = (_WEIGHT_SCALE, _WEIGHT_ZERO), **attributes: Any) -> Form:
    return Form("QLinearConv", what, (X, *_CODE, weight, *code, *_CODE), attributes, codes="both")


def _integer_conv(what: str, weight: Any, **attributes: Any) -> Form:
    return Form("ConvInteger", what, (X, weight, None), attributes, codes="dynamic")


_SPELLINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "pads, strides": {"pads": [1, 1, 1, 1], "strides": [2, 2]},
    "dilations": {"dilations": [2, 2]},
    "auto_pad, kernel_shape": {"auto_pad": "SAME_UPPER", "kernel_shape": [3, 3]},
}
_ROW = (np.full(4, 0.05, np.float32), np.full(4, 128, np.uint8))
QUANTIZED_FORMS = [
    *(_conv(what, _integers(4, 4, 3, 3), **attributes) for what, attributes in _SPELLINGS.items()),
    _conv("a scale for each channel", _integers(4, 4, 3, 3), _EACH),
    _conv("group = channels", _integers(4, 1, 3, 3), group=4),
    *(_integer_conv(what, _integers(4, 4, 3, 3), **attributes) for what, attributes in _SPELLINGS.items()),
    _integer_conv("group = channels", _integers(4, 1, 3, 3), group=4),
    Form("DynamicQuantizeLinear", "in front of ConvInteger", (X,), codes="behind dynamic"),
    Form("QLinearMatMul", "constant matrix", (X, *_CODE, _integers(4, 5), _WEIGHT_SCALE, _WEIGHT_ZERO, *_CODE),
         data="vector", codes="both"),
    Form("MatMulInteger", "constant matrix", (X, _integers(4, 5), None), data="vector", codes="dynamic"),
    Form("QuantizeLinear", "a tensor", (X, *_CODE), codes="behind"),
    Form("QuantizeLinear", "output_dtype", (X, _SCALE), {"output_dtype": 2}, codes="behind", opset=21),
    Form("QuantizeLinear", "block_size", (X, np.full((1, 4, 4, 8), 0.05, np.float32)), {"block_size": 2, "axis": 2},
         codes="behind", opset=21),
    Form("DequantizeLinear", "a tensor", (X, *_CODE), codes="before"),
    Form("DequantizeLinear", "axis 1 (channels)", (X, *_ROW), {"axis": 1}, codes="before channels"),
    Form("DequantizeLinear", "block_size", (X, np.full((1, 4, 4, 8), 0.05, np.float32)), {"block_size": 2, "axis": 2},
         codes="before", opset=21),
]  # fmt: skip
QUANTIZED_WITHOUT_FORM = {
    "QuantizeLinear": {"saturate", "precision"},
    "DequantizeLinear": {"output_dtype"},
}
