"""Operators of the host that are refused: the code, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_host_builds import (
    HEADS,
    IMAGE,
    MS,
    TOKENS,
    Build,
    Shape,
    attend,
    einsum,
    rotary,
    scaled,
    unary,
)

from nmc.compiler.diagnostics import Exit
from onnx_models import Net, refusal

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


def test_a_weight_of_infinities_is_damage_still(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Mul", net.input("x", (1, 2)), net.const([1.0, -np.inf])))
    (found,) = refusal(net.save(tmp_path), Exit.BAD_FILE)
    assert found.code == "NMC-I006"
