"""What a program says, said twice: engines, batches and integer semantics, compared to the last bit."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from akida_onnx import run_onnx
from dyadic_nets import floored
from test_akida_random import fed

from nmc.compiler import Compilation
from nmc.compiler.ir import FrameSession, Graph, evaluate, trace
from nmc.runtime import Session
from nmc.runtime.akida_host import frame_of
from nmc.runtime.akida_session import ENGINES as AKIDA_ENGINES
from nmc.runtime.compare.engines import REFERENCE, differing_parts
from nmc.runtime.cri_session import ENGINES as CRI_ENGINES
from nmc.runtime.program import AkidaProgram, CriProgram, NmcError, Program, digest, load, save
from nmc.runtime.result import Result

from .drawn import Array


def run_everywhere(program: AkidaProgram | CriProgram, feeds: Mapping[str, Array]) -> tuple[Result, list[str]]:
    """The reference's result for all samples together. Every other engine gives the same, all together without a
    trace and one by one with it: outputs, integers, traces, potentials, counters. Also the engines that ran.

    The engines get the program as it comes back from its file. One that cannot run it says so (NMC-R009)."""
    wanted = Session(program, REFERENCE).run(feeds, trace=True)
    engines = CRI_ENGINES if isinstance(program, CriProgram) else AKIDA_ENGINES
    program, ran = restored(program), []
    for name in engines:
        if name in (REFERENCE, "auto"):
            continue
        try:
            session = Session(program, name)
        except NmcError as error:
            assert [problem.code for problem in error.diagnostics] == ["NMC-R009"], error
            continue
        assert_same(wanted, session.run(feeds, trace=True, batch=1), f"engine {name}, samples one by one")
        assert_same(replace(wanted, trace={}, potentials={}), session.run(feeds), f"engine {name} without a trace")
        if isinstance(program, AkidaProgram):
            assert_same_steps(program, feeds, name)
        ran.append(name)
    if not ran:
        assert_same(wanted, Session(program, REFERENCE).run(feeds, trace=True, batch=1), "samples one by one")
    return wanted, ran


def assert_same_steps(program: AkidaProgram, feeds: Mapping[str, Array], engine: str) -> None:
    """Frame by frame every layer holds what it holds in the reference."""
    sessions = Session(program, REFERENCE), Session(program, engine)
    for frame in range(program.stream_length):
        frames = {entry.name: frame_of(entry, feeds[entry.name], frame) for entry in program.inputs}
        wanted, found = (session.step(frames) for session in sessions)
        for ours, theirs in ((wanted, found), (sessions[0].machine.values, sessions[1].machine.values)):
            for name in ours:
                np.testing.assert_array_equal(theirs[name], ours[name], err_msg=f"{engine}, frame {frame}, {name}")


def restored(program: AkidaProgram | CriProgram) -> Program:
    """The program from a file that it was written to; it has the same digest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.nmc"
        save(program, path)
        found = load(path)
        assert digest(found) == digest(program), "the file does not give the program back"
        return found


def assert_same(wanted: Result, found: Result, what: str) -> None:
    differing = differing_parts(wanted, found)
    assert not differing, f"{what}: other {', '.join(differing)} than the reference"


def assert_layers(program: AkidaProgram, feeds: Mapping[str, Array], result: Result) -> None:
    """onnxruntime, on the machine's equations written as an ONNX model, has the same integers in every layer."""
    expected = run_onnx(program, fed(program, dict(feeds)))
    for name, found in result.trace.items():
        frames = found if program.temporal else found[:, None]
        np.testing.assert_array_equal(frames, expected[name], err_msg=name)


def assert_counts(graph: Graph, feeds: Mapping[str, Array], program: CriProgram, result: Result) -> None:
    """The unary code carries the numbers of the integer network: those of every layer, and the outputs."""
    expected = trace(graph, feeds)
    for population in program.populations:
        if population.kind != "readout":
            np.testing.assert_array_equal(
                result.trace[population.name], expected[population.name], err_msg=population.name
            )
    for name, value in graph.outputs.items():
        found = result.outputs[name]
        np.testing.assert_array_equal(found, expected[value.name].astype(np.float32), err_msg=name)


def assert_spikes(graph: Graph, feeds: Mapping[str, Array], program: CriProgram, result: Result) -> None:
    """The table spikes as the integer network does: every neuron in every step, and the outputs."""
    seen: dict[str, list[Array]] = {}

    def visit(name: str, array: Array) -> None:
        seen.setdefault(name, []).append(array)

    for name, values in FrameSession(graph).run(feeds, visit).items():
        np.testing.assert_array_equal(result.outputs[name], values.astype(np.float32), err_msg=name)
    for population in program.populations:
        if population.kind in ("spiking", "or"):
            found = result.trace[population.name]
            expected = np.stack(seen[population.name], 1)[:, : found.shape[1]]
            np.testing.assert_array_equal(found, expected, err_msg=population.name)


def assert_exact_spikes(graph: Graph, done: Compilation, feeds: Mapping[str, Array], result: Result) -> None:
    """Where quantization rounded nothing, the table spikes as the float network with the machine's leak in it."""
    layers = done.reports["quantize-spiking"]
    if all(layer.errors.rms == layer.errors.constant == 0 for layer in layers):
        for name, values in evaluate(floored(graph, layers), feeds).items():
            np.testing.assert_array_equal(result.outputs[name], values.astype(np.float32), err_msg=name)
