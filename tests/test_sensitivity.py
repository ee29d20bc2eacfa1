"""`nmc verify --sensitivity`: what each layer's rounding costs, and what is advised."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nmc.cli.main import main
from nmc.cli.verification.advice import TRAINING, advice
from nmc.cli.verification.akida_steps import akida_network
from nmc.cli.verification.sensitivity import LayerCost, Score, Sensitivity, sensitivity
from nmc.cli.verification.source import float_graph
from nmc.cli.verification.steps import Network, Rounding, unary_network
from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.ir import Graph, evaluate
from nmc.runtime import Session
from nmc.runtime.compare.metrics import closeness
from nmc.runtime.program import AkidaProgram, CriProgram, save

EXAMPLES = Path(__file__).parent.parent / "examples"
DIGITS = EXAMPLES / "digits" / "digits_residual.onnx"
QAT = EXAMPLES / "gestures_qat" / "gestures_qat.onnx"
SPIKING = EXAMPLES / "moving_events" / "moving_events.ir"
sys.path.insert(0, str(EXAMPLES))
from digits.data import load_split  # noqa: E402
from gestures import data as gestures  # noqa: E402

pytestmark = pytest.mark.slow

COUNT = 40


def images() -> dict[str, Any]:
    return {"image": load_split()[2][:COUNT]}


@cache
def compiled(target: str) -> Compilation:
    options = {"timesteps": 7} if target == "cri" else {"weight_bits": 4}
    return compile_verbose(DIGITS, target, calibration=load_split()[0][:60], **options)


def float_graph_of(done: Compilation) -> Graph:
    return float_graph(done.program, done.imported, images(), 0)


@cache
def network_of(target: str) -> Network:
    done, samples = compiled(target), images()
    if isinstance(done.program, AkidaProgram):
        return akida_network(done.program, float_graph_of(done), samples)
    result = Session(done.program).run(samples, trace=True)
    return unary_network(done.program, float_graph_of(done), samples, result)


@cache
def measured(target: str) -> Sensitivity:
    done = compiled(target)
    return sensitivity(done.program, float_graph_of(done), images(), load_split()[3][:COUNT])


# --- the mixed network ---


def test_rounding_is_the_machines() -> None:
    rounding = Rounding(np.array([0.5, 0.0]), 0, 7)
    values = np.array([[0.25, 1.0], [0.24, 2.0], [-3.0, 0.0], [9.0, 0.0]])
    assert np.array_equal(rounding(values), [[0.5, 0], [0, 0], [0, 0], [3.5, 0]])
    assert rounding.clipped == 0.0
    assert rounding.on(np.array([[0.3, 0.0], [9.0, 0.0]])).clipped == pytest.approx(30.25 / 30.29)


@pytest.mark.parametrize("target", ["akida", "cri"])
def test_without_rounding_it_is_the_float_network(target: str) -> None:
    net, wanted = network_of(target), evaluate(compiled(target).imported, images())
    found = net.outputs(net.run(net.feed(images()), {}))
    assert np.abs(found["logits"] - wanted["logits"]).max() < 1e-6 * np.abs(wanted["logits"]).max()
    assert not net.skipped


@pytest.mark.parametrize("target", ["akida", "cri"])
def test_a_part_is_run_again_as_the_whole_would_be(target: str) -> None:
    net = network_of(target)
    given, every = net.feed(images()), {step.name: step.parts for step in net.steps}
    floats = net.run(given, {})
    for name, parts in every.items():
        if parts:
            some, all_of_it = net.run(given, {name: parts}, floats, (name,)), net.run(given, {name: parts})
            assert all(np.array_equal(some[key], all_of_it[key]) for key in all_of_it)


@pytest.mark.slow
def test_with_all_rounding_it_is_the_program_where_its_steps_are_known() -> None:
    """The weights of the fine-tuned network lie on their grids, so every step is found up to float32: what differs is a
    code whose quotient is next to a half, and what depends on it."""
    done, clips = compile_verbose(QAT, "akida"), gestures.events(gestures.clips("test", 3, 5)[0])
    program = done.program
    assert isinstance(program, AkidaProgram)
    samples = {"clip": clips}
    net = akida_network(program, float_graph(program, done.imported, samples, 0), samples)
    values = net.run(net.feed(samples), {step.name: step.parts for step in net.steps})
    result = Session(program).run(samples, trace=True)
    rounded = [(step.name, step.rounding) for step in net.steps if isinstance(step.rounding, Rounding)]
    assert len(rounded) == 10
    for name, rounding in rounded:
        codes = np.rint(values[name] / rounding.step)
        assert np.count_nonzero(codes != result.trace[name]) <= (name != "stem") * 1e-2 * codes.size, name
    assert closeness(result.outputs["logits"], net.outputs(values)["logits"]).sqnr_db > 20


@pytest.mark.parametrize("target", ["akida", "cri"])
def test_all_layers_together_lose_about_what_the_program_loses(target: str) -> None:
    done, found = compiled(target), measured(target)
    wanted = evaluate(done.imported, images())["logits"]
    error = Session(done.program).run(images()).outputs["logits"] - wanted
    ours = 10 * np.log10(np.square(wanted).sum() / np.square(error).sum())
    assert abs(found.whole.sqnr_db - ours) < 3


# --- what is measured ---


@pytest.mark.parametrize("target", ["akida", "cri"])
def test_costs(target: str) -> None:
    found = measured(target)
    assert sum(layer.share for layer in found.layers) == pytest.approx(1)
    assert found.floats.sqnr_db == 200
    assert found.rule == "largest"
    for layer in found.layers:
        assert layer.alone.sqnr_db > found.whole.sqnr_db - 1e-9
        assert 0 <= (layer.alone.accuracy or 0) <= 1
    names = [layer.name for layer in found.layers]
    assert names[0] == "image"
    assert len(names) == len(set(names)) >= 5
    weights = [layer.weight_bits for layer in found.layers if layer.weights is not None]
    assert weights == ([] if target == "cri" else [8, 4, 4, 4, 4])


def test_batches_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmc.cli.verification.sensitivity.MOST_ELEMENTS", 1)
    done, calls = compiled("cri"), []
    few = {"image": images()["image"][:5]}
    found = sensitivity(done.program, float_graph_of(done), few, progress=lambda *at: calls.append(at))
    assert found.samples == found.whole.samples == 5
    assert found.whole.accuracy is None
    total = 5 * len(found.layers)
    assert calls == [(number, total) for number in range(1, total + 1)]


# --- advice ---


def score(noise: float, right: int = 0, labelled: bool = False) -> Score:
    return Score(100.0, noise, right, 10, labelled)


def cost(noise: float, **more: Any) -> LayerCost:
    facts: dict[str, Any] = {"kind": "Conv2D", "levels": 127, "weight_bits": 8, "weights": None, "values": score(noise)}
    return LayerCost("conv1", alone=score(noise), without=score(1), share=0.5, **(facts | more))


ONE = {"weights": score(9), "values": score(1)}


@pytest.mark.parametrize(
    ("layer", "options", "target", "text"),
    [
        (cost(9, **ONE, weight_bits=4), {}, "akida", "--weight-bits 8"),
        (cost(9, **ONE), {}, "akida", "--optimize 2"),
        (cost(9, **ONE), {"optimize": 2}, "akida", TRAINING),
        (cost(9, clipped=0.9), {"ranges": "mse"}, "akida", "--ranges minmax, or more calibration samples"),
        (cost(9, clipped=0.9), {"ranges": "minmax"}, "akida", "try more calibration samples"),
        (cost(9, levels=15), {}, "akida", "--activation-bits 8"),
        (cost(9), {"ranges": "minmax"}, "akida", "--ranges mse"),
        (cost(9), {}, "akida", "--optimize 2"),
        (cost(9, levels=7), {}, "cri", "--timesteps 15"),
        (cost(9, kind="input"), {}, "cri", "inputs that are scaled"),
    ],
)
def test_advice(layer: LayerCost, options: dict[str, Any], target: str, text: str) -> None:
    found = Sensitivity([cost(0.5), layer], score(10), score(0))
    first, last = advice(found, options, target)
    assert first.startswith("conv1 loses most: 50 % of the noise at the outputs, by ")
    assert text in last


def test_advice_where_there_is_nothing_to_gain() -> None:
    assert advice(Sensitivity([], score(0), score(0)), {}, "akida") == ["no layer rounds anything"]
    assert advice(Sensitivity([cost(0)], score(0), score(0)), {}, "cri") == ["no layer loses anything on these samples"]
    fine = Sensitivity([cost(1e-3)], score(1e-3, 9, True), score(0, 9, True))
    assert advice(fine, {}, "akida")[0] == "no accuracy is lost"
    assert "50.0 dB at the outputs: there is little left" in advice(fine, {}, "akida")[-1]
    worse = Sensitivity([cost(1e-3)], score(1e-3, 8, True), score(0, 9, True))
    assert advice(worse, {}, "akida")[0] == "10.00 points of accuracy are lost"
    assert "try" in advice(worse, {}, "akida")[-1]


# --- the command ---


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, arguments), "--sensitivity"])


@pytest.mark.parametrize("target", ["akida", "cri"])
def test_the_command(target: str, tmp_path: Path) -> None:
    program = compiled(target).program
    assert isinstance(program, AkidaProgram | CriProgram)
    save(program, tmp_path / "p.nmc")
    np.savez(tmp_path / "x.npz", **images(), labels=load_split()[3][:COUNT])
    done = nmc(DIGITS, tmp_path / "p.nmc", "--input", tmp_path / "x.npz", "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)["sensitivity"]
    found = measured(target)
    assert [layer["name"] for layer in facts["layers"]] == [layer.name for layer in found.layers]
    assert facts["all"] == {"sqnr_db": round(found.whole.sqnr_db, 2), "accuracy": found.whole.accuracy}
    assert facts["samples"] == COUNT
    shown = nmc(DIGITS, tmp_path / "p.nmc", "--input", tmp_path / "x.npz", "--limit", 8)
    assert shown.exit_code == 0, shown.output
    assert "cost of rounding" in shown.output
    assert "all layers" in shown.output
    assert "loses most" in shown.output


def test_spiking_networks_are_refused(tmp_path: Path) -> None:
    save(compile_verbose(SPIKING, "cri").program, tmp_path / "p.nmc")
    np.savez(tmp_path / "x.npz", events=np.zeros((1, 16, 2, 24, 24)))
    done = nmc(SPIKING, tmp_path / "p.nmc", "--input", tmp_path / "x.npz")
    assert done.exit_code == 3
    assert "NMC-R033" in done.output
    assert "Traceback" not in done.output
