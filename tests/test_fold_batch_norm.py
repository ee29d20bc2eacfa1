"""Batch norm before and after each layer, with all the dull cases."""

import numpy as np
import pytest

from ir_text import check_pass, graph_of
from nmc.compiler.passes.fold_batch_norm import ExpandBatchNorm, FoldBatchNorm

RNG = np.random.default_rng(1)


def norm(prefix: str, channels: int, offset: bool = True) -> dict[str, np.ndarray]:
    """Parameters with some negative gammas; without offset, the norm only scales."""
    mean = RNG.normal(size=channels).astype(np.float32) if offset else np.zeros(channels, np.float32)
    return {
        f"{prefix}g": RNG.normal(size=channels).astype(np.float32),
        f"{prefix}b": RNG.normal(size=channels).astype(np.float32) if offset else np.zeros(channels, np.float32),
        f"{prefix}m": mean,
        f"{prefix}v": RNG.uniform(0.5, 2, channels).astype(np.float32),
    }


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


BN = "batch_norm({x}, @g, @b, @m, @v)"
LAYERS = {
    "conv": ("f32[1,4,5,5]NCHW", "conv", (6, 4, 3, 3), "{stride=(2, 1), pads=((1, 1), (0, 1)), dilation=(1, 1)}", 6),
    "conv groups": (
        "f32[1,4,5,5]NCHW",
        "conv",
        (6, 2, 3, 3),
        "{stride=(1, 1), pads=((1, 1), (1, 1)), dilation=(1, 1), groups=2}",
        6,
    ),
    "depthwise": ("f32[1,4,6]NCW", "conv", (4, 1, 3), "{stride=(1,), pads=((0, 0),), dilation=(2,), groups=4}", 4),
    "conv_transpose": (
        "f32[1,4,5,5]NCHW",
        "conv_transpose",
        (4, 3, 3, 3),
        "{stride=(2, 2), pads=((1, 1), (1, 1)), dilation=(1, 1), output_pads=(0, 1), groups=2}",
        6,
    ),
    "dense": ("f32[1,4]NC", "dense", (6, 4), "", 6),
}


@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("layer", LAYERS)
def test_after(layer: str, bias: bool) -> None:
    shape, op, weight, attributes, channels = LAYERS[layer]
    constants = {"w": weights(*weight), **({"c": weights(channels)} if bias else {}), **norm("", channels)}
    operand = ", @c" if bias else ""
    body = f'input %x: {shape}\n%l = {op}(%x, @w{operand}) {attributes}\n%y = {BN.format(x="%l")}\noutput "y" = %y'
    check_pass(
        FoldBatchNorm(), graph_of(body, constants, "canonical"), f"%l = {op}(%x, @w.bn, @l.bias.bn)\nreturn %l", 1
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_before_a_layer_that_pads_only_a_scale_folds(layer: str) -> None:
    shape, op, weight, attributes, _ = LAYERS[layer]
    for offset in (False, True):
        constants = {"w": weights(*weight), **norm("", 4, offset)}
        body = f'input %x: {shape}\n%n = {BN.format(x="%x")}\n%y = {op}(%n, @w) {attributes}\noutput "y" = %y'
        graph = graph_of(body, constants, "canonical")
        folds = not offset or layer in ("dense", "depthwise")
        after, context = check_pass(
            FoldBatchNorm(), graph, f"%y = {op}(%x, @w.bn, @y.bias.bn)\nreturn %y" if folds else None
        )
        assert bool(context.declined) is not folds
        assert len(after.nodes) == (1 if folds else 2)


CONV = "{stride=(1,), pads=((0, 0),), dilation=(1,)}"


def test_shared_weights_are_not_changed_for_the_other_layer() -> None:
    body = f"""
    input %x: f32[1,2,4]NCW
    %a = conv(%x, @w) {CONV}
    %e = conv(%x, @w) {CONV}
    %n = {BN.format(x="%a")}
    %y = add(%n, %e)
    output "y" = %y
    """
    graph = graph_of(body, {"w": weights(2, 2, 1), **norm("", 2)}, "canonical")
    check_pass(
        FoldBatchNorm(),
        graph,
        "%e = conv(%x, @w)\n%a = conv(%x, @w.bn, @a.bias.bn)\n%y = add(%a, %e)\nreturn %y",
        1,
    )


@pytest.mark.parametrize("also", ['output "c" = %c', '%d = relu(%c)\noutput "d" = %d'], ids=["output", "consumer"])
def test_a_layer_that_is_read_elsewhere_stays(also: str) -> None:
    body = f"""
    input %x: f32[1,2,4]NCW
    %c = conv(%x, @w) {CONV}
    %y = {BN.format(x="%c")}
    output "y" = %y
    {also}
    """
    graph = graph_of(body, {"w": weights(2, 2, 1), **norm("", 2)}, "canonical")
    _, context = check_pass(FoldBatchNorm(), graph, None, 0)
    assert "read by something else" in context.declined[0].why


def test_dense_over_the_last_of_three_axes_is_left_alone() -> None:
    body = f'input %x: f32[1,3,4]NTC\n%l = dense(%x, @w)\n%y = {BN.format(x="%l")}\noutput "y" = %y'
    graph = graph_of(body, {"w": weights(5, 4), **norm("", 3)}, "canonical")
    _, context = check_pass(FoldBatchNorm(), graph, None, 0)
    assert "features last" in context.declined[0].why


def test_two_norms_in_a_row_and_one_that_stands_alone() -> None:
    body = f"""
    input %x: f32[1,2,4]NCW
    %n = {BN.format(x="%x")}
    %r = relu(%n)
    %c = conv(%r, @w) {CONV}
    %n2 = {BN.format(x="%c")}
    %y = {BN.format(x="%n2")}
    output "y" = %y
    """
    graph = graph_of(body, {"w": weights(2, 2, 1), **norm("", 2)}, "canonical")
    folded, _ = check_pass(
        FoldBatchNorm(),
        graph,
        "%n = batch_norm(%x, @g, @b, @m, @v)\n%r = relu(%n)\n%c = conv(%r, @w.bn.bn, @c.bias.bn.2)\nreturn %c",
        2,
    )
    check_pass(
        ExpandBatchNorm(),
        folded,
        "%n.mul = mul(%x, @n.scale)\n%n = add(%n.mul, @n.offset)\n%r = relu(%n)\n"
        "%c = conv(%r, @w.bn.bn, @c.bias.bn.2)\nreturn %c",
        1,
    )
