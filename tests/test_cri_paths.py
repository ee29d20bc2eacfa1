"""Paths between populations: unrolled layer by layer, programs are what they are when composed entry by entry."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cri_unary import Net, networks

from nmc.backends.cri import paths, unroll
from nmc.backends.cri.affine import Affine, Entries, compose, conv_entries, conv_transpose_entries, dense_entries
from nmc.backends.cri.lower import Lowering
from nmc.backends.cri.target import PROFILES
from nmc.compiler import compile_verbose
from nmc.compiler.ir import Graph, Value
from nmc.compiler.ir.ops import Add, Concat, Conv, ConvTranspose, Dense, Mul, Pad, Reshape, Slice, Transpose
from nmc.runtime.program import digest

ROOT = Path(__file__).parent.parent
_ENTRIES = {Conv: conv_entries, ConvTranspose: conv_transpose_entries, Dense: dense_entries}


def composed(node, part) -> Entries:
    """Every layer as a list of entries, composed with what it reads."""
    inner = Affine(part.entries(), np.zeros(node.x.type.elements, np.int64))
    return compose(_ENTRIES[type(node.op)](node), inner, node.result.type.elements).entries


def check_both_ways(graph: Graph, profile: str = "sim") -> list[unroll.Fan]:
    """Both ways give one program; returns the layers that were unrolled."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "fan", lambda *arguments: made.append(unroll.fan(*arguments)) or made[-1])
        program = Lowering(graph, PROFILES[profile]).run({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "layer", composed)
        assert digest(Lowering(graph, PROFILES[profile]).run({})) == digest(program)
    return made


@pytest.mark.slow
@settings(max_examples=40)
@given(networks(), st.sampled_from(sorted(PROFILES)))
def test_random_networks_are_the_same_program_both_ways(graph: Graph, profile: str) -> None:
    assert check_both_ways(graph, profile)


def twice(net: Net, v: Value) -> Value:
    return net.graph.add(Add(), v, v, name="twice")


def swapped(net: Net, v: Value) -> Value:
    return net.graph.add(Transpose((0, 1, 3, 2)), v, name=f"{v.name}.swapped")


def padded(net: Net, v: Value) -> Value:
    return net.graph.add(Pad(((0, 0), (1, 0), (0, 2), (1, 0))), v, name=f"{v.name}.padded")


def cut(net: Net, v: Value) -> Value:
    _, channels, height, width = v.type.shape
    return net.graph.add(Slice(((0, 1, 1), (0, channels, 1), (1, height, 2), (0, width, 1))), v, name=f"{v.name}.cut")


def flat(net: Net, v: Value) -> Value:
    _, channels, height, width = v.type.shape
    return net.graph.add(Reshape((1, channels, height * width, 1), "NCHW"), v, name=f"{v.name}.flat")


def beside(net: Net, v: Value) -> Value:
    return net.graph.add(Concat(1), v, net.conv(v.producer.x, 2), name="beside")


def doubled(net: Net, n: Value) -> Value:
    return net.graph.add(Concat(1), n, n, name="doubled")


def with_input(net: Net, n: Value) -> Value:
    code = net.graph.nodes[0].result
    return net.graph.add(Concat(1), n, code, name="with_input")


def scaled(net: Net, n: Value) -> Value:
    return net.graph.add(Mul(), n, net.graph.constant("unit", np.array([2, 0, -3]).reshape(1, 3, 1, 1)), name="scaled")


def pooled(net: Net, n: Value) -> Value:
    ones = net.graph.constant("ones", np.ones((3, 1, 2, 2), np.int8))
    return net.graph.add(Conv((1, 1), ((0, 0), (0, 1)), (1, 1), 3), n, ones, name="pooled")


def tiled(net: Net, n: Value) -> Value:
    weight = net.graph.constant("tiles", net.rng.integers(1, 4, (3, 1, 2, 1)))
    return net.graph.add(Conv((2, 1), ((0, 0), (0, 0)), (1, 1), 3), n, weight, name="tiled")


def up(net: Net, n: Value) -> Value:
    weight = net.graph.constant("up.w", net.rng.integers(-9, 10, (3, 2, 3, 2)))
    op = ConvTranspose((2, 1), ((1, 0), (0, 1)), (1, 2), (1, 0))
    return net.graph.add(op, n, weight, name="up")


def same(_: Net, v: Value) -> Value:
    return v


BEFORE = (same, swapped, cut, padded, flat, doubled, with_input, scaled, pooled, tiled, up)
AFTER = (same, swapped, cut, padded, flat, twice, beside)


@pytest.mark.parametrize("after", AFTER, ids=lambda move: move.__name__)
@pytest.mark.parametrize("before", BEFORE, ids=lambda move: move.__name__)
def test_moves_and_sums_around_a_layer(before, after) -> None:
    net = Net(7, 3)
    n = net.unary(net.conv(net.image(1, 4, 5), 3), 50)
    v = after(net, net.conv(before(net, n), 3, largest=20))
    made = check_both_ways(net.output(net.unary(v, 60), 2))
    assert len(made) >= 2  # the first and the last layer at least


def test_layers_stay_unrolled_between_moves_and_in_sums() -> None:
    for before, after in product((same, swapped, cut, padded, flat, with_input), (same, swapped, padded, flat)):
        net = Net(3, 2)
        n = net.unary(net.conv(net.image(1, 4, 5), 3), 50)
        v = net.unary(after(net, net.conv(before(net, n), 3)), 60)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(unroll.Fan, "entries", None)  # what turns a layer into a list
            Lowering(net.output(v, 2), PROFILES["sim"]).run({})
    assert len(check_both_ways(residual_net())) == 4


def residual_net() -> Graph:
    net = Net(5, 3)
    n = net.unary(net.conv(net.image(2, 4, 5), 3), 50)
    inner = net.unary(net.conv(n, 3), 60)
    return net.output(net.unary(net.residual(net.conv(inner, 3), n), 60), 2)


@pytest.mark.parametrize("name", ["digits", "digits_residual"])
def test_the_digit_networks_are_the_same_program_both_ways(name: str) -> None:
    calibration = np.random.default_rng(0).random((20, 1, 8, 8), np.float32)
    done = compile_verbose(ROOT / "examples" / "digits" / f"{name}.onnx", "cri", calibration=calibration)
    assert len(check_both_ways(done.lowered)) >= 4
