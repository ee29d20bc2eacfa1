"""What a program keeps for those who run it: class names, smoothing, pixels; in files, exports, and as defaults."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors
from click.testing import CliRunner, Result
from hybrid_nets import compiled
from test_akida_session import video
from test_evaluate import DIGITS, digits
from test_frames import SHADES, clip_folder

from nmc.backends.akida.export import read_json, write_json
from nmc.backends.akida.export.onnx_stream import onnx_stream
from nmc.backends.cri.export import read_hs_api, write_hs_api
from nmc.cli.main import main
from nmc.compiler import compile_model
from nmc.compiler.frontends import import_model
from nmc.runtime import Session
from nmc.runtime.compare.programs import diff_programs
from nmc.runtime.evaluate import decay_of
from nmc.runtime.frames import open_frames
from nmc.runtime.golden.parts import parts
from nmc.runtime.program import NmcError, Program, digest, load, save
from nmc.runtime.program.task import Task
from nmc.runtime.scaling import Scaling, scaling_of

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WHOLE = Task(DIGIT_NAMES, 0.5, 17.0, (0.5,), (0.25,))


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def codes(run: Any) -> list[str]:
    with pytest.raises(NmcError) as caught:
        run()
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def description(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["nmc"])


# --- the file ---


def programs() -> dict[str, tuple[Program, int]]:
    """A program of each kind, and how many classes its only output scores."""
    hybrid = compiled("gated_image").program
    return {"cri": (digits(), 10), "akida": (video(), 4), "hybrid": (hybrid, next(iter(hybrid.scored.values())))}


@pytest.mark.parametrize("kind", ["cri", "akida", "hybrid"])
def test_a_task_comes_back_and_nothing_else_changes(tmp_path: Path, kind: str) -> None:
    program, classes = programs()[kind]
    plain, with_task = tmp_path / "plain.nmc", tmp_path / "task.nmc"
    said = replace(program, task=Task(DIGIT_NAMES[:classes], 0.0, 1.0, (0.1, 0.2, 0.3), (1.0,)))
    assert classes in said.scored.values()
    save(program, plain)
    save(said, with_task)
    assert load(with_task).task == said.task and load(plain).task == Task()
    assert "task" not in description(plain)
    assert description(with_task)["task"] == {
        "classes": list(said.task.classes),
        "smoothing": 0.0,
        "pixel_scale": 1.0,
        "pixel_mean": [0.1, 0.2, 0.3],
        "pixel_std": [1.0],
    }
    assert digest(said) != digest(program) == digest(replace(load(with_task), task=Task()))
    assert [d.part for d in diff_programs(program, said)] == ["task"] * 5
    assert [part.name for part in parts(said)] == [*(part.name for part in parts(program)), "task"]


@pytest.mark.parametrize(
    "task",
    [
        Task(("a", "b")),
        Task(("a", "b", "c", "a")),
        Task(("a", "b", "c", " ")),
        Task(("a", "b", "c", "d\n")),
        Task(("a", "b", "c", "d" * 201)),
        Task(smoothing=1.0),
        Task(smoothing=-0.1),
        Task(pixel_scale=0.0),
        Task(pixel_std=(1.0, 0.0)),
    ],
)
def test_a_task_that_does_not_fit_is_not_written(tmp_path: Path, task: Task) -> None:
    assert set(codes(lambda: save(replace(video(), task=task), tmp_path / "p.nmc"))) == {"NMC-F013"}
    assert not (tmp_path / "p.nmc").exists()


def test_everything_wrong_with_a_task_is_told_at_once(tmp_path: Path) -> None:
    task = Task(("a",), 2.0, -1.0, (), (-1.0,))
    assert codes(lambda: save(replace(video(), task=task), tmp_path / "p.nmc")) == ["NMC-F013"] * 4
    assert codes(lambda: compile_model(DIGITS, "cri", task=task)) == ["NMC-T005"] * 4


# --- exports ---


def test_exports_keep_the_task(tmp_path: Path) -> None:
    akida = replace(video(), task=Task(("left", "right", "up", "übrig"), 0.25))
    write_json(akida, tmp_path / "v.akida.json")
    assert read_json(tmp_path / "v.akida.json").task == akida.task
    write_json(video(), tmp_path / "w.akida.json")
    assert "task" not in json.loads((tmp_path / "w.akida.host.json").read_text())
    cri = replace(digits(), task=WHOLE)
    write_hs_api(cri, tmp_path / "d.hs_api")
    assert read_hs_api(tmp_path / "d.hs_api").program.task == WHOLE
    props = {p.key: p.value for p in onnx.load_from_string(onnx_stream(akida)).metadata_props}
    assert (props["names"], props["smoothing"]) == ('["left", "right", "up", "übrig"]', "0.25")
    plain = onnx.load_from_string(onnx_stream(video()))
    assert [p.key for p in plain.metadata_props] == ["frames", "timing"]


@pytest.mark.parametrize(
    ("key", "text", "names"),
    [
        ("names", json.dumps(list(DIGIT_NAMES)), DIGIT_NAMES),
        ("classes", json.dumps(list(DIGIT_NAMES)), DIGIT_NAMES),
        ("names", str(dict(enumerate(DIGIT_NAMES))), DIGIT_NAMES),
        ("names", json.dumps(dict(enumerate(DIGIT_NAMES))), DIGIT_NAMES),
        ("names", "zero,one", ()),
        ("names", "[0, 1]", ()),
        ("names", "{1: 'one'}", ()),
        ("names", "(" * 5000, ()),
        ("author", "['zero']", ()),
    ],
)
def test_class_names_of_an_onnx_file(tmp_path: Path, key: str, text: str, names: tuple[str, ...]) -> None:
    model = onnx.load(DIGITS)
    onnx.helper.set_model_props(model, {key: text})
    onnx.save(model, tmp_path / "m.onnx")
    assert import_model(tmp_path / "m.onnx").classes == names
    if names:
        assert compile_model(tmp_path / "m.onnx", "cri", timesteps=1).task == Task(names)
        assert compile_model(tmp_path / "m.onnx", "cri", timesteps=1, task=WHOLE).task == WHOLE


def test_class_names_that_fit_no_output_are_left_out_and_said(tmp_path: Path) -> None:
    model = onnx.load(DIGITS)
    onnx.helper.set_model_props(model, {"names": "['a', 'b']"})
    onnx.save(model, tmp_path / "m.onnx")
    done = nmc("compile", tmp_path / "m.onnx", "--target", "cri", "--timesteps", 1, "-o", tmp_path / "p.nmc")
    assert done.exit_code == 0 and "2 class names fit none of its outputs" in done.output
    assert load(tmp_path / "p.nmc").task == Task()


# --- the commands ---


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits network as d.nmc with its class names, and 5 labelled samples in d.npz."""
    from test_evaluate import load_split

    folder = tmp_path_factory.mktemp("task")
    _, _, images, labels = load_split()
    np.savez(folder / "d.npz", image=images[:5], labels=labels[:5])
    np.savez(folder / "only.npz", image=images[:5])
    (folder / "names.txt").write_text("\n".join(DIGIT_NAMES))
    done = nmc(
        *("compile", DIGITS, "--target", "cri", "--timesteps", 1, "-o", folder / "d.nmc"),
        *("--classes", folder / "names.txt", "--smoothing", 0.5, "--pixel-scale", 17),
        *("--pixel-mean", "0.5", "--pixel-std", "0.25"),
    )
    assert done.exit_code == 0, done.output
    return folder


def test_compile_keeps_what_inspect_shows(files: Path) -> None:
    assert load(files / "d.nmc").task == WHOLE
    shown = nmc("inspect", files / "d.nmc").output
    assert "classes: zero, one, two, three, four, five, six, seven, eight, nine" in shown
    assert "smoothed over frames with decay 0.5" in shown
    assert "pixels 0 to 255 become (pixel / 17 - 0.5) / 0.25" in shown
    facts = json.loads(nmc("inspect", files / "d.nmc", "--json").output)["task"]
    assert facts["classes"] == list(DIGIT_NAMES) and facts["pixel_std"] == [0.25]


def test_class_names_are_shown_without_being_given(files: Path) -> None:
    simulated = nmc("simulate", files / "d.nmc", "--input", files / "only.npz").output
    integers = Session(files / "d.nmc").run(np.load(files / "only.npz")["image"]).outputs["logits"]
    best = [DIGIT_NAMES[i] for i in integers.argmax(axis=1)]
    assert [line.rpartition("largest: ")[2][:-1] for line in simulated.splitlines() if "largest" in line] == best
    evaluated = nmc("evaluate", files / "d.nmc", "--data", files / "d.npz", "--confusion").output
    assert "seven" in evaluated
    live = nmc("live", files / "d.nmc", files / "only.npz").output
    assert live.splitlines()[-1].startswith(best[0])
    other = nmc("live", files / "d.nmc", files / "only.npz", "--classes", "a,b,c,d,e,f,g,h,i,j").output
    assert other.splitlines()[-1].startswith("abcdefghij"[DIGIT_NAMES.index(best[0])])


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        (["--classes", "a,b"], 2, "NMC-T005"),
        (["--classes", "nowhere.txt"], 4, "NMC-R001"),
        (["--smoothing", "1"], 2, "NMC-T005"),
        (["--pixel-scale", "0"], 2, "NMC-T005"),
        (["--pixel-mean", "a,b"], 2, "no list of numbers"),
        (["--pixel-std", "1,nan"], 2, "no list of numbers"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, given: list[str], code: int, text: str) -> None:
    done = nmc("compile", DIGITS, "--target", "cri", "-o", tmp_path / "p.nmc", *given)
    assert done.exit_code == code and text in done.output, done.output
    assert not (tmp_path / "p.nmc").exists()


def test_a_golden_case_has_a_task(tmp_path: Path) -> None:
    names = json.dumps(list(DIGIT_NAMES))
    head = f'model = "{DIGITS}"\ntarget = "cri"\n[options]\ntimesteps = 1\n'
    case = tmp_path / "c.toml"
    case.write_text(f"{head}[task]\nclasses = {names}\n")
    assert nmc("golden", "record", case).exit_code == 0
    assert nmc("golden", "check", case).exit_code == 0
    case.write_text(f"{head}[task]\nclasses = {names}\nsmoothing = 0.5\n")
    changed = nmc("golden", "check", case)
    assert changed.exit_code == 1 and "task" in changed.output
    case.write_text(f'{head}[task]\nclasses = "a"\n')
    assert nmc("golden", "check", case).exit_code == 2


# --- smoothing and pixels ---


def test_the_decay_is_given_or_the_programs_or_the_usual_one() -> None:
    said = replace(video(), task=Task(smoothing=0.25))
    assert [decay_of(said, 0.0), decay_of(said), decay_of(video())] == [0.0, 0.25, 0.8]


def test_pixels_become_what_the_program_says(tmp_path: Path) -> None:
    clips, labels = clip_folder(tmp_path)
    mean, std = (0.5, 0.25, 0.0), (0.5, 2.0, 4.0)
    said = replace(SHADES, task=Task(pixel_scale=51.0, pixel_mean=mean, pixel_std=std))
    raw = open_frames(tmp_path, labels, SHADES, scale=1).read(0, 1)["clip"]
    pixels = np.moveaxis(raw, raw.shape.index(3), -1)
    made = open_frames(tmp_path, labels, said).read(0, 1)["clip"]
    wanted = (pixels / np.float32(51) - np.array(mean, np.float32)) / np.array(std, np.float32)
    assert clips and np.array_equal(np.moveaxis(made, raw.shape.index(3), -1), wanted)
    assert Scaling(51.0, mean, std).bounds == (-1.0, 9.0)
    assert scaling_of(said, 3, 2.0) == Scaling(2.0, mean, std)
    assert codes(lambda: scaling_of(said, 1)) == ["NMC-R005"]
