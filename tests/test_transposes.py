"""Transposes, pads and dense layers of networks with channels last: the rewrites and their declined cases."""

from __future__ import annotations

import numpy as np
import pytest

from ir_text import check_pass, graph_of
from nmc.backends.cri.terms import CriTerms
from nmc.compiler import compile_verbose
from nmc.compiler.ir import evaluate
from nmc.compiler.ir.ops import Conv, Dense
from nmc.compiler.passes.base import Context
from nmc.compiler.passes.canonicalize import Canonicalize

RNG = np.random.default_rng(0)
LAST = "{perm=(0, 2, 3, 1)}"
FIRST = "{perm=(0, 3, 1, 2)}"
CONV = "{stride=(1, 1), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
IMAGE = "input %x: f32[1,2,4,4]NCHW"
ROWS = "input %x: f32[1,4,4,2]NHWC"
W = {"w": RNG.normal(size=(2, 2, 3, 3)).astype(np.float32)}

CASES = {
    "relu": (
        IMAGE,
        f"%t = transpose(%x) {LAST}\n%r = relu(%t)\n%y = transpose(%r) {FIRST}",
        "%r.in = relu(%x)\nreturn %r.in",
    ),
    "clip": (
        IMAGE,
        f"%t = transpose(%x) {LAST}\n%r = clip(%t) {{high=6.0}}\n%y = transpose(%r) {FIRST}",
        "%r.in = clip(%x)\nreturn %r.in",
    ),
    "mean": (
        IMAGE,
        f"%t = transpose(%x) {LAST}\n%y = mean(%t) {{dims=(1, 2)}}",
        "%y.in = mean(%x)\n%y = transpose(%y.in)\nreturn %y",
    ),
    "pad": (
        ROWS,
        f"%p = pad(%x) {{pads=((0, 0), (1, 0), (2, 1), (0, 0))}}\n%t = transpose(%p) {FIRST}\n%y = conv(%t, @w) {CONV}",
        "%t.in = transpose(%x)\n%y = conv(%t.in, @w)\nreturn %y",
    ),
    "a transpose that is read twice": (
        IMAGE,
        f"%t = transpose(%x) {LAST}\n%r = relu(%t)\n%y = add(%r, %t)",
        None,
    ),
    "a pad that is read twice": (
        ROWS,
        f"%p = pad(%x) {{pads=((0, 0), (1, 0), (0, 1), (0, 0))}}\n%t = transpose(%p) {FIRST}\n%r = relu(%p)\n"
        '%y = mean(%r) {dims=(1, 2)}\noutput "t" = %t',
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_canonicalize(case: str) -> None:
    given, before, after = CASES[case]
    made = graph_of(f'{given}\n{before}\noutput "y" = %y', W if "@w" in before else {})
    made, _ = check_pass(Canonicalize(), made, after)
    assert made.outputs["y"].type.batched


@pytest.mark.parametrize("shape", ["f32[1,5,3]NTC", "f32[1,4,5,3]NHWC", "f32[1,2,4,5,3]NTHWC", "f32[1,4,3]N__"])
def test_dense_layers_on_several_positions_are_convolutions_for_cri(shape: str) -> None:
    constants = {"w": RNG.normal(size=(6, 3)).astype(np.float32), "b": RNG.normal(size=6).astype(np.float32)}
    body = f'input %x: {shape}\n%d = dense(%x, @w, @b)\n%y = relu(%d)\noutput "y" = %y'
    graph = graph_of(body, constants, "affine")
    feeds = {"x": RNG.normal(size=(2, *graph.inputs[0].type.shape[1:]))}
    expected = evaluate(graph, feeds)["y"]
    CriTerms().run(graph, Context())
    assert [type(node.op) for node in graph.nodes if isinstance(node.op, Conv | Dense)] == [Conv]
    np.testing.assert_allclose(evaluate(graph, feeds)["y"], expected, rtol=1e-12, atol=1e-12)
    compile_verbose(
        graph_of(body, constants), "cri", calibration={"x": RNG.random((4, *graph.inputs[0].type.shape[1:]))}
    )


def test_dense_layers_on_one_position_stay() -> None:
    body = 'input %x: f32[1,3]NC\n%d = dense(%x, @w)\n%y = relu(%d)\noutput "y" = %y'
    check_pass(CriTerms(), graph_of(body, {"w": RNG.normal(size=(6, 3)).astype(np.float32)}, "affine"), None)
