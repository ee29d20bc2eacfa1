"""The commands as a user meets them: results, exit codes, diagnostics, and files that are never half written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper
from test_akida_program import fixed_program

from nmc.cli.main import COMMANDS, main
from nmc.runtime import Session, load
from nmc.runtime.program import save

DIGITS = Path(__file__).parent.parent / "examples" / "digits" / "digits.onnx"


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "x.npz"
    np.savez(path, image=np.random.default_rng(0).random((3, 1, 8, 8)))
    return path


@pytest.fixture
def program(tmp_path: Path, images: Path) -> Path:
    path = tmp_path / "p.nmc"
    done = nmc("compile", DIGITS, "--target", "cri", "--calibration", images, "--timesteps", 3, "-o", path)
    assert done.exit_code == 0, done.output
    return path


def model_file(path: Path, op: str = "Relu", shape: tuple[object, ...] = (1, 4), weight: float = 1.0) -> Path:
    """x → Gemm → op → y"""
    w = numpy_helper.from_array(np.full((3, 4), weight, np.float32), "w")
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"], "fc", transB=1), helper.make_node(op, ["h"], ["y"], "act")]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [w],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_compile_simulate_inspect(tmp_path: Path, program: Path, images: Path) -> None:
    out = tmp_path / "y.npz"
    done = nmc("simulate", program, "--input", images, "-o", out, "--trace")
    assert done.exit_code == 0 and "3 samples × 12 timesteps" in done.output
    written = np.load(out)
    result = Session(load(program)).run(np.load(images)["image"], trace=True)
    assert np.array_equal(written["logits"], result.outputs["logits"]) and written["logits"].dtype == np.float32
    assert np.array_equal(written["logits.int"], result.integers["logits"])
    assert json.loads(str(written["counters"]))["samples"] == 3
    assert {f"trace/{name}" for name in result.trace} <= set(written.files)
    shown = nmc("inspect", program, "--schedule")
    assert shown.exit_code == 0
    for population in load(program).populations:
        assert population.name in shown.output
    assert "read as potential" in shown.output and ".release" in shown.output


def test_json_is_one_object_and_quiet_is_silent(program: Path, images: Path) -> None:
    for arguments in (["inspect", program], ["simulate", program, "--input", images], ["targets"], ["passes"]):
        assert json.loads(nmc(*arguments, "--json").stdout)["ok"] is True
        assert nmc(*arguments, "--quiet").output == ""
    layers = json.loads(nmc("inspect", program, "--json").stdout)["layers"]
    assert sum(row["neurons"] for row in layers) == len(load(program).neuron_model)


def test_default_output_is_beside_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = nmc("compile", model_file(tmp_path / "small.onnx"), "--target", "cri")
    assert done.exit_code == 0 and Path("small.nmc").exists()
    assert "synthetic" not in done.stdout and "uniform noise" in done.stderr


def test_debugging_switches(tmp_path: Path, images: Path) -> None:
    base = ["compile", DIGITS, "--target", "cri", "--calibration", images, "-o", tmp_path / "p.nmc"]
    done = nmc(*base, "--verify-each", "--dump-ir", tmp_path / "ir", "--print-after", "cri-terms")
    assert done.exit_code == 0
    assert "fold-batch-norm: outputs changed by" in done.output and "# after cri-terms" in done.output
    dumps = sorted(path.name for path in (tmp_path / "ir").glob("*.ir"))
    assert dumps[0] == "00-imported.ir" and dumps[-1] == "05-quantize-cri.ir"
    again = nmc("compile", tmp_path / "ir" / "00-imported.ir", *base[2:6], "-o", tmp_path / "q.nmc")
    assert again.exit_code == 0
    assert load(tmp_path / "q.nmc").populations == load(tmp_path / "p.nmc").populations


def test_every_command_explains_itself() -> None:
    assert [name for name in COMMANDS if name not in nmc("--help").output] == []
    for name in COMMANDS:
        assert "--json" in nmc(name, "--help").output


def check_fails(result: Result, code: int, *texts: str) -> None:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    for text in texts:
        assert text in result.output


def truncated(path: Path) -> Path:
    path.write_bytes(DIGITS.read_bytes()[:9000])
    return path


def without_side_file(path: Path) -> Path:
    model = onnx.load(model_file(path))
    onnx.save(model, path, save_as_external_data=True, location="side.bin", size_threshold=0)
    (path.parent / "side.bin").unlink()
    return path


BAD_MODELS = {
    "missing": (lambda p: p, 4, "NMC-I001"),
    "not onnx": (lambda p: p.write_text("hello, this is a text file") and p, 4, "NMC-I002"),
    "truncated": (truncated, 4, "NMC-I002"),
    "external data missing": (without_side_file, 4, "side.bin"),
    "open shape": (lambda p: model_file(p, shape=("batch", "features")), 2, "--input-shape"),
    "unsupported op": (lambda p: model_file(p, "Hardmax"), 3, "Hardmax"),
    "not for the target": (lambda p: model_file(p, "Cos"), 3, "do not compute cos"),
    "nothing wrong": (lambda p: model_file(p, "Identity", weight=1.0), 0, ""),
    "nan weight": (lambda p: model_file(p, weight=float("nan")), 4, "NMC-I006"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_models(tmp_path: Path, case: str) -> None:
    make, code, text = BAD_MODELS[case]
    output = tmp_path / "out.nmc"
    output.write_bytes(b"old")
    result = nmc("compile", make(tmp_path / "model.onnx"), "--target", "cri", "-o", output)
    check_fails(result, code, text)
    assert (output.read_bytes() == b"old") is (code != 0)
    assert sorted(p.name for p in tmp_path.glob(".*")) == []


def test_an_open_shape_can_be_given(tmp_path: Path) -> None:
    path = model_file(tmp_path / "model.onnx", shape=("batch", "features"))
    done = nmc("compile", path, "--target", "cri", "--input-shape", "x=1,4", "-o", tmp_path / "p.nmc")
    assert done.exit_code == 0, done.output
    check_fails(nmc("compile", path, "--target", "cri", "--input-shape", "x=one"), 2, "is not a shape")
    check_fails(nmc("compile", path, "--target", "cri", "--input-shape", "z=1,4"), 2, "NMC-I005")


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((2, 1, 9, 9)), "(2, 1, 9, 9)"),
        (np.zeros((1, 8, 8)), "(1, 8, 8)"),
        (np.full((2, 1, 8, 8), np.nan), "NaN"),
        (np.zeros((2, 1, 8, 8), np.complex64), "complex64"),
        (np.full((2, 1, 8, 8), "a"), "dtype"),
    ],
    ids=["shape", "rank", "nan", "complex", "text"],
)
def test_bad_inputs(tmp_path: Path, program: Path, array: np.ndarray, text: str) -> None:
    np.save(tmp_path / "x.npy", array)
    out = tmp_path / "y.npz"
    out.write_bytes(b"old")
    check_fails(nmc("simulate", program, "--input", tmp_path / "x.npy", "-o", out), 4, text)
    assert out.read_bytes() == b"old"


def test_bad_input_files(tmp_path: Path, program: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK not a zip")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    check_fails(nmc("simulate", program, "--input", tmp_path / "none.npz"), 4, "NMC-R001")
    check_fails(nmc("simulate", program, "--input", tmp_path / "x.npz"), 4, "NMC-R002")
    check_fails(nmc("simulate", program, "--input", tmp_path / "o.npy"), 4, "NMC-R003")
    check_fails(nmc("simulate", program, "--input", program), 4, "NMC-R002")


def test_bad_programs(tmp_path: Path, program: Path, images: Path) -> None:
    data = program.read_bytes()
    cases = {
        "truncated": (data[: len(data) // 2], "NMC-F003"),
        "empty": (b"", "NMC-F003"),
        "other version": (data.replace(b'\\"format\\":1', b'\\"format\\":9'), "NMC-F006"),
        "flipped": (data[:-1] + bytes([data[-1] ^ 1]), "NMC-F008"),
    }
    for name, (content, code) in cases.items():
        bad = tmp_path / f"{name}.nmc"
        bad.write_bytes(content)
        assert content != data
        for command in (["inspect", bad], ["simulate", bad, "--input", images]):
            check_fails(nmc(*command), 4, code)


def test_unwritable_outputs(tmp_path: Path, program: Path, images: Path) -> None:
    check_fails(nmc("compile", DIGITS, "--target", "cri", "-o", tmp_path / "no" / "p.nmc"), 4, "NMC-F014")
    check_fails(nmc("compile", DIGITS, "--target", "cri", "-o", tmp_path), 4, "NMC-F014")
    check_fails(nmc("simulate", program, "--input", images, "-o", tmp_path / "no" / "y.npz"), 4, "NMC-F014")


def test_usage_errors_suggest_what_was_meant() -> None:
    check_fails(nmc("compil"), 2, "did you mean 'compile'")
    check_fails(nmc("compile", DIGITS), 2, "--target")
    check_fails(nmc("compile", DIGITS, "--target", "cry"), 2, "did you mean 'cri'")
    check_fails(nmc("compile", DIGITS, "--target", "cri", "--profile", "hw"), 2, "NMC-T002")
    check_fails(nmc("compile", DIGITS, "--target", "cri", "--passes", "canonicalise"), 2, "did you mean 'canonicalize'")
    check_fails(nmc("simulate", "p.nmc", "--input", "x.npz", "--engine", "warp"), 2)


def test_errors_as_json(tmp_path: Path) -> None:
    done = nmc("compile", model_file(tmp_path / "m.onnx", "Hardmax"), "--target", "cri", "--json")
    data = json.loads(done.stdout)
    assert done.exit_code == data["exit"] == 3 and data["ok"] is False
    assert data["errors"][0]["code"] == "NMC-I010" and "act" in data["errors"][0]["where"]


def test_program_bytes_depend_on_model_and_options_alone(tmp_path: Path, images: Path) -> None:
    digests = set()
    for seed, threads, folder in (("0", "1", "a"), ("1", "2", "b"), ("12345", "1", "c")):
        (tmp_path / folder).mkdir()
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "OPENBLAS_NUM_THREADS": threads,
            "OPENBLAS_CORETYPE": "Haswell" if seed == "1" else "",
        }
        command = [sys.executable, "-m", "nmc.cli.main", "compile", DIGITS, "--target", "cri", "--calibration", images]
        subprocess.run(command, check=True, env=environment, cwd=tmp_path / folder, capture_output=True)
        digests.add((tmp_path / folder / "digits.nmc").read_bytes())
    assert len(digests) == 1


def test_a_program_of_the_other_target_is_shown_and_run(tmp_path: Path) -> None:
    program = fixed_program()
    path, x = tmp_path / "a.nmc", tmp_path / "x.npz"
    save(program, path)
    samples = {entry.name: np.ones((2, *entry.shape), np.float32) for entry in program.inputs}
    np.savez(x, **samples)
    shown = nmc("inspect", path, "--schedule")
    assert shown.exit_code == 0, shown.output
    assert all(layer.name in shown.output and layer.kind in shown.output for layer in program.layers)
    rows = json.loads(nmc("inspect", path, "--json").stdout)["layers"]
    assert [row["kind"] for row in rows] == [layer.kind for layer in program.layers]
    done = nmc("simulate", path, "--input", x, "-o", tmp_path / "y.npz")
    assert done.exit_code == 0 and "MACs" in done.output
    expected = Session(program).run(samples)
    for name, integers in expected.integers.items():
        assert np.array_equal(np.load(tmp_path / "y.npz")[f"{name}.int"], integers)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """As in `nmc targets | head -1`."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "nmc.cli.main", "targets"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=tmp_path, check=False)
    os.close(write)
    assert b"NMC-" not in done.stderr and b"Traceback" not in done.stderr
