"""Labelled data sets of both layouts, evaluation against a count of one's own, the command and its errors."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper
from test_akida_session import T, clips_of, network, video

from nmc.cli.main import main
from nmc.compiler import compile_model
from nmc.runtime import Session
from nmc.runtime.classify import softmax
from nmc.runtime.evaluate import evaluate
from nmc.runtime.float_model import FloatModel
from nmc.runtime.labelled import LabelledArrays, read_labelled
from nmc.runtime.program import CriProgram, GraphOutput, NmcError, Timing, save
from onnx_models import Net

FOLDER = Path(__file__).parent.parent / "examples" / "digits"
sys.path.insert(0, str(FOLDER))
from data import load_split  # noqa: E402

pytestmark = pytest.mark.slow

DIGITS = FOLDER / "digits.onnx"


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *(str(argument) for argument in arguments)])


def check_fails(result: Result, code: int, *texts: str) -> None:
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    for text in texts:
        assert text in result.output


def codes_of(caught: pytest.ExceptionInfo[NmcError]) -> list[str]:
    return [d.code.removeprefix("NMC-") for d in caught.value.diagnostics]


# --- clips on CRI ---


def test_clips_that_are_held_whole_are_decided_frame_by_frame(tmp_path: Path) -> None:
    net = Net()
    x = net.input("clip", ("N", 1, 4, 2, 2))
    weight = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 1, 1, 2, 2)
    y = net.op("Relu", net.op("Conv", x, net.const(weight), kernel_shape=[1, 2, 2]))
    net.output(net.squeeze(y, [3, 4]))
    clips = np.random.default_rng(0).random((20, 1, 4, 2, 2), np.float32)
    program = compile_model(net.save(tmp_path), "cri", calibration=clips, timesteps=5)
    assert [readout.axis for readout in program.readouts] == [2]
    (scores,) = Session(program).run(clips).outputs.values()
    assert scores.shape == (20, 3, 4)
    done = evaluate(program, LabelledArrays({"clip": clips}, np.arange(20) % 3))
    assert done.rules == ("smoothed", "last_frame")
    np.testing.assert_array_equal(done.program["last_frame"], scores[:, :, -1])


# --- digits on CRI ---


@cache
def digits() -> CriProgram:
    program = compile_model(DIGITS, "cri", calibration=load_split()[0][:100], timesteps=1)
    assert isinstance(program, CriProgram)
    return program


@pytest.fixture
def digits_files(tmp_path: Path) -> tuple[Path, Path]:
    """A program file and 60 labelled test digits."""
    _, _, images, labels = load_split()
    save(digits(), tmp_path / "p.nmc")
    np.savez(tmp_path / "d.npz", image=images[:60], labels=labels[:60])
    return tmp_path / "p.nmc", tmp_path / "d.npz"


def test_digits_beside_the_float_model(digits_files: tuple[Path, Path]) -> None:
    _, _, images, labels = load_split()
    images, labels = images[:60], labels[:60]
    decided = Session(digits()).run(images).outputs["logits"].argmax(axis=1)
    (logits,) = onnxruntime.InferenceSession(DIGITS).run(None, {"image": images})
    floats = np.asarray(logits).argmax(axis=1)
    program, data = digits_files
    done = nmc(program, "--data", data, "--model", DIGITS, "--confusion", "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    row = facts["rules"]["largest"]
    assert (facts["samples"], facts["output"], facts["frames"], facts["rule"]) == (60, "logits", None, "largest")
    assert (row["program"], row["model"]) == (np.mean(decided == labels), np.mean(floats == labels))
    assert row["agreement"] == np.mean(decided == floats) < 1
    assert row["points"] == 100 * (row["program"] - row["model"])
    expected = [[np.count_nonzero((labels == i) & (decided == j)) for j in range(10)] for i in range(10)]
    assert facts["confusion"] == expected
    for i, by_class in enumerate(facts["by_class"]):
        assert by_class["samples"] == np.count_nonzero(labels == i)
        assert by_class["program"] == np.mean(decided[labels == i] == i)
        assert by_class["model"] == np.mean(floats[labels == i] == i)


def test_tables_name_the_classes(digits_files: tuple[Path, Path], tmp_path: Path) -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    (tmp_path / "classes.txt").write_text("\n".join(names) + "\n")
    program, data = digits_files
    base = (program, "--data", data, "--classes", tmp_path / "classes.txt", "--limit", 30)
    shown = nmc(*base, "--confusion").output
    assert all(name in shown for name in names)
    assert "30 samples, 10 classes" in shown and "in top 5" in shown and "rows true, columns predicted" in shown
    assert "float" not in shown and "in top" not in nmc(*base, "--top", 10).output
    assert nmc(*base, "--quiet").output == ""


def test_a_class_without_samples_has_no_accuracy(digits_files: tuple[Path, Path]) -> None:
    program, data = digits_files
    done = nmc(program, "--data", data, "--limit", 1, "--model", DIGITS)
    assert done.exit_code == 0 and "nan" not in done.output
    rows = json.loads(nmc(program, "--data", data, "--limit", 1, "--json").stdout)["by_class"]
    assert [row["program"] is None for row in rows].count(True) == 9


def test_clipped_inputs_are_told(digits_files: tuple[Path, Path], tmp_path: Path) -> None:
    np.savez(tmp_path / "far.npz", np.full((2, 1, 8, 8), -1.0), labels=[0, 1])
    assert "128 input values" in nmc(digits_files[0], "--data", tmp_path / "far.npz").stderr


# --- clips on an Akida program ---


def labels_of(count: int) -> Any:
    return np.arange(count) % 4


def ramps(clips: Any) -> Any:
    """Scores (n, 4, T) of another network: the first pixel of each frame times 0, 1, 2, 3."""
    return clips[:, :1, :, 0, 0] * np.arange(4)[:, None]


def decisions_by_hand(scores: Any) -> dict[str, Any]:
    """Decisions of scores (n, classes, frames), by the closed form of the smoothing."""
    weights = 0.8 ** np.arange(scores.shape[-1] - 1, -1, -1)
    smoothed = (softmax(scores.swapaxes(1, 2)) * weights[:, None]).sum(axis=1)
    return {"smoothed": smoothed.argmax(axis=1), "last_frame": scores[..., -1].argmax(axis=1)}


def test_clips_are_decided_at_the_last_frame_and_smoothed() -> None:
    clips, labels = clips_of(4, 40), labels_of(40)
    scores = Session(video(4)).run(clips).outputs["scores"]
    seen = []
    data = LabelledArrays({"clip": clips}, labels)
    done = evaluate(video(4), data, model=lambda samples: {"scores": ramps(samples["clip"])})
    for rule, decisions in decisions_by_hand(scores).items():
        assert np.array_equal(done.program[rule].argmax(axis=1), decisions)
    expected = decisions_by_hand(scores)
    assert (expected["smoothed"] != expected["last_frame"]).any()
    assert done.rules == ("smoothed", "last_frame") and done.edges == ()
    assert done.model is not None
    wanted = decisions_by_hand(ramps(clips))
    for rule, decisions in wanted.items():
        assert np.array_equal(done.model[rule].argmax(axis=1), decisions)
        assert done.agreement(rule) == np.mean(expected[rule] == decisions)
    evaluate(Session(video(4)), data, progress=lambda *part: seen.append(part))
    assert seen == [(40, 40)]


def test_samples_are_read_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clips, seen = clips_of(5, 7), []
    data = LabelledArrays({"clip": clips}, labels_of(7))
    whole = evaluate(video(5), data)
    monkeypatch.setattr("nmc.runtime.evaluator.MAX_BATCH", 3)
    parts = evaluate(video(5), data, progress=lambda *part: seen.append(part))
    assert seen == [(3, 7), (6, 7), (7, 7)]
    assert all(np.array_equal(parts.program[rule], whole.program[rule]) for rule in whole.rules)
    assert parts.counters == whole.counters and whole.counters["input_clipped"] > 0


def test_an_output_without_time_is_decided_once() -> None:
    clips = clips_of(6, 9)
    program = video(6, Timing(4))
    done = evaluate(program, LabelledArrays({"clip": clips}, labels_of(9)))
    assert np.array_equal(done.program["largest"], Session(program).run(clips).outputs["scores"])
    with pytest.raises(ValueError, match="no float model"):
        done.agreement("largest")


def clip_model(path: Path, batch: str | int, output: str = "scores") -> Path:
    """clip (n, 2, T, X, Y) → mean over X, Y → weights (4, 2) → scores (n, 4, T)."""
    w = numpy_helper.from_array(np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32), "w")
    nodes = [
        helper.make_node("ReduceMean", ["clip"], ["m"], axes=[3, 4], keepdims=0),
        helper.make_node("MatMul", ["w", "m"], [output]),
    ]
    given = helper.make_tensor_value_info("clip", TensorProto.FLOAT, [batch, 2, T, 4, 3])
    made = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "clips", [given], [made], [w])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_float_models_of_any_batch_size(tmp_path: Path, batch: str | int) -> None:
    clips = clips_of(7, 6)
    w = numpy_helper.to_array(onnx.load(clip_model(tmp_path / "m.onnx", batch)).graph.initializer[0])
    found = FloatModel(tmp_path / "m.onnx")({"clip": clips})["scores"]
    np.testing.assert_allclose(found, w @ clips.mean(axis=(3, 4)), rtol=1e-4, atol=1e-4)


@pytest.fixture
def clip_files(tmp_path: Path) -> tuple[Path, Path]:
    """A program whose first and last frame are edge frames, and 12 clips, 9 of them labelled as the last frame says."""
    program = video(10, Timing(2, 1, T, 2, (0, 4)))
    save(program, tmp_path / "p.nmc")
    labels = Session(program).run(clips_of(10, 12)).outputs["scores"][..., -1].argmax(axis=1)
    labels[:3] ^= 1
    np.savez(tmp_path / "d.npz", clips_of(10, 12), y=labels)
    return tmp_path / "p.nmc", tmp_path / "d.npz"


def test_both_decisions_are_reported(clip_files: tuple[Path, Path], tmp_path: Path) -> None:
    program, data = clip_files
    model = clip_model(tmp_path / "m.onnx", 1)
    scores = Session(program).run(clips_of(10, 12)).outputs["scores"]
    rules = json.loads(nmc(program, "--data", data, "--model", model, "--json").stdout)["rules"]
    for rule, decisions in decisions_by_hand(scores).items():
        assert rules[rule]["program"] == np.mean(decisions == np.load(data)["y"]) > 0
    assert rules["last_frame"]["program"] == 0.75 != rules["smoothed"]["program"]
    shown = nmc(program, "--data", data, "--model", model)
    assert shown.exit_code == 0 and "12 samples, 4 classes over 5 frames" in shown.output
    assert "smoothed" in shown.output and "last frame" in shown.output and "edge frames 0, 4" in shown.output
    assert "by class (smoothed)" in shown.output
    assert "by class (last frame)" in nmc(program, "--data", data, "--no-smooth").output
    unsmoothed = json.loads(nmc(program, "--data", data, "--decay", 0, "--json").stdout)["rules"]
    assert unsmoothed["smoothed"] == unsmoothed["last_frame"]


def test_data_that_is_not_as_its_labels_say(tmp_path: Path) -> None:
    for labels in (labels_of(3), labels_of(2) / 2, labels_of(2)[:, None]):
        with pytest.raises(NmcError, match="NMC-R020"):
            LabelledArrays({"clip": CLIPS}, labels)

    class Short(LabelledArrays):
        def read(self, low: int, high: int) -> dict[str, Any]:
            return super().read(low, high - 1)

    with pytest.raises(ValueError, match="gave 1 samples"):
        evaluate(video(), Short({"clip": CLIPS}, labels_of(2)))


# --- files with labels ---


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


CLIPS = np.zeros((2, 2, T, 4, 3), np.float32)


@pytest.mark.parametrize("name", ["labels", "label", "y"])
@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_labels_go_by_three_names(tmp_path: Path, name: str, dtype: Any) -> None:
    path = saved(tmp_path / "d.npz", **{"anything": CLIPS, name: np.array([3, 1], dtype)})
    data = read_labelled(path, video().inputs)
    assert data.labels.tolist() == [3, 1] and data.labels.dtype == np.int64
    assert data.read(1, 2)["clip"].shape == (1, 2, T, 4, 3)


def test_an_input_may_be_called_y(tmp_path: Path) -> None:
    inputs = [replace(video().inputs[0], name="y")]
    data = read_labelled(saved(tmp_path / "d.npz", y=CLIPS, label=np.array([1, 2])), inputs)
    assert data.labels.tolist() == [1, 2] and data.arrays["y"].shape == CLIPS.shape


BAD_FILES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no labels": ({"clip": CLIPS}, "R020", "no array of labels"),
    "two arrays of labels": ({"clip": CLIPS, "y": [0, 1], "label": [0, 1]}, "R020", "'label', 'y'"),
    "float labels": ({"clip": CLIPS, "y": [0.0, 1.0]}, "R020", "float64"),
    "one label too few": ({"clip": CLIPS, "y": [0]}, "R020", "(2,)"),
    "one-hot labels": ({"clip": CLIPS, "y": np.eye(2, dtype=int)}, "R020", "(2, 2)"),
    "a label too large": ({"clip": CLIPS, "y": [0, 4]}, "R020", "1 of 2 labels"),
    "a negative label": ({"clip": CLIPS, "y": [-1, 0]}, "R020", "the first is -1, of sample 0"),
    "a label beyond int64": ({"clip": CLIPS, "y": np.array([2**63, 0], np.uint64)}, "R020", "1 of 2 labels"),
    "no samples": ({"clip": CLIPS[:0], "y": np.zeros(0, int)}, "R020", "no samples"),
    "another array": ({"clip": CLIPS, "y": [0, 1], "weights": [1, 1]}, "R004", "'weights' is neither"),
    "labels alone": ({"y": [0, 1]}, "R020", "no array of labels"),
    "wrong shape": ({"clip": CLIPS[:, :1], "y": [0, 1]}, "R005", "(samples, 2, 5, 4, 3)"),
    "nan": ({"clip": CLIPS * np.nan, "y": [0, 1]}, "R007", "NaN"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_named(clip_files: tuple[Path, Path], tmp_path: Path, case: str) -> None:
    arrays, code, text = BAD_FILES[case]
    result = nmc(clip_files[0], "--data", saved(tmp_path / "bad.npz", **arrays))
    check_fails(result, 4, f"NMC-{code}", text)


# --- what the command refuses ---


def test_usage_errors(clip_files: tuple[Path, Path], tmp_path: Path) -> None:
    program, data = clip_files
    check_fails(nmc(program), 2, "--data")
    check_fails(nmc(program, "--data", tmp_path), 2, "NMC-R020", "--labels")
    check_fails(nmc(program, "--data", data, "--labels", data), 2, "NMC-R020", "labels belong to a folder")
    check_fails(nmc(program, "--data", data, "--scale", 1), 2, "NMC-R020", "scale")
    check_fails(nmc(program, "--data", data, "--output", "score"), 2, "NMC-R023", "'scores'")
    for option, values in {"--decay": ("1", "-1", "nan"), "--scale": ("0", "inf", "nan"), "--limit": ("0",)}.items():
        for value in values:
            check_fails(nmc(program, "--data", data, option, value), 2, option)
    check_fails(nmc(tmp_path / "none.nmc", "--data", data), 4, "NMC-F001")
    check_fails(nmc(program, "--data", tmp_path / "none.npz"), 4, "NMC-R001")
    check_fails(nmc(program, "--data", data, "--model", tmp_path / "none.onnx"), 4, "NMC-R001")


def test_class_names_must_be_those_of_the_network(clip_files: tuple[Path, Path], tmp_path: Path) -> None:
    program, data = clip_files
    classes = tmp_path / "classes.txt"
    for text, code in (("a\nb\nc\n", "R020"), ("a\n\nb\na\n", "R021"), ("", "R021")):
        classes.write_text(text)
        check_fails(nmc(program, "--data", data, "--classes", classes), 4, f"NMC-{code}")
    classes.write_bytes(b"\xff\xfe")
    check_fails(nmc(program, "--data", data, "--classes", classes), 4, "NMC-R021", "UTF-8")
    check_fails(nmc(program, "--data", data, "--classes", tmp_path), 4, "NMC-R001")
    check_fails(nmc(program, "--data", data, "--classes", tmp_path / "none"), 4, "NMC-R001")


def test_the_output_with_the_scores_must_be_clear(tmp_path: Path) -> None:
    outputs = (
        GraphOutput("map", "t", (4, T, 3, 3), "HWC", Timing(0, 1, T, 2)),
        GraphOutput("scores", "fc", (1, 4), "HWC", Timing(4)),
    )
    clip = video().inputs
    save(network(3).program(*outputs, inputs=clip), tmp_path / "p.nmc")
    data = saved(tmp_path / "d.npz", clip=CLIPS, labels=np.array([0, 3]))
    check_fails(nmc(tmp_path / "p.nmc", "--data", data), 2, "NMC-R023", "--output")
    check_fails(nmc(tmp_path / "p.nmc", "--data", data, "--output", "map"), 2, "NMC-R023", "no row of class scores")
    done = nmc(tmp_path / "p.nmc", "--data", data, "--output", "scores", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["output"] == "scores"


def test_float_models_that_do_not_fit(clip_files: tuple[Path, Path], tmp_path: Path) -> None:
    program, data = clip_files
    (tmp_path / "bad.onnx").write_text("no model")
    model = clip_model(tmp_path / "other.onnx", "n", output="logits")
    for path, text in (
        (tmp_path / "bad.onnx", "not a model that onnxruntime can run"),
        (model, "no output 'scores'"),
        (DIGITS, "'image'"),
    ):
        check_fails(nmc(program, "--data", data, "--model", path), 4, "NMC-R024", text)
    labelled = LabelledArrays({"clip": CLIPS}, labels_of(2))
    for answer, text in ((np.zeros((2, 4)), "shape"), (np.full((2, 4, T), np.nan), "NaN")):
        with pytest.raises(NmcError, match=text) as caught:
            evaluate(program, labelled, model=lambda _, answer=answer: {"scores": answer})
        assert codes_of(caught) == ["R024"]
    with pytest.raises(NmcError, match="NMC-R024"):
        FloatModel(clip_model(tmp_path / "m.onnx", 1))({"clip": CLIPS[:, :, :2]})


def integer_model(path: Path, dtype: int) -> Path:
    given = helper.make_tensor_value_info("x", dtype, ["n", 2])
    made = helper.make_tensor_value_info("y", dtype, ["n", 2])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [given], [made])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_a_model_of_integers_takes_only_integers(tmp_path: Path) -> None:
    model = FloatModel(integer_model(tmp_path / "m.onnx", TensorProto.UINT8))
    assert model({"x": np.array([[1.0, 255.0]])})["y"].tolist() == [[1, 255]]
    for value in (0.5, -1.0, 256.0):
        with pytest.raises(NmcError, match="does not hold the samples"):
            model({"x": np.array([[0.0, value]])})
    with pytest.raises(NmcError, match="which samples are not"):
        FloatModel(integer_model(tmp_path / "s.onnx", TensorProto.STRING))({"x": np.zeros((1, 2))})
