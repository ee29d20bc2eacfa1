"""Rate coding: integrate-and-fire neurons, spike for spike, and what they come close to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rate_nets import Net, integrate_and_fire, mixed, mlp

from nmc.backends.cri.balance import balanced_thresholds
from nmc.cli.main import main
from nmc.compiler import compile_model, compile_verbose
from nmc.compiler.driver import Compilation
from nmc.compiler.ir import Graph, TensorType, evaluate, trace
from nmc.compiler.ir.ops import Activation, Clip, Dense, Quantize, Relu, Spike
from nmc.compiler.manager import write_graph
from nmc.runtime import Session
from nmc.runtime.program.diagnostics import NmcError

pytestmark = pytest.mark.slow

STEPS = 9
PROFILE = {"hard": "sim", "soft": "hw_l6"}


def inputs(graph: Graph, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *graph.inputs[0].type.shape[1:]))


def rate_coded(graph: Graph, reset: str = "hard", steps: int = STEPS, **options: object) -> Compilation:
    samples = inputs(graph, 40)
    asked = {"profile": PROFILE[reset], "rate_reset": reset, "timesteps": steps, **options}
    return compile_verbose(graph, "cri", calibration=samples, code="rate", **asked)


def dense_integers(done: Compilation) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Weights, biases and thresholds of the layers of a chain, with the constants that are added in every step."""
    found, bias = [], np.zeros(())
    for node in done.lowered.nodes:
        if isinstance(node.op, Dense):
            weight, given = node.operand("weight"), node.operand("bias")
            bias = np.zeros(()) if given is None else given.data
            found.append((weight.data.astype(np.int64), bias.astype(np.int64), 0))
        elif isinstance(node.op, Spike):
            found[-1] = (*found[-1][:2], int(node.operand("threshold").data.flat[0]))
    return found


@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_every_spike_and_sum_is_the_independent_simulation(reset: str) -> None:
    done = rate_coded(mlp(3), reset)
    x = inputs(done.imported, 7, seed=1)
    result = Session(done.program).run({"x": x}, trace=True)
    code = next(node.op for node in done.lowered.nodes if isinstance(node.op, Quantize))
    raised = np.clip(np.rint(x / code.scale) + code.zero_point, 0, 2**code.bits - 1).astype(np.int64)
    flowing = np.broadcast_to(raised - code.zero_point, (STEPS, *x.shape))
    layers = dense_integers(done)
    spiking = [p.name for p in done.program.populations if p.kind == "spiking"]
    assert len(spiking) == 2 and len(layers) == 3
    for name, (weight, bias, threshold) in zip(spiking, layers[:2], strict=True):
        flowing = integrate_and_fire(flowing @ weight.T + bias, threshold, reset == "soft")
        np.testing.assert_array_equal(result.trace[name], np.moveaxis(flowing, 0, 1))
        assert flowing.any()
    weight, bias, _ = layers[2]
    np.testing.assert_array_equal(result.integers["y"], (flowing @ weight.T + bias).sum(axis=0))
    assert result.counters["input_clipped"] == 0 or np.abs(x).max() > np.abs(inputs(done.imported, 40)).max()


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("seed", [0, 1])
def test_branches_and_pools_are_the_integer_network(seed: int, reset: str) -> None:
    done = rate_coded(mixed(seed), reset)
    x = inputs(done.imported, 4, seed=2)
    result = Session(done.program).run({"x": x}, trace=True)
    populations = [p for p in done.program.populations if p.kind not in ("readout", "relay")]
    expected = trace(done.lowered, {"x": x})
    assert len(populations) == 4
    for p in populations:
        np.testing.assert_array_equal(result.trace[p.name], expected[p.name])
    np.testing.assert_array_equal(result.outputs["y"], evaluate(done.lowered, {"x": x})["y"].astype(np.float32))


@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_a_constant_current_fires_as_often_as_the_reset_says(reset: str) -> None:
    """Soft: floor(T·x / θ); hard: once every ceil(θ / x) steps; both at most once a step, and never below 0."""
    net = Net(0)
    x = net.input(5, axes="NC")
    done = rate_coded(net.done(net.op(Relu(), net.dense(x, 20))), reset, steps=31)
    weight, bias, threshold = dense_integers(done)[0]
    code = next(node for node in done.lowered.nodes if isinstance(node.op, Quantize))
    given = inputs(done.imported, 30)
    current = code.op.evaluate(given) @ weight.T + bias
    if reset == "soft":
        expected = np.clip(31 * current // threshold, 0, 31)
    else:
        expected = np.where(current > 0, 31 // np.maximum(-(-threshold // np.maximum(current, 1)), 1), 0)
    (name,) = (p.name for p in done.program.populations if p.kind == "spiking")
    found = Session(done.program).run({"x": given}, trace=True).trace[name].sum(axis=1)
    np.testing.assert_array_equal(found, expected)
    assert found.max() > 12


def test_more_timesteps_come_closer_with_soft_reset() -> None:
    graph = mixed(4, pooled=False)
    x = inputs(graph, 6, seed=3)
    wanted = evaluate(graph, {"x": x})["y"]
    errors = []
    for steps in (4, 32, 160):
        done = rate_coded(graph, "soft", steps, ranges="minmax")
        errors.append(np.abs(evaluate(done.lowered, {"x": x})["y"] - wanted).mean())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.06 * np.abs(wanted).mean()


def test_thresholds_are_balanced_on_samples() -> None:
    graph = Graph("net", "terms")
    x = graph.add_input("x", TensorType((1, 2), "f32", "NC"))
    graph.outputs["y"] = graph.add(Clip(0.0, 6.0), graph.add(Relu(), x, name="a"), name="b")
    values = np.concatenate([np.arange(1, 200), [8.0]]).reshape(-1, 2) / np.array([100.0, 50.0])
    samples = {"x": values}
    top = float(values.max())
    assert balanced_thresholds(graph, samples, "minmax", 0, 0) == {
        "a": pytest.approx(top, rel=2**-22),
        "b": pytest.approx(top),
    }
    part = balanced_thresholds(graph, samples, "percentile", 50.0, 0)["a"]
    assert np.mean(values <= part) == pytest.approx(0.5, abs=0.01)
    assert balanced_thresholds(graph, samples, "mse", 0, 3)["a"] < top
    assert balanced_thresholds(graph, {"x": -values}, "mse", 0, 3) == {"a": 1.0, "b": 1.0}


def test_clips_are_held_whole() -> None:
    net = Net(5)
    x = net.input(1, 4, 5, 5, axes="NCTHW")
    graph = net.done(net.op(Relu(), net.conv(x, 3)))
    done = rate_coded(graph)
    x = inputs(graph, 2)
    found = Session(done.program).run({"x": x})
    assert found.outputs["y"].shape == (2, 3, 4, 5, 5)
    np.testing.assert_array_equal(found.outputs["y"], evaluate(done.lowered, {"x": x})["y"].astype(np.float32))


def test_max_pools_are_announced_and_levels_choose_thresholds() -> None:
    (warning,) = rate_coded(mixed(0)).warnings
    assert warning.startswith("%max_pool: a max pool passes a spike on") and "code=unary" in warning
    assert rate_coded(mixed(0, pooled=False)).warnings == ()
    made = [rate_coded(mlp(0), optimize=level).program.provenance["options"]["ranges"] for level in (0, 1, 2)]
    assert made == ["minmax", "percentile", "percentile"]
    assert rate_coded(mlp(0), optimize=2, ranges="minmax").program.provenance["options"]["ranges"] == "minmax"


def test_what_cannot_be_rate_coded_is_refused_by_name() -> None:
    net = Net(0)
    x = net.dense(net.input(3, axes="NC"), 3)
    graph = net.done(net.op(Clip(-1.0, 1.0), net.dense(net.op(Activation("sigmoid"), x), 2)))
    with pytest.raises(NmcError) as caught:
        rate_coded(graph)
    found = caught.value.diagnostics
    assert [d.code for d in found] == ["NMC-C001", "NMC-C001"]
    assert "sigmoid" in found[0].why and "lets negative values through" in found[1].why
    with pytest.raises(NmcError) as caught:
        rate_coded(mlp(0), "soft", profile="sim")
    assert "profile hw_l6" in str(caught.value)


SPIKING = """graph "net" stage imported
input %x: f32[1,2]NC at {offset=0, length=5, axis=1}
const @one: f32[] = [1.0]
%s = lif(%x, @one, @one)
output "y" = %s at {offset=0, length=5, axis=1}
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--code", "phase"], "code must be one of unary, rate, not 'phase'"),
        (["--rate-reset", "soft"], "rate_reset=soft is for code=rate"),
        (["--code", "rate", "--rate-reset", "none"], "reset must be hard or soft, not 'none'"),
        (["--code", "rate", "--timesteps", "0"], "timesteps must be 1 to 4096"),
        (["--code", "rate"], "code=rate is for networks of activations"),
    ],
)
def test_usage(tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "net.ir").write_text(SPIKING)
    done = CliRunner().invoke(main, ["compile", str(tmp_path / "net.ir"), "--target", "cri", *words])
    assert done.exit_code == 2 and message in done.output


def test_compile_simulate_and_verify(tmp_path: Path) -> None:
    graph = mlp(1)
    write_graph(graph, tmp_path / "net.ir")
    np.save(tmp_path / "x.npy", inputs(graph, 20))
    net, x, out = (str(tmp_path / name) for name in ("net.ir", "x.npy", "net.nmc"))
    words = ["compile", net, "--target", "cri", "--code", "rate", "--timesteps", "64", "--calibration", x, "-o", out]
    assert CliRunner().invoke(main, words).exit_code == 0
    done = CliRunner().invoke(main, ["verify", net, out, "--input", x, "--json"])
    assert done.exit_code == 0, done.output
    layers = json.loads(done.stdout)["layers"]
    assert [layer["kind"] for layer in layers] == ["spiking", "spiking"]
    assert layers[0]["closeness"]["cosine"] > 0.98


def test_unary_programs_do_not_name_the_new_options() -> None:
    made = compile_model(mlp(0), "cri", calibration=inputs(mlp(0), 8)).provenance
    assert not {"code", "rate_reset", "refit", "spread"} & set(made["options"])
    assert made["pipeline"].endswith("quantize-cri")
