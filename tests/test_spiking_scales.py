"""Units of potential, integer thresholds, gates: the numbers behind quantize-spiking."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from dyadic_nets import STEPS, Net, combine
from hypothesis import given, settings
from hypothesis import strategies as st

from nmc.backends.cri.gates import is_binary, products_as_gates
from nmc.backends.cri.scales import LARGEST_THRESHOLD, Numbers, choose_scale, integer_threshold, rounding_errors
from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import evaluate
from nmc.compiler.ir.ops import Add, Lif, Mul, Pad, Threshold
from nmc.runtime import Session

RNG = np.random.default_rng(2)


def numbers(weights, constants=(), bits: int = 16) -> Numbers:
    return Numbers.of([np.asarray(weights, np.float64)], [np.asarray(constants, np.float64)], 0.0, bits)


@pytest.mark.parametrize("bits", [16, 8])
@pytest.mark.parametrize("unit", [2.0**-7, 1.0, 0.0123, 3e-5])
def test_a_unit_of_which_all_weights_are_multiples_is_found(unit: float, bits: int) -> None:
    whole = RNG.integers(-120, 121, 5000)
    whole[:2] = 119, 120
    weights = (np.float32(unit) * whole.astype(np.float32)).astype(np.float32)
    found = numbers(weights, bits=bits)
    scale = choose_scale(found, 1.0)
    assert scale == pytest.approx(unit, rel=1e-6)
    np.testing.assert_array_equal(np.rint(weights / scale), whole)
    assert rounding_errors(found, scale, 1.0).rms < 1e-6


def test_constants_are_multiples_too_where_that_is_possible() -> None:
    found = numbers([3.0, 5.0, -7.0], [0.25, 2.0])
    assert choose_scale(found, 1.0) == 0.25
    scale = choose_scale(numbers([3.0, 5.0, -7.0], [0.1234567]), 1.0)
    assert scale == 2.0**-12  # the finest that keeps 7 in 15 bits: the constant is off least


def test_fine_units_are_the_smallest_that_lose_nothing() -> None:
    assert choose_scale(numbers([1.0, -3.0]), 1.0, fine=True) == 2.0**-13
    assert choose_scale(numbers([1.0, -3.0]), 1.0) == 1.0


def test_a_threshold_that_is_subtracted_is_a_multiple_of_the_unit() -> None:
    assert choose_scale(numbers([1.0, -3.0]), 2.5, whole=True) == 0.5
    n = 1 / 3 / choose_scale(numbers([1.0, -3.0]), 1 / 3, whole=True)
    assert n == pytest.approx(round(n), rel=1e-12) and 0 < n <= 32767 / 9


@given(
    st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=30),
    st.floats(2.0**-6, 128, width=32),
    st.integers(2, 16),
)
@settings(max_examples=150)
def test_rounded_weights_stay_in_range_and_close(weights: list[float], threshold: float, bits: int) -> None:
    found = numbers(weights, bits=bits)
    scale = choose_scale(found, threshold)
    assert scale > 0
    rounded = np.rint(np.asarray(weights) / scale)
    assert np.abs(rounded).max() <= 2 ** (bits - 1) - 1
    if found.smallest <= threshold <= LARGEST_THRESHOLD * found.smallest:
        finest = threshold / int(threshold / found.smallest)
        errors = [rounding_errors(found, s, threshold).rms for s in (scale, finest)]
        assert errors[0] <= errors[1] * (1 + 1e-6) + 1e-6


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=20), st.integers(0, 1000))
def test_the_order_of_the_weights_does_not_matter(weights: list[float], seed: int) -> None:
    mixed = np.random.default_rng(seed).permutation(weights)
    assert choose_scale(numbers(weights), 1.0) == choose_scale(numbers(mixed), 1.0)


@given(st.integers(-1000, 1000), st.integers(1, 1000), st.integers(-2000, 2000), st.booleans())
def test_integer_thresholds_decide_as_the_ratio_does(top: int, bottom: int, potential: int, strict: bool) -> None:
    n = int(integer_threshold(np.array(top / bottom), strict))
    exact = Fraction(top, bottom)
    assert (potential >= n) == (potential > exact if strict else potential >= exact)


def test_rounding_of_float32_parameters_does_not_move_thresholds() -> None:
    third = float(np.float32(1 / 3))
    assert integer_threshold(np.array([1 / third, 3.1, 2.9]), False).tolist() == [3, 4, 3]
    assert integer_threshold(np.array([1 / third, 3.1, 3 + 1e-9]), True).tolist() == [4, 4, 4]


def test_layers_of_nothing() -> None:
    assert choose_scale(numbers([0.0]), None) == 1.0
    assert choose_scale(numbers([0.0], [0.5]), 3.2767) == pytest.approx(1e-4)
    assert rounding_errors(numbers([0.0]), 1.0, None).rms == 0


def test_weights_far_above_the_threshold() -> None:
    found = numbers([1e6, *RNG.uniform(-1e6, 1e6, 50)])
    assert choose_scale(found, 1.0) == found.smallest == pytest.approx(1e6 / 32767)
    assert integer_threshold(np.array(1.0 / found.smallest), False) == 1


@pytest.mark.parametrize("kind", ["and", "iand"])
def test_products_of_spikes_become_gates(kind: str) -> None:
    net = Net(0)
    a, b = net.lif(net.conv(net.x, 4)), net.lif(net.conv(net.x, 4))
    net.output("y", combine(net, a, b, kind))
    feed = {"x": (RNG.random((3, STEPS, 2, 6, 6)) < 0.4).astype(np.float64)}
    before = evaluate(net.graph, feed)["y"]
    products_as_gates(net.graph, ())
    (gate,) = [node for node in net.graph.nodes if isinstance(node.op, Threshold)]
    theta = gate.operand("threshold")
    assert theta is not None and theta.data == (2 if kind == "and" else 1)
    np.testing.assert_array_equal(evaluate(net.graph, feed)["y"], before)
    assert before.any() and not before.all()


def test_which_values_are_single_spikes() -> None:
    net = Net(1)
    spikes = net.lif(net.conv(net.x, 2))
    both = net.add(Add(), spikes, spikes)
    padded = [net.add(Pad(((0, 0), (0, 0), (1, 1), (0, 0)), value), spikes) for value in (1.0, 2.0)]
    product = net.add(Mul(), spikes, net.x)
    state = net.graph.add_state("before", spikes.type)
    net.graph.close(state, spikes)
    values = (spikes, both, *padded, state, net.x, product)
    assert [is_binary(net.graph, v, ()) for v in values] == [True, False, True, False, True, False, False]
    net.output("y", product)
    products_as_gates(net.graph, ())
    assert isinstance(net.graph.outputs["y"].op, Mul)
    products_as_gates(net.graph, {net.x})
    assert isinstance(net.graph.outputs["y"].op, Threshold)


def test_a_product_of_two_complements_stays() -> None:
    net = Net(2)
    a, b = (net.lif(net.conv(net.x, 2)) for _ in range(2))
    nots = [net.add(Add(), net.add(Mul(), v, net.constant(-1.0)), net.constant(1.0)) for v in (a, b)]
    net.output("y", net.add(Mul(), *nots))
    products_as_gates(net.graph, ())
    assert isinstance(net.graph.outputs["y"].op, Mul)


def far_away(threshold: float, factor: float) -> Compilation:
    """One layer of neurons with that threshold; its weights are multiples of 1/16, or not for a factor of 0.7312."""
    net = Net(0)
    x = net.conv(net.x, 2)
    weight = x.producer.operands[1]
    assert weight is not None
    weight._data = (weight.data * factor + np.linspace(0, 1e-4, weight.data.size).reshape(weight.data.shape)).astype(
        "f4"
    )
    net.output("y", net.add(Lif(), x, net.constant(1.0), net.constant(threshold)))
    return compile_verbose(net.graph, "cri")


@pytest.mark.parametrize("threshold", [2.0**16, 2.0**44, 1e30, 3e38])
def test_weights_that_vanish_below_a_threshold_are_announced(threshold: float) -> None:
    """Thresholds are 2^30 units at most: below 2^-30 of one, weights are lost."""
    done = far_away(threshold, 0.7312)
    (layer,) = done.reports["quantize-spiking"]
    warned = [text for text in done.warnings if "largest weight" in text]
    assert len(warned) == (layer.errors.rms > 1e-3) == (threshold > 2.0**30)
    assert all("%v" in text and "2^30" in text for text in warned)
    feed = {"x": np.ones((1, STEPS, 2, 6, 6))}
    assert not evaluate(done.lowered, feed)["y"].any() and not Session(done.program).run(feed).outputs["y"].any()


@pytest.mark.parametrize("threshold", [float("inf"), float("nan")])
def test_thresholds_that_are_no_numbers_are_refused(threshold: float) -> None:
    with pytest.raises(NmcError) as error:
        far_away(threshold, 1.0)
    (problem,) = error.value.diagnostics
    assert problem.code == "NMC-C001" and "finite" in problem.why


@given(st.floats(1e9, 3e38), st.booleans())
def test_far_integer_thresholds_stay_integers(ratio: float, strict: bool) -> None:
    n = int(integer_threshold(np.array(ratio), strict))
    assert n == 2**62 if ratio > 2**62 else n >= ratio * (1 - 1e-6)
