"""`nmc golden check`: the project's own zoo is as recorded; a change of one bit anywhere is caught and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_runs import EXAMPLES, ZOO, facts, golden, small_case, zoo_case

import nmc.cli.golden as runner
from nmc.runtime import Session, arith
from nmc.runtime.golden.case import read_case
from nmc.runtime.golden.recorded import read_recorded
from nmc.runtime.program import AkidaProgram, CriProgram

pytestmark = pytest.mark.slow

QUICK = ("digits_t7", "digits_residual_t7", "gestures", "gestures_events", "moving_events_16", "moving_events_8")


@pytest.mark.parametrize("name", QUICK)
def test_the_zoo_is_as_recorded(name: str) -> None:
    done = golden("check", ZOO / f"{name}.toml")
    assert done.exit_code == 0, done.output


# --- planted changes ---


def plant(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """Let the compiler give another program than it makes."""
    honest = runner.compiled

    def compiled(case: Any) -> Any:
        made, extra = honest(case)
        return replace(made, program=change(made.program)), extra

    monkeypatch.setattr(runner, "compiled", compiled)


def flip_kernel(program: AkidaProgram) -> AkidaProgram:
    """The lowest bit of one weight of the layer blocks.0.1.0."""
    layers = list(program.layers)
    at = next(i for i, layer in enumerate(layers) if layer.name == "blocks.0.1.0")
    kernel = layers[at].variables["weights"].copy()
    kernel.reshape(-1)[0] ^= 1
    layers[at] = replace(layers[at], variables={**layers[at].variables, "weights": kernel})
    return replace(program, layers=tuple(layers))


def flip_synapse(program: CriProgram) -> CriProgram:
    """The lowest bit of one synapse's weight into node_relu_1. Its source fires and its target does not, so that the
    target keeps its potential: a neuron that fires forgets what one bit more has given it."""
    trace = Session(program).run(np.load(ZOO / "digits_input.npz")["image"], trace=True).trace
    fired = np.concatenate([trace.get(p.name, np.zeros((1, p.size)))[0].reshape(-1) for p in program.populations])
    into = next(p for p in program.populations if p.name == "node_relu_1")
    table, weight = program.neurons, program.neurons.weight.copy()
    source = np.repeat(np.arange(table.sources), np.diff(table.indptr))
    arriving = (table.target >= into.first) & (table.target < into.stop)
    weight[np.flatnonzero(arriving & (fired[source] > 0) & (fired[table.target] == 0))[0]] ^= 1
    return replace(program, neurons=replace(table, weight=weight))


def shorten_ramp(program: CriProgram) -> CriProgram:
    """One timestep less of the ramp of node_relu_1."""
    phases = [replace(p, stop=p.stop - 1) if p.name == "node_relu_1.ramp" else p for p in program.schedule]
    return replace(program, schedule=tuple(phases))


@pytest.mark.parametrize(
    ("name", "change", "part", "layer"),
    [
        ("gestures", flip_kernel, "layer blocks.0.1.0", "blocks.0.1.0"),
        ("digits_t7", flip_synapse, "population node_relu_1", "node_relu_1"),
        ("digits_t7", shorten_ramp, "schedule node_relu_1.ramp", "node_relu_1"),
    ],
)
def test_one_bit_in_a_program_is_caught_and_named(
    name: str, change: Callable[[Any], Any], part: str, layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = zoo_case(tmp_path, name)
    plant(monkeypatch, change)
    done = golden("check", case)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0].startswith(f"{name}: changed")
    assert lines[1].startswith(f"  first layer that differs: {layer}") and "→" in lines[1]
    assert f"  program: {part} differs" in lines
    (found,) = facts("check", case)["cases"]
    assert [entry["what"] for entry in found["program"]] == [part]
    assert found["layers"][0]["what"].removesuffix(".potential") == layer


def test_one_bit_of_a_float_weight_in_the_model_is_caught(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(EXAMPLES / "digits" / "digits.onnx")
    onnx.save(model, tmp_path / "net.onnx")
    case = small_case(tmp_path, model=tmp_path / "net.onnx")
    assert golden("record", case).exit_code == 0
    weight = next(w for w in model.graph.initializer if list(w.dims) == [16, 12, 3, 3])
    values = numpy_helper.to_array(weight).copy()
    values.reshape(-1).view(np.uint32)[3] ^= 1 << 31
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "net.onnx")
    done = golden("check", case)
    assert done.exit_code == 1 and "first layer that differs: node_relu_1" in done.output
    assert "note: model/sha256 is another one" in done.output


def test_a_rounding_rule_is_caught_though_the_program_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = zoo_case(tmp_path, "gestures")
    honest = runner.compiled(read_case(case))
    monkeypatch.setattr(runner, "compiled", lambda case: honest)
    monkeypatch.setattr(arith, "shift", lambda x, e: np.asarray(x) >> np.maximum(-np.asarray(e), 0))
    done = golden("check", case)
    assert done.exit_code == 1 and "program:" not in done.output
    first = read_recorded(case.with_suffix(".expected.json")).layers[0].name
    assert f"first layer that differs: {first}: its integers differ" in done.output


def test_a_program_that_changed_with_identical_outputs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = zoo_case(tmp_path, "gestures")
    plant(monkeypatch, lambda p: replace(p, layers=(replace(p.layers[0], origin=("elsewhere",)), *p.layers[1:])))
    done = golden("check", case)
    assert done.exit_code == 1 and "  program changed, outputs identical\n" in done.output


def test_small_outputs_say_by_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_case(tmp_path)
    assert golden("record", case).exit_code == 0

    def more(program: CriProgram) -> CriProgram:
        readout = program.readouts[0]
        offset = readout.offset + np.array([2, *[0] * 9])
        return replace(program, readouts=(replace(readout, offset=offset),))

    plant(monkeypatch, more)
    done = golden("check", case)
    assert done.exit_code == 1 and "layer" not in done.output
    assert "output logits: 2 of 20 integers differ, by up to 2; the first, [0, 0], was " in done.output


def test_versions_alone_are_no_change_and_floats_may_differ_in_their_last_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = zoo_case(tmp_path, "digits_t7")
    plant(monkeypatch, lambda p: replace(p, provenance={**p.provenance, "numpy": "9.9", "nmc": "7"}))
    assert golden("check", case).exit_code == 0
    path = case.with_suffix(".expected.json")
    data = json.loads(path.read_text())
    exact = [float(number) for row in data["outputs"][0]["floats"] for number in row.split()]
    for factor, code in ((1 + 1e-7, 0), (1.001, 1)):
        data["outputs"][0]["floats"] = [" ".join(f"{number * factor:.9g}" for number in exact)]
        path.write_text(json.dumps(data))
        done = golden("check", case)
        assert done.exit_code == code, done.output
    assert "output logits: integers are equal, " in done.output


def test_counters_are_compared_and_new_ones_are_a_note(tmp_path: Path) -> None:
    case = zoo_case(tmp_path, "digits_t7")
    path = case.with_suffix(".expected.json")
    data = json.loads(path.read_text())
    spikes = data["counters"]["spikes"]
    path.write_text(json.dumps({**data, "counters": {**data["counters"], "spikes": spikes - 1}}))
    done = golden("check", case)
    assert done.exit_code == 1 and f"counter spikes: was {spikes - 1}, is {spikes}" in done.output
    del data["counters"]["spikes"]
    path.write_text(json.dumps(data))
    done = golden("check", case)
    assert done.exit_code == 0 and "note: counters that were not recorded: spikes" in done.output
    assert "digits_t7: same, recorded" in golden("check", case, "--update").output
    assert "note" not in golden("check", case).output
