"""Operators that become host ops, in their spellings, against onnxruntime; and why others are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from nmc.compiler.diagnostics import Exit
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import evaluate
from onnx_models import Net, check_import, feeds_for, newest_opset, refusal

Shape = tuple[int, ...]
Build = Callable[[Net, str], str]
IMAGE, TOKENS, HEADS = (1, 4, 5, 6), (1, 5, 8), (1, 2, 5, 4)
NEW = newest_opset()
MS = {"domain": "com.microsoft"}
RNG = np.random.default_rng(9)


def unary(op: str, **attributes: Any) -> Build:
    return lambda n, x: n.op(op, x, **attributes)


def positive(n: Net, x: str) -> str:
    """Between 0.1 and 0.9."""
    scaled = n.op("Mul", n.op("Sigmoid", x), n.const(0.8))
    return n.op("Add", scaled, n.const(0.1))


def scaled(op: str, *shapes: Shape, **attributes: Any) -> Build:
    return lambda n, x: n.op(op, x, *(n.weight(*shape) for shape in shapes), **attributes)


def other(n: Net, x: str) -> str:
    """Another computed value of the same shape."""
    return n.op("Tanh", n.op("Mul", x, n.const(0.5)))


def einsum(equation: str, *weight: int) -> Build:
    """Of two computed values, or a computed one and a weight."""
    return lambda n, x: n.op("Einsum", x, n.weight(*weight) if weight else other(n, x), equation=equation)


NUMBERS = ["Ceil", "Cos", "Exp", "Floor", "Round", "Sign", "Sin"]
HYPERBOLIC = ["Atan", "Asinh", "Cosh", "Sinh", "Tan"]
UNIT = ["Acos", "Asin", "Atanh", "Log", "Sqrt", "Reciprocal"]
FUNCTIONS: dict[str, tuple[Shape, int, Build]] = {
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
NORMS: dict[str, tuple[Shape, int, Build]] = {
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
REDUCED: dict[str, tuple[Shape, int, Build]] = {
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
PRODUCTS: dict[str, tuple[Shape, int, Build]] = {
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
PICKS: dict[str, tuple[Shape, int, Build]] = {
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


def attend(*more: Any, heads: int = 0, kv_heads: int = 0, **attributes: Any) -> Build:
    """Attention with computed query, keys and values, all made of one input."""
    if heads:
        attributes |= {"q_num_heads": heads, "kv_num_heads": kv_heads or heads}

    def build(n: Net, x: str) -> str:
        keys, values = other(n, x), n.op("Neg", x)
        if kv_heads:
            keys, values = (n.op("MatMul", y, n.weight(8, 8 * kv_heads // heads)) for y in (keys, values))
        rest = ["" if m is None else n.const(m) for m in more]
        return n.op("Attention", x, keys, values, *rest, **attributes)

    return build


BIAS = RNG.normal(size=(5, 5))
HIDDEN = np.where(np.tri(5) > 0, BIAS, -np.inf)
ATTENTION: dict[str, tuple[Shape, int, Build]] = {
    "4-D": (HEADS, 23, attend()),
    "3-D": (TOKENS, 23, attend(heads=2)),
    "scale": (HEADS, 23, attend(scale=0.75)),
    "causal": (HEADS, 23, attend(is_causal=1)),
    "softcap": (HEADS, 23, attend(softcap=2.0)),
    "mask": (HEADS, 23, attend(BIAS)),
    "mask of heads": (HEADS, 23, attend(RNG.normal(size=(2, 5, 5)))),
    "BOOL mask": (HEADS, 23, attend(np.tri(5, dtype=np.bool_))),
    "hidden": (HEADS, 23, attend(HIDDEN)),
    "causal and masked": (HEADS, 23, attend(BIAS, is_causal=1)),
    "groups of heads": (TOKENS, 23, attend(heads=4, kv_heads=2)),
}


def rotary(rank: int, **attributes: Any) -> Build:
    def build(n: Net, x: str) -> str:
        half = attributes.get("rotary_embedding_dim", 4) // 2
        angles = RNG.normal(size=(9, half))
        return n.op(
            "RotaryEmbedding",
            x,
            n.const(np.cos(angles)),
            n.const(np.sin(angles)),
            n.const([[1, 0, 3, 4, 8]]),
            **attributes,
        )

    return build


ROTARY: dict[str, tuple[Shape, int, Build]] = {
    "RotaryEmbedding": (HEADS, 23, rotary(4)),
    "RotaryEmbedding 3-D": (TOKENS, 23, rotary(3, num_heads=2)),
    "RotaryEmbedding interleaved": (HEADS, 23, rotary(4, interleaved=1)),
    "RotaryEmbedding, part of a head": (HEADS, 23, rotary(4, rotary_embedding_dim=2)),
}
FUSED: dict[str, tuple[Shape, int, Build]] = {
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
TABLES = {"function": FUNCTIONS, "norm": NORMS, "reduce": REDUCED, "product": PRODUCTS, "pick": PICKS, "fused": FUSED,
          "attention": ATTENTION, "rotary": ROTARY}  # fmt: skip
ROWS = {f"{table}: {name}": row for table, rows in TABLES.items() for name, row in rows.items()}


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[1] <= NEW])
def test_equals_onnxruntime(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    shape, opset, build = ROWS[name]
    net = Net(opset)
    net.output(build(net, net.input("x", shape)))
    check_import(net, tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("mode", range(4))
def test_scores_of_attention(mode: int, tmp_path: Path) -> None:
    """Its fourth output, in the order that opset 24 defines, of a query that sees no key too."""
    net = Net(24)
    x = net.input("x", HEADS)
    keep = np.tri(5, dtype=np.bool_)
    keep[2] = False
    cap = {"softcap": 2.0} if mode else {}
    y = net.op("Attention", x, other(net, x), x, net.const(keep), outputs=4, qk_matmul_output_mode=mode, **cap)
    net.output(y)
    net.output(f"{y}.3")
    (tmp_path / "m.onnx").write_bytes(net.proto().SerializeToString())
    graph = import_onnx(tmp_path / "m.onnx")
    feeds = feeds_for(graph, samples=1)
    wanted = ReferenceEvaluator(net.proto()).run(None, feeds)
    for got, expected in zip(evaluate(graph, feeds).values(), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


REFUSED: dict[str, tuple[str, str, Shape, int, Build]] = {
    "Softmax over samples": ("NMC-I015", "axis 0", (1, 4), 13, unary("Softmax", axis=0)),
    "LayerNormalization over samples": ("NMC-I015", "axis 0", (1, 4), 17, scaled("LayerNormalization", (4,), axis=0)),
    "LayerNormalization, large scale": ("NMC-I015", "", (1, 4), 17, scaled("LayerNormalization", (2, 3, 4))),
    "InstanceNormalization of a vector": (
        "NMC-I012",
        "no space",
        (1, 4),
        17,
        scaled("InstanceNormalization", (4,), (4,)),
    ),
    "InstanceNormalization, scale": ("NMC-I012", "scale", IMAGE, 17, scaled("InstanceNormalization", (3,), (4,))),
    "GroupNormalization, groups": (
        "NMC-I012",
        "3 groups",
        IMAGE,
        21,
        scaled("GroupNormalization", (4,), (4,), num_groups=3),
    ),
    "GroupNormalization without groups": (
        "NMC-I011",
        "num_groups",
        IMAGE,
        21,
        scaled("GroupNormalization", (4,), (4,)),
    ),
    "LpNormalization, p": ("NMC-I011", "its p is 3", TOKENS, 13, unary("LpNormalization", p=3)),
    "MeanVarianceNormalization": ("NMC-I015", "[0, 2, 3]", IMAGE, 13, unary("MeanVarianceNormalization")),
    "Shrink, bias": ("NMC-I011", "bias", IMAGE, 13, unary("Shrink", bias=0.25)),
    "ReduceProd of many": ("NMC-I011", "100 elements", (1, 100), 13, unary("ReduceProd", axes=[1])),
    "CumSum of samples": ("NMC-I015", "samples", IMAGE, 14, lambda n, x: n.op("CumSum", x, n.const(np.array(0)))),
    "Trilu of samples": ("NMC-I015", "samples", (1, 4), 14, unary("Trilu")),
    "Where, computed": ("NMC-I013", "condition", (1, 4), 13, lambda n, x: n.op("Where", x, x, x)),
    "Where of numbers": ("NMC-I011", "not BOOL", (1, 4), 13, lambda n, x: n.op("Where", n.const([1, 0, 1, 1]), x, x)),
    "Einsum, diagonal": ("NMC-I011", "diagonal", (1, 4, 4), 13, lambda n, x: n.op("Einsum", x, equation="bii->bi")),
    "Einsum, samples": ("NMC-I015", "samples", (1, 4, 4), 13, lambda n, x: n.op("Einsum", x, equation="bij->ijb")),
    "Einsum, sum of samples": ("NMC-I015", "samples", (1, 4, 4), 13, einsum("bij,bjk->ik")),
    "Einsum, three": (
        "NMC-I011",
        "3 operands",
        (1, 4),
        13,
        lambda n, x: n.op("Einsum", x, x, x, equation="bi,bi,bi->bi"),
    ),
    "Einsum, lengths": ("NMC-I012", "lengths 4 and 5", (1, 4), 13, einsum("bi,ij->bj", 5, 3)),
    "Einsum, equation": ("NMC-I012", "does not fit", (1, 4), 13, lambda n, x: n.op("Einsum", x, equation="bij->b")),
    "Attention, keys a sample": (
        "NMC-I015",
        "another k",
        HEADS,
        23,
        lambda n, x: n.op("Attention", x, n.weight(2, 2, 5, 4), x),
    ),
    "Attention, heads": ("NMC-I012", "3 heads", TOKENS, 23, attend(heads=3)),
    "Attention, mode": ("NMC-I011", "qk_matmul_output_mode", HEADS, 23, attend(qk_matmul_output_mode=4)),
    "Attention, mode 0 and softcap": (
        "NMC-I011",
        "softcap",
        HEADS,
        24,
        lambda n, x: f"{n.op('Attention', x, x, x, outputs=4, softcap=2.0)}.3",
    ),
    "Attention, mask a sample": ("NMC-I015", "another mask", HEADS, 23, attend(np.zeros((2, 1, 5, 5)))),
    "Attention, long mask": ("NMC-I012", "for 5 keys", HEADS, 23, attend(np.zeros((5, 6)))),
    "RotaryEmbedding, heads": ("NMC-I012", "0 heads", TOKENS, 23, rotary(3)),
    "RotaryEmbedding, angles": ("NMC-I012", "angles", HEADS, 23, rotary(4, rotary_embedding_dim=6)),
    "GatherElements of samples": (
        "NMC-I015",
        "samples",
        (1, 4),
        13,
        lambda n, x: n.op("GatherElements", x, n.const([[0, 0]]), axis=0),
    ),
    "GatherElements, outside": (
        "NMC-I012",
        "outside",
        (1, 4),
        13,
        lambda n, x: n.op("GatherElements", x, n.const([[0, 4]]), axis=1),
    ),
    "GatherND of samples": ("NMC-I015", "batch_dims", (1, 4), 13, lambda n, x: n.op("GatherND", x, n.const([[0]]))),
    "GridSample": ("NMC-I010", "interpolation", IMAGE, 20, lambda n, x: n.op("GridSample", x, n.weight(1, 3, 3, 2))),
    "ArgMax": ("NMC-I010", "indices", IMAGE, 13, unary("ArgMax", axis=1)),
    "FusedConv, activation": (
        "NMC-I011",
        "'Elu'",
        IMAGE,
        17,
        scaled("FusedConv", (2, 4, 3, 3), activation="Elu", **MS),
    ),
    "FusedMatMul, batches": ("NMC-I011", "transBatchA", HEADS, 17, scaled("FusedMatMul", (4, 3), transBatchA=1, **MS)),
    "another operator of onnxruntime": ("NMC-I010", "com.microsoft", (1, 4), 17, unary("Inverse", **MS)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    code, why, shape, opset, build = REFUSED[name]
    net = Net(opset)
    net.output(build(net, net.input("x", shape)))
    (found,) = refusal(net.save(tmp_path_factory.getbasetemp(), "refused.onnx"))
    assert found.code == code and why in found.why, found


def test_a_norm_keeps_the_letters_of_its_input(tmp_path: Path) -> None:
    net = Net(21)
    x = net.op("Conv", net.input("x", (1, 4, 3, 5, 5)), net.weight(4, 4, 3, 3, 3), pads=[1] * 6)
    net.output(net.op("GroupNormalization", x, net.weight(4), net.weight(4), num_groups=2))
    graph = check_import(net, tmp_path)
    (y,) = graph.outputs.values()
    assert y.type.axes == "NCTHW"


def test_a_weight_of_infinities_is_damage_still(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Mul", net.input("x", (1, 2)), net.const([1.0, -np.inf])))
    (found,) = refusal(net.save(tmp_path), Exit.BAD_FILE)
    assert found.code == "NMC-I006"
