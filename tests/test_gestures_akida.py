"""The shipped gesture networks on Akida: int8 programs decide like the float networks on all test clips."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from test_gestures import FOLDER, NETWORKS, clips_of_test, data, logits, published, seen

from nmc.cli.main import main
from nmc.compiler import compile_model
from nmc.runtime import Session
from nmc.runtime.program import AkidaProgram, save

pytestmark = pytest.mark.slow
Array = np.ndarray[Any, Any]
MOST_POINTS_LOST = 0.3
DECAY = 0.8


@functools.cache
def compiled(name: str) -> AkidaProgram:
    program = compile_model(FOLDER / f"{name}.onnx", "akida", calibration=seen(name, data.clips("train", 256, 0)[0]))
    assert isinstance(program, AkidaProgram)
    return program


def decisions(answers: Array) -> dict[str, Array]:
    """Answers (n, frames, classes) as classes (n,), counted without the code that `nmc evaluate` uses."""
    chances = np.exp(answers.astype(np.float64))
    chances /= chances.sum(axis=2, keepdims=True)
    fading = DECAY ** np.arange(answers.shape[1] - 1, -1, -1)
    smoothed = np.tensordot(fading, chances, axes=(0, 1))
    return {"last_frame": answers[:, -1].argmax(axis=1), "smoothed": smoothed.argmax(axis=1)}


def percent(decided: Array, labels: Array) -> float:
    return 100 * float(np.mean(decided == labels))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_int8_program_decides_like_the_float_network(name: str) -> None:
    clips, labels = clips_of_test()
    result = Session(compiled(name)).run(seen(name, clips))
    floats, integers = decisions(logits(name, clips)), decisions(result.outputs["logits"])
    assert len(labels) == data.TEST_COUNT
    for rule, stated in zip(("last_frame", "smoothed"), published(name), strict=True):
        assert percent(floats[rule], labels) == pytest.approx(stated, abs=0.1)
        assert percent(integers[rule], labels) >= percent(floats[rule], labels) - MOST_POINTS_LOST
    assert result.counters["out_of_range"] == 0
    assert result.counters["input_clipped"] == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_evaluate_counts_as_by_hand(name: str, tmp_path: Path) -> None:
    clips, labels = data.clips("test", 200, 7)
    given = seen(name, clips)
    save(compiled(name), tmp_path / "net.nmc")
    np.savez(tmp_path / "labelled.npz", clip=given, labels=labels)
    files = [tmp_path / "net.nmc", "--data", tmp_path / "labelled.npz", "--model", FOLDER / f"{name}.onnx"]
    done = CliRunner().invoke(main, ["evaluate", *map(str, files), "--decay", str(DECAY), "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    integers = decisions(Session(compiled(name)).run(given).outputs["logits"])
    floats = decisions(logits(name, clips))
    assert facts["samples"] == len(labels)
    assert facts["rules"].keys() == integers.keys()
    for rule, found in facts["rules"].items():
        assert found["program"] == np.mean(integers[rule] == labels)
        assert found["model"] == np.mean(floats[rule] == labels)
        assert found["agreement"] == np.mean(integers[rule] == floats[rule])
