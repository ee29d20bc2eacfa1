"""The DVS128 Gesture networks on CRI: every spike of the table is where SpikingJelly puts it, and run.py's commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nmc.compiler import Compilation, compile_verbose
from nmc.runtime import Session

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "dvs_gesture"
sys.path[:0] = [str(ROOT / "examples")]
sys.path.append(str(FOLDER))  # last: other examples have a train.py too

from dvs_gesture import network, recordings, synthetic  # noqa: E402

from nmc.runtime.aedat import PACKET, Events  # noqa: E402

SHAPE = {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}


def with_integers(model: network.DvsGesture, done: Compilation) -> network.DvsGesture:
    """The framework's network in float64 with the weights and thresholds of the integer network."""
    constants = {value.name: value.data for value in done.lowered.constants()}
    for name, module in model.double().layers.named_children():
        if hasattr(module, "weight"):
            module.weight.data = torch.from_numpy(constants[f"layers.{name}.weight"].astype(np.float64))
        elif hasattr(module, "v_threshold"):
            module.v_threshold = float(constants[f"layers.{name}.n"])
    return model


def check_every_spike(done: Compilation, model: network.DvsGesture, frames: recordings.Frames) -> None:
    """Every neuron in every timestep, and the outputs."""
    torch.set_num_threads(1)
    result = Session(done.program).run(frames, trace=True)
    value, seen = torch.from_numpy(frames).double().transpose(0, 1), 0
    with torch.inference_mode():
        for name, module in with_integers(model, done).layers.named_children():
            value = module(value)
            if f"layers.{name}" in result.trace:
                spikes = value.transpose(0, 1).numpy()
                assert np.array_equal(result.trace[f"layers.{name}"], spikes), name
                assert spikes.any(), name
                seen += 1
    assert seen == 6
    assert np.array_equal(result.outputs["output"], value.transpose(0, 1).numpy())


def test_narrow_network_spike_for_spike() -> None:
    code, weights = f"{FOLDER / 'network.py'}:narrow", FOLDER / "narrow.safetensors"
    done = compile_verbose(code, "cri", input_shapes=SHAPE, state_dict=weights)
    frames, gestures = synthetic.load(22, seed=2)
    check_every_spike(done, network.narrow(), frames)
    program = done.program
    assert (program.steps, program.axons.sources, program.neurons.sources) == (16, 7938, 8843)
    counts = Session(program).run(frames).outputs["output"].sum(1)
    assert np.mean(counts.argmax(1) == gestures) >= 0.9


@pytest.mark.parametrize(
    ("factory", "neurons", "synapses"),
    [("dvs_gesture", 109_615, 53_311_004), ("dvs_gesture_3x3", 123_715, 26_988_804)],
)
def test_whole_network_spike_for_spike(factory: str, neurons: int, synapses: int) -> None:
    model = network.random_weights(getattr(network, factory)(), seed=0)
    done = compile_verbose(model, "cri", input_shapes=SHAPE)
    program = done.program
    assert (program.steps, program.axons.sources, program.neurons.sources) == (16, 7938, neurons)
    zeros = synapses - program.axons.synapses - program.neurons.synapses
    assert 0 <= zeros < synapses / 10_000  # weights that round to 0 are no synapses
    check_every_spike(done, model, synthetic.load(2, seed=0)[0])


# --- run.py ---


def write_recording(folder: Path, name: str, gestures: list[int]) -> None:
    """Simulated gestures one after the other as a recording with its labels."""
    rng, rows, packets, start = np.random.default_rng(0), [], [], 0
    for gesture in gestures:
        events: Events = synthetic.gesture_events(gesture, rng)
        words = events.x.astype("<u4") << 17 | events.y.astype("<u4") << 2 | events.on.astype("<u4") << 1 | 1
        body = np.stack([words, (start + events.t).astype("<u4")], 1).astype("<u4")
        count = len(events)
        packets.append(np.array([(1, 0, 8, 4, 0, count, count, count)], PACKET).tobytes() + body.tobytes())
        rows.append(f"{gesture + 1},{start},{start + 1_000_000}")
        start += 1_000_000
    (folder / f"{name}.aedat").write_bytes(b"#!AER-DAT3.1\r\n#!END-HEADER\r\n" + b"".join(packets))
    (folder / f"{name}_labels.csv").write_text("\n".join(["class,startTime_usec,endTime_usec", *rows, ""]))


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / "run.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_run_on_a_folder_of_recordings(tmp_path: Path) -> None:
    write_recording(tmp_path, "user01_lab", [*range(11)])
    (tmp_path / "trials_to_test.txt").write_text("user01_lab.aedat\n")
    done = run("--data", str(tmp_path), "--samples", "11")
    assert done.returncode == 0
    assert "11 samples of the test recordings" in done.stdout
    assert "8,843 neurons, 7,938 axons" in done.stdout
    accuracy = [float(part.split(" %")[0].split()[-1]) for part in done.stdout.split("accuracy by spike count")[1:]]
    assert len(accuracy) == 1 and accuracy[0] >= 90


def test_run_says_what_is_wrong_with_its_files(tmp_path: Path) -> None:
    write_recording(tmp_path, "user01_lab", [3])
    (tmp_path / "trials_to_test.txt").write_text("user01_lab.aedat\n")
    missing = tmp_path / "weights.pt"
    failed = run("--data", str(tmp_path), "--state-dict", str(missing))
    assert failed.returncode == 1
    assert str(missing) in failed.stderr and "Traceback" not in failed.stderr
    recording = tmp_path / "user01_lab.aedat"
    recording.write_bytes(recording.read_bytes()[:-5])
    failed = run("--data", str(tmp_path))
    assert failed.returncode == 1
    assert f"{recording}, byte " in failed.stderr and "the file is cut off" in failed.stderr
    assert "Traceback" not in failed.stderr
