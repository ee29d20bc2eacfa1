"""Convolutions over time and space as two: the rewrites, the numbers of channels, and what the report says."""

from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir_text import check_pass, graph_of, random_inputs, skeleton
from nmc.compiler.analysis.factorization import ROUNDING, Factors, Rank, factorize
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import Graph, TensorType, evaluate
from nmc.compiler.ir.ops import Conv
from nmc.compiler.manager import Manager
from nmc.compiler.passes.base import Context
from nmc.compiler.passes.factorize_conv3d import FactorizeConv3d, Factorized, table
from nmc.compiler.pipeline import parse_pipeline, print_pipeline

RNG = np.random.default_rng(5)
PLAIN = "{stride=(1, 1, 1), pads=((1, 1), (1, 1), (1, 1)), dilation=(1, 1, 1)}"
CLIP = "f32[1,2,5,6,6]NCTHW"


def weights(*shape: int, rng: np.random.Generator = RNG) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def layer(attributes: str = PLAIN, clip: str = CLIP, bias: bool = True, **constants: np.ndarray) -> Graph:
    """%y = conv(%x, @w, @b) on the graph's input."""
    constants = constants or {"w": weights(4, 2, 3, 3, 3)}
    if bias:
        constants["b"] = weights(len(constants["w"]))
    body = f'input %x: {clip}\n%y = conv(%x, @w{", @b" if bias else ""}) {attributes}\noutput "y" = %y'
    return graph_of(body, constants, "canonical")


def run(graph: Graph, samples: int = 0, **options: object) -> tuple[Graph, Factorized]:
    """The rewritten copy of a graph with one layer, and its record."""
    after = graph.copy()
    context = Context(samples=random_inputs(graph, samples, seed=3) if samples else None)
    assert FactorizeConv3d(**options).run(after, context) == 1  # type: ignore[arg-type]
    return after, context.reports["factorize-conv3d"][0]


# --- what becomes of a graph ---


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize(
    ("order", "first", "second"),
    [("temporal-first", "temporal", "spatial"), ("spatial-first", "spatial", "temporal")],
)
def test_two_layers_in_either_order(order: str, first: str, second: str, bias: bool) -> None:
    operand = ", @b" if bias else ""
    after = f"%y.{first} = conv(%x, @w.{first})\n%y = conv(%y.{first}, @w.{second}{operand})\nreturn %y"
    check_pass(FactorizeConv3d(order=order), layer(bias=bias), after, 1)


def test_each_part_takes_the_stride_pads_and_dilation_of_its_axes() -> None:
    attributes = "{stride=(2, 1, 3), pads=((2, 0), (1, 0), (0, 3)), dilation=(2, 1, 2)}"
    graph, _ = check_pass(
        FactorizeConv3d(order="temporal-first"),
        layer(attributes, w=weights(4, 2, 2, 3, 1)),
        "%y.temporal = conv(%x, @w.temporal)\n%y = conv(%y.temporal, @w.spatial, @b)\nreturn %y",
    )
    temporal, spatial = graph.nodes
    assert temporal.op == Conv((2, 1, 1), ((2, 0), (0, 0), (0, 0)), (2, 1, 1))
    assert spatial.op == Conv((1, 1, 3), ((0, 0), (1, 0), (0, 3)), (1, 1, 2))
    assert [node.operands[1].type.shape[2:] for node in graph.nodes if node.operands[1]] == [(2, 1, 1), (1, 3, 1)]
    assert temporal.result.origin == spatial.result.origin


def test_time_is_the_axis_called_t_wherever_it_stands() -> None:
    graph, _ = check_pass(
        FactorizeConv3d(order="temporal-first"),
        layer(clip="f32[1,2,6,6,5]NCHWT", w=weights(4, 2, 3, 3, 2)),
        "%y.temporal = conv(%x, @w.temporal)\n%y = conv(%y.temporal, @w.spatial, @b)\nreturn %y",
    )
    assert [node.operands[1].type.shape[2:] for node in graph.nodes if node.operands[1]] == [(1, 1, 2), (3, 3, 1)]


def test_auto_is_spatial_first_on_the_input_and_temporal_first_behind_it() -> None:
    body = f"""
    input %x: f32[1,5,4,4,2]NTHWC
    %t = transpose(%x) {{perm=(0, 4, 1, 2, 3)}}
    %p = pad(%t) {{pads=((0, 0), (0, 0), (2, 0), (1, 1), (1, 1))}}
    %a = conv(%p, @w) {PLAIN}
    %r = relu(%t)
    %c = conv(%r, @v, @b) {PLAIN}
    output "a" = %a
    output "c" = %c
    """
    graph = graph_of(body, {"w": weights(3, 2, 3, 3, 3), "v": weights(3, 2, 3, 3, 3), "b": weights(3)}, "canonical")
    after = """%t = transpose(%x)
%p = pad(%t)
%a.spatial = conv(%p, @w.spatial)
%a = conv(%a.spatial, @w.temporal)
%r = relu(%t)
%c.temporal = conv(%r, @v.temporal)
%c = conv(%c.temporal, @v.spatial, @b)
return %a, %c"""
    check_pass(FactorizeConv3d(), graph, after, 2)


def test_shared_weights_two_consumers_and_a_result_that_is_an_output() -> None:
    body = f"""
    input %x: {CLIP}
    %y = conv(%x, @w) {PLAIN}
    %z = conv(%y, @w) {PLAIN}
    %s = add(%y, %z)
    output "y" = %y
    output "s" = %s
    """
    after = """%y.spatial = conv(%x, @w.spatial)
%y = conv(%y.spatial, @w.temporal)
%z.temporal = conv(%y, @w.temporal.2)
%z = conv(%z.temporal, @w.spatial.2)
%s = add(%y, %z)
return %y, %s"""
    check_pass(FactorizeConv3d(), graph_of(body, {"w": weights(2, 2, 3, 3, 3)}, "canonical"), after, 2)


@pytest.mark.parametrize("shape", [(4, 2, 3, 1, 1), (4, 2, 1, 3, 3), (4, 2, 1, 1, 1)])
def test_kernels_over_time_or_space_only_are_no_match(shape: tuple[int, ...]) -> None:
    _, context = check_pass(FactorizeConv3d(), layer(w=weights(*shape)), None, 0)
    assert context.declined == []
    assert context.reports == {}


def test_without_a_time_axis_it_is_declined() -> None:
    _, context = check_pass(FactorizeConv3d(), layer(clip="f32[1,2,5,6,6]NCDHW"), None, 0)
    why = "none of the axes NCDHW of its input is time (T)"
    assert [(d.pass_name, d.where, d.why) for d in context.declined] == [("factorize-conv3d", "y", why)]


def test_weights_that_are_empty_not_finite_or_not_constant_are_declined() -> None:
    nan = weights(4, 2, 3, 3, 3)
    nan[0, 0, 0, 0, 0] = np.nan
    graph = layer(bias=False, w=nan)
    kernel = graph.add_input("k", TensorType((4, 2, 3, 3, 3), "f32", "_____"))
    graph.add(graph.nodes[0].op, graph.inputs[0], kernel, name="z")
    empty = graph.constant("none", np.zeros((0, 2, 3, 3, 3), np.float32))
    graph.add(graph.nodes[0].op, graph.inputs[0], empty, name="e")
    context, before = Context(), skeleton(graph)
    assert FactorizeConv3d().run(graph, context) == 0
    assert skeleton(graph) == before
    reasons = [d.why for d in context.declined]
    assert reasons == [
        "its weight @w holds NaN or infinity",
        "its weight %k is not a constant",
        "its weight @none is empty",
    ]
    FactorizeConv3d().ensures(graph)


# --- the same numbers at exact rank ---


@settings(max_examples=60)
@given(st.data())
def test_exact_keeps_the_outputs(data: st.DataObject) -> None:
    def numbers(low: int, high: int) -> list[int]:
        return [data.draw(st.integers(low, high)) for _ in range(3)]

    groups, inner, outer = numbers(1, 3)
    kernel, stride, dilation, before, after = (
        [data.draw(st.integers(2, 3)), *numbers(1, 3)[:2]],
        *map(numbers, (1, 1, 0, 0), (3, 2, 2, 2)),
    )
    kernel[2] += kernel[1] == kernel[2] == 1
    clip = ",".join(map(str, (1, groups * inner, 6, 6, 7)))
    attributes = (
        f"{{stride={tuple(stride)}, pads={tuple(zip(before, after, strict=True))}, dilation={tuple(dilation)}, "
        f"groups={groups}}}"
    )
    w = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(groups * outer, inner, *kernel))
    order = data.draw(st.sampled_from(["temporal-first", "spatial-first"]))
    graph = layer(attributes, f"f32[{clip}]NCTHW", w=w.astype(np.float32))
    expected = evaluate(graph, random_inputs(graph))["y"]
    after_pass, record = run(graph, order=order)
    early, late = (kernel[0], kernel[1] * kernel[2])[:: 1 if order == "temporal-first" else -1]
    assert record.rank == record.full_rank == min(inner * early, outer * late)
    assert record.weight_error == 0
    np.testing.assert_allclose(evaluate(after_pass, random_inputs(graph))["y"], expected, rtol=1e-12, atol=1e-12)


def test_full_rank_holds_the_kernel_bit_for_bit() -> None:
    graph = layer()
    after, _ = run(graph, order="temporal-first")
    temporal, spatial = (node.operand("weight") for node in after.nodes)
    assert temporal is not None and spatial is not None
    assert set(np.unique(temporal.data)) == {0, 1}
    w = graph.nodes[0].operand("weight")
    assert w is not None
    assert sorted(spatial.data.ravel()) == sorted(w.data.ravel())


def separable(outputs: int, inputs: int, rank: int) -> np.ndarray:
    """A 3×3×3 kernel that a product of `rank` terms makes, temporal first."""
    return np.einsum("omhw,mct->octhw", weights(outputs, rank, 3, 3), weights(rank, inputs, 3)).astype(np.float32)


def test_exact_finds_the_rank_a_kernel_has() -> None:
    graph = layer(clip="f32[1,4,5,6,6]NCTHW", w=separable(6, 4, 5))
    after, record = run(graph, samples=2, order="temporal-first")
    assert (record.rank, record.full_rank) == (5, 12)
    assert record.weight_error < 2e-7
    assert record.output_error is not None
    assert record.output_error < 1e-6
    inputs = random_inputs(graph)
    np.testing.assert_allclose(evaluate(after, inputs)["y"], evaluate(graph, inputs)["y"], rtol=1e-5, atol=1e-5)


def test_exact_does_not_lose_channels_that_are_small_beside_the_others() -> None:
    kernel = separable(6, 4, 5)
    kernel[2] = weights(4, 3, 3, 3) * 1e-9
    graph = layer(clip="f32[1,4,5,6,6]NCTHW", bias=False, w=kernel)
    after, record = run(graph, order="temporal-first")
    assert record.rank > 5
    inputs = random_inputs(graph)
    expected, found = (evaluate(g, inputs)["y"][:, 2] for g in (graph, after))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_a_kernel_of_zeros_has_one_channel() -> None:
    _, record = run(layer(w=np.zeros((4, 2, 3, 3, 3), np.float32)), samples=1)
    assert (record.rank, record.weight_error) == (1, 0.0)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_kernels_are_sums_of_separable_ones_for_each_channel(multiplier: int) -> None:
    attributes = PLAIN[:-1] + ", groups=4}"
    graph = layer(attributes, "f32[1,4,5,6,6]NCTHW", w=weights(4 * multiplier, 1, 3, 3, 3))
    after, record = run(graph, order="temporal-first")
    assert (record.rank, record.full_rank) == (3, 3)
    first, second = (node.operands[1] for node in after.nodes)
    assert first is not None and second is not None
    assert (first.type.shape, second.type.shape) == ((12, 1, 3, 1, 1), (4 * multiplier, 3, 1, 3, 3))
    assert all(isinstance(node.op, Conv) and node.op.groups == 4 for node in after.nodes)


def test_groups_of_lower_rank_than_others_are_filled_with_zeros() -> None:
    w = weights(3, 1, 3, 3, 3)
    w[1] = separable(1, 1, 1)[0]
    w[2] = 0
    w[0] = separable(1, 1, 2)[0]
    after, record = run(layer(PLAIN[:-1] + ", groups=3}", "f32[1,3,5,6,6]NCTHW", w=w), order="temporal-first")
    assert (record.rank, record.full_rank) == (2, 3)
    temporal, spatial = (node.operands[1] for node in after.nodes)
    assert temporal is not None and spatial is not None
    assert [bool(np.any(row)) for row in temporal.data] == [True, True, True, False, False, False]
    assert [[bool(np.any(taps)) for taps in row] for row in spatial.data] == [[True, True], [True, False], [False] * 2]


# --- fewer channels ---


@pytest.mark.parametrize("order", ["temporal-first", "spatial-first"])
@pytest.mark.parametrize(("outputs", "inputs", "groups"), [(16, 8, 1), (8, 16, 1), (12, 12, 3), (6, 6, 6), (64, 3, 1)])
def test_r2plus1d_keeps_the_number_of_weights(order: str, outputs: int, inputs: int, groups: int) -> None:
    w = weights(outputs, inputs // groups, 3, 3, 3)
    graph = layer(PLAIN[:-1] + f", groups={groups}}}", f"f32[1,{inputs},4,4,4]NCTHW", w=w)
    _, record = run(graph, rank="r2plus1d", order=order)
    t, s, c, o = 3, 9, inputs // groups, outputs // groups
    one = t * c + s * o if order == "temporal-first" else s * c + t * o
    assert record.rank == t * s * c * o // one
    assert record.weights[0] == w.size
    assert record.weights[1] == groups * record.rank * one
    assert 0 <= record.weights[0] - record.weights[1] < groups * one


KERNEL = RNG.normal(size=(1, 6, 4, 3, 9)) * np.geomspace(1, 0.01, 9)


def parts(kernel: np.ndarray, rank: str, channels: np.ndarray | None = None) -> Factors:
    return factorize(kernel, Rank.parse(rank), channels)


def test_the_error_of_n_channels_is_what_the_singular_values_say() -> None:
    matrix = KERNEL[0].transpose(0, 3, 1, 2).reshape(54, 12)
    sigma = np.linalg.svd(matrix, compute_uv=False)
    for n in range(1, 13):
        found = parts(KERNEL, str(n))
        assert found.first.shape == (1, n, 4, 3)
        expected = np.sqrt(np.square(sigma[n:]).sum() / np.square(sigma).sum())
        np.testing.assert_allclose(found.error, expected, rtol=1e-6, atol=1e-12)
    assert parts(KERNEL, "99").first.shape == (1, 12, 4, 3)


@pytest.mark.parametrize("groups", [1, 3])
def test_energy_and_error_take_the_fewest_channels_that_satisfy_them(groups: int) -> None:
    kernel = np.random.default_rng(groups).normal(size=(groups, 6, 4, 3, 9)) * np.geomspace(1, 0.01, 9)
    for rank, allowed in [(f"error={e}", e) for e in (0.6, 0.3, 0.1, 0.03)] + [
        (f"energy={share}", np.sqrt(1 - share)) for share in (0.5, 0.9, 0.99, 0.999)
    ]:
        found = parts(kernel, rank)
        terms = found.first.shape[1]
        assert found.error <= allowed
        assert terms == 1 or parts(kernel, str(terms - 1)).error > allowed
    for kind, values in (("error", (0.9, 0.5, 0.2, 0.1, 0.0)), ("energy", (0.1, 0.5, 0.9, 0.99, 1.0))):
        counts = [parts(kernel, f"{kind}={value}").first.shape[1] for value in values]
        assert counts == sorted(counts)
        assert counts[-1] == 12
    assert parts(kernel, "error=0.0").error == parts(kernel, "energy=1.0").error == 0


def test_both_parts_have_norms_of_the_same_size_and_float32_digits() -> None:
    found = parts(KERNEL * 1e-6, "4")
    norms = np.sqrt(np.square(found.first).sum(axis=(0, 2, 3))), np.sqrt(np.square(found.second).sum(axis=(0, 1, 3)))
    assert np.all(norms[0] / norms[1] < 2.01) and np.all(norms[1] / norms[0] < 2.01)
    for part in (found.first, found.second):
        assert np.array_equal(part, part.astype(np.float32))


def skewed() -> tuple[Graph, dict[str, np.ndarray]]:
    """A layer that reads channels of very different size."""
    rng = np.random.default_rng(2)
    graph = layer(clip="f32[1,4,5,6,6]NCTHW", bias=False, w=weights(6, 4, 3, 3, 3, rng=rng))
    size = np.array([10, 1, 0.1, 0.01]).reshape(-1, 1, 1, 1)
    return graph, {"x": rng.normal(size=(8, 4, 5, 6, 6)) * size}


@pytest.mark.parametrize("order", ["temporal-first", "spatial-first"])
def test_weights_from_calibration_lower_the_error_of_the_output(order: str) -> None:
    graph, samples = skewed()
    errors = {}
    for weighted in (False, True):
        after, context = graph.copy(), Context(samples=samples)
        FactorizeConv3d(rank="5", order=order, weighted=weighted).run(after, context)
        (record,) = context.reports["factorize-conv3d"]
        errors[weighted] = record.output_error
        expected, found = (evaluate(g, samples)["y"] for g in (graph, after))
        measured = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        np.testing.assert_allclose(record.output_error, measured, rtol=1e-9)
        assert record.rank == 5
    assert errors[True] < 0.75 * errors[False]


def test_a_channel_that_is_zero_on_all_samples_still_counts() -> None:
    graph, samples = skewed()
    samples["x"][:, 3] = 0
    context = Context(samples=samples)
    FactorizeConv3d(rank="error=0.1", weighted=True).run(graph, context)
    assert np.isfinite(context.reports["factorize-conv3d"][0].output_error)
    silent = layer()
    FactorizeConv3d(rank="3", weighted=True).run(silent, Context(samples={"x": np.zeros((2, 2, 5, 6, 6))}))
    assert all(np.isfinite(value.data).all() for value in silent.constants())


def test_weighted_without_samples_says_so() -> None:
    context = Context()
    FactorizeConv3d(weighted=True).run(layer(), context)
    assert "no calibration samples" in context.warnings[0]


# --- determinism ---


def test_the_last_bits_of_a_blas_do_not_reach_the_factors() -> None:
    jitter = KERNEL * (1 + np.random.default_rng(1).choice([-1, 0, 1], size=KERNEL.shape) * 2.0**-52)
    assert not np.array_equal(jitter, KERNEL)
    for rank in ("exact", "r2plus1d", "energy=0.99"):
        a, b, c = parts(KERNEL, rank), parts(KERNEL, rank), parts(jitter, rank)
        for part in ("first", "second"):
            bytes_of = [getattr(f, part).astype(np.float32).tobytes() for f in (a, b, c)]
            assert len(set(bytes_of)) == 1


def test_of_each_left_vector_the_largest_entry_is_positive() -> None:
    second = parts(KERNEL, "7").second[0].transpose(0, 2, 1).reshape(54, 7)
    assert np.all(np.take_along_axis(second, np.abs(second).argmax(axis=0)[None], axis=0) > 0)


def test_two_runs_give_the_same_graph() -> None:
    graph = layer()
    options = {"rank": "error=0.2", "order": "temporal-first"}
    assert run(graph, **options)[0] == run(graph, **options)[0]


# --- report and options ---


def test_the_report_counts_weights_and_multiplications() -> None:
    attributes = "{stride=(2, 1, 2), pads=((1, 1), (1, 1), (1, 1)), dilation=(1, 1, 1)}"
    graph = layer(attributes, w=weights(4, 2, 3, 3, 3))
    after, record = run(graph, samples=2, rank="5", order="temporal-first")
    assert (record.name, record.order, record.rank, record.full_rank) == ("y", "temporal-first", 5, 6)
    # x has 5×6×6 positions, after the temporal part 3×6×6, after the spatial one 3×6×3.
    assert record.weights == (4 * 2 * 27, 5 * 2 * 3 + 4 * 5 * 9)
    assert record.macs == (54 * 4 * 2 * 27, 108 * 5 * 2 * 3 + 54 * 4 * 5 * 9)
    counted = sum(
        node.operands[1].type.elements * prod(node.result.type.shape[2:]) for node in after.nodes if node.operands[1]
    )
    assert record.macs[1] == counted
    assert record.output_error is not None
    assert 0 < record.output_error < 1
    _, without = run(graph, rank="5", order="temporal-first")
    assert without.output_error is None
    text = table([record, without])
    assert text.splitlines()[1].split()[:5] == ["y", "temporal-first", "5", "of", "6"]
    assert "216 -> 210" in text
    assert "432 -> 420" in text.splitlines()[-1]
    assert text.splitlines()[2].endswith("-")
    assert table([]).splitlines()[-1].split() == ["total", "0", "->", "0", "0", "->", "0"]


def test_the_measured_errors_are_those_of_each_layer_alone() -> None:
    body = f"""
    input %x: {CLIP}
    %y = conv(%x, @w, @b) {PLAIN}
    %z = conv(%y, @v) {PLAIN}
    output "z" = %z
    """
    graph = graph_of(body, {"w": weights(4, 2, 3, 3, 3), "b": weights(4), "v": separable(3, 4, 2)}, "canonical")
    context = Context(samples=random_inputs(graph))
    FactorizeConv3d(rank="2", order="temporal-first").run(graph, context)
    y, z = context.reports["factorize-conv3d"]
    assert y.output_error > 0.1
    assert z.output_error < 1e-6


def test_options_in_a_pipeline() -> None:
    text = "factorize-conv3d{rank=energy=0.99,order=temporal-first,weighted=True}"
    passes = parse_pipeline(text)
    assert passes == (FactorizeConv3d("energy=0.99", "temporal-first", True),)
    assert print_pipeline(passes) == text
    assert [FactorizeConv3d(rank).preserves for rank in ("exact", "error=0", "r2plus1d", "12")] == [True, True] + [
        False
    ] * 2


@pytest.mark.parametrize(
    "option",
    [f"rank={r}" for r in ("", "full", "0", "-3", "1.5", "energy=0", "energy=1.1", "error=1", "error=-1", "error=nan")]
    + ["rank=energy", "rank=energy=much", "rank=exact=1", "order=first"],
)
def test_options_that_make_no_sense_are_named(option: str) -> None:
    with pytest.raises(NmcError, match=option.partition("=")[0] + " must be"):
        parse_pipeline(f"factorize-conv3d{{{option}}}")


def test_an_approximation_is_reported_by_verify_each_not_refused() -> None:
    graph = layer()
    manager = Manager(verify_each=True, inputs=random_inputs(graph))
    (record,) = manager.run(graph.copy(), [FactorizeConv3d("2")], Context())
    assert record.change is not None
    assert record.change > 1e-2
    (record,) = manager.run(graph.copy(), [FactorizeConv3d()], Context())
    assert record.change is not None
    assert record.change < 1e-6


def test_rounding_is_that_of_float32() -> None:
    assert np.float32(1) + np.float32(2 * ROUNDING) > 1 == np.float32(1) + np.float32(ROUNDING)
