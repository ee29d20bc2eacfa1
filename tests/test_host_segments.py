"""Programs with host segments: what they compute, in which order, and what they say of themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hybrid_nets import NETS, compiled, composed, graph_of, samples_for

from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.ir import evaluate
from nmc.compiler.manager import without_edges
from nmc.runtime import Session
from nmc.runtime.compare.engines import compare_engines
from nmc.runtime.hybrid_session import HybridSession
from nmc.runtime.program import HybridProgram, digest
from nmc.runtime.program.akida import AkidaProgram
from nmc.runtime.program.hybrid_work import work
from onnx_models import Net

pytestmark = pytest.mark.slow

kept = cache(compiled)


@pytest.fixture(params=NETS, scope="module")
def done(request: pytest.FixtureRequest) -> Iterator[Compilation]:
    yield kept(request.param)


def inputs_of(done: Compilation) -> dict[str, Any]:
    return samples_for(done.imported)


def test_outputs_are_those_of_the_segments_put_together(done: Compilation) -> None:
    inputs = inputs_of(done)
    found = Session(done.program, "reference").run(inputs).outputs
    for name, wanted in composed(done.program, inputs).items():
        assert np.array_equal(found[name], wanted)


def test_outputs_are_near_those_of_the_float_network(done: Compilation) -> None:
    inputs = inputs_of(done)
    found, wanted = Session(done.program, "reference").run(inputs).outputs, evaluate(done.imported, inputs)
    for output in done.program.outputs:
        ours, theirs = (without_edges(a, output.timing) for a in (found[output.name], wanted[output.name]))
        assert ours.size and np.square(ours - theirs).sum() < 10**-2.5 * np.square(theirs).sum()  # 25 dB


def test_frames_in_steps_are_the_clip(done: Compilation) -> None:
    inputs, program = inputs_of(done), done.program
    session = Session(program, "reference")
    result = session.run(inputs)
    assert isinstance(session, HybridSession)
    for again in range(2):
        session.reset()
        found: dict[str, list[Any]] = {output.name: [] for output in program.outputs}
        for frame in range(program.stream_length):
            now = {}
            for entry in program.inputs:
                clip = np.moveaxis(inputs[entry.name], entry.axis, 1) if entry.axis > 0 else inputs[entry.name][:, None]
                now[entry.name] = clip[:, frame] if frame < clip.shape[1] else np.zeros_like(clip[:, 0])
            given = session.step(now)
            for output in program.outputs:
                if frame in output.timing.frames():
                    found[output.name].append(given[output.name])
        for output in program.outputs:
            axis = output.timing.axis
            frames = np.stack(found[output.name], axis) if axis > 0 else found[output.name][-1]
            assert np.array_equal(frames, result.outputs[output.name]), again


def test_samples_do_not_depend_on_each_other(done: Compilation) -> None:
    inputs = inputs_of(done)
    together, by_two = (Session(done.program, "reference").run(inputs, trace=True, batch=size) for size in (None, 4))
    for kind in ("outputs", "integers", "trace"):
        ours, theirs = getattr(together, kind), getattr(by_two, kind)
        assert ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert together.counters == by_two.counters


def test_compiling_again_gives_the_same_program(done: Compilation) -> None:
    calibration = samples_for(done.imported, 8, 0)
    again = compile_verbose(done.imported, "akida", calibration=calibration, host_fallback=True)
    assert digest(again.program) == digest(done.program)


def test_counters_are_those_of_the_segments(done: Compilation) -> None:
    inputs, program = inputs_of(done), done.program
    result = Session(program, "reference").run(inputs, trace=True)
    parts = work(program)
    frames = 6 * program.stream_length
    assert result.counters["macs_per_segment"] == {w.segment: w.macs * frames for w in parts}
    assert result.counters["macs"] == sum(w.macs for w in parts) * frames
    assert result.counters["macs_device"] + result.counters["macs_host"] == result.counters["macs"]
    for segment in program.devices:
        given = Session(segment.program, "reference").run(
            {
                name: np.zeros((1, *entry.shape))
                for name, entry in zip(segment.reads, segment.program.inputs, strict=True)
            }
        )
        assert given.counters["macs"] == {w.segment: w.macs for w in parts}[segment.name] * program.stream_length
    names = {f"{s.name}/{layer.name}" for s in program.devices for layer in s.program.layers}
    assert set(result.counters["saturations"]) == names
    assert {name for name, array in result.trace.items() if array.dtype == np.int64} < names


def segments(name: str) -> list[tuple[str, list[str]]]:
    program = kept(name).program
    hosts = {segment.name: [op.op for op in segment.ops] for segment in program.hosts}
    return [(segment.name, hosts.get(segment.name, [])) for segment in program.segments]


def test_the_host_does_what_the_device_cannot() -> None:
    assert segments("gated_image") == [
        ("device1", []),
        ("host1", ["mul"]),
        ("device2", []),
        ("host2", ["mul"]),
        ("device3", []),
        ("host3", ["softmax"]),
    ]
    assert segments("pooled_clip") == [("device1", []), ("host1", ["fifo", "max_pool", "reshape"]), ("device2", [])]
    (name, ops) = segments("attention_image")[1]
    assert name == "host1" and ops.count("matmul") == 2 and "softmax" in ops and "conv" not in ops
    reasons = {op.op: op.why for segment in kept("pooled_clip").program.hosts for op in segment.ops}
    assert reasons["fifo"] == "a maximum over time" and reasons["reshape"] == "it reads only what the host gives"


def test_without_a_need_the_program_has_no_host() -> None:
    net = Net(17)
    x = net.input("image", (1, 3, 8, 8))
    net.output(net.op("Relu", net.op("Conv", x, net.weight(4, 3, 3, 3), pads=[1, 1, 1, 1])))
    graph = graph_of(net)
    programs = [compile_verbose(graph, "akida", host_fallback=asked).program for asked in (False, True)]
    assert all(isinstance(program, AkidaProgram) for program in programs)
    assert [program.provenance["options"].pop("host_fallback", None) for program in programs] == [None, True]
    assert digest(programs[0]) == digest(programs[1])


def test_a_refusal_names_the_flag_and_nothing_left_is_one() -> None:
    net = Net(17)
    net.output(net.op("Softmax", net.op("Exp", net.input("x", (1, 4, 3, 3)))))
    graph = graph_of(net)
    with pytest.raises(NmcError) as refused:
        compile_verbose(graph, "akida")
    assert {d.code for d in refused.value.diagnostics} == {"NMC-A001"}
    assert all("--host-fallback" in d.hint for d in refused.value.diagnostics)
    with pytest.raises(NmcError) as nothing:
        compile_verbose(graph, "akida", host_fallback=True)
    assert [d.code for d in nothing.value.diagnostics] == ["NMC-A003"]
    assert nothing.value.exit_code == Exit.UNSUPPORTED


def test_too_little_work_between_host_operations_is_the_host_s() -> None:
    net = Net(17)
    x = conv_exp(net, net.input("image", (1, 3, 8, 8)))
    net.output(net.op("Exp", net.op("Relu", net.op("Sin", x))), "y")
    graph = graph_of(net)
    program = compile_verbose(graph, "akida", host_fallback=True).program
    assert isinstance(program, HybridProgram)
    (host,) = program.hosts
    whys = {op.op: op.why for op in host.ops}
    assert whys["relu"] == "0 products are few for 512 values that would cross" and len(program.segments) == 2


def conv_exp(net: Net, x: str) -> str:
    return net.op("Exp", net.op("Conv", x, net.weight(4, 3, 3, 3, scale=0.2), pads=[1, 1, 1, 1]))


@pytest.mark.slow
def test_all_engines_give_the_same(done: Compilation) -> None:
    inputs = inputs_of(done)
    assert all(not result.differing for result in compare_engines(done.program, inputs))


def test_infinity_does_not_reach_a_device() -> None:
    net = Net(17)
    x = net.op("Exp", net.input("image", (1, 3, 8, 8)))
    net.output(net.op("Conv", x, net.weight(8, 3, 3, 3)), "y")
    program = compile_verbose(graph_of(net), "akida", host_fallback=True).program
    assert [segment.name for segment in program.segments] == ["host1", "device1"]
    with pytest.raises(NmcError) as found:
        Session(program, "reference").run(np.full((1, 3, 8, 8), 1e30))
    assert [d.code for d in found.value.diagnostics] == ["NMC-R007"]


def test_without_onnxruntime_there_is_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NmcError) as found:
        Session(kept("gated_image").program)
    assert [d.code for d in found.value.diagnostics] == ["NMC-R025"] and found.value.exit_code == Exit.BAD_FILE


def test_outputs_that_are_inputs_and_outputs_that_are_constants() -> None:
    net = Net(17)
    x = net.input("image", (1, 3, 8, 8))
    net.output(net.op("Exp", net.op("Conv", x, net.weight(8, 3, 3, 3))), "y")
    graph = graph_of(net)
    graph.outputs["same"] = graph.inputs[0]
    program = compile_verbose(graph, "akida", host_fallback=True).program
    image = samples_for(graph, 2)["image"]
    result = Session(program, "reference").run(image)
    assert np.array_equal(result.outputs["same"], image) and "same" not in result.integers
    graph.outputs["same"] = graph.constant("c", np.ones((1, 2), np.float32))
    with pytest.raises(NmcError, match="NMC-A001"):
        compile_verbose(graph, "akida", host_fallback=True)


def test_scales_of_a_quantized_model_hold_between_segments() -> None:
    net = Net(17)
    x = net.op("Relu", net.op("Conv", net.input("image", (1, 3, 8, 8)), net.weight(8, 3, 3, 3)))
    scale, zero = net.const(np.float32(1 / 128)), net.const(np.int8(0), np.int8)
    y = net.op("DequantizeLinear", net.op("QuantizeLinear", net.op("Sin", x), scale, zero), scale, zero)
    net.output(net.op("Conv", y, net.weight(8, 8, 3, 3)), "y")
    program = compile_verbose(graph_of(net), "akida", host_fallback=True).program
    assert [segment.name for segment in program.segments] == ["device1", "host1", "device2"]
    (entry,) = program.devices[1].program.inputs
    assert (entry.scale, entry.zero_point, entry.signed) == (1 / 128, 0, True)


@pytest.mark.slow
def test_programs_do_not_depend_on_the_hash_seed() -> None:
    code = "from hybrid_nets import compiled; from nmc.runtime.program import digest\n"
    code += "print([digest(compiled(name).program) for name in ('gated_image', 'attention_image')])"
    folder = Path(__file__).parent
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(folder)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    ]
    assert runs[0] == runs[1] == f"{[digest(kept(name).program) for name in ('gated_image', 'attention_image')]}\n"


def test_another_number_of_streams_starts_anew() -> None:
    done = kept("pooled_clip")
    session = Session(done.program, "reference")
    clip = np.moveaxis(samples_for(done.imported)["clip"], 2, 0)
    for frame in clip:
        session.step(frame[:2])
    first = session.step(clip[0][:3])["maps"]
    fresh = Session(done.program, "reference")
    assert np.array_equal(first, fresh.step(clip[0][:3])["maps"])
