"""quantize-cri: integers within their limits, levels that follow the float network, readouts, ranges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir_text import graph_of
from nmc.backends.cri.quantize import QuantizeCri
from nmc.compiler import compile_verbose
from nmc.compiler.analysis.ranges import BINS, activation_ranges, mse_fraction, percentile_fraction
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import Graph, evaluate, trace
from nmc.compiler.ir.ops import Conv, Dense, Unary
from nmc.runtime import Session

RNG = np.random.default_rng(5)
CONV = "{stride=(1, 1), pads=((1, 1), (1, 1)), dilation=(1, 1)}"
POOL = "{kernel=(2, 2), stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
BODY = f"""
input %x: f32[1,2,6,6]NCHW
%c1 = conv(%x, @w1, @b1) {CONV}
%r1 = relu(%c1)
%p1 = max_pool(%r1) {POOL}
%c2 = conv(%p1, @w2) {CONV}
%n2 = batch_norm(%c2, @g, @b, @m, @v)
%s2 = add(%n2, %p1)
%r2 = clip(%s2) {{low=0.0, high=6.0}}
%a2 = avg_pool(%r2) {{kernel=(3, 3), stride=(3, 3), pads=((0, 0), (0, 0)), dilation=(1, 1)}}
%f2 = reshape(%a2) {{shape=(1, 4), axes='NC'}}
%y = dense(%f2, @w3, @b3)
output "logits" = %y
"""


def normal(*shape: int) -> np.ndarray:
    return (RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32)


CONSTANTS = {
    "w1": normal(4, 2, 3, 3),
    "b1": normal(4, 1)[:, 0],
    "w2": normal(4, 4, 3, 3),
    "g": np.array([1.0, -0.5, 2.0, 0.0], np.float32),
    "b": normal(4, 1)[:, 0],
    "m": normal(4, 1)[:, 0],
    "v": np.array([0.5, 1.0, 2.0, 1.0], np.float32),
    "w3": normal(3, 4),
    "b3": np.array([2.0, -2.0, 0.5], np.float32),
}
X = RNG.normal(size=(50, 2, 6, 6))


def network() -> Graph:
    return graph_of(BODY, CONSTANTS)


def error(levels: int, **options) -> float:
    """Mean |difference| of the outputs to the float network's, relative to their spread."""
    done = compile_verbose(network(), "cri", calibration=X, timesteps=levels, **options)
    exact = evaluate(network(), {"x": X})["logits"]
    return float(np.abs(evaluate(done.lowered, {"x": X})["logits"] - exact).mean() / exact.std())


def test_weights_fit_8_bits_and_steps_are_positive_integers() -> None:
    done = compile_verbose(network(), "cri", calibration=X)
    for node in done.lowered.nodes:
        weight = node.operand("weight") if isinstance(node.op, Conv | Dense) else None
        if weight is not None:
            assert weight.data.dtype == np.int8 and np.abs(weight.data.astype(int)).max() <= 127
        if isinstance(node.op, Unary):
            assert node.operands[1].data.min() >= 1
    counts = trace(done.lowered, {"x": X}, {"r1", "r2"})
    assert counts["r1"].max() == 15 and counts["r1"].min() == 0


def test_more_levels_come_closer_to_the_float_network() -> None:
    errors = [error(levels) for levels in (1, 3, 15, 63, 255)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


def test_each_way_of_finding_ranges_works_and_mse_beats_minmax_at_few_levels() -> None:
    errors = {ranges: error(3, ranges=ranges) for ranges in ("minmax", "percentile", "mse")}
    assert errors["mse"] < errors["minmax"] and errors["percentile"] <= errors["minmax"]


def test_the_top_level_of_relu6_stands_for_six() -> None:
    done = compile_verbose(network(), "cri", calibration=100 * X, ranges="minmax", timesteps=7)
    counts = trace(done.lowered, {"x": 100 * X}, {"r2"})["r2"]
    exact = trace(done.imported, {"x": 100 * X}, {"r2"})["r2"]
    assert np.all(exact.max(axis=(0, 2, 3))[:3] == 6.0) and np.all(counts.max(axis=(0, 2, 3))[:3] == 7)
    assert np.mean(counts[exact == 6.0] == 7) > 0.9


@pytest.mark.parametrize("profile", ["sim", "hw2024", "hw_l6", "hw_l6_legacy"])
def test_count_readout_needs_no_potentials_and_negative_logits_do_not_tie(profile: str) -> None:
    done = compile_verbose(network(), "cri", calibration=X, timesteps=31, readout="count", profile=profile)
    assert [r.kind for r in done.program.readouts] == ["count"]
    result = Session(done.program).run(X)
    np.testing.assert_array_equal(
        result.outputs["logits"], evaluate(done.lowered, {"x": X})["logits"].astype(np.float32)
    )
    exact = evaluate(network(), {"x": X})["logits"]
    assert exact[:, 1].max() < 0 and result.integers["logits"][:, 1].min() < 0
    step = (exact.max() - min(exact.min(), 0)) / 31
    assert np.abs(result.outputs["logits"] - exact).mean() < step


def test_inputs_of_both_signs_and_outside_the_range() -> None:
    program = compile_verbose(network(), "cri", calibration=X).program
    (entry,) = program.inputs
    assert 0 < entry.zero_point < 255 and entry.scale == pytest.approx((X.max() - X.min()) / 255, rel=1e-6)
    counters = Session(program).run(10 * X).counters
    code = np.rint(10 * X / entry.scale) + entry.zero_point
    assert counters["input_clipped"] == np.sum((code < 0) | (code > 255)) > 0


def test_without_calibration_a_warning_names_the_synthetic_data() -> None:
    done = compile_verbose(network(), "cri")
    assert "64 samples of uniform noise in [0, 1)" in done.warnings[0]
    assert done.program.provenance["calibration"] == "synthetic"


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        (X[:, :1], "has shape (50, 1, 6, 6), expected (samples, 2, 6, 6)"),
        (X[0], "has shape"),
        (X[:0], "has shape"),
        ({"x": X, "z": X}, "arrays ['x', 'z']"),
        (X.astype(str), "has dtype"),
        (np.where(X > 1, np.nan, X), "NaN or infinity"),
    ],
    ids=["channels", "no samples axis", "empty", "names", "dtype", "nan"],
)
def test_bad_calibration_data(samples, why: str) -> None:
    with pytest.raises(NmcError, match="NMC-Q001") as caught:
        compile_verbose(network(), "cri", calibration=samples)
    assert caught.value.exit_code == 4 and why in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timesteps": 0}, "levels must be 1 to 4096"),
        ({"profile": "hw9"}, "profile must be one of"),
        ({"readout": "guess"}, "readout must be"),
        ({"ranges": "max"}, "ranges must be one of"),
        ({"timestep": 3}, "did you mean 'timesteps'"),
    ],
)
def test_bad_options(options, message: str) -> None:
    with pytest.raises(NmcError, match="NMC-T002") as caught:
        compile_verbose(network(), "cri", **options)
    assert caught.value.exit_code == 2 and message in str(caught.value)


def test_the_last_bit_of_the_samples_does_not_decide() -> None:
    jitter = X * (1 + RNG.choice([-1, 1], X.shape) * 2.0**-52)
    first, second = (compile_verbose(network(), "cri", calibration=x) for x in (X, jitter))
    assert first.lowered == second.lowered


def test_a_whole_pipeline_can_be_given() -> None:
    passes = "canonicalize,fold-batch-norm,expand-batch-norm,cri-terms,quantize-cri{levels=5,weight_bits=4}"
    done = compile_verbose(network(), "cri", calibration=X, passes=passes)
    largest = max(np.abs(n.operand("weight").data).max() for n in done.lowered.nodes if isinstance(n.op, Dense))
    assert largest == 7
    with pytest.raises(NmcError, match="NMC-P004"):
        compile_verbose(network(), "cri", calibration=X, passes="canonicalize")


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.floats(0.5, 30.0), st.sampled_from([1, 3, 15]))
def test_mse_fraction_is_the_best_of_its_candidates(seed: int, shape: float, levels: int) -> None:
    values = np.random.default_rng(seed).gamma(shape, size=3000)
    array = np.histogram(values, BINS, (0, values.max()))[0][None]
    centers = (np.arange(BINS) + 0.5) / BINS

    def cost(fraction: float) -> float:
        rounded = np.minimum(np.floor(centers / fraction * levels + 0.5), levels) * fraction / levels
        return float((array[0] * (centers - rounded) ** 2).sum())

    best = float(mse_fraction(array, levels)[0])
    assert all(cost(best) <= cost(f) * (1 + 1e-9) + 1e-12 for f in np.linspace(0.2, 1.0, 81))


def test_percentile_counts_positive_values() -> None:
    counts = np.zeros((2, BINS), np.int64)
    counts[0, :100] = 1
    counts[1, -1] = 5
    assert percentile_fraction(counts, 50.0).tolist() == [50 / BINS, 1.0]


def test_channels_that_never_fire_get_the_range_of_the_tensor() -> None:
    graph = graph_of('input %x: f32[1,2]NC\n%y = relu(%x)\noutput "y" = %y')
    samples = np.array([[-1.0, 4.0], [-2.0, 3.0]])
    assert activation_ranges(graph, {"x": samples}, {"y": 1}, "minmax", 3)["y"].tolist() == [4.0, 4.0]
    assert activation_ranges(graph, {"x": -abs(samples)}, {"y": 1}, "mse", 3)["y"].tolist() == [1.0, 1.0]


def test_pass_options_are_checked() -> None:
    for wrong in ({"levels": 0}, {"percent": 0.0}, {"weight_bits": 9}, {"ranges": "x"}, {"readout": "x"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            QuantizeCri(**wrong)


def test_one_number_added_to_channels_of_different_scales() -> None:
    """Much like a hard sigmoid: clip(0.3 x + 0.4, 0, 1)."""
    body = f"""
        input %x: f32[1,2,6,6]NCHW
        %c = conv(%x, @w1, @b1) {CONV}
        %s = mul(%c, @third)
        %t = add(%s, @half)
        %h = clip(%t) {{low=0.0, high=1.0}}
        %p = avg_pool(%h) {{kernel=(6, 6), stride=(6, 6), pads=((0, 0), (0, 0)), dilation=(1, 1)}}
        %f = reshape(%p) {{shape=(1, 4), axes='NC'}}
        %y = dense(%f, @w3, @b3)
        output "logits" = %y
    """
    numbers = {"third": np.array(0.3, np.float32), "half": np.array(0.4, np.float32)}
    done = compile_verbose(graph_of(body, CONSTANTS | numbers), "cri", calibration=X)
    expected = evaluate(done.lowered, {"x": X[:5]})["logits"]
    np.testing.assert_array_equal(Session(done.program).run(X[:5]).outputs["logits"], expected.astype(np.float32))


def test_a_dense_layer_over_the_last_axis_of_an_image_is_refused() -> None:
    """Scales are those of channels: along another axis they would belong to other elements."""
    body = """
        input %x: f32[1,2,6,6]NCHW
        %r = relu(%x)
        %d = dense(%r, @square)
        %y = relu(%d)
        output "logits" = %y
    """
    with pytest.raises(NmcError, match="last axis"):
        compile_verbose(graph_of(body, {"square": normal(6, 6)}), "cri", calibration=X)
