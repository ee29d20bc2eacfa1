"""Attention and rotary embeddings: operators that become host ops, against onnxruntime and onnx's own evaluator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_host_builds import (
    HEADS,
    NEW,
    RNG,
    TOKENS,
    Row,
    attend,
    check_row,
    other,
    rotary,
)

from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import evaluate
from onnx_models import Net, feeds_for

BIAS = RNG.normal(size=(5, 5))
HIDDEN = np.where(np.tri(5) > 0, BIAS, -np.inf)
ATTENTION: dict[str, Row] = {
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


ROTARY: dict[str, Row] = {
    "RotaryEmbedding": (HEADS, 23, rotary(4)),
    "RotaryEmbedding 3-D": (TOKENS, 23, rotary(3, num_heads=2)),
    "RotaryEmbedding interleaved": (HEADS, 23, rotary(4, interleaved=1)),
    "RotaryEmbedding, part of a head": (HEADS, 23, rotary(4, rotary_embedding_dim=2)),
}
ROWS = ATTENTION | ROTARY


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[1] <= NEW])
def test_equals_onnxruntime(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    check_row(ROWS[name], tmp_path_factory.getbasetemp())


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
