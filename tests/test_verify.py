"""`nmc verify` on networks of activations: layers beside the float network, checks, recompilation, errors."""

from __future__ import annotations

import json
import math
import runpy
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from akida_nets import Clip, Growing, Image
from click.testing import CliRunner, Result

from nmc.cli.main import main
from nmc.cli.verification.report import verify
from nmc.cli.verification.source import Source
from nmc.cli.views.verification import failures
from nmc.compiler import compile_model
from nmc.compiler.ir import evaluate
from nmc.compiler.manager import output_change
from nmc.runtime import Session
from nmc.runtime.compare.engines import differing_parts
from nmc.runtime.compare.metrics import closeness, fitted_scale
from nmc.runtime.program import AkidaProgram, CriProgram, NmcError, save

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent / "examples"
DIGITS = EXAMPLES / "digits" / "digits.onnx"
RESIDUAL = EXAMPLES / "digits" / "digits_residual.onnx"
GESTURES = EXAMPLES / "gestures" / "gestures.onnx"
sys.path.insert(0, str(EXAMPLES / "digits"))
from data import load_split  # noqa: E402


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *(str(argument) for argument in arguments)])


def facts_of(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = nmc(*arguments, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def check_fails(result: Result, code: int, *texts: str) -> None:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    for text in texts:
        assert text in result.output


@cache
def digits(target: str) -> CriProgram | AkidaProgram:
    options = {"timesteps": 7} if target == "cri" else {}
    program = compile_model(DIGITS, target, calibration=load_split()[0][:60], **options)
    assert isinstance(program, CriProgram | AkidaProgram)
    return program


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Programs for both targets, calibration data, and 40 test digits with and without labels."""
    train, _, images, labels = load_split()
    for target in ("cri", "akida"):
        save(digits(target), tmp_path / f"{target}.nmc")
    np.savez(tmp_path / "calibration.npz", image=train[:60])
    np.savez(tmp_path / "x.npz", image=images[:40])
    np.savez(tmp_path / "labelled.npz", image=images[:40], labels=labels[:40])
    return tmp_path


# --- numbers ---


def test_closeness_by_hand() -> None:
    found = closeness([3.0, 4.0], [3.0, 4.5])
    assert found.sqnr_db == pytest.approx(10 * math.log10(25 / 0.25))
    assert found.cosine == pytest.approx(27 / (5 * math.sqrt(29.25)))
    assert (found.max_error, found.peak) == (0.5, 4.0)


@pytest.mark.parametrize(
    ("wanted", "found", "sqnr", "cosine"),
    [([1, 2], [1, 2], 200, 1), ([0, 0], [0, 1], -200, 0), ([0, 0], [0, 0], 200, 1)],
)
def test_closeness_at_its_ends(wanted: list[int], found: list[int], sqnr: float, cosine: float) -> None:
    made = closeness(wanted, found)
    assert (made.sqnr_db, made.cosine) == (sqnr, pytest.approx(cosine))


def test_a_scale_is_fitted_for_each_channel_where_there_are_values_enough() -> None:
    integers = np.arange(1, 33).reshape(16, 2)
    wanted = integers * np.array([0.5, 3.0])
    scale, each = fitted_scale(wanted, integers, 1)
    assert each and np.array_equal(scale, [[0.5, 3.0]])
    scale, each = fitted_scale(wanted[:15], integers[:15], 1)
    assert not each and scale.size == 1


# --- layers ---


@pytest.mark.parametrize("target", ["cri", "akida"])
def test_outputs_and_decisions_of_digits(files: Path, target: str) -> None:
    _, _, images, labels = load_split()
    (floats,) = onnxruntime.InferenceSession(DIGITS).run(None, {"image": images[:40]})
    found = Session(digits(target)).run(images[:40]).outputs["logits"].astype(np.float64)
    wanted = np.asarray(floats, np.float64)
    facts = facts_of(DIGITS, files / f"{target}.nmc", "--input", files / "labelled.npz")
    (output,) = facts["outputs"]
    noise = np.square(wanted - found).sum()
    assert output["closeness"]["sqnr_db"] == pytest.approx(10 * math.log10(np.square(wanted).sum() / noise), abs=1e-3)
    assert output["closeness"]["max_error"] == pytest.approx(np.abs(wanted - found).max(), rel=1e-4)
    decided = {"float": wanted.argmax(1), "program": found.argmax(1)}
    shares = {side: float(np.mean(row == labels[:40])) for side, row in decided.items()}
    assert facts["decisions"]["largest"] == shares | {
        "agreement": float(np.mean(decided["float"] == decided["program"]))
    }
    assert facts["same_model"] and facts["ok"]
    assert facts["runtime"]["name"] == "onnxruntime" and facts["runtime"]["difference"] < 1e-5


def test_every_layer_has_its_place_in_the_float_network(files: Path) -> None:
    for target, most in (("cri", 8.0), ("akida", 25.0)):
        facts = facts_of(DIGITS, files / f"{target}.nmc", "--input", files / "x.npz")
        program = digits(target)
        if isinstance(program, CriProgram):
            assert [row["name"] for row in facts["layers"]] == [
                p.name for p in program.populations if p.kind != "readout"
            ]
        else:
            names = [layer.name for layer in program.layers if layer.kind != "Dequantizer"]
            assert [row["name"] for row in facts["layers"]] == names
        assert all(row["closeness"]["sqnr_db"] > most and row["unit"] == "channel" for row in facts["layers"])
        assert facts["decisions"] is None


def test_layers_are_as_close_as_the_compiler_measured(files: Path) -> None:
    """On the calibration samples themselves; a fitted scale can only be nearer than the one that was used."""
    program = digits("akida")
    assert isinstance(program, AkidaProgram)
    facts = facts_of(DIGITS, files / "akida.nmc", "--input", files / "calibration.npz")
    measured = {layer.name: layer.proof["snr_db"] for layer in program.layers if "snr_db" in layer.proof}
    for row in facts["layers"]:
        assert -0.06 < row["closeness"]["sqnr_db"] - measured[row["name"]] < 1.5, row["name"]


def test_clips_are_compared_frame_by_frame(tmp_path: Path) -> None:
    clips = runpy.run_path(str(EXAMPLES / "gestures" / "data.py"))["clips"]
    samples = clips("train", 8, 0)[0]
    save(compile_model(GESTURES, "akida", calibration=samples), tmp_path / "g.nmc")
    np.save(tmp_path / "x.npy", samples[:3])
    facts = facts_of(GESTURES, tmp_path / "g.nmc", "--input", tmp_path / "x.npy", "--threshold", 20)
    assert [row["kind"] for row in facts["layers"]].count("BufferTempConv") == 2
    assert all(row["closeness"]["sqnr_db"] > 20 for row in facts["layers"] + facts["outputs"])


def check_random_network(kind: type[Growing], seed: int, folder: Path) -> int:
    """Every layer and output is close, whatever its latency; the largest latency of an output."""
    grown = kind(seed)
    model, samples = grown.net.save(folder), grown.samples(20)
    program = compile_model(model, "akida", calibration=samples)
    assert isinstance(program, AkidaProgram)
    done = verify(Source(model, {}), program, samples)
    assert failures(done, None) == []
    found = {row.name: row for row in done.rows}
    assert set(found) >= {layer.name for layer in program.layers if layer.kind != "Dequantizer"}
    for row in done.rows:
        edges = row.kind == "output" and row.values == 0
        assert edges or (row.closeness is not None and row.closeness.sqnr_db > 12), (seed, row)
    return max(output.timing.latency(program.clip_length) for output in program.outputs)


@pytest.mark.parametrize("seed", range(4))
def test_random_images(seed: int, tmp_path: Path) -> None:
    assert check_random_network(Image, seed, tmp_path) == 0


def test_random_clips_with_and_without_latency(tmp_path: Path) -> None:
    late = [check_random_network(Clip, seed, tmp_path) for seed in range(6)]
    assert min(late) == 0 < max(late)


def test_clipped_values_are_counted(files: Path) -> None:
    images = load_split()[2][:40]
    np.savez(files / "bright.npz", image=3 * images)
    result = Session(digits("akida")).run(3 * images)
    facts = facts_of(DIGITS, files / "akida.nmc", "--input", files / "bright.npz")
    assert facts["input_clipped"] == result.counters["input_clipped"] > 0
    for row in facts["layers"]:
        assert row["clipped"] == sum(result.counters["saturations"][row["name"]].values())


# --- checks ---


def test_the_first_layer_below_a_threshold_fails(files: Path) -> None:
    arguments = (DIGITS, files / "cri.nmc", "--input", files / "x.npz", "--threshold", 20)
    facts = facts_of(*arguments, code=1)
    below = [row["name"] for row in facts["layers"] if row["closeness"]["sqnr_db"] < 20]
    assert facts["first_below"] == below[0] and not facts["ok"]
    check_fails(nmc(*arguments), 1, f"failed: {below[0]} is the first below 20 dB")
    facts_of(DIGITS, files / "cri.nmc", "--input", files / "x.npz", "--threshold", 1)


def test_profiles_of_digits_are_one_network(files: Path) -> None:
    arguments = (DIGITS, files / "cri.nmc", "--input", files / "x.npz", "--limit", 4, "--profile", "all")
    facts = facts_of(*arguments, "--calibration", files / "calibration.npz")
    assert {row["profile"]: row["verdict"] for row in facts["profiles"]} == dict.fromkeys(
        ("sim", "hw2024", "hw_l6", "hw_l6_legacy"), "identical"
    )
    assert facts["integers_equal"] is True and facts["samples"] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "texts"),
    [
        (("--profile", "all"), 2, ("NMC-R031", "--calibration")),
        (("--profile", "all", "--calibration", "x.npz"), 4, ("NMC-R031", "another program")),
        (("--profile", "hw2025"), 2, ("NMC-R032", "hw2024")),
        (("--threshold", "nan"), 2, ("finite",)),
        (("--classes", "x.npz"), 4, ("NMC-R0",)),
    ],
)
def test_what_cannot_be_compared_is_said(
    files: Path, arguments: tuple[str, ...], code: int, texts: tuple[str, ...]
) -> None:
    given = [str(files / a) if a.endswith(".npz") else a for a in arguments]
    check_fails(nmc(DIGITS, files / "cri.nmc", "--input", files / "x.npz", *given), code, *texts)


def test_a_target_without_profiles_is_named(files: Path) -> None:
    done = nmc(DIGITS, files / "akida.nmc", "--input", files / "x.npz", "--profile", "all")
    check_fails(done, 2, "NMC-R032", "akida")


def test_another_model_is_told_apart(files: Path) -> None:
    done = nmc(RESIDUAL, files / "cri.nmc", "--input", files / "x.npz")
    check_fails(done, 0, "warning: the program was not made from this model", "no value of that name and shape")
    calibration = ("--calibration", files / "calibration.npz")
    done = nmc(RESIDUAL, files / "cri.nmc", "--input", files / "x.npz", "--profile", "sim", *calibration)
    check_fails(done, 4, "NMC-R031")


def test_a_model_with_other_inputs_is_refused(files: Path) -> None:
    done = nmc(GESTURES, files / "akida.nmc", "--input", files / "x.npz")
    check_fails(done, 4, "NMC-R024", "is it the model that the program was made from?")


def test_a_program_that_does_not_say_how_it_was_made(files: Path) -> None:
    save(replace(digits("cri"), provenance={}), files / "bare.nmc")
    done = nmc(DIGITS, files / "bare.nmc", "--input", files / "x.npz", "--profile", "sim")
    check_fails(done, 4, "NMC-R031", "does not say how it was made")


def test_engines_are_compared_to_the_bit(files: Path) -> None:
    for target in ("cri", "akida"):
        facts = facts_of(DIGITS, files / f"{target}.nmc", "--input", files / "x.npz", "--limit", 2, "--engines")
        assert "auto" in {row["engine"] for row in facts["engines"]}
        assert all(row["differing"] == [] for row in facts["engines"])
    wanted = Session(digits("cri")).run(load_split()[2][:2], trace=True)
    found = Session(digits("cri")).run(load_split()[2][:2], trace=True)
    assert differing_parts(wanted, found) == ()
    found.integers["logits"][0, 3] += 1
    found.trace["node_relu"][1] = 0
    found.counters["spikes"] += 1
    assert differing_parts(wanted, found) == ("integers.logits", "trace.node_relu", "counters.spikes")


NETWORK = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))
"""


def test_pytorch_code_runs_beside_its_import(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(NETWORK)
    model, shapes = tmp_path / "code.py:net", {"input": (1, 1, 6, 6)}
    torch.manual_seed(0)
    samples = {"input": np.random.default_rng(0).random((30, 1, 6, 6)).astype(np.float32)}
    program = compile_model(model, "cri", input_shapes=shapes, calibration=samples)
    torch.manual_seed(0)
    one = Source(model, shapes).read(program)
    torch.manual_seed(0)
    outputs = Source(model, shapes).run_code(samples)
    assert output_change(outputs, evaluate(one, samples), {}) < 1e-5
    found = verify(Source(model, shapes), program, samples)
    assert found.runtime is not None and found.runtime[0] == "torch"
    assert not found.same_model  # its weights are drawn anew
    assert any("torch and the imported network differ" in text for text in failures(found, None))


def test_pytorch_code_that_fails_on_a_sample_is_named(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(NETWORK)
    with pytest.raises(NmcError) as caught:
        Source(tmp_path / "code.py:net", {}).run_code({"input": np.zeros((1, 2, 6, 6))})
    assert [d.code for d in caught.value.diagnostics] == ["NMC-I032"]


def test_a_float_network_that_overflows_is_refused(files: Path) -> None:
    np.savez(files / "huge.npz", image=np.full((1, 1, 8, 8), 1e38))
    check_fails(nmc(DIGITS, files / "akida.nmc", "--input", files / "huge.npz"), 4, "NMC-R024")


def test_text_for_people(files: Path) -> None:
    done = nmc(DIGITS, files / "akida.nmc", "--input", files / "labelled.npz")
    assert done.exit_code == 0
    for text in ("SQNR dB", "InputConv2D", "decision by largest", "all checks passed", "onnxruntime"):
        assert text in done.stdout
