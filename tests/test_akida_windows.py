"""akida-windows: each rewrite as text, what is declined, and random layers against the machine's rules."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ir_text import check_pass, graph_of, random_inputs, skeleton
from nmc.backends.akida.embedding import Record
from nmc.backends.akida.windows import AkidaWindows, window_mode
from nmc.compiler.ir import FrameSession, Graph, IllegalOp, Node, TensorType, evaluate
from nmc.compiler.ir.ops import AvgPool, Conv, ConvTranspose
from nmc.compiler.ir.stages import verify
from nmc.compiler.passes.base import Context
from nmc.runtime.program.akida_shapes import padding

RNG = np.random.default_rng(5)


def weights(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=shape).astype(np.float32)


CONSTANTS = {
    "w1": weights(4, 4, 1, 1),
    "w2": weights(4, 4, 2, 2),
    "w3": weights(4, 4, 3, 3),
    "w5": weights(4, 4, 5, 5),
    "w9": weights(4, 4, 9, 9),
    "wide": weights(4, 4, 1, 3),
    "d1": weights(4, 1, 1, 1),
    "d3": weights(4, 1, 3, 3),
    "g2": weights(6, 2, 3, 3),
    "m2": weights(8, 1, 3, 3),
    "t6": weights(4, 4, 6, 6),
    "t4": weights(4, 4, 4, 4),
    "tg": weights(4, 3, 2, 2),
    "up4": np.full((4, 1, 4, 4), 0.5, np.float32),
    "up8": np.tile(weights(4, 1, 1, 1), (1, 1, 8, 8)),
    "rgb": weights(4, 3, 2, 2),
    "b": weights(4),
    "b6": weights(6),
    "v": np.array([0.5, 1, 2, 3], np.float32),
    "scale": weights(1, 4, 1, 1),
    "two": np.array(2.0, np.float32),
    "map": weights(1, 1, 8, 8),
    "vector": weights(1, 4),
    "dense": weights(4, 4),
    "wt": weights(4, 4, 3, 1, 1),
    "w111": weights(4, 4, 1, 1, 1),
    "gt": weights(6, 2, 3, 1, 1),
    "dt": weights(4, 1, 3, 1, 1),
}


def conv(
    stride: int | str = 1, pads: str = "((0, 0), (0, 0))", dilation: int = 1, groups: int = 1, more: str = ""
) -> str:
    strides = f"({stride}, {stride})" if isinstance(stride, int) else stride
    suffix = f", groups={groups}" if groups > 1 else ""
    return f"{{stride={strides}, pads={pads}, dilation=({dilation}, {dilation}){more}{suffix}}}"


def transposed(stride: int = 2, pads: int = 0, extra: int = 0, groups: int = 1, dilation: int = 1) -> str:
    both = f"(({pads}, {pads}), ({pads}, {pads}))"
    return conv(stride, both, dilation, groups, f", output_pads=({extra}, {extra})")


def pool(kernel: int, stride: int, pads: int = 0, more: str = "") -> str:
    both = f"(({pads}, {pads}), ({pads}, {pads}))"
    return f"{{kernel=({kernel}, {kernel}), stride=({stride}, {stride}), pads={both}, dilation=(1, 1){more}}}"


def around(pads: int) -> str:
    return f"(({pads}, {pads}), ({pads}, {pads}))"


def graph(body: str, shape: str = "1,4,8,8", outputs: tuple[str, ...] = (), stage: str = "canonical") -> Graph:
    """A graph of the constants above; %x is a relu, so that no layer is the image layer. The last value is "y"."""
    used = {name: data for name, data in CONSTANTS.items() if re.search(rf"@{name}\b", body)}
    last = body.splitlines()[-1].split(" = ")[0]
    named = "\n".join(f'output "{name}" = %{name}' for name in outputs)
    head = f"input %in: f32[{shape}]{'NC' if shape.count(',') == 1 else 'NCHW'}\n%x = relu(%in)"
    return graph_of(f'{head}\n{body}\n{named}\noutput "out" = {last}', used, stage)


# --- what a legal layer is, from the machine's table ---

IMAGE = {3: 3, 4: 4, 5: 5, 7: 6}
IMAGE_MODES = ("same", "valid", "sameupper")


def legal_conv(graph: Graph, node: Node) -> bool:
    op, weight = node.op, node.operands[1]
    assert isinstance(op, Conv) and weight is not None
    (k, k2), (s, s2), size = weight.type.shape[2:], op.stride, node.x.type.shape[2:]
    channels, out = node.x.type.shape[1], node.result.type.shape[1]
    if k != k2 or s != s2 or op.dilation != (1, 1):
        return False
    known = IMAGE_MODES if s == 2 else IMAGE_MODES[:2]
    modes = [mode for mode in known if op.pads == tuple(padding(n, k, s, mode) for n in size)]
    depthwise = op.groups == channels == out and channels > 1
    if not modes or (op.groups > 1 and not depthwise):
        return False
    mode = modes[0]
    assert window_mode(op, (k, k2), size) == mode
    if op.groups == 1 and node.x in graph.inputs and channels in (1, 3) and graph.readers(node.x) == 1:
        return s <= IMAGE.get(k, 0) and (mode != "sameupper" or k != 4)
    if s == 2:
        return k == 3 or (k == 1 and not depthwise and mode != "sameupper")
    return s == 1 and k in (1, 3, 5, 7)


def legal_transposed(node: Node) -> bool:
    op, weight = node.op, node.operands[1]
    assert isinstance(op, ConvTranspose) and weight is not None
    kernel, channels = weight.type.shape[2:], node.x.type.shape[1]
    doubled = node.result.type.shape[2:] == tuple(2 * n for n in node.x.type.shape[2:])
    crop = (kernel[0] - 2) // 2
    square = kernel in ((3, 3), (4, 4)) and op.stride == (2, 2) and op.dilation == (1, 1)
    grouped = op.groups in (1, channels) and (op.groups == 1 or node.result.type.shape[1] == channels)
    return square and doubled and grouped and all(begin == crop for begin, _ in op.pads)


def illegal(graph: Graph) -> list[str]:
    """Names of the linear layers over space that the machine does not have."""
    found = []
    for node in graph.nodes:
        fine = not isinstance(node.op, AvgPool)
        if isinstance(node.op, Conv) and node.x.type.rank == 4:
            fine = legal_conv(graph, node)
        if isinstance(node.op, ConvTranspose):
            fine = legal_transposed(node)
        if not fine:
            found.append(node.result.name)
    return found


def check_windows(graph: Graph, after: str | None, rewrites: int | None = None) -> tuple[Graph, Context]:
    """The pass leaves these nodes, which are legal, and the same outputs."""
    made, context = check_pass(AkidaWindows(), graph, after, rewrites)
    assert illegal(made) == []
    assert AkidaWindows().run(made, Context()) == 0
    return made, context


HEAD = "%x = relu(%in)\n"
CASES = {
    # body, skeleton behind %x = relu(%in)
    "what fits stays": (f"%y = conv(%x, @w3, @b) {conv(1, around(1))}", None),
    "no padding stays": (f"%y = conv(%x, @w3) {conv(1)}", None),
    "1×1 with stride 2 stays": (f"%y = conv(%x, @w1) {conv(2)}", None),
    "depthwise stays": (f"%y = conv(%x, @d3) {conv(1, around(1), groups=4)}", None),
    "the last padding cell is not read": (f"%y = conv(%x, @w3) {conv(2, around(1))}", "%y = conv(%x, @w3)\nreturn %y"),
    "rectangle": (
        f"%y = conv(%x, @wide, @b) {conv(1, '((0, 0), (1, 1))')}",
        "%y = conv(%x, @wide.window, @b)\nreturn %y",
    ),
    "even kernel": (f"%y = conv(%x, @w2) {conv(1, '((0, 1), (1, 0))')}", "%y = conv(%x, @w2.window)\nreturn %y"),
    "even kernel, stride 2": (f"%y = conv(%x, @w2) {conv(2)}", "%y = conv(%x, @w2.window)\nreturn %y"),
    "dilation": (f"%y = conv(%x, @w3) {conv(1, around(3), dilation=3)}", "%y = conv(%x, @w3.window)\nreturn %y"),
    "dilation without padding": (f"%y = conv(%x, @w3) {conv(1, dilation=2)}", "%y = conv(%x, @w3.window)\nreturn %y"),
    "dilation beyond the frame": (
        f"%y = conv(%x, @w3) {conv(1, around(8), dilation=8)}",
        "%y = conv(%x, @w3.window)\nreturn %y",
    ),
    "5×5 with stride 2": (
        f"%y = conv(%x, @w5, @b) {conv(2, around(2))}",
        "%y.every2 = conv(%x, @w5, @b)\n%y = conv(%y.every2, @y.pick)\nreturn %y",
    ),
    "depthwise 1×1 with stride 2": (
        f"%y = conv(%x, @d1) {conv(2, groups=4)}",
        "%y = conv(%x, @d1.window)\nreturn %y",
    ),
    "stride 4": (
        f"%y = conv(%x, @w3) {conv(4, around(1))}",
        "%y.every2 = conv(%x, @w3)\n%y = conv(%y.every2, @y.pick)\nreturn %y",
    ),
    "stride 4, 5×5": (
        f"%y = conv(%x, @w5) {conv(4, around(2))}",
        "%y.every4 = conv(%x, @w5)\n%y.every2 = conv(%y.every4, @y.pick)\n%y = conv(%y.every2, @y.pick.2)\nreturn %y",
    ),
    "shared weights": (
        f"%a = conv(%x, @w2) {conv(2)}\n%c = conv(%x, @w2) {conv(2)}\n%y = add(%a, %c)",
        "%a = conv(%x, @w2.window)\n%c = conv(%x, @w2.window.2)\n%y = add(%a, %c)\nreturn %y",
    ),
    "two consumers": (
        f"%a = conv(%x, @w2) {conv(2)}\n%r = relu(%a)\n%y = add(%a, %r)",
        "%a = conv(%x, @w2.window)\n%r = relu(%a)\n%y = add(%a, %r)\nreturn %y",
    ),
    "groups": (
        f"%y = conv(%x, @d3) {conv(1, around(1), groups=4)}\n%z = conv(%y, @m2) {conv(1, around(1), groups=4)}",
        "%y = conv(%x, @d3)\n%z = conv(%y, @m2.whole)\nreturn %z",
    ),
    "average": (f"%y = avg_pool(%x) {pool(2, 2)}", "%y = conv(%x, @y.weight.window)\nreturn %y"),
    "average with padding that counts": (
        f"%y = avg_pool(%x) {pool(3, 1, 1, ', include_pad=True')}",
        "%y = conv(%x, @y.weight)\nreturn %y",
    ),
    "average of 4×4": (
        f"%y = avg_pool(%x) {pool(4, 4)}",
        "%y.half = conv(%x, @y.half.weight.window)\n%y = conv(%y.half, @y.weight.window)\nreturn %y",
    ),
    "average of 8×8": (
        f"%p = pad(%x) {{pads=((0, 0), (0, 0), (4, 4), (4, 4)), value=1.0}}\n%y = avg_pool(%p) {pool(8, 8)}",
        "%p = pad(%x)\n%y.half = conv(%p, @y.half.weight.window)\n"
        "%y.half.2 = conv(%y.half, @y.half.2.weight.window)\n%y = conv(%y.half.2, @y.weight.window)\nreturn %y",
    ),
    "average over everything": (f"%y = avg_pool(%x) {pool(8, 8)}", "%y = mean(%x)\nreturn %y"),
    "transposed 4×4": (f"%y = conv_transpose(%x, @t4, @b) {transposed(2, 1)}", None),
    "transposed 2×2": (
        f"%y = conv_transpose(%x, @w2) {transposed()}",
        "%y = conv_transpose(%x, @w2.window)\nreturn %y",
    ),
    "transposed 3×3 with output padding": (
        f"%y = conv_transpose(%x, @w3, @b) {transposed(2, 1, 1)}",
        "%y = conv_transpose(%x, @w3.window, @b)\nreturn %y",
    ),
    "transposed 6×6": (
        f"%y = conv_transpose(%x, @t6, @b) {transposed(2, 2)}",
        "%y.x2 = conv_transpose(%x, @y.spread)\n%y = conv(%y.x2, @t6.window, @b)\nreturn %y",
    ),
    "transposed 4×4 with stride 4": (
        f"%y = conv_transpose(%x, @t4) {transposed(4)}",
        "%y.x2 = conv_transpose(%x, @y.spread)\n%y.x4 = conv_transpose(%y.x2, @y.spread.2)\n"
        "%y = conv(%y.x4, @t4.window)\nreturn %y",
    ),
    "transposed with stride 1": (
        f"%y = conv_transpose(%x, @w3) {transposed(1, 1)}",
        "%y = conv(%x, @w3.window)\nreturn %y",
    ),
    "repetition 4×4": (
        f"%y = conv_transpose(%x, @up4, @b) {transposed(4, groups=4)}",
        "%y.x2 = conv_transpose(%x, @y.twice)\n%y = conv_transpose(%y.x2, @up4.window, @b)\nreturn %y",
    ),
    "repetition 8×8": (
        f"%y = conv_transpose(%x, @up8) {transposed(8, groups=4)}",
        "%y.x2 = conv_transpose(%x, @y.twice)\n%y.x4 = conv_transpose(%y.x2, @y.twice.2)\n"
        "%y = conv_transpose(%y.x4, @up8.window)\nreturn %y",
    ),
    "scale behind a layer": (
        f"%c = conv(%x, @w3, @b) {conv(1, around(1))}\n%y = mul(%c, @scale)",
        "%c = conv(%x, @w3.bn, @c.bias.bn)\nreturn %c",
    ),
    "number behind a layer of two readers": (
        f"%c = conv(%x, @w1) {conv(1)}\n%m = mul(%c, @two)\n%y = add(%m, %c)",
        "%c = conv(%x, @w1)\n%m = conv(%c, @m.scale)\n%y = add(%m, %c)\nreturn %y",
    ),
    "norm in front of a layer": (
        f"%n = batch_norm(%x, @b, @b, @b, @v)\n%y = conv(%n, @w3) {conv(1)}",
        "%y = conv(%x, @w3.bn, @y.bias.bn)\nreturn %y",
    ),
    "norm in front of a layer that pads": (
        f"%n = batch_norm(%x, @b, @b, @b, @v)\n%y = conv(%n, @w3) {conv(1, around(1))}",
        "%n = conv(%x, @n.scale, @n.offset)\n%y = conv(%n, @w3)\nreturn %y",
    ),
    "scale and offset alone": (
        "%m = mul(%x, @scale)\n%a = add(%m, @two)\n%y = relu(%a)",
        "%m = conv(%x, @m.scale.bn, @m.bias.bn)\n%y = relu(%m)\nreturn %y",
    ),
    "norm behind an average": (
        f"%p = avg_pool(%x) {pool(2, 2)}\n%y = batch_norm(%p, @b, @b, @b, @v)",
        "%p = conv(%x, @p.weight.bn.window, @p.bias.bn)\nreturn %p",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rewrite(case: str) -> None:
    body, after = CASES[case]
    check_windows(graph(body), None if after is None else HEAD + after, 0 if after is None else None)


def test_a_value_that_is_also_an_output_keeps_its_name() -> None:
    body = f"%a = conv(%x, @w2) {conv(2)}\n%r = relu(%a)\n%y = add(%r, %r)"
    after = "%a = conv(%x, @w2.window)\n%r = relu(%a)\n%y = add(%r, %r)\nreturn %a, %y"
    made, _ = check_windows(graph(body, outputs=("a",)), HEAD + after)
    assert list(made.outputs) == ["a", "out"]


def test_new_values_keep_the_origin() -> None:
    made, _ = check_windows(
        graph(f"%y = conv(%x, @w5) {conv(2, around(2))}"),
        HEAD + "%y.every2 = conv(%x, @w5)\n%y = conv(%y.every2, @y.pick)\nreturn %y",
    )
    assert made.nodes[1].result.origin == made.nodes[2].result.origin


def test_vectors_are_scaled_by_a_dense_layer() -> None:
    check_pass(
        AkidaWindows(),
        graph("%n = batch_norm(%x, @b, @b, @b, @v)\n%y = relu(%n)", "1,4"),
        HEAD + "%n = dense(%x, @n.scale, @n.offset)\n%y = relu(%n)\nreturn %y",
    )
    check_pass(
        AkidaWindows(),
        graph("%d = dense(%x, @dense, @b)\n%y = mul(%d, @vector)", "1,4"),
        HEAD + "%d = dense(%x, @dense.bn, @d.bias.bn)\nreturn %d",
    )


def test_groups_become_one_and_the_report_says_what_that_costs() -> None:
    body = f"%y = conv(%x, @g2, @b6) {conv(2, around(1), groups=2)}"
    made, context = check_windows(graph(body), HEAD + "%y = conv(%x, @g2.whole, @b6)\nreturn %y")
    assert made.nodes[1].operands[1].type.shape == (6, 4, 3, 3)
    assert context.reports["akida-windows"] == [
        Record("y", "groups", "2 groups become 1: 108 → 216 weights"),
        Record("y", "window", "(3, 3) becomes 3×3 sameupper, stride 2"),
    ]
    check_windows(
        graph(f"%y = conv_transpose(%x, @tg, @b6) {transposed(groups=2)}"),
        HEAD + "%y = conv_transpose(%x, @tg.whole.window, @b6)\nreturn %y",
    )


# --- the image layer ---


def image(body: str, channels: int = 3, layout: str = "NCHW") -> Graph:
    shape = f"1,{channels},9,9" if layout == "NCHW" else f"1,9,9,{channels}"
    used = {name: data for name, data in CONSTANTS.items() if f"@{name}" in body}
    return graph_of(f'input %x: f32[{shape}]{layout}\n{body}\noutput "y" = %y', used, "canonical")


@pytest.mark.parametrize(
    ("stride", "kernel"),
    [(1, 3), (2, 3), (3, 3)],
)
def test_an_image_layer_has_kernels_from_3_and_strides_from_3(stride: int, kernel: int) -> None:
    made, _ = check_windows(
        image(f"%y = conv(%x, @rgb, @b) {conv(stride, '((0, 1), (0, 1))')}"),
        "%y = conv(%x, @rgb.window, @b)\nreturn %y",
    )
    assert made.nodes[0].operands[1].type.shape == (4, 3, kernel, kernel)


def test_an_input_with_two_readers_or_two_channels_has_no_image_layer() -> None:
    pads = "((0, 1), (0, 1))"
    body = f"%a = conv(%x, @rgb) {conv(3, pads)}\n%r = conv(%x, @rgb) {conv(3, pads)}\n%y = add(%a, %r)"
    _, context = check_pass(AkidaWindows(), image(body), None, 0)
    assert {d.why for d in context.declined} == {"stride 3 is only there for the image layer"}


def test_channels_last_images_count() -> None:
    body = f"%t = transpose(%x) {{perm=(0, 3, 1, 2)}}\n%y = conv(%t, @rgb) {conv(3, '((0, 1), (0, 1))')}"
    _, context = check_pass(
        AkidaWindows(),
        image(body, layout="NHWC"),
        "%t = transpose(%x)\n%y = conv(%t, @rgb.window)\nreturn %y",
    )
    assert context.declined == []


# --- time ---


def stream(body: str) -> Graph:
    return graph(f"%f = fifo(%x) {{taps=(2, 1, 0)}}\n{body}", stage="streaming")


PLAIN3 = "stride=(1, 1, 1), pads=((0, 0), (0, 0), (0, 0)), dilation=(1, 1, 1)"


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (f"%y = conv(%f, @dt) {{{PLAIN3}, groups=4}}", None),
        (f"%y = conv(%f, @gt, @b6) {{{PLAIN3}, groups=2}}", "%y = conv(%f, @gt.whole, @b6)\nreturn %y"),
        (
            f"%c = conv(%f, @wt) {{{PLAIN3}}}\n%r = reshape(%c) {{shape=(1, 4, 8, 8), axes='NCHW'}}\n"
            "%y = mul(%r, @scale)",
            "%c = conv(%f, @wt.bn, @c.bias.bn)\n%y = reshape(%c)\nreturn %y",
        ),
    ],
)
def test_windows_of_past_frames_are_left_alone_but_for_groups_and_norms(body: str, after: str | None) -> None:
    before = stream(body)
    made, context = before.copy(), Context()
    AkidaWindows().run(made, context)
    verify(made)
    prefix = HEAD + "%f = fifo(%x)\n"
    assert skeleton(made) == (skeleton(before) if after is None else prefix + after)
    assert context.declined == []
    sessions = FrameSession(before), FrameSession(made)
    for seed in range(4):
        feeds = random_inputs(before, seed=seed)
        expected, found = (session.step(feeds)["out"] for session in sessions)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_a_reshape_that_mixes_time_into_channels_keeps_its_place() -> None:
    body = (
        f"%c = conv(%f, @w111) {{{PLAIN3}}}\n%r = reshape(%c) {{shape=(1, 12, 8, 8), axes='NCHW'}}\n%y = mul(%r, @two)"
    )
    made = stream(body)
    AkidaWindows().run(made, Context())
    verify(made)
    assert skeleton(made).endswith("%c = conv(%f, @w111)\n%r = reshape(%c)\n%y = conv(%r, @y.scale)\nreturn %y")


# --- what is declined ---

DECLINED = {
    "border windows count less": (
        f"%y = avg_pool(%x) {pool(3, 1, 1)}",
        "some of its windows average over 4 cells, others over 9",
    ),
    "the last window hangs over": (
        f"%y = avg_pool(%x) {pool(3, 2, 0, ', ceil_mode=True')}",
        "some of its windows average over 4 cells, others over 9",
    ),
    "stride 3": (f"%y = conv(%x, @w3) {conv(3, around(1))}", "stride 3 is only there for the image layer"),
    "unequal strides": (f"%y = conv(%x, @w3) {conv('(1, 2)', around(1))}", "its strides (1, 2) differ"),
    "too large": (
        f"%y = conv(%x, @w9) {conv(1, around(4))}",
        "its kernel spans 9 elements, the largest window 7",
    ),
    "grows": (
        f"%y = conv(%x, @w3) {conv(1, around(2))}",
        "no window of at most 7 with stride 1 and same or valid padding makes 10×10 of 8×8 so",
    ),
    "rectangle without padding": (
        f"%y = conv(%x, @wide) {conv(1)}",
        "no window of at most 7 with stride 1 and same or valid padding makes 8×6 of 8×8 so",
    ),
    "transposed, odd size": (
        f"%y = conv_transpose(%x, @w3) {transposed()}",
        "as a convolution of its input spread 2×: "
        "no window of at most 7 with stride 1 and same or valid padding makes 17×17 of 16×16 so",
    ),
    "transposed, stride 3": (
        f"%y = conv_transpose(%x, @w3) {transposed(3)}",
        "transposed layers have stride 2, of which 4 and 8 are made, not 3",
    ),
    "transposed, unequal strides": (
        f"%y = conv_transpose(%x, @w2) {conv('(1, 2)', more=', output_pads=(0, 0)')}",
        "its strides (1, 2) differ",
    ),
    "varies over space": ("%y = mul(%x, @map)", "differs within a channel"),
}


@pytest.mark.parametrize("case", DECLINED)
def test_what_does_not_fit_stays_and_says_why(case: str) -> None:
    body, why = DECLINED[case]
    _, context = check_pass(AkidaWindows(), graph(body), None, 0)
    (declined,) = context.declined
    assert (declined.pass_name, declined.where) == ("akida-windows", "y")
    assert declined.why.endswith(why)


def test_modes_have_the_paddings_of_the_machine() -> None:
    def mode(pads: tuple[tuple[int, int], ...], kernel: int = 3, stride: int = 2, size: int = 8) -> str | None:
        return window_mode(Conv((stride, stride), pads, (1, 1)), (kernel, kernel), (size, size))

    assert mode(((0, 1), (0, 1))) == "same"
    assert mode(((1, 0), (1, 0))) == "sameupper"
    assert mode(((0, 0), (0, 0))) == "valid"
    assert mode(((1, 1), (1, 1))) is None
    assert mode(((1, 1), (1, 1)), size=9) == "same"
    assert mode(((0, 0), (0, 0)), kernel=1) == "same"
    assert mode(((2, 1), (2, 1)), kernel=4, stride=1) is None
    assert mode(((1, 2), (1, 2)), kernel=4, stride=1) == "same"
    rectangle = Conv((1, 1), ((0, 0), (1, 1)), (1, 1))
    assert window_mode(rectangle, (1, 3), (8, 8)) is None


# --- random layers ---


@st.composite
def layers(draw: st.DrawFn) -> Graph:
    """One conv, conv_transpose or avg_pool with any parameters, on a graph input or behind a relu."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def pair(low: int, high: int, alike: bool = True) -> tuple[int, int]:
        first = draw(st.integers(low, high))
        return (first, first) if alike and draw(st.integers(0, 4)) else (first, draw(st.integers(low, high)))

    channels, made = draw(st.sampled_from([1, 2, 3, 4])), Graph("random", "canonical")
    x = made.add_input("x", TensorType((1, channels, *pair(4, 13, False)), "f32", "NCHW"))
    if draw(st.booleans()):
        made.outputs["also"] = x
    kind = draw(st.sampled_from([Conv, Conv, ConvTranspose, AvgPool]))
    kernel, stride = pair(1, 7), pair(1, 4)
    dilation = pair(1, 3) if draw(st.booleans()) else (1, 1)
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    centred = tuple((r - r // 2, r // 2) for r in reach)
    pads = draw(st.sampled_from([centred, tuple((b, a) for a, b in centred), ((0, 0),) * 2, (pair(0, 3), pair(0, 3))]))
    groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if channels % g == 0]))
    per_group = draw(st.sampled_from([1, 2]))
    out, inner = groups * per_group, channels // groups
    bias = made.constant("b", rng.normal(size=out).astype(np.float32))
    rest = (bias,) if draw(st.booleans()) else ()
    try:
        if kind is Conv:
            w = made.constant("w", rng.normal(size=(out, inner, *kernel)).astype(np.float32))
            y = made.add(Conv(stride, pads, dilation, groups), x, w, *rest, name="y")
        elif kind is ConvTranspose:
            w = made.constant("w", rng.normal(size=(channels, per_group, *kernel)).astype(np.float32))
            extra = pair(0, max(0, min(stride) - 1))
            y = made.add(ConvTranspose(stride, pads, dilation, extra, groups), x, w, *rest, name="y")
        else:
            flags = draw(st.booleans()), draw(st.booleans())
            y = made.add(AvgPool(kernel, stride, pads, dilation, *flags), x, name="y")
    except IllegalOp:
        assume(False)
        raise
    made.outputs["y"] = y
    return made


@pytest.mark.slow
@settings(max_examples=400)
@given(layers())
def test_random_layers_become_legal_and_stay_equal_or_are_declined(graph: Graph) -> None:
    feeds = random_inputs(graph)
    expected, context = evaluate(graph, feeds)["y"], Context()
    AkidaWindows().run(graph, context)
    verify(graph)
    found = evaluate(graph, feeds)["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * max(1.0, float(np.abs(expected).max())))
    assert [entry.where for entry in context.declined if entry.why] == illegal(graph)


@settings(max_examples=200)
@given(st.integers(4, 13), st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 2, 4]), st.booleans())
def test_centred_odd_kernels_always_fit(size: int, kernel: int, stride: int, depthwise: bool) -> None:
    """What networks are made of: odd kernels padded by half, strides 1, 2 and 4, any size of the frame."""
    made = Graph("centred", "canonical")
    x = made.add_input("x", TensorType((1, 2, size, size), "f32", "NCHW"))
    w = made.constant("w", np.ones((2, 1 if depthwise else 2, kernel, kernel), np.float32))
    op = Conv((stride,) * 2, ((kernel // 2,) * 2,) * 2, (1, 1), 2 if depthwise else 1)
    made.outputs["y"] = made.add(op, x, w, name="y")
    context = Context()
    AkidaWindows().run(made, context)
    assert context.declined == [] and illegal(made) == []
