"""`nmc verify` on spiking networks: spikes step by step, the first one that differs, and why it does."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from nir_files import chain, lif, saved
from spiking_nets import NETS, Net

from nmc.cli.main import main
from nmc.cli.verification.causes import Cause, explain
from nmc.cli.verification.layers import population_floats
from nmc.cli.verification.report import equals_integers, verify
from nmc.cli.verification.source import Source, float_graph
from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import Graph, TensorType, Timing, evaluate, trace
from nmc.compiler.ir.ops import Dense, Lif
from nmc.compiler.manager import write_graph
from nmc.runtime import Session
from nmc.runtime.compare.trains import Departure, differing, first_departure
from nmc.runtime.cri_session import timed
from nmc.runtime.program import CriProgram, save

pytestmark = pytest.mark.slow

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parent.parent / "examples"
EVENTS = EXAMPLES / "moving_events" / "moving_events.ir"
sys.path.insert(0, str(EXAMPLES))
from moving_events import data  # noqa: E402

# --- where trains differ ---


def test_the_first_difference_is_the_earliest_step_then_the_first_sample_then_the_first_layer() -> None:
    wanted = {name: np.zeros((3, 4, 2), np.int64) for name in ("a", "b")}
    found = {name: train.copy() for name, train in wanted.items()}
    assert first_departure(wanted, found) is None
    found["a"][0, 3, 0] = found["b"][2, 1, 1] = found["b"][1, 1, 0] = found["a"][2, 1, 0] = 1
    assert first_departure(wanted, found) == Departure("b", 1, 1, (0,), 0, 1)
    found["b"][1, 1, 0] = 0
    assert first_departure(wanted, found) == Departure("a", 2, 1, (0,), 0, 1)
    assert differing(wanted["a"], found["a"]) == [0, 1, 0, 1]


# --- causes, one neuron at a time ---

STEPS = 4


def one_neuron(weights: list[float], threshold: float, decay: float = 1.0) -> Graph:
    """Binary trains (T, n) into one neuron."""
    graph = Graph("one")
    x = graph.add_input("x", TensorType((1, len(weights)), "f32", "NC"))
    arrays = {"w": [weights], "decay": decay, "theta": threshold}
    w, d, t = (graph.constant(name, np.asarray(array, np.float32)) for name, array in arrays.items())
    current = graph.add(Dense(), x, w, name="current", origin=("layer",))
    graph.outputs["y"] = graph.add(Lif(), current, d, t, name="neuron", origin=("neuron",))
    graph.timing = {name: Timing(0, length=STEPS, axis=1) for name in ("x", "y")}
    return graph


Found = tuple[Departure, Cause]


def difference(graph: Graph, train: Any, width: int = 0, spoilt: int = 0, **options: Any) -> Found | None:
    """The first difference on one train, and its cause; with potentials of another width, or a weight changed."""
    compiled = compile_verbose(graph, "cri", **options)
    program = compiled.program
    if width:
        program = replace(program, profile=replace(program.profile, width=width))
    if spoilt:
        weight = program.axons.weight.copy()
        weight[0] += spoilt
        program = replace(program, axons=replace(program.axons, weight=weight))
    arrays = {"x": np.asarray(train, float).reshape(1, STEPS, -1)}
    floats = float_graph(program, compiled.imported, arrays, STEPS)
    result = Session(program).run(arrays, trace=True)
    at = first_departure(population_floats(program, floats, arrays, result), result.trace)
    return None if at is None else (at, explain(program, floats, arrays, at))


def cause_of(graph: Graph, train: Any, **changes: Any) -> Found:
    found = difference(graph, train, **changes)
    assert found is not None
    return found


def test_a_leak_that_rounds_down() -> None:
    """V is 1 and stays so where 0.5 is taken off: 1, 2 where the float potential is 1, 1.5."""
    at, cause = cause_of(one_neuron([1.0], 1.9, decay=0.5), np.ones(STEPS), weight_bits=2)
    assert (at.step, at.wanted, at.found) == (1, 0, 1)
    assert (cause.kind, cause.potential, cause.threshold) == ("leak", 2, 2)
    assert (cause.float_potential, cause.float_threshold) == (1.5, np.float32(1.9))


def test_a_decay_that_is_held_as_another_one() -> None:
    """1, 1.6, 1.96 in floats; 1, 1.5, 1.75 with the nearest leak."""
    at, cause = cause_of(one_neuron([1.0], 1.9, decay=0.6), np.ones(STEPS))
    assert (at.step, at.wanted, at.found, cause.kind) == (2, 1, 0, "decay")
    assert "0.6 is held as 0.5" in cause.text


def test_an_input_that_its_code_rounds() -> None:
    at, cause = cause_of(one_neuron([1.0], 1.0), [0.6, 0, 0, 0])
    assert (at.step, at.found, cause.kind) == (0, 1, "input")


def test_a_potential_that_leaves_its_width() -> None:
    graph = one_neuron([1.0], 3.0)
    model = compile_verbose(graph, "cri").program.models[0]
    at, cause = cause_of(graph, np.ones(STEPS), width=model.threshold.bit_length())
    assert (at.step, at.wanted, at.found, cause.kind) == (2, 1, 0, "range")


def test_a_potential_on_the_threshold() -> None:
    """Three times 0.1 is 4e-9 more than 0.3 in float32, whose own 0.3 is 12e-9 more."""
    at, cause = cause_of(one_neuron([0.1], 0.3), np.ones(STEPS))
    assert (at.step, at.wanted, at.found, cause.kind) == (2, 0, 1, "tie")
    assert cause.distance is not None and cause.distance < 1e-3


def test_weights_that_are_rounded() -> None:
    rng, causes = np.random.default_rng(0), []
    for _ in range(20):
        graph, train = one_neuron(rng.normal(size=12).tolist(), 1.0), rng.integers(0, 2, (STEPS, 12))
        found = difference(graph, train, weight_bits=2)
        if found is not None:
            cause = found[1]
            assert cause.distance is not None and cause.bound is not None and cause.distance <= cause.bound
            causes.append(cause.kind)
    assert len(causes) > 5 and set(causes) == {"rounding"}


def test_what_nothing_of_this_explains_is_not_explained_away() -> None:
    _, cause = cause_of(one_neuron([1.0], 1.9), np.ones(STEPS), spoilt=-9000)
    assert cause.kind == "unexplained"


# --- whole networks ---


def compiled_net(net: Net, weight_bits: int = 16) -> Compilation:
    (name,) = net.build().forward.__code__.co_varnames[1:2]
    profile = "hw_l6" if "soft" in net.tags else "sim"
    calibration = net.inputs() if net.mode == "held" else None
    options = {"profile": profile, "weight_bits": weight_bits, "calibration": calibration}
    return compile_verbose(net.build(), "cri", input_shapes={name: net.shape}, **options)


def check_net(net: Net, weight_bits: int) -> None:
    """Every population has its float value, every first difference a cause, and the integers are the program's."""
    try:
        compiled = compiled_net(net, weight_bits)
    except NmcError:
        return  # the proof (test_spiking_proof.py) lists what is refused
    program = compiled.program
    arrays = {program.inputs[0].name: net.inputs(4)}
    program = timed(program, arrays)
    assert equals_integers(compiled.lowered, program, arrays)
    result = Session(program).run(arrays, trace=True)
    graph = float_graph(program, compiled.imported, arrays, program.timesteps)
    floats = population_floats(program, graph, arrays, result)
    assert set(floats) == {p.name for p in program.populations if p.kind not in ("relay", "readout")}
    at = first_departure(floats, {name: result.trace[name] for name in floats})
    if at is not None:
        assert explain(program, graph, arrays, at).kind != "unexplained"


QUICK = ["if-conv-avg", "if-sew-AND", "lif-1.5", "if-conv-soft", "if-held"]


@pytest.mark.parametrize("net", [net for net in NETS if net.name in QUICK], ids=lambda net: net.name)
def test_networks_of_spikingjelly(net: Net) -> None:
    check_net(net, 6)


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)
def test_all_networks_of_spikingjelly(net: Net) -> None:
    for weight_bits in (16, 8, 4):
        check_net(net, weight_bits)


@cache
def moving() -> CriProgram:
    program = compile_verbose(EVENTS, "cri", weight_bits=8).program
    assert isinstance(program, CriProgram)
    return program


def test_the_command_on_moving_events(tmp_path: Path) -> None:
    clips, labels = data.trains("test", 6, 1)
    save(moving(), tmp_path / "p.nmc")
    np.savez(tmp_path / "x.npz", events=clips, labels=labels)
    arguments = ["verify", str(EVENTS), str(tmp_path / "p.nmc"), "--input", str(tmp_path / "x.npz")]
    done = CliRunner().invoke(main, [*arguments, "--profile", "all", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["integers_equal"] is True and {row["verdict"] for row in facts["profiles"]} == {"identical"}
    compiled = compile_verbose(EVENTS, "cri", weight_bits=8)
    names = [row["name"] for row in facts["layers"]]
    floats = trace(float_graph(moving(), compiled.imported, {"events": clips}, 16), {"events": clips}, names)
    result = Session(moving()).run(clips, trace=True)
    for row in facts["layers"]:
        wrong = floats[row["name"]] != result.trace[row["name"]]
        assert row["differing"] == np.count_nonzero(wrong) > 0
        assert row["by_step"] == np.count_nonzero(wrong, axis=(0, *range(2, wrong.ndim))).tolist()
    first = facts["first_spike"]
    assert first["cause"]["kind"] == "rounding" and first["cause"]["distance"] <= first["cause"]["bound"]
    decided = evaluate(compiled.imported, {"events": clips})["output"].argmax(axis=1)
    assert facts["decisions"]["largest"]["float"] == np.mean(decided == labels)
    text = CliRunner().invoke(main, arguments).stdout
    assert f"first difference: {first['layer']}" in text and "cause: rounding" in text


def test_trains_of_another_length() -> None:
    clips, labels = data.trains("test", 4, 1)
    longer = np.concatenate([clips, clips[:, :5]], axis=1)
    done = verify(Source(EVENTS, {}), moving(), {"events": longer}, labels, profiles=["hw2024"])
    assert done.equal and [p.verdict for p in done.profiles] == ["identical", "identical"]
    assert all(len(row.by_step) == 21 for row in done.rows if row.kind == "spiking")
    assert done.evaluation is not None and done.evaluation.model is not None


def test_spikes_of_exact_weights_are_those_of_the_float_network(tmp_path: Path) -> None:
    graph = one_neuron([0.5, -0.25, 1.0], 1.5)
    write_graph(graph, tmp_path / "one.ir")
    program = compile_verbose(graph, "cri").program
    train = np.random.default_rng(0).integers(0, 2, (50, STEPS, 3))
    done = verify(Source(tmp_path / "one.ir", {}), program, {"x": train}, profiles=["all"])
    assert done.first is None and done.same_model
    assert [row.closeness.sqnr_db for row in done.rows if row.closeness is not None] == [200.0, 200.0]


def test_pytorch_code_is_read_with_its_weights(tmp_path: Path) -> None:
    folder = EXAMPLES / "moving_events"
    model, weights = f"{folder / 'network.py'}:moving_events", folder / "moving_events.safetensors"
    shape = ["--input-shape", "events=16,1,2,24,24", "--state-dict", str(weights)]
    compiled = CliRunner().invoke(
        main, ["compile", model, "--target", "cri", "--weight-bits", "8", *shape, "-o", str(tmp_path / "p.nmc"), "-q"]
    )
    assert compiled.exit_code == 0, compiled.output
    np.save(tmp_path / "x.npy", data.trains("test", 2, 1)[0])
    arguments = ["verify", model, str(tmp_path / "p.nmc"), "--input", str(tmp_path / "x.npy"), *shape, "--json"]
    done = CliRunner().invoke(main, [*arguments, "--profile", "hw2024", "--engines"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["same_model"] and facts["integers_equal"] and facts["runtime"] is None
    assert {engine["engine"]: engine["differing"] for engine in facts["engines"]}["auto"] == []


def test_a_nir_file_is_read_as_it_was_compiled(tmp_path: Path) -> None:
    """The discretization is an option of the program: dt = tau / 4 and the compare are not the file's own."""
    affine = nir.Affine(np.array([[0.5, 1.0], [1.0, -0.25]], np.float32), np.zeros(2, np.float32))
    path = saved(tmp_path / "n.nir", chain(affine, lif(2, tau=2.0, theta=0.3), given=(2,), found=(2,)))
    options = ["--dt", "5e-5", "--compare", "ge"]
    program = tmp_path / "p.nmc"
    compiled = CliRunner().invoke(main, ["compile", str(path), "--target", "cri", *options, "-o", str(program), "-q"])
    assert compiled.exit_code == 0, compiled.output
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 2, (20, 9, 2)))
    arguments = ["verify", str(path), str(program), "--input", str(tmp_path / "x.npy"), "--profile", "hw2024", "--json"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["same_model"] and facts["integers_equal"] and facts["first_spike"] is None
    assert facts["layers"][0]["closeness"]["peak"] == 1
