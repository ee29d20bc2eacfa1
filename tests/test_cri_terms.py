"""cri-terms as text: sums of single linear layers over trains."""

import numpy as np
import pytest

from ir_text import check_pass, graph_of
from nmc.backends.cri.terms import CriTerms
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.driver import compile_verbose

RNG = np.random.default_rng(3)
CONV = "{stride=(1, 1), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
PADDED = "{stride=(1, 1), pads=((1, 1), (1, 1)), dilation=(1, 1)}"
POOL = "{kernel=(2, 2), stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
CONSTANTS = {
    "w": RNG.normal(size=(2, 2, 3, 3)).astype(np.float32),
    "w1": RNG.normal(size=(2, 2, 1, 1)).astype(np.float32),
    "b": np.array([1.0, -2.0], np.float32),
    "k": np.array([3.0, -4.0], np.float32).reshape(1, 2, 1, 1),
    "half": np.full((1, 1, 1, 1), 0.5, np.float32),
    "map": RNG.normal(size=(1, 2, 4, 4)).astype(np.float32),
    "d": RNG.normal(size=(3, 32)).astype(np.float32),
}

CASES = {
    "relu before max_pool": (
        f"%m = max_pool(%x) {POOL}\n%y = relu(%m)",
        "%y.in = relu(%x)\n%y = max_pool(%y.in)\nreturn %y",
    ),
    "clip before reshape": (
        "%f = reshape(%x) {shape=(1, 32), axes='NC'}\n%y = clip(%f) {low=0.0, high=6.0}",
        "%y.in = clip(%x)\n%y = reshape(%y.in)\nreturn %y",
    ),
    "relu before concat": (
        "%f = concat(%x, %x) {dim=1}\n%y = relu(%f)",
        "%y.in = relu(%x)\n%y.1 = relu(%x)\n%y = concat(%y.in, %y.1)\nreturn %y",
    ),
    "clip from 1 stays behind padding with 0": (
        "%f = pad(%x) {pads=((0, 0), (0, 0), (1, 1), (0, 0))}\n%y = clip(%f) {low=1.0}",
        None,
    ),
    "relu stays where max_pool has another reader": (
        f"%m = max_pool(%x) {POOL}\n%r = relu(%m)\n%y = add(%r, %m)",
        None,
    ),
    "conv of a sum of trains": (
        f"%r = relu(%x)\n%s = add(%r, %x)\n%y = conv(%s, @w, @b) {PADDED}",
        "%r = relu(%x)\n%y.a = conv(%r, @w, @b)\n%y.b = conv(%x, @w)\n%y = add(%y.a, %y.b)\nreturn %y",
    ),
    "conv of train + constant": (
        f"%s = add(%x, @map)\n%y = conv(%s, @w, @b) {PADDED}",
        "%y.a = conv(%x, @w, @b)\n%y = add(%y.a, @y.b)\nreturn %y",
    ),
    "scale per channel goes into the weights": (
        f"%s = mul(%x, @k)\n%y = conv(%s, @w, @b) {PADDED}",
        "%y = conv(%x, @y.weight, @b)\nreturn %y",
    ),
    "scale passes a max_pool-free flatten into a dense layer": (
        "%s = mul(%x, @k)\n%f = reshape(%s) {shape=(1, 32), axes='NC'}\n%y = dense(%f, @d)",
        "%f.in = reshape(%x)\n%y = dense(%f.in, @y.weight)\nreturn %y",
    ),
    "scale within a channel stays": (f"%s = mul(%x, @map)\n%y = conv(%s, @w) {PADDED}", None),
    "mean of a scaled train": (
        "%s = mul(%x, @k)\n%y = mean(%s) {dims=(2, 3)}",
        "%y.in = mean(%x)\n%y = mul(%y.in, @k.pooled)\nreturn %y",
    ),
    "concat of a sum": (
        "%r = relu(%x)\n%s = add(%r, @map)\n%y = concat(%s, %r) {dim=1}",
        "%r = relu(%x)\n%y.a = concat(%r, %r)\n%y = add(%y.a, @y.b)\nreturn %y",
    ),
    "concat of a product": (
        "%s = mul(%x, @half)\n%y = concat(%x, %s) {dim=1}",
        "%y.a = concat(%x, %x)\n%y = mul(%y.a, @y.b)\nreturn %y",
    ),
    "conv after conv": (
        f"%c = conv(%x, @w1) {CONV}\n%y = conv(%c, @w, @b) {PADDED}",
        "%c = conv(%x, @w1)\n%c.plus = relu(%c)\n%c.negated = mul(%c, @c.minus_one)\n%c.minus = relu(%c.negated)\n"
        "%y.a = conv(%c.plus, @w, @b)\n%y.b = conv(%c.minus, @y.b.weight)\n%y = add(%y.a, %y.b)\nreturn %y",
    ),
    "max_pool of a sum that cannot be negative": (
        f"%r = relu(%x)\n%s = add(%r, %r)\n%y = max_pool(%s) {POOL}",
        "%r = relu(%x)\n%s = add(%r, %r)\n%s.levels = relu(%s)\n%y = max_pool(%s.levels)\nreturn %y",
    ),
}


@pytest.mark.parametrize(("body", "after"), CASES.values(), ids=CASES)
def test_rewrite(body: str, after: str | None) -> None:
    last = body.splitlines()[-1].split(" = ")[0]
    used = {name: data for name, data in CONSTANTS.items() if f"@{name}" in body}
    graph = graph_of(f'input %x: f32[1,2,4,4]NCHW\n{body}\noutput "y" = {last}', used, "affine")
    check_pass(CriTerms(), graph, after)


def test_a_signed_value_that_travels_is_announced() -> None:
    body, _ = CASES["conv after conv"]
    used = {name: CONSTANTS[name] for name in ("w1", "w", "b")}
    graph = graph_of(f'input %x: f32[1,2,4,4]NCHW\n{body}\noutput "y" = %y', used, "affine")
    _, context = check_pass(CriTerms(), graph, CASES["conv after conv"][1])
    assert context.warnings == [
        "%c has no activation and feeds another layer: it travels as two trains of levels, one for each sign"
    ]


REFUSED = {
    "hard tanh": ("%c = clip(%x) {low=-1.0, high=1.0}\n%y = dense(%c, @d)", "lets negative values through", "%c"),
    "product of activations": ("%a = relu(%x)\n%m = mul(%a, %x)\n%y = relu(%m)", "multiplies two values", "%m"),
    "smooth activation": ('%m = activation(%x) {kind="silu"}\n%y = relu(%m)', "do not compute silu", "%m"),
    "max_pool of signed sums": ("%m = max_pool(%s)", "may be negative", "%m"),
    "the input itself": ("%y = reshape(%x) {shape=(1, 32), axes='NC'}", "is the input itself", "%y"),
    "border of an average": (
        "%r = relu(%x)\n%y = avg_pool(%r) {kernel=(3, 3), stride=(1, 1), pads=((1, 1), (1, 1)), dilation=(1, 1)}",
        "fewer elements",
        "%y",
    ),
    "average over channels": ("%r = relu(%x)\n%y = mean(%r) {dims=(1,)}", "averages over channels", "%y"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_code_cannot_hold_is_refused_by_name(case: str) -> None:
    body, why, name = REFUSED[case]
    if case == "max_pool of signed sums":
        body = f"%s = add(%x, @map)\n%m = max_pool(%s) {POOL}\n%y = conv(%m, @w1) {CONV}"
    body = body.replace("dense(%c", "dense(%f").replace(
        "\n%y = dense(%f", "\n%f = reshape(%c) {shape=(1, 32), axes='NC'}\n%y = dense(%f"
    )
    used = {key: data for key, data in CONSTANTS.items() if f"@{key}" in body}
    graph = graph_of(f'input %x: f32[1,2,4,4]NCHW\n{body}\noutput "y" = %y', used)
    with pytest.raises(NmcError, match="NMC-C001") as caught:
        compile_verbose(graph, "cri", calibration=RNG.normal(size=(4, 2, 4, 4)))
    assert caught.value.exit_code == 3
    assert why in str(caught.value) and name in str(caught.value)


def test_all_refusals_come_at_once() -> None:
    body = """
    %a = clip(%x) {low=-1.0, high=1.0}
    %b = clip(%x) {low=-2.0, high=1.0}
    %y = add(%a, %b)
    """
    graph = graph_of(f'input %x: f32[1,2,4,4]NCHW\n{body}\noutput "y" = %y')
    with pytest.raises(NmcError) as caught:
        compile_verbose(graph, "cri", calibration=RNG.normal(size=(4, 2, 4, 4)))
    assert [d.what for d in caught.value.diagnostics] == [
        "target 'cri' cannot hold %a",
        "target 'cri' cannot hold %b",
    ]
