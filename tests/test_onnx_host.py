"""Operators that become host ops, in their spellings, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_host_builds import (
    HEADS,
    IMAGE,
    MS,
    NEW,
    RNG,
    TOKENS,
    Row,
    check_row,
    einsum,
    other,
    positive,
    scaled,
    unary,
)

from onnx_models import Net, check_import

NUMBERS = ["Ceil", "Cos", "Exp", "Floor", "Round", "Sign", "Sin"]
HYPERBOLIC = ["Atan", "Asinh", "Cosh", "Sinh", "Tan"]
UNIT = ["Acos", "Asin", "Atanh", "Log", "Sqrt", "Reciprocal"]
FUNCTIONS: dict[str, Row] = {
    **{op: (IMAGE, 11, unary(op)) for op in (*NUMBERS, *HYPERBOLIC)},
    **{op: (IMAGE, 11, lambda n, x, op=op: n.op(op, positive(n, x))) for op in UNIT},
    "Acosh": (IMAGE, 11, lambda n, x: n.op("Acosh", n.op("Add", positive(n, x), n.const(1.0)))),
    "Pow 0.5": (IMAGE, 13, lambda n, x: n.op("Pow", positive(n, x), n.const(0.5))),
    "Pow -1": (IMAGE, 13, lambda n, x: n.op("Pow", positive(n, x), n.const(-1.0))),
    "Pow 2.5": (IMAGE, 13, lambda n, x: n.op("Pow", positive(n, x), n.const(2.5))),
    "Pow 4, a whole number": (IMAGE, 13, lambda n, x: n.op("Pow", x, n.const(4))),
    "Pow per channel": (IMAGE, 13, lambda n, x: n.op("Pow", positive(n, x), n.weight(4, 1, 1))),
    "Pow of a number": (IMAGE, 13, lambda n, x: n.op("Pow", n.const(2.0), x)),
    "Pow of values": (IMAGE, 13, lambda n, x: n.op("Pow", positive(n, x), other(n, x))),
    "Div of values": (IMAGE, 13, lambda n, x: n.op("Div", x, positive(n, x))),
    "Div of a number": (IMAGE, 13, lambda n, x: n.op("Div", n.const(2.0), positive(n, x))),
    "Max of values": (IMAGE, 13, lambda n, x: n.op("Max", x, other(n, x), n.const(-0.5))),
    "Min of a value and a tensor": (IMAGE, 13, lambda n, x: n.op("Min", x, n.weight(4, 1, 6))),
    "ThresholdedRelu": (IMAGE, 11, unary("ThresholdedRelu", alpha=0.5)),
    "Shrink, hard": (IMAGE, 11, unary("Shrink", lambd=0.5)),
    "Shrink, soft": (IMAGE, 11, unary("Shrink", lambd=0.75, bias=0.75)),
    "Trilu upper": (IMAGE, 14, lambda n, x: n.op("Trilu", x, n.const(np.array(1)))),
    "Trilu lower": (IMAGE, 14, unary("Trilu", upper=0)),
}
NORMS: dict[str, Row] = {
    "Softmax": (TOKENS, 13, unary("Softmax")),
    "Softmax axis 1": (TOKENS, 13, unary("Softmax", axis=1)),
    "Softmax to opset 12": (IMAGE, 11, unary("Softmax")),
    "Softmax to opset 12, axis 2": (IMAGE, 11, unary("Softmax", axis=-2)),
    "Softmax to opset 12, a vector": ((1, 7), 9, unary("Softmax")),
    "LogSoftmax": (TOKENS, 13, unary("LogSoftmax")),
    "LogSoftmax to opset 12": (TOKENS, 11, unary("LogSoftmax", axis=2)),
    "LayerNormalization": (TOKENS, 17, scaled("LayerNormalization", (8,), (8,))),
    "LayerNormalization, scale only": (TOKENS, 17, scaled("LayerNormalization", (8,), epsilon=1e-3)),
    "LayerNormalization, two axes": (TOKENS, 17, scaled("LayerNormalization", (5, 8), (5, 8), axis=-2, stash_type=1)),
    "LayerNormalization, computed scale": (TOKENS, 17, lambda n, x: n.op("LayerNormalization", x, other(n, x))),
    "RMSNormalization": (TOKENS, 23, scaled("RMSNormalization", (8,))),
    "InstanceNormalization": (IMAGE, 9, scaled("InstanceNormalization", (4,), (4,), epsilon=1e-2)),
    "GroupNormalization": (IMAGE, 21, scaled("GroupNormalization", (4,), (4,), num_groups=2)),
    "LpNormalization": (TOKENS, 11, unary("LpNormalization")),
    "LpNormalization p 1": (TOKENS, 11, unary("LpNormalization", p=1, axis=1)),
    "LpNormalization of zeros": (
        TOKENS,
        11,
        lambda n, x: n.op("LpNormalization", n.op("Mul", x, n.const(np.eye(5, 8, dtype=np.float32)))),
    ),
    "LRN": (IMAGE, 13, unary("LRN", size=3, alpha=0.5, bias=2.0)),
    "MeanVarianceNormalization": (IMAGE, 13, unary("MeanVarianceNormalization", axes=[2, 3])),
}
REDUCED: dict[str, Row] = {
    "ReduceL2": (IMAGE, 13, unary("ReduceL2", axes=[2, 3])),
    "ReduceLogSumExp": (IMAGE, 13, unary("ReduceLogSumExp", axes=[1])),
    "ReduceLogSumExp keepdims 0": (IMAGE, 13, unary("ReduceLogSumExp", axes=[2, 3], keepdims=0)),
    "ReduceLogSum": (IMAGE, 13, lambda n, x: n.op("ReduceLogSum", positive(n, x), axes=[3])),
    "ReduceProd": (IMAGE, 13, unary("ReduceProd", axes=[3])),
    "ReduceProd keepdims 0": (IMAGE, 13, unary("ReduceProd", axes=[1, 2], keepdims=0)),
    "CumSum": (IMAGE, 14, lambda n, x: n.op("CumSum", x, n.const(np.array(2)))),
    "CumSum reverse, exclusive": (
        IMAGE,
        14,
        lambda n, x: n.op("CumSum", x, n.const(np.array(-1)), reverse=1, exclusive=1),
    ),
}
PRODUCTS: dict[str, Row] = {
    "MatMul of values": (TOKENS, 13, lambda n, x: n.op("MatMul", x, n.op("Transpose", other(n, x), perm=[0, 2, 1]))),
    "MatMul, heads": (HEADS, 13, lambda n, x: n.op("MatMul", n.op("Transpose", x, perm=[0, 1, 3, 2]), other(n, x))),
    "MatMul, shared head": (
        HEADS,
        13,
        lambda n, x: n.op("MatMul", x, n.op("Transpose", n.slice(x, [0], [1], [1]), perm=[0, 1, 3, 2])),
    ),
    "MatMul, constant left": (TOKENS, 13, lambda n, x: n.op("MatMul", n.weight(3, 5), x)),
    "MatMul, several constants left": (HEADS, 13, lambda n, x: n.op("MatMul", n.weight(2, 3, 5), x)),
    "MatMul, several constants right": (HEADS, 13, lambda n, x: n.op("MatMul", x, n.weight(1, 2, 4, 3))),
    "MatMul, vector": (TOKENS, 13, lambda n, x: n.op("MatMul", x, n.weight(8))),
    "Gemm with a computed C": ((1, 6), 13, lambda n, x: n.op("Gemm", x, n.weight(6, 6), other(n, x), beta=0.5)),
    "Einsum, attention scores": (HEADS, 13, einsum("bhid,bhjd->bhij")),
    "Einsum, heads last": ((1, 5, 2, 4), 13, einsum("bihd,bjhd->bhij")),
    "Einsum, linear": (TOKENS, 13, einsum("bnc,cd->bnd", 8, 3)),
    "Einsum, a matrix a head": (HEADS, 13, einsum("bhwc,hkc->bhwk", 2, 3, 4)),
    "Einsum, constant left": (TOKENS, 13, lambda n, x: n.op("Einsum", n.weight(3, 5), x, equation="on,bnc->boc")),
    "Einsum, dots": (HEADS, 13, einsum("...id,...jd->...ij")),
    "Einsum, product": (TOKENS, 13, einsum("bnc,bnc->bnc")),
    "Einsum, sum of one": (HEADS, 13, lambda n, x: n.op("Einsum", x, equation="bhij->bjh")),
    "Einsum, sums": (TOKENS, 13, einsum("bnc,bmc->bm")),
    "Einsum, implicit": (TOKENS, 13, einsum("anc,cd", 8, 3)),
}
PICKS: dict[str, Row] = {
    "GatherElements": (
        TOKENS,
        13,
        lambda n, x: n.op("GatherElements", x, n.const(RNG.integers(-5, 5, (1, 3, 8))), axis=1),
    ),
    "GatherND": (IMAGE, 13, lambda n, x: n.op("GatherND", x, n.const([[[0, 1], [-1, 4], [2, 0]]]), batch_dims=1)),
    "Slice backwards": (TOKENS, 13, lambda n, x: n.slice(x, [-1, 7], [-9, 1], [1, 2], [-1, -2])),
    "Where, a number": (IMAGE, 13, lambda n, x: n.op("Where", n.const(np.tri(5, 6) > 0), x, n.const(-2.0))),
    "Where, a tensor first": (IMAGE, 13, lambda n, x: n.op("Where", n.const(np.tri(5, 6) > 0), n.weight(5, 6), x)),
    "Where of values": (IMAGE, 13, lambda n, x: n.op("Where", n.const(np.tri(5, 6) > 0), x, other(n, x))),
    "Where, grows": ((1, 4, 1, 6), 13, lambda n, x: n.op("Where", n.const(np.tri(5, 6) > 0), x, n.const(1.5))),
    "Where, hidden": (
        TOKENS,
        13,
        lambda n, x: n.op("Softmax", n.op("Where", n.const(np.tri(5, 8) > 0), x, n.const(-np.inf))),
    ),
    "Add of a mask": (
        TOKENS,
        13,
        lambda n, x: n.op("Softmax", n.op("Add", n.const(np.where(np.tri(5, 8) > 0, 0.5, -np.inf)), x)),
    ),
    "ConvTranspose, output_shape": (
        IMAGE,
        13,
        lambda n, x: n.op("ConvTranspose", x, n.weight(4, 2, 3, 3), strides=[2, 2], output_shape=[10, 12]),
    ),
    "ConvTranspose, SAME_UPPER": (
        IMAGE,
        13,
        lambda n, x: n.op("ConvTranspose", x, n.weight(4, 2, 4, 4), strides=[2, 3], auto_pad="SAME_UPPER"),
    ),
    "ConvTranspose, SAME_LOWER": (
        IMAGE,
        13,
        lambda n, x: n.op("ConvTranspose", x, n.weight(4, 2, 4, 4), strides=[3, 2], auto_pad="SAME_LOWER"),
    ),
}


FUSED: dict[str, Row] = {
    "Gelu": (TOKENS, 17, unary("Gelu", **MS)),
    "FastGelu": (TOKENS, 17, scaled("FastGelu", (8,), **MS)),
    "FastGelu without a bias": (TOKENS, 17, unary("FastGelu", **MS)),
    "BiasGelu": (TOKENS, 17, scaled("BiasGelu", (8,), **MS)),
    "QuickGelu": (TOKENS, 17, unary("QuickGelu", **MS)),
    "FusedConv Relu": (IMAGE, 17, scaled("FusedConv", (2, 4, 3, 3), (2,), activation="Relu", **MS)),
    "FusedConv Clip": (
        IMAGE,
        17,
        scaled("FusedConv", (2, 4, 3, 3), (2,), activation="Clip", activation_params=[-0.5, 0.5], **MS),
    ),
    "FusedConv LeakyRelu": (
        IMAGE,
        17,
        scaled("FusedConv", (2, 4, 3, 3), (2,), activation="LeakyRelu", activation_params=[0.25], **MS),
    ),
    "FusedConv with a sum": (
        IMAGE,
        17,
        lambda n, x: n.op("FusedConv", x, n.weight(4, 4, 1, 1), n.weight(4), other(n, x), activation="Relu", **MS),
    ),
    "FusedGemm": ((1, 6), 17, scaled("FusedGemm", (6, 3), (3,), activation="Tanh", **MS)),
    "FusedMatMul": (TOKENS, 17, scaled("FusedMatMul", (3, 8), transB=1, alpha=0.5, **MS)),
    "FusedMatMul of values": (TOKENS, 17, lambda n, x: n.op("FusedMatMul", x, other(n, x), transA=1, alpha=0.25, **MS)),
    "SkipLayerNormalization": (
        TOKENS,
        17,
        lambda n, x: n.op(
            "SkipLayerNormalization", x, other(n, x), *(n.weight(8) for _ in range(3)), epsilon=1e-5, **MS
        ),
    ),
    "SkipSimplifiedLayerNormalization": (
        TOKENS,
        17,
        lambda n, x: n.op("SkipSimplifiedLayerNormalization", x, other(n, x), n.weight(8), epsilon=1e-5, **MS),
    ),
}
TABLES = {"function": FUNCTIONS, "norm": NORMS, "reduce": REDUCED, "product": PRODUCTS, "pick": PICKS, "fused": FUSED}
ROWS = {f"{table}: {name}": row for table, rows in TABLES.items() for name, row in rows.items()}


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[1] <= NEW])
def test_equals_onnxruntime(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_row(ROWS[name], tmp_path_factory.getbasetemp())


def test_a_norm_keeps_the_letters_of_its_input(tmp_path: Path) -> None:
    net = Net(21)
    x = net.op("Conv", net.input("x", (1, 4, 3, 5, 5)), net.weight(4, 4, 3, 3, 3), pads=[1] * 6)
    net.output(net.op("GroupNormalization", x, net.weight(4), net.weight(4), num_groups=2))
    graph = check_import(net, tmp_path)
    (y,) = graph.outputs.values()
    assert y.type.axes == "NCTHW"
