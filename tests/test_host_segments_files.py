"""Files with host segments: they come back as they were, and damaged or unsafe ones are told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from hybrid_nets import compiled, samples_for
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from nmc.compiler.diagnostics import Exit, NmcError
from nmc.runtime import Session, load
from nmc.runtime.program import HybridProgram, Timing, digest, records, save
from nmc.runtime.program.hybrid import DeviceSegment, HostSegment
from nmc.runtime.program.hybrid_check import validate
from nmc.runtime.program.onnx_guard import Refused, interface

pytestmark = pytest.mark.slow

done = cache(compiled)


def program() -> HybridProgram:
    return done("pooled_clip").program


@cache
def stored() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.nmc"
        save(program(), path)
        return path.read_bytes()


def codes_of(step: Callable[[], object]) -> set[str]:
    with pytest.raises(NmcError) as caught:
        step()
    assert caught.value.exit_code == Exit.BAD_FILE
    return {diagnostic.code for diagnostic in caught.value.diagnostics}


@pytest.mark.parametrize("name", ["gated_image", "pooled_clip"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    made = done(name)
    save(made.program, tmp_path / "a.nmc")
    again = load(tmp_path / "a.nmc")
    save(again, tmp_path / "b.nmc")
    assert isinstance(again, HybridProgram) and digest(again) == digest(made.program)
    assert (tmp_path / "a.nmc").read_bytes() == (tmp_path / "b.nmc").read_bytes()
    inputs = samples_for(made.imported, 2)
    ours, theirs = (Session(p, "reference").run(inputs).outputs for p in (made.program, again))
    assert all(np.array_equal(ours[output], theirs[output]) for output in ours)


def test_a_file_runs_without_compiler_and_onnx(tmp_path: Path) -> None:
    save(done("gated_image").program, tmp_path / "a.nmc")
    code = (
        "import sys, numpy as np\nfrom nmc.runtime import Session\n"
        f"Session({str(tmp_path / 'a.nmc')!r}, 'reference').run(np.zeros((1, 3, 10, 10)))\n"
        "print([name for name in ('nmc.compiler', 'nmc.backends', 'onnx', 'torch') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_cut_files_are_no_programs(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.nmc"
    path.write_bytes(stored()[: data.draw(st.integers(0, len(stored()) - 1))])
    assert codes_of(lambda: load(path)) == {"NMC-F003"}


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_flipped_bits_never_pass_for_another_program(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "flip.nmc"
    whole = bytearray(stored())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(whole)
    try:
        found = load(path)
    except NmcError as error:
        assert error.exit_code == Exit.BAD_FILE
    else:
        assert digest(found) == digest(program())


# --- what does not fit together ---


def edited(change: Callable[[HostSegment], HostSegment]) -> HybridProgram:
    segments = tuple(change(s) if isinstance(s, HostSegment) else s for s in program().segments)
    return replace(program(), segments=segments)


def with_model(change: Callable[[onnx.ModelProto], object]) -> HybridProgram:
    def changed(segment: HostSegment) -> HostSegment:
        proto = onnx.load_from_string(segment.model.tobytes())
        change(proto)
        return replace(segment, model=np.frombuffer(proto.SerializeToString(), np.uint8))

    return edited(changed)


def subgraph(proto: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    proto.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=body, else_branch=body))


def external(proto: onnx.ModelProto) -> None:
    tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    proto.graph.initializer.append(tensor)


def inside_a_constant(proto: onnx.ModelProto) -> None:
    tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    proto.graph.node.append(helper.make_node("Constant", [], ["w"], value=tensor))


UNSAFE: dict[str, tuple[Callable[[onnx.ModelProto], object], str]] = {
    "external data": (external, "data in another file"),
    "external data of a constant": (inside_a_constant, "data in another file"),
    "subgraphs": (subgraph, "a subgraph"),
    "another domain": (
        lambda proto: proto.graph.node.append(helper.make_node("Evil", [], ["e"], domain="com.evil")),
        "operators of domain b'com.evil'",
    ),
    "an imported domain": (lambda proto: proto.opset_import.add(domain="x", version=1), "operators of domain b'x'"),
    "functions": (lambda proto: proto.functions.add(name="f"), "a function"),
    "another input": (
        lambda proto: proto.graph.input.append(helper.make_tensor_value_info("more", 1, [1])),
        "must have the segment's inputs and outputs",
    ),
    "no graph": (lambda proto: proto.ClearField("graph"), "it has 0 graphs"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_models_that_are_not_run(case: str) -> None:
    change, text = UNSAFE[case]
    with pytest.raises(NmcError) as caught:
        Session(with_model(change))
    assert [d.code for d in caught.value.diagnostics] == ["NMC-F050"]
    assert caught.value.exit_code == Exit.BAD_FILE and text in str(caught.value)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_bytes_that_are_no_model(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        interface(data)
    assert str(caught.value)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_damaged_models_are_refused_or_run(data: Any) -> None:
    """Behind a right checksum."""
    host = program().hosts[0]
    model = bytearray(host.model.tobytes())
    for _ in range(data.draw(st.integers(1, 3))):
        model[data.draw(st.integers(0, len(model) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    broken = edited(lambda segment: replace(segment, model=np.frombuffer(bytes(model), np.uint8)))
    try:
        result = Session(broken, "reference").run(np.zeros((1, 2, 8, 16, 16)))
    except NmcError as error:
        assert {d.code for d in error.diagnostics} <= {"NMC-F050", "NMC-R025", "NMC-R007"}
        assert error.exit_code == Exit.BAD_FILE
    else:
        assert result.outputs.keys() == {"maps"}


def device_first(change: Callable[[DeviceSegment], DeviceSegment]) -> HybridProgram:
    first, *rest = program().segments
    assert isinstance(first, DeviceSegment)
    return replace(program(), segments=(change(first), *rest))


WRONG: dict[str, tuple[Callable[[], HybridProgram], str]] = {
    "order": (lambda: replace(program(), segments=program().segments[::-1]), "F012"),
    "a value twice": (lambda: replace(program(), segments=(*program().segments, program().segments[0])), "F013"),
    "device": (lambda: replace(program(), device="gpu"), "F013"),
    "no outputs": (lambda: replace(program(), outputs=()), "F013"),
    "another output": (lambda: replace(program(), outputs=(replace(program().outputs[0], value="?"),)), "F012"),
    "timing": (lambda: replace(program(), outputs=(replace(program().outputs[0], timing=Timing(-1)),)), "F013"),
    "input axis": (lambda: replace(program(), inputs=(replace(program().inputs[0], axis=9),)), "F012"),
    "state dtype": (lambda: edited(lambda s: with_states(s, start=np.zeros(1, np.int8))), "F010"),
    "state size": (lambda: edited(lambda s: with_states(s, start=np.zeros(2, np.float32))), "F010"),
    "state shape": (lambda: edited(lambda s: with_states(s, shape=(-1,))), "F013"),
    "model dtype": (lambda: edited(lambda s: replace(s, model=s.model.astype(np.int8))), "F010"),
    "negative MACs": (lambda: edited(lambda s: replace(s, ops=(replace(s.ops[0], macs=-1),))), "F013"),
    "layers": (
        lambda: device_first(lambda s: replace(s, program=replace(s.program, layers=s.program.layers[1:]))),
        "F012",
    ),
    "provenance": (lambda: replace(program(), provenance={"x": float("nan")}), "F009"),
}  # fmt: skip


def with_states(segment: HostSegment, **changes: Any) -> HostSegment:
    return replace(segment, states=tuple(replace(state, **changes) for state in segment.states))


@pytest.mark.parametrize("case", WRONG)
def test_segments_that_do_not_fit_together(case: str) -> None:
    make, code = WRONG[case]
    assert f"NMC-{code}" in codes_of(lambda: validate(make()))


def test_records_that_are_none_of_the_kinds(tmp_path: Path) -> None:
    arrays: records.Arrays = {}
    data = records.encode(program(), HybridProgram, "", arrays)
    for wrong in ("Other", None, 3):
        data["segments"][0]["record"] = wrong
        with pytest.raises(records.FieldError, match="segments/0 must be a record, one of DeviceSegment, HostSegment"):
            records.decode(data, HybridProgram, "", dict(arrays))
