"""Level 2 of the unary code: refitted layers and spread levels, exact as ever and closer to the float network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rate_nets import Net, mixed, mlp

from nmc.backends.cri import least_squares
from nmc.backends.cri.least_squares import features, refit
from nmc.backends.cri.level_search import search_levels
from nmc.backends.cri.spread import spread_levels
from nmc.compiler import compile_verbose
from nmc.compiler.driver import Compilation
from nmc.compiler.ir import Graph, evaluate, print_graph, trace
from nmc.compiler.ir.ops import Conv, Dense, Relu
from nmc.compiler.levels import Budget
from nmc.runtime import Session

pytestmark = pytest.mark.slow


def inputs(graph: Graph, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *graph.inputs[0].type.shape[1:]))


def compiled(graph: Graph, samples: int = 60, **options: object) -> Compilation:
    return compile_verbose(graph, "cri", calibration=inputs(graph, samples), timesteps=3, **options)


@pytest.mark.parametrize("graph", [mlp(2), mixed(1)], ids=["chain", "branches"])
def test_level_2_is_exact_takes_no_more_time_and_comes_closer(graph: Graph) -> None:
    usual, best = compiled(graph), compiled(graph, optimize=2)
    assert best.program.steps <= usual.program.steps
    x = inputs(graph, 200, seed=9)
    result = Session(best.program).run({"x": x[:8]}, trace=True)
    expected = trace(best.lowered, {"x": x[:8]})
    for p in best.program.populations:
        if p.kind != "readout":
            np.testing.assert_array_equal(result.trace[p.name], expected[p.name])
            assert result.trace[p.name].max() <= p.levels
    np.testing.assert_array_equal(result.outputs["y"], evaluate(best.lowered, {"x": x[:8]})["y"].astype(np.float32))
    wanted = evaluate(graph, {"x": x})["y"]
    error = [((evaluate(done.lowered, {"x": x})["y"] - wanted) ** 2).sum() for done in (usual, best)]
    assert error[1] < 0.9 * error[0]
    (report,) = best.reports["search-levels"]
    assert report.after < report.before and dict(report.levels).keys() == {v.name for v in activations(best)}


def activations(done: Compilation) -> list:
    return [node.result for node in done.lowered.nodes if node.op.mnemonic == "unary"]


def test_each_method_alone_and_none() -> None:
    graph = mixed(1)
    texts = {
        key: print_graph(compiled(graph, **dict.fromkeys(key, "auto")).lowered)
        for key in ((), ("refit",), ("spread",), ("refit", "spread"))
    }
    assert len(set(texts.values())) == 4
    off = compiled(graph, optimize=2, refit="off", spread="off")
    assert print_graph(off.lowered) == texts[()]
    assert texts["refit", "spread"] == print_graph(compiled(graph, optimize=2).lowered)


def test_a_time_budget_that_is_over_leaves_level_1_and_says_so() -> None:
    usual, short = compiled(mlp(5)), compiled(mlp(5), optimize=2, time_budget=1e-9)
    assert print_graph(short.lowered) == print_graph(usual.lowered)
    assert short.warnings == ("the time budget ended the search for levels and weights early",)


def test_one_sample_is_not_learned_by_heart() -> None:
    rng = np.random.default_rng(0)
    weight, bias = refit(Dense(), rng.integers(0, 8, (1, 5)), rng.normal(size=(1, 3)), ())
    assert not weight.any() and not bias.any()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]), st.integers(1, 2), st.integers(0, 1), st.integers(1, 2))
def test_features_are_what_a_layer_sums_up(seed: int, groups: int, stride: int, pad: int, dilation: int) -> None:
    rng = np.random.default_rng(seed)
    op = Conv((stride, 1), ((pad, 0), (1, pad)), (dilation, 1), groups)
    x, weight = rng.integers(-9, 10, (2, 4, 7, 6)), rng.integers(-9, 10, (6, 4 // groups, 3, 2))
    rows = features(op, x, (3, 2))
    found = np.matmul(rows, weight.reshape(groups, 6 // groups, -1).transpose(0, 2, 1))
    expected = op.evaluate(x, weight)
    split = expected.reshape(2, groups, 6 // groups, -1).transpose(1, 0, 3, 2)
    np.testing.assert_array_equal(found, split.reshape(found.shape))


def test_a_change_that_would_help_is_found_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x, change, bias = rng.integers(0, 16, (40, 2, 5, 5)), rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3)
    op = Conv.plain(2)
    found = refit(op, x, op.evaluate(x, change, bias), (3, 3))
    np.testing.assert_allclose(found[0], change, atol=0.02)
    np.testing.assert_allclose(found[1], bias, atol=0.5)
    monkeypatch.setattr(least_squares, "BATCH", 1000)
    again = refit(op, x, op.evaluate(x, change, bias), (3, 3))
    np.testing.assert_array_equal(found[0], again[0])
    np.testing.assert_array_equal(found[1], again[1])


def test_ranges_and_shifts_are_searched_for_each_channel() -> None:
    rng = np.random.default_rng(2)
    wanted = np.abs(rng.normal(size=(500, 2))) * np.array([1.0, 7.0])
    found = wanted - np.array([0.1, 0.7])
    reach, shift = search_levels(found, wanted, np.array([3.0, 21.0]), 4)
    np.testing.assert_allclose(reach[1] / reach[0], 7.0, rtol=0.1)
    assert np.all(shift > 0)

    def error(reach: np.ndarray, shift: np.ndarray) -> np.ndarray:
        level = np.clip(np.floor((found + shift) / (reach / 4) + 0.5), 0, 4)
        return ((level * reach / 4 - wanted) ** 2).sum(axis=0)

    assert np.all(error(reach, shift) < error(np.array([3.0, 21.0]), np.zeros(2)))


def test_levels_go_where_the_outputs_need_them() -> None:
    """What one layer gets more another gets less; a layer whose rounding costs nothing has levels to give."""
    net = Net(0)
    a = net.op(Relu(), net.dense(net.input(4, axes="NC"), 6))
    graph = net.done(net.dense(net.op(Relu(), net.dense(a, 6)), 2))
    reach = {name: np.full(6, 2.0) for name in ("relu", "relu.2")}
    samples = {"x": inputs(graph, 30)}
    given_levels = spread_levels(graph, samples, reach, 6, Budget())
    assert sum(given_levels.values()) == 12 and min(given_levels.values()) >= 1
    tiny = {**reach, "relu": np.full(6, 1e-6)}
    assert spread_levels(graph, samples, tiny, 6, Budget())["relu"] != given_levels["relu"]
    assert spread_levels(graph, samples, reach, 6, Budget(1e-9)) == {"relu": 6, "relu.2": 6}
