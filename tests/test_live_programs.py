"""What `nmc live` plays: streams, trains of events and images through programs of all kinds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hybrid_nets import NETS
from test_akida_session import video
from test_cri_reference import unary_program
from test_live_clips import codes

from nmc.cli.live.clips import open_clip
from nmc.cli.live.play import show
from nmc.cli.live.view import view_of
from nmc.compiler import compile_model
from nmc.runtime import Session
from nmc.runtime.classify import smooth, softmax
from nmc.runtime.evaluate import score_output
from nmc.runtime.program import AkidaProgram, CriProgram, Timing

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden_zoo"


def played(program: Any, path: Path, decay: float = 0.0, limit: int | None = None) -> list[Any]:
    view = view_of(program)
    made = show(program, open_clip(path, view), view, score_output(program), decay, None, limit)
    moments = list(made.moments)
    assert made.count == len(moments)
    return moments


def test_an_answer_that_comes_late(tmp_path: Path) -> None:
    """A stream of its own length: frame t of the answer is what frame t + 2 carries; two frames of zeros come after."""
    program = video(1, Timing(2, 1, 5, 2))
    assert isinstance(program, AkidaProgram)
    given = np.random.default_rng(0).normal(size=(2, 7, 4, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", given)
    moments = played(program, tmp_path / "x.npy", decay=0.5)
    session = Session(program)
    rest = np.zeros((2, 2, 4, 3), np.float32)
    frames = np.concatenate([given.transpose(1, 0, 2, 3), rest])
    scores = [session.step(frame[None])["scores"][0] for frame in frames]
    assert [moment.scores is None for moment in moments] == [True] * 2 + [False] * 7
    np.testing.assert_array_equal([moment.scores for moment in moments[2:]], scores[2:])
    np.testing.assert_array_equal([m.probabilities for m in moments[2:]], smooth(np.stack(scores[2:]), 0.5))
    np.testing.assert_array_equal(moments[-1].frame, given[:, -1])
    np.save(tmp_path / "empty.npy", given[:, :0])
    assert codes(lambda: played(program, tmp_path / "empty.npy")) == ["NMC-R005"]


def test_a_clip_that_ends_before_the_first_answer(tmp_path: Path) -> None:
    program = video(1, Timing(4, 1, 1, -1))
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 3), np.float32))
    assert codes(lambda: played(program, tmp_path / "x.npy")) == ["NMC-R005"]


@pytest.fixture(scope="module")
def spiking(tmp_path_factory: pytest.TempPathFactory) -> CriProgram:
    program = compile_model(ROOT / "examples/moving_events/moving_events.ir", "cri")
    assert isinstance(program, CriProgram)
    return program


def test_a_spiking_network_timestep_by_timestep(spiking: CriProgram) -> None:
    path = GOLDEN / "moving_events_input.npz"
    moments = played(spiking, path, decay=0.9)
    train = np.load(path)["events"][:1]
    wanted = Session(spiking).run(train)
    ((name, scores),) = wanted.outputs.items()
    np.testing.assert_array_equal(moments[-1].scores.astype(np.float32), scores[0], err_msg=name)
    np.testing.assert_array_equal(moments[-1].probabilities, softmax(moments[-1].scores))
    np.testing.assert_array_equal(moments[3].frame, train[0, 3])
    neurons = len(spiking.neuron_model)
    silent = sum(round(moment.zeros * neurons) for moment in moments)
    assert silent == neurons * spiking.steps - wanted.counters["spikes"]
    assert [moment.scores is None for moment in moments] == [True] * 4 + [False] * 16


def test_a_longer_train_and_a_shorter_one(spiking: CriProgram, tmp_path: Path) -> None:
    train = np.load(GOLDEN / "moving_events_input.npz")["events"][:1]
    for rows in (9, 24):
        longer = np.resize(train, (1, rows, *train.shape[2:]))
        np.save(tmp_path / "x.npy", longer)
        moments = played(spiking, tmp_path / "x.npy")
        (scores,) = Session(spiking).run(longer).outputs.values()
        np.testing.assert_array_equal(moments[-1].scores.astype(np.float32), scores[0])
    assert len(played(spiking, tmp_path / "x.npy", limit=9)) == 9 + 4


def test_images_through_a_cri_program(tmp_path: Path) -> None:
    calibration = np.load(GOLDEN / "digits_calibration.npz")
    image = calibration[calibration.files[0]]
    program = compile_model(ROOT / "examples/digits/digits.onnx", "cri", calibration=image, timesteps=3)
    np.save(tmp_path / "x.npy", image[:4])
    (moment,) = played(program, tmp_path / "x.npy", decay=0.8)
    wanted = Session(program).run(image[:1])
    np.testing.assert_array_equal(moment.scores, wanted.outputs["logits"][0].astype(np.float64))
    np.testing.assert_array_equal(moment.probabilities, softmax(moment.scores))
    assert 0 < moment.zeros < 1


def test_images_through_a_program_with_host_segments(tmp_path: Path) -> None:
    program = compile_model(NETS["gated_image"]().save(tmp_path), "akida", host_fallback=True)
    (entry,) = program.inputs
    given = np.random.default_rng(0).normal(size=(2, *entry.shape)).astype(np.float32)
    np.save(tmp_path / "x.npy", given)
    (moment,) = played(program, tmp_path / "x.npy")
    (scores,) = Session(program).run(given).outputs.values()
    np.testing.assert_array_equal(moment.scores, scores[0].ravel().astype(np.float64))


def test_programs_that_take_no_pictures(tmp_path: Path) -> None:
    assert codes(lambda: view_of(unary_program())) == ["NMC-R005"]
    program = video(0)
    twice = SimpleNamespace(inputs=(*program.inputs, *program.inputs))
    assert codes(lambda: view_of(twice)) == ["NMC-R004"]  # type: ignore[arg-type]
