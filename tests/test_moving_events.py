"""The spiking network for moving digits: data, shipped files, and its accuracy on CRI with weights of 16 and 8 bits."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from spikingjelly.activation_based import functional

from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.frontends import import_model
from nmc.compiler.ir import FrameSession
from nmc.runtime import Session

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "moving_events"
sys.path.insert(0, str(ROOT / "examples"))

from moving_events import data, network  # noqa: E402

GRAPH, WEIGHTS = FOLDER / "moving_events.ir", FOLDER / "moving_events.safetensors"
SHAPE = {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}
FEW = 16


@functools.cache
def clips_of_test() -> tuple[data.Clips, data.Labels]:
    return data.published_trains()


@functools.cache
def few_clips() -> data.Clips:
    return data.trains("test", FEW, 1)[0]


@functools.cache
def compiled(bits: int) -> Compilation:
    return compile_verbose(GRAPH, "cri", weight_bits=bits)


def trained() -> network.MovingEvents:
    model = network.moving_events()
    model.load_state_dict(load_file(WEIGHTS))
    return model


def spikingjelly(clips: data.Clips, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """Logits (n, classes) of the framework itself."""
    torch.set_num_threads(1)
    model, made = trained().to(dtype), []
    with torch.inference_mode():
        for part in torch.from_numpy(clips).split(128):
            made.append(model(part.transpose(0, 1).to(dtype)).numpy())
            functional.reset_net(model)
    return np.concatenate(made)


def published() -> list[float]:
    """The accuracies in the README, in percent: float, 16 bits, 8 bits."""
    rows = re.findall(r"^\| (?:float network|weights).*?\| ([\d.]+) %", (FOLDER / "README.md").read_text(), re.M)
    return [float(row) for row in rows]


def test_trains_are_the_events_of_the_gestures() -> None:
    clips = few_clips()
    assert (clips.dtype, clips.shape) == (np.float32, (FEW, network.STEPS, 2, network.SIZE, network.SIZE))
    assert set(np.unique(clips).tolist()) == {0.0, 1.0}
    assert not clips[:, 0].any()  # nothing changes in the first frame
    assert data.digest(clips) != data.digest(1 - clips)
    assert len(data.CLASSES) == network.CLASSES


def test_shipped_graph_is_that_of_the_shipped_weights() -> None:
    fresh = import_model(f"{FOLDER / 'network.py'}:moving_events", SHAPE, WEIGHTS).graph
    shipped = compiled(16).imported
    assert [node.op for node in fresh.nodes] == [node.op for node in shipped.nodes]
    assert [value.digest() for value in fresh.constants()] == [value.digest() for value in shipped.constants()]
    assert sum(parameter.numel() for parameter in trained().parameters()) <= 60_000


def test_shipped_files_are_small_and_name_no_folder() -> None:
    files = [GRAPH, WEIGHTS, *(FOLDER / "constants").iterdir()]
    assert len(files) == 3
    for file in files:
        content = file.read_bytes()
        assert len(content) < 150_000
        assert b"/home" not in content and b".py" not in content


def test_the_graph_is_the_frameworks_network() -> None:
    (found,) = FrameSession(compiled(16).imported).run({"events": few_clips()}).values()
    np.testing.assert_allclose(found, spikingjelly(few_clips(), torch.float64), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bits", [16, 8])
def test_the_table_is_the_integer_network(bits: int) -> None:
    done = compiled(bits)
    result = Session(done.program).run(few_clips())
    (wanted,) = FrameSession(done.lowered).run({"events": few_clips()}).values()
    (found,) = result.outputs.values()
    assert found.shape == (FEW, network.CLASSES)
    assert np.array_equal(found, wanted.astype(np.float32))
    assert result.counters["input_clipped"] == result.counters["out_of_range"] == 0


@pytest.mark.slow
def test_accuracy_with_16_and_8_bits() -> None:
    clips, labels = clips_of_test()
    assert len(clips) >= 500
    wanted = spikingjelly(clips).argmax(1)
    right = {0: 100 * np.mean(wanted == labels)}
    for bits in (16, 8):
        (found,) = Session(compiled(bits).program).run(clips).outputs.values()
        right[bits] = 100 * np.mean(found.argmax(1) == labels)
        if bits == 16:
            assert np.array_equal(found.argmax(1), wanted)
    assert 95 <= right[0] < 100
    assert right[16] == right[0]
    assert abs(right[8] - right[0]) <= 0.5
    assert [round(accuracy, 2) for accuracy in right.values()] == published()
