"""The forms of operators that docs/reference/coverage.md lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Form:
    """One way to use an operator.

    operands    X is what the network computed before; a tuple is the shape of weights; anything else is the constant
    before      what stands in front: relu (a layer and ReLU), layer, pooled (a layer, ReLU and a global average pool),
                or nothing (the operator reads the input)
    used        which output is read on
    codes       where quantizers stand: before the operator, behind it, both; or dynamic ones; see _quantized
    """

    X: ClassVar[Any] = object()

    op: str
    what: str
    operands: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    data: str = "image"
    before: str = "relu"
    opset: int = 17
    outputs: int = 1
    used: int = 0
    codes: str = ""


X = Form.X


def _form(op: str, what: str, *more: Any, attributes: dict[str, Any] | None = None, **settings: Any) -> Form:
    return Form(op, what, (X, *more), attributes or {}, **settings)


def _activation(op: str, what: str = "default", *more: Any, opset: int = 17, **attributes: Any) -> Form:
    return _form(op, what, *more, attributes=attributes, before="layer", opset=opset)


def _window(op: str, what: str, *more: Any, data: str = "image", opset: int = 17, **attributes: Any) -> Form:
    return _form(op, what, *more, attributes=attributes, data=data, opset=opset)


_K = (4, 4, 3, 3)
CONVS = [
    _window("Conv", "2-D", _K, (4,)),
    _window("Conv", "pads", _K, pads=[1, 1, 1, 1]),
    _window("Conv", "pads, asymmetric", _K, pads=[1, 0, 0, 2]),
    _window("Conv", "strides", _K, pads=[1, 1, 1, 1], strides=[2, 2]),
    _window("Conv", "dilations", _K, pads=[2, 2, 2, 2], dilations=[2, 2]),
    _window("Conv", "group = channels", (4, 1, 3, 3), pads=[1, 1, 1, 1], group=4),
    _window("Conv", "group = 2", (4, 2, 3, 3), pads=[1, 1, 1, 1], group=2),
    _window("Conv", "auto_pad SAME_UPPER", _K, auto_pad="SAME_UPPER", strides=[2, 2]),
    _window("Conv", "auto_pad SAME_LOWER", _K, auto_pad="SAME_LOWER", strides=[2, 2]),
    _window("Conv", "kernel_shape 1 × 1", (4, 4, 1, 1), kernel_shape=[1, 1]),
    _window("Conv", "kernel 5 × 5", (4, 4, 5, 5), pads=[2, 2, 2, 2]),
    _window("Conv", "1-D", (4, 4, 3), data="line", pads=[1, 1]),
    _window("Conv", "3-D, causal", (4, 4, 3, 3, 3), data="clip", pads=[2, 1, 1, 0, 1, 1]),
    _window("Conv", "3-D, symmetric", (4, 4, 3, 3, 3), data="clip", pads=[1] * 6),
    _window("ConvTranspose", "2-D", (4, 4, 2, 2), strides=[2, 2], kernel_shape=[2, 2]),
    _window("ConvTranspose", "pads, output_padding", _K, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
    _window("ConvTranspose", "group", (4, 1, 2, 2), strides=[2, 2], group=4),
    _window("ConvTranspose", "dilations", _K, dilations=[2, 2]),
    _window("ConvTranspose", "output_shape", (4, 4, 2, 2), strides=[2, 2], output_shape=[16, 16]),
    _window("ConvTranspose", "auto_pad SAME_UPPER", _K, strides=[2, 2], auto_pad="SAME_UPPER"),
    _window("Gemm", "default", (4, 5), (5,), data="vector"),
    _window("Gemm", "transB", (5, 4), data="vector", transB=1),
    _window("Gemm", "transA", (4, 5), data="vector", transA=1),
    _window("Gemm", "alpha, beta", (4, 5), (5,), data="vector", alpha=0.5, beta=2.0),
    _window("MatMul", "rank 2", (4, 5), data="vector"),
    _window("MatMul", "rank 3", (8, 5), data="line"),
]
_REDUCE = ("ReduceL1", "ReduceSumSquare", "ReduceMax", "ReduceMin")
_POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
POOLS = [
    _window("MaxPool", "2 × 2", **_POOL),
    _window("MaxPool", "pads", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
    _window("MaxPool", "dilations", kernel_shape=[2, 2], dilations=[2, 2]),
    _window("MaxPool", "ceil_mode", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    _window("MaxPool", "auto_pad SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    _window("MaxPool", "over time", data="clip", kernel_shape=[2, 1, 1], strides=[2, 1, 1]),
    _form("MaxPool", "indices", attributes=_POOL | {"storage_order": 1}, outputs=2, used=1),
    _window("AveragePool", "2 × 2", **_POOL),
    _window("AveragePool", "pads", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
    _window("AveragePool", "count_include_pad", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1),
    _window("AveragePool", "ceil_mode", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    _window("AveragePool", "dilations", kernel_shape=[2, 2], dilations=[2, 2], opset=19),
    _window("AveragePool", "auto_pad SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    _window("GlobalAveragePool", "2-D"),
    _window("GlobalAveragePool", "3-D", data="clip"),
    _window("GlobalMaxPool", "2-D"),
    _window("ReduceMean", "axes 2, 3", axes=[2, 3]),
    _window("ReduceMean", "keepdims 0", axes=[2, 3], keepdims=0),
    _window("ReduceMean", "axis 1 (channels)", axes=[1]),
    _window("ReduceMean", "axis 2 (time)", data="clip", axes=[2]),
    _form("ReduceMean", "noop_with_empty_axes", attributes={"noop_with_empty_axes": 1}, opset=18),
    _window("ReduceMean", "axis 0 (samples)", axes=[0]),
    _form("ReduceSum", "axes 2, 3", [2, 3]),
    _form("ReduceSum", "keepdims 0", [2, 3], attributes={"keepdims": 0}),
    _form("ReduceSum", "noop_with_empty_axes", attributes={"noop_with_empty_axes": 1}),
    *(_window(op, "axes 2, 3", axes=[2, 3]) for op in _REDUCE),
    *(_window(op, "keepdims 0", axes=[2, 3], keepdims=0) for op in _REDUCE),
    *(_form(op, "noop_with_empty_axes", attributes={"noop_with_empty_axes": 1}, opset=18) for op in _REDUCE),
    _window("ReduceMax", "axis 1 (channels), keepdims 0", axes=[1], keepdims=0),
]
_NORM = ((4,), (4,), (4,), [1.0, 0.5, 2.0, 1.0])
ELEMENTWISE = [
    *(_activation(op) for op in ("Relu", "Sigmoid", "Tanh", "Erf", "Softplus", "Softsign", "HardSwish")),
    *(_activation(op) for op in ("Elu", "Celu", "Selu", "LeakyRelu", "HardSigmoid")),
    *(_activation(op) for op in ("Abs", "Neg", "Identity", "Dropout")),
    _activation("LeakyRelu", "alpha", alpha=0.125),
    _activation("Elu", "alpha", alpha=0.5),
    _activation("Celu", "alpha", alpha=0.5),
    _activation("Selu", "alpha, gamma", alpha=1.5, gamma=1.25),
    _activation("HardSigmoid", "alpha, beta", alpha=0.25, beta=0.25),
    _activation("Gelu", opset=20),
    _activation("Gelu", "approximate tanh", opset=20, approximate="tanh"),
    _activation("Mish", opset=18),
    _activation("Swish", opset=24),
    _activation("Swish", "alpha", opset=24, alpha=1.5),
    _activation("PRelu", "one slope", [0.25]),
    _activation("PRelu", "slope a channel", (4, 1, 1)),
    _activation("Clip", "0 to 6", 0.0, 6.0),
    _activation("Clip", "min only", 0.0),
    _form("Max", "with a number", 0.5),
    _form("Min", "with a number", 0.5),
    _form("BatchNormalization", "behind ReLU", *_NORM),
    _form("BatchNormalization", "behind a layer, epsilon", *_NORM, attributes={"epsilon": 1e-3}, before="layer"),
    _form("BatchNormalization", "training_mode", *_NORM, attributes={"training_mode": 1}, outputs=3),
    Form("Add", "two computed values", (X, X)),
    _form("Add", "a constant", (4, 1, 1)),
    Form("Sub", "two computed values", (X, X)),
    _form("Sub", "a constant", (4, 1, 1)),
    Form("Mul", "two computed values (gate)", (X, X)),
    _form("Mul", "a constant", (4, 1, 1)),
    _form("Div", "a constant", 4.0),
    _form("Pow", "exponent 2", 2.0),
    Form("Sum", "of computed values", (X, X, X)),
    Form("Mean", "of computed values", (X, X)),
    Form("SwiGLU", "default", (X, X), opset=28),
    Form("SwiGLU", "alpha", (X, X), {"alpha": 1.5}, opset=28),
    _form("Cast", "to FLOAT16", attributes={"to": 10}),
    _form("Cast", "to INT64", attributes={"to": 7}),
    _form("CastLike", "like a float", [1.0]),
]
SHAPES = [
    Form("Concat", "axis 1 (channels)", (X, X), {"axis": 1}),
    Form("Concat", "axis 2", (X, X), {"axis": 2}),
    Form("Concat", "axis 2 (time), zeros in front", ([[[[[0.0] * 8] * 8]] * 4], X), {"axis": 2}, data="clip"),
    Form("Concat", "axis 0 (samples)", (X, X), {"axis": 0}),
    _form("Flatten", "axis 1"),
    _form("Flatten", "axis 2", attributes={"axis": 2}),
    _form("Reshape", "(1, −1)", [1, -1]),
    _form("Reshape", "(0, 2, 2, 8, 8)", [0, 2, 2, 8, 8]),
    _form("Reshape", "allowzero", [1, 4, 64], attributes={"allowzero": 1}),
    _form("Reshape", "frames into the batch", [6, 4, 8, 8], data="clip"),
    _form("Squeeze", "after a pool", [2, 3], before="pooled"),
    _form("Unsqueeze", "axis 2", [2], data="vector"),
    _form("Transpose", "channels last", attributes={"perm": [0, 2, 3, 1]}),
    _form("Transpose", "samples", attributes={"perm": [1, 0, 2, 3]}),
    _form("Pad", "zeros", [0, 0, 1, 1, 0, 0, 1, 1]),
    _form("Pad", "another value", [0, 0, 1, 1, 0, 0, 1, 1], 0.5),
    _form("Pad", "negative", [0, 0, -1, -1, 0, 0, -1, -1]),
    _form("Pad", "mode edge", [0, 0, 1, 1, 0, 0, 1, 1], attributes={"mode": "edge"}),
    _form("Pad", "mode reflect", [0, 0, 1, 1, 0, 0, 1, 1], attributes={"mode": "reflect"}),
    _form("Pad", "mode wrap", [0, 0, 1, 1, 0, 0, 1, 1], attributes={"mode": "wrap"}, opset=19),
    _form("Slice", "channels", [0], [2], [1]),
    _form("Slice", "steps 2", [0], [8], [2], [2]),
    _form("Slice", "steps −1", [-1], [-9], [2], [-1]),
    _form("Split", "channels", attributes={"axis": 1}, outputs=2),
    _form("Split", "sizes", [1, 3], attributes={"axis": 1}, outputs=2, used=1),
    _form("Split", "num_outputs", attributes={"axis": 1, "num_outputs": 2}, outputs=2, opset=18),
    _form("Gather", "one index", 1, attributes={"axis": 1}),
    _form("Gather", "even steps", [0, 2], attributes={"axis": 1}),
    _form("Gather", "another order", [0, 2, 1, 3], attributes={"axis": 1}),
    _form("Expand", "to itself", [1, 4, 8, 8]),
    _form("Expand", "axes of length 1", [1, 4, 2, 2], before="pooled"),
    _form("Tile", "twice", [1, 1, 2, 1]),
    _form("DepthToSpace", "mode DCR", attributes={"blocksize": 2}),
    _form("DepthToSpace", "mode CRD", attributes={"blocksize": 2, "mode": "CRD"}),
    _form("SpaceToDepth", "mode DCR", attributes={"blocksize": 2}),
    _form("SpaceToDepth", "mode CRD", attributes={"blocksize": 2, "mode": "CRD"}, opset=28),
    _form("Shape", "as an output", before="nothing"),
    _form("Size", "as an output", before="nothing"),
]
_TWICE = (None, [1.0, 1.0, 2.0, 2.0])
_FLOOR = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
RESIZES = [
    _form("Resize", "nearest, twice (PyTorch)", *_TWICE, attributes=_FLOOR),
    _form("Resize", "nearest, by sizes", None, None, [1, 4, 16, 16], attributes=_FLOOR),
    _form("Resize", "nearest, axes", None, [2.0, 2.0], attributes=_FLOOR | {"axes": [2, 3]}, opset=18),
    _form("Resize", "nearest, half", None, [1.0, 1.0, 0.5, 0.5], attributes=_FLOOR),
    _form("Resize", "nearest, 1.5 times", None, [1.0, 1.0, 1.5, 1.5], attributes=_FLOOR),
    _form("Resize", "mode linear", *_TWICE, attributes={"mode": "linear"}),
    _form("Resize", "mode linear, align_corners", None, None, [1, 4, 16, 16],
          attributes={"mode": "linear", "coordinate_transformation_mode": "align_corners"}),
    _form("Resize", "mode cubic", *_TWICE, attributes={"mode": "cubic"}),
    _form("Resize", "mode cubic, inside", *_TWICE,
          attributes={"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1}),
    _form("Resize", "tf_crop_and_resize", [0.0] * 4 + [1.0] * 4, [1.0, 1.0, 2.0, 2.0],
          attributes={"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}),
    _form("Resize", "antialias", *_TWICE, attributes={"mode": "linear", "antialias": 1}, opset=18),
    _form("Resize", "keep_aspect_ratio_policy", None, None, [1, 4, 16, 16],
          attributes=_FLOOR | {"keep_aspect_ratio_policy": "not_larger"}, opset=18),
    _form("Upsample", "nearest, twice", [1.0, 1.0, 2.0, 2.0], opset=9),
    _form("Upsample", "mode linear", [1.0, 1.0, 2.0, 2.0], attributes={"mode": "linear"}, opset=9),
]  # fmt: skip


def _recurrent(op: str, what: str, gates: int, sides: int = 1, bias: bool = False, **attributes: Any) -> Form:
    """A recurrent layer over three frames of eight numbers, with 4 units."""
    weights = [(sides, 4 * gates, 8), (sides, 4 * gates, 4), *([(sides, 8 * gates)] if bias else [])]
    given = {"layout": 1, "hidden_size": 4, **attributes}
    return _form(op, what, *weights, attributes=given, data="line", before="", outputs=3 if op == "LSTM" else 2)


RECURRENT = [
    _recurrent("LSTM", "layout 1", 4),
    _recurrent("LSTM", "layout 1, bias", 4, bias=True),
    _recurrent("LSTM", "direction reverse", 4, direction="reverse"),
    _recurrent("LSTM", "direction bidirectional", 4, 2, direction="bidirectional"),
    _recurrent("LSTM", "activations", 4, activations=["HardSigmoid", "Tanh", "Tanh"]),
    _recurrent("LSTM", "activation_alpha, activation_beta", 4, activation_alpha=[0.2], activation_beta=[0.5]),
    _recurrent("LSTM", "clip", 4, clip=3.0),
    _recurrent("LSTM", "input_forget", 4, input_forget=1),
    _recurrent("GRU", "layout 1", 3),
    _recurrent("GRU", "linear_before_reset", 3, linear_before_reset=1),
    _recurrent("GRU", "direction bidirectional", 3, 2, direction="bidirectional"),
    _recurrent("GRU", "activations", 3, activations=["HardSigmoid", "Tanh"]),
    _recurrent("GRU", "activation_alpha, activation_beta", 3, activation_alpha=[0.2], activation_beta=[0.5]),
    _recurrent("GRU", "clip", 3, clip=3.0),
    _recurrent("RNN", "layout 1", 1),
    _recurrent("RNN", "activations Relu", 1, activations=["Relu"]),
    _recurrent("RNN", "direction reverse", 1, direction="reverse"),
    _recurrent("RNN", "activations", 1, activations=["Affine"]),
    _recurrent("RNN", "activation_alpha, activation_beta", 1, activation_alpha=[0.2], activation_beta=[0.5]),
    _recurrent("RNN", "clip", 1, clip=3.0),
]
STREAMS = [
    Form("CausalConvWithState", what, (X, (4, 1, 4), *more), given, data="line", opset=27, outputs=2)
    for what, more, given in (
        ("no past", (), {}),
        ("a bias, a past of 0", ((4,), [4 * [3 * [0.0]]]), {}),
        ("activation silu", (), {"activation": "silu"}),
    )
]
REFUSED = [
    _form("LpPool", "2 × 2", attributes=_POOL),
    _form("ArgMax", "default"),
    Form("Greater", "a constant", (X, 0.5)),
    _form("GridSample", "default", (1, 3, 3, 2), opset=20),
    _form("Hardmax", "default"),
    _form("TopK", "default", [1], outputs=2),
    _form("QuantizeLinear", "default", 0.5),
]
FORMS = [*CONVS, *POOLS, *ELEMENTWISE, *SHAPES, *RESIZES, *RECURRENT, *STREAMS, *REFUSED]

# Attributes that say nothing about what is computed from the first output, or that other attributes switch on.
WITHOUT_FORM = {
    "BatchNormalization": {"momentum"},
    "Cast": {"saturate", "round_mode"},
    "CastLike": {"saturate", "round_mode"},
    "Dropout": {"seed"},
    "Resize": {"extrapolation_value"},
    "Shape": {"start", "end"},
}
