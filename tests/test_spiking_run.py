"""Programs of spiking networks: their fields, runs of any length, traces, files, hs_api, evaluation, commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from spiking_integer import NONE, Net, check_same, feeds_for
from spiking_random import random_net
from test_cri_reference import HW2024, HW_L6, HW_L6_LEGACY, SIM, table, unary_program

from nmc.backends.cri.export import load_hs_api, read_hs_api, write_hs_api
from nmc.backends.cri.spiking import SpikingLowering
from nmc.backends.cri.target import PROFILES
from nmc.cli.main import main
from nmc.runtime import Session
from nmc.runtime.evaluate import evaluate
from nmc.runtime.labelled import LabelledArrays
from nmc.runtime.program import NmcError, digest, load, save
from nmc.runtime.program.cri import CriProgram, Input, NeuronModel, Population, Readout
from nmc.runtime.program.cri_check import validate
from nmc.runtime.program.retime import retime
from nmc.runtime.reference.cri import CriMachine


def small(profile: str = "sim", steps: int = 5) -> tuple[Any, CriProgram]:
    """Two layers with a bias, a residual train, a held input, and outputs of all kinds."""
    net = Net(steps, 4)
    x, held = net.input(2, 3, 3), net.input(2, 3, 3, bits=2, scale=0.5, held=True)
    a = net.spike(net.add(net.conv(x, 3), net.conv(held, 3)), 9, name="a")
    b = net.spike(net.dense(net.concat(net.flat(a), net.flat(x)), 4, bias=True), 9, name="b")
    net.output("spikes", b)
    net.output("count", b, NONE, last=True)
    net.output("mean", net.dense(b, 3, bias=True), mean=True)
    net.output("potential", net.dense(b, 3, bias=True), 2)
    net.output("leaky_mean", net.dense(b, 3), 2, mean=True)
    return net.graph, SpikingLowering(net.graph, PROFILES[profile]).run({})


def codes_of(call: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(NmcError) as error:
        call()
    return [(d.code[4:], d.what) for d in error.value.diagnostics]


# --- the machine ---


@pytest.mark.parametrize(
    ("profile", "code", "leak", "expected"),
    [
        (HW_L6, 3, 0, [(0, 25), (1, 15), (1, 5), (0, 5), (0, 5)]),
        (HW_L6_LEGACY, 2, 2, [(0, 25), (1, 15), (1, 5), (0, 4), (0, 3)]),
        (HW_L6, 0, 0, [(0, 25), (1, 15), (1, 5), (0, 0), (0, 0)]),
    ],
)
def test_soft_reset_keeps_what_is_above_the_threshold(profile: Any, code: int, leak: int, expected: Any) -> None:
    """V − θ is kept as it is in the timestep of the spike: nothing leaks and nothing is cleared then."""
    base = unary_program(HW2024)
    program = replace(
        base,
        profile=profile,
        models=(NeuronModel(code, 10, leak, -17, True),),
        neuron_model=np.zeros(1, np.uint8),
        axons=table(1, [(0, 0, 25)]),
        neurons=table(1, []),
    )
    machine = CriMachine.of(program)
    found = []
    for step in range(5):
        fired = machine.step(np.array([[step == 0]]))
        found.append((int(fired[0, 0]), int(machine.potentials[0, 0])))
    assert found == expected


def test_neurons_of_both_kinds_side_by_side() -> None:
    base = unary_program(HW_L6)
    models = (NeuronModel(3, 10, 0, -17), NeuronModel(3, 10, 0, -17, True))
    program = replace(
        base,
        models=models,
        neuron_model=np.array([0, 1], np.uint8),
        axons=table(1, [(0, 0, 25), (0, 1, 25)]),
        neurons=table(2, []),
    )
    machine = CriMachine.of(program)
    machine.step(np.ones((1, 1), np.bool_))
    assert machine.step(np.zeros((1, 1), np.bool_)).tolist() == [[True, True]]
    assert machine.potentials.tolist() == [[0, 15]] and machine.read(np.array([1])).tolist() == [[15]]


# --- runs ---


def test_every_readout_and_trace() -> None:
    graph, program = small()
    check_same(graph, program, 5, samples=7)
    feeds = feeds_for(graph, 5, 7, 1)
    whole, parts = Session(program).run(feeds, trace=True), Session(program).run(feeds, trace=True, batch=2)
    for name in whole.outputs:
        np.testing.assert_array_equal(whole.integers[name], parts.integers[name])
    assert whole.trace.keys() == {p.name for p in program.populations if p.kind != "readout"}
    assert whole.potentials.keys() == {p.name for p in program.populations}
    for name, trains in whole.trace.items():
        np.testing.assert_array_equal(trains, parts.trace[name])
        shape = next(p.shape for p in program.populations if p.name == name)
        assert trains.shape == (7, 5, *shape)
    np.testing.assert_array_equal(whole.trace["b"], whole.integers["spikes"])
    np.testing.assert_array_equal(whole.trace["b"].sum(axis=1), whole.integers["count"])
    # float32 of integer · scale / rows
    np.testing.assert_array_equal(whole.outputs["mean"], (whole.integers["mean"] * 0.5 / 5).astype(np.float32))
    assert not Session(program).run(feeds).trace


def test_a_program_without_neurons_that_fire_has_no_trace() -> None:
    net = Net(3)
    net.output("y", net.conv(net.input(1, 3, 3), 2))
    program = SpikingLowering(net.graph, PROFILES["sim"]).run({})
    result = Session(program).run(feeds_for(net.graph, 3, 2, 0), trace=True)
    assert result.trace == {} and list(result.potentials) == ["y"]


@pytest.mark.parametrize("steps", [1, 2, 5, 11])
def test_runs_of_any_number_of_timesteps(steps: int) -> None:
    graph, program = small()
    check_same(graph, program, steps)
    again = retime(program, steps)
    validate(again)
    assert again.timesteps == steps and again.steps - steps == program.steps - 5
    assert digest(retime(again, 5)) == digest(program)
    assert [e.repeat for e in again.inputs] == [1, steps]


@pytest.mark.parametrize("seed", range(8))
def test_a_program_for_other_timesteps_is_the_one_made_for_them(seed: int) -> None:
    """Retimed, the program of a network for 4 steps is that of the same network for 7."""
    made = []
    for steps in (4, 7):
        net = Net(steps, seed)
        a = net.spike(net.add(net.conv(net.input(2, 4, 4), 2), 2), 6, name="a")
        net.output("y", net.spike(net.add(net.conv(a, 2), a), 6, name="b"))
        net.output("v", net.conv(a, 1), NONE)
        net.output("last", net.conv(a, 1), last=True)
        made.append(SpikingLowering(net.graph, PROFILES["hw2024"]).run({}))
    assert digest(retime(made[0], 7)) == digest(made[1])


def test_programs_of_other_networks_cannot_be_retimed() -> None:
    assert unary_program().timesteps == 0
    for steps in (0, 3):
        with pytest.raises(ValueError, match="timesteps"):
            retime(unary_program() if steps else small()[1], steps)


def test_trains_that_do_not_fit() -> None:
    _, program = small()
    x, held = np.zeros((1, 5, 2, 3, 3)), np.zeros((1, 2, 3, 3))
    session = Session(program)
    for given, code in (
        ({"x0": x[:, :0], "x1": held}, "R005"),
        ({"x0": x[0], "x1": held}, "R005"),
        ({"x0": x[..., :2], "x1": held}, "R005"),
        ({"x0": x, "x1": x}, "R005"),
        ({"x0": [[1], [1, 2]], "x1": held}, "R005"),
        ({"x0": x}, "R004"),
    ):
        assert [c for c, _ in codes_of(lambda given=given: session.run(given))] == [code], given
    two = Net(3)
    two.output("y", two.spike(two.add(two.input(4), two.input(4)), 2))
    program = SpikingLowering(two.graph, PROFILES["sim"]).run({})
    apart = {"x0": np.zeros((1, 2, 4)), "x1": np.zeros((1, 4, 4))}
    assert [c for c, _ in codes_of(lambda: Session(program).run(apart))] == ["R005"]
    plain = replace(program, readouts=())
    assert [c for c, _ in codes_of(lambda: Session(plain).run({"x0": apart["x0"], "x1": apart["x0"]}))] == ["R005"]


# --- the file ---


def test_the_file_keeps_everything(tmp_path: Path) -> None:
    graph, program = small("hw2024")
    save(program, tmp_path / "net.nmc")
    back = load(tmp_path / "net.nmc")
    assert digest(back) == digest(program) and back.inputs == program.inputs  # type: ignore[union-attr]
    assert isinstance(back, CriProgram)
    check_same(graph, back, 5)


def broken(program: CriProgram, **fields: Any) -> CriProgram:
    return replace(program, readouts=(replace(program.readouts[0], **fields), *program.readouts[1:]))


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (lambda p: broken(p, rows=0, first=0), "F013", "must be above 0 for a row a timestep"),
        (lambda p: broken(p, rows=4, shape=(4, 4)), "F013", "equally long"),
        (lambda p: broken(p, shape=(4, 4)), "F013", "first axis must be time"),
        (lambda p: broken(p, first=-1), "F012", "must lie within"),
        (lambda p: broken(p, first=90), "F012", "must lie within"),
        (lambda p: broken(p, kind="count", shape=(4,), rows=0), "F012", "must lie within"),
        (lambda p: broken(p, kind="rate"), "F013", "must be one of"),
        (lambda p: replace(p, inputs=(replace(p.inputs[0], repeat=2), p.inputs[1])), "F013", "repeat"),
        (lambda p: replace(p, inputs=(p.inputs[0], replace(p.inputs[1], repeat=0))), "F013", "repeat"),
        (lambda p: replace(p, inputs=(p.inputs[0], replace(p.inputs[1], repeat=99))), "F012", "last row"),
        (lambda p: replace(p, models=(replace(p.models[0], soft=True), *p.models[1:])), "F013", "no soft reset"),
    ],
)
def test_inconsistent_programs_are_refused(change: Any, code: str, text: str) -> None:
    found = codes_of(lambda: validate(change(small()[1])))
    assert (code, True) in [(c, text in what) for c, what in found], found


def test_records_of_before_have_the_defaults() -> None:
    assert Input("x", (2,), 0, 1, 1.0, 0).repeat == 1 and not SIM.soft_reset
    readout = Readout("y", "count", (1,), np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(1))
    assert (readout.first, readout.rows, readout.mean, readout.by_step) == (0, 0, False, False)
    assert not NeuronModel(2, 1, 63, -16).soft and Population("p", "plain", 0, (1,)).size == 1


# --- hs_api ---


@pytest.mark.parametrize("profile", ["sim", "hw2024"])
def test_hs_api_has_the_inputs_of_every_step_and_makes_every_output(tmp_path: Path, profile: str) -> None:
    graph, program = small(profile)
    write_hs_api(program, tmp_path / "net")
    back = read_hs_api(tmp_path / "net").program
    assert digest(back) == digest(program)
    net = load_hs_api.load(tmp_path / "net")
    feeds = feeds_for(graph, 5, 3, 2)
    result = Session(program).run(feeds)
    for sample in range(3):
        lists = load_hs_api.step_inputs(net, {name: values[sample] for name, values in feeds.items()})
        machine, index = CriMachine.of(program), {name: i for i, name in enumerate(net.names[0])}
        spikes, potentials = [], []
        for names in lists:
            axons = np.zeros((1, program.axons.sources), np.bool_)
            axons[0, [index[name] for name in names]] = True
            fired = machine.step(axons)[0]
            spikes.append([net.names[1][n] for n in np.flatnonzero(fired)])
            potentials.append(dict(zip(net.names[1], machine.potentials[0].tolist(), strict=True)))
        found = load_hs_api.results(net, spikes, potentials)
        assert found.keys() == result.outputs.keys()
        for name, values in found.items():
            np.testing.assert_array_equal(values, result.outputs[name][sample])


def test_hs_api_has_soft_reset_for_neurons_without_a_leak(tmp_path: Path) -> None:
    net = Net(3)
    net.output("y", net.spike(net.dense(net.input(4), 3, low=0), 5, soft=True))
    program = SpikingLowering(net.graph, HW_L6).run({})
    write_hs_api(program, tmp_path / "net")
    assert digest(read_hs_api(tmp_path / "net").program) == digest(program)
    loaded = load_hs_api.load(tmp_path / "net")
    assert {m for _, m in loaded.connections.values()} == {load_hs_api.Model("IF_neuron", 4, -17, 0, True)}
    leaky = replace(program, models=(NeuronModel(2, 4, 3, -17, True),))
    ((code, what),) = codes_of(lambda: write_hs_api(leaky, tmp_path / "leaky"))
    assert code == "F037" and "soft reset" in what


def test_hs_api_s_soft_neurons_are_read(tmp_path: Path) -> None:
    model = {"class": "IF_neuron", "threshold": 7, "shift": -17, "soft_reset": 1}
    (tmp_path / "net.json").write_text(
        json.dumps({"axons": {"a": [["n", 9]]}, "connections": {"n": [[], model]}, "outputs": ["n"]})
    )
    program = read_hs_api(tmp_path / "net.json", profile="hw_l6", steps=3).program
    assert program.models == (NeuronModel(3, 7, 0, -17, True),)
    found = codes_of(lambda: read_hs_api(tmp_path / "net.json", profile="hw2024"))
    assert found == [("F031", "connections/'n': soft_reset is 1, which profile hw2024 does not have")]


# --- evaluation and commands ---


def test_the_class_with_the_most_spikes_wins() -> None:
    graph, program = small()
    feeds = feeds_for(graph, 5, 6, 3)
    only = replace(program, readouts=program.readouts[:1])
    done = evaluate(only, LabelledArrays(feeds, np.zeros(6, np.int64)))
    counts = Session(program).run(feeds).integers["count"] * 0.5
    assert done.rules == ("sum",)
    np.testing.assert_array_equal(done.program["sum"], counts)
    at_once = evaluate(program, LabelledArrays(feeds, np.zeros(6, np.int64)), output="count")
    np.testing.assert_array_equal(at_once.program["largest"], counts)


def test_the_commands_show_depths_and_run_other_lengths(tmp_path: Path) -> None:
    graph, program = small()
    save(replace(program, provenance={"nmc": "0", "pipeline": ""}), tmp_path / "net.nmc")
    shown = CliRunner().invoke(main, ["inspect", str(tmp_path / "net.nmc")])
    assert shown.exit_code == 0, shown.output
    for text in (
        "7 timesteps, 5 network steps, 2 drain steps",
        "18 relay neurons",
        "relay",
        "axons 18 to 53 in timesteps 0 to 4",
        "output spikes (5, 4): read as spikes of 5 steps, 2 timesteps after the input",
        "output mean (3,): read as mean potential of 5 steps, 2 timesteps after the input",
    ):
        assert text in shown.output, (text, shown.output)
    facts = json.loads(CliRunner().invoke(main, ["inspect", "--json", str(tmp_path / "net.nmc")]).output)
    assert facts["network_steps"] == 5 and facts["outputs"][0]["depth"] == 2
    feeds = feeds_for(graph, 8, 2, 5)
    np.savez(tmp_path / "x.npz", **feeds)  # pyright: ignore[reportArgumentType]
    command = ["simulate", str(tmp_path / "net.nmc"), "--input", str(tmp_path / "x.npz"), "--trace"]
    done = CliRunner().invoke(main, [*command, "-o", str(tmp_path / "y.npz")])
    assert done.exit_code == 0, done.output
    with np.load(tmp_path / "y.npz") as made:
        assert made["spikes"].shape == (2, 8, 4) and made["trace/a"].shape == (2, 8, 3, 3, 3)
        np.testing.assert_array_equal(made["trace/b"], made["spikes.int"])
        sums = " ".join(f"{count:.3f}" for count in made["spikes"][1].sum(axis=0))
    assert "spikes: shape (2, 8, 4), sums over its timesteps:\n" in done.output
    assert f"  1: {sums}  (largest: " in done.output


def test_compiling_twice_gives_the_same_bytes() -> None:
    for seed in range(3):
        first, second = (SpikingLowering(random_net(seed), PROFILES["sim"]).run({}) for _ in range(2))
        assert digest(first) == digest(second)
