"""`nmc export --format onnx`: in onnxruntime, with its optimizations on, the program's integers frame by frame."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from akida_onnx import run_stream
from akida_programs import random_frames, random_program
from click.testing import CliRunner, Result
from hybrid_nets import NETS
from test_akida_reference import Build
from test_akida_session import video
from test_cri_reference import unary_program

from nmc.backends.akida.export.onnx_stream import onnx_stream, write_onnx
from nmc.cli.golden import compiled
from nmc.cli.main import main
from nmc.compiler import compile_model
from nmc.runtime import Session
from nmc.runtime.akida_host import frame_of, integer_layers
from nmc.runtime.golden.case import Random, read_case
from nmc.runtime.golden.draw import draw
from nmc.runtime.program import AkidaProgram, NmcError, save
from nmc.runtime.program.hybrid import HybridProgram
from onnx_models import session

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden_zoo"
Array = np.ndarray[Any, Any]


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def optimized(model: bytes) -> onnxruntime.InferenceSession:
    """As a user opens it, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def assert_streams_alike(program: AkidaProgram, frames: dict[str, Array]) -> dict[str, Array]:
    """Every output in every frame, floats and integers; `frames` are (streams, frames, *frame shape) by input."""
    model = onnx_stream(program)
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    found = run_stream(model, frames, optimized(model))
    session, wholes = Session(program), integer_layers(program)
    for j in range(next(iter(frames.values())).shape[1]):
        wanted = session.step({name: array[:, j] for name, array in frames.items()})
        for output in program.outputs:
            np.testing.assert_array_equal(found[output.name][:, j], wanted[output.name])
            integers = session.machine.values[wholes[output.name]].transpose(
                0, *(1 + "HWC".index(a) for a in output.order)
            )
            whole = found[f"{output.name}.int"][:, j]
            assert whole.dtype == np.int64 and found[output.name].dtype == np.float32
            np.testing.assert_array_equal(whole, integers.reshape(whole.shape))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int) -> None:
    program = random_program(seed)
    found = assert_streams_alike(program, random_frames(program, seed))
    assert found.keys() == {f"{o.name}{part}" for o in program.outputs for part in ("", ".int")}


@pytest.mark.parametrize("seed", range(3))
def test_layouts_and_codes_of_a_source_model(seed: int) -> None:
    """Channels first, a scale and a zero point: ties between two codes and values outside the range among them."""
    rng = np.random.default_rng(seed)
    frames = np.concatenate([rng.integers(-400, 400, (2, 4, 2, 4, 3)) / 8, rng.normal(size=(2, 3, 2, 4, 3)) * 1e3], 1)
    found = assert_streams_alike(video(seed), {"clip": frames.astype(np.float32)})
    assert len(np.unique(found["scores.int"])) > 20


@pytest.fixture(scope="module")
def gestures() -> AkidaProgram:
    calibration = np.load(GOLDEN / "gestures_calibration.npz")
    program = compile_model(
        ROOT / "examples/gestures/gestures.onnx", "akida", calibration=calibration[calibration.files[0]]
    )
    assert isinstance(program, AkidaProgram)
    return program


def test_the_gesture_network_for_longer_than_a_clip(gestures: AkidaProgram) -> None:
    given = np.load(GOLDEN / "gestures_input.npz")
    clips = given[given.files[0]][:2].transpose(0, 2, 1, 3, 4)
    found = assert_streams_alike(gestures, {"clip": np.concatenate([clips, clips[::-1]], axis=1)})
    assert found["logits"].shape == (2, 32, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tenn_dvs128", "tenn_jester"])
def test_a_network_of_the_zoo(name: str) -> None:
    case = read_case(GOLDEN / f"{name}.toml")
    program = compiled(case)[0].program
    assert isinstance(program, AkidaProgram) and isinstance(case.input, Random)
    (entry,) = program.inputs
    samples = draw(case.input, {entry.name: entry.shape}, frozenset(), name)
    frames = np.stack([frame_of(entry, samples[entry.name], j) for j in range(3)], axis=1)
    (output,) = program.outputs
    assert len(np.unique(assert_streams_alike(program, {entry.name: frames})[output.name])) > 20


def test_the_interface_of_the_model(gestures: AkidaProgram) -> None:
    model = onnx.load_from_string(onnx_stream(gestures))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 21)] and model.ir_version == 10
    assert {node.domain for node in model.graph.node} == {""}
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    temporal = [layer for layer in gestures.layers if "fifo_size" in layer.parameters]
    assert len(temporal) == 3
    for layer in temporal:
        before, after = shapes[f"{layer.name}.state.in"], shapes[f"{layer.name}.state.out"]
        assert before == after and before[0] == "N" and before[3] == layer.parameters["fifo_size"]
    assert shapes["clip"] == ["N", 1, 24, 24] and shapes["logits"] == shapes["logits.int"] == ["N", 8]
    assert len(shapes) == 3 + 2 * len(temporal)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["frames"] == "16" and json.loads(facts["timing"])["logits"]["length"] == 16
    weights = sum(layer.variables["weights"].size for layer in gestures.layers if "weights" in layer.variables)
    assert model.ByteSize() < 5 * weights  # of one byte each


def test_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(video(), tmp_path / "net.nmc")
    done = nmc("export", "net.nmc", "--format", "onnx")
    assert done.exit_code == 0, done.output
    written = (tmp_path / "net.onnx").read_bytes()
    assert done.output == f"written: net.onnx, {len(written):,} bytes\n" and written == onnx_stream(video())
    done = nmc("export", "net.nmc", "--format", "onnx", "--akida-version", "2.19.0")
    assert done.exit_code == 2 and "NMC-X004" in done.output


def test_a_cri_program_is_told_its_formats(tmp_path: Path) -> None:
    save(unary_program(), tmp_path / "net.nmc")
    done = nmc("export", tmp_path / "net.nmc", "--format", "onnx", "-o", tmp_path / "net.onnx")
    assert done.exit_code == 2 and "NMC-X003" in done.output and "hs-api, hbm" in done.output
    assert not (tmp_path / "net.onnx").exists()


def test_the_segments_of_a_program_with_host_segments(tmp_path: Path) -> None:
    """Every segment is an ONNX model then; chained, they give what the program gives."""
    model = NETS["gated_image"]().save(tmp_path)
    program = compile_model(model, "akida", host_fallback=True)
    save(program, tmp_path / "net.nmc")
    done = nmc("export", tmp_path / "net.nmc", "--format", "onnx", "-o", tmp_path / "parts")
    assert done.exit_code == 0, done.output
    files = sorted((tmp_path / "parts").iterdir())
    assert [file.suffix for file in files] == [".onnx"] * len(files) and len(files) > 2
    (entry,) = program.inputs
    image = np.random.default_rng(0).normal(size=(2, *entry.shape)).astype(np.float32)
    values = {entry.name: image}
    assert isinstance(program, HybridProgram)
    for segment in program.segments:
        runtime = session((tmp_path / "parts" / f"{segment.name}.onnx").read_bytes())
        names = [output.name for output in runtime.get_outputs()]
        found = runtime.run(names, {i.name: np.asarray(values[i.name]) for i in runtime.get_inputs()})
        values |= dict(zip(names, map(np.asarray, found), strict=True))
    wanted = Session(program).run(image).outputs
    for output in program.outputs:
        np.testing.assert_array_equal(values[output.value], wanted[output.name])


def test_sums_that_float64_does_not_hold_are_refused() -> None:
    units, inputs = 1, 200 * 250
    variables = {"weights": np.full((inputs, units), 127, np.int8), "input_shift": np.full(inputs, 24, np.uint8)}
    net = Build().data("in", (200, 250, 1)).add("fc", "Dense1D", "in", variables=variables, units=units, buffer_bits=32)
    with pytest.raises(NmcError) as caught:
        onnx_stream(net.program())
    assert [(d.code, d.where) for d in caught.value.diagnostics] == [("NMC-X005", "fc")]


def test_names_that_are_taken_get_an_underscore() -> None:
    frame = (
        Build()
        .data("y", (2, 2, 1))
        .add("y.int", "Dense1D", "y", variables={"weights": np.ones((4, 1), np.int8)}, units=1)
    )
    program = frame.program()
    model = onnx.load_from_string(onnx_stream(program))
    assert [value.name for value in model.graph.input] == ["y"]
    assert [value.name for value in model.graph.output] == ["y_", "y.int"]
    onnx.checker.check_model(model, full_check=True)


def test_the_example_of_the_documentation(
    gestures: AkidaProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_onnx(gestures, "gestures.onnx")
    given = np.load(GOLDEN / "gestures_input.npz")
    clips = given[given.files[0]][:1]
    np.savez("gestures_test.npz", clip=clips)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "onnx_export.md").read_text(), re.S)
    exec(code, {})
    wanted = Session(gestures).run(clips).outputs["logits"][0].argmax(axis=-1)
    assert list(map(int, capsys.readouterr().out.split())) == wanted.tolist()
