"""How long Akida programs take: quantization of full-size TENN networks, frames beside onnxruntime on the clip network.

`make bench` runs it last; exporting the networks needs torch. The peer for quantization is quantizeml, timed on the
same model and samples where it is installed. Peak memory is that of a process of its own that does nothing else.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from machine import describe, median, row

from nmc.compiler import compile_model
from nmc.runtime import Session

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

SHAPES = {"jester": (3, 16, 100, 100), "dvs128": (2, 15, 128, 128), "eye_tracking": (2, 50, 80, 106)}
CALIBRATION = 100  # frames
CLIPS = 128


def quantize(model: Path, frames: Path) -> object:
    """Import, quantize and lower: the program."""
    return compile_model(model, "akida", calibration=np.load(frames))


def peak_memory(model: Path, frames: Path) -> str:
    """Of a process that imports nmc, compiles once, and ends."""
    command = [sys.executable, __file__, str(model), str(frames)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def own_peak() -> str:
    """The largest resident size of this process so far; getrusage would count the process that started it, too."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return f"peak memory {int(found[1]) // 1024} MB" if found else "peak memory is measured on Linux only"


def tenn_networks(folder: Path) -> None:
    """TENN networks at full size, random weights, 100 calibration frames."""
    from models import tenn
    from models.export import export
    from models.weights import random_clip, randomize

    for name, (channels, length, height, width) in SHAPES.items():
        shape = (1, channels, length, height, width)
        model = export(randomize(getattr(tenn, name)(), shape), random_clip(shape), folder / f"{name}.onnx")
        frames = folder / f"{name}.npy"
        np.save(frames, random_clip((CALIBRATION, channels, height, width), seed=1).numpy())
        seconds = median(lambda m=model, f=frames: quantize(m, f))
        row(f"TENN {name}: import, quantize, lower, {CALIBRATION} frames", seconds, peak_memory(model, frames))
        quantizeml_row(name, model, np.load(frames), length)
        clip = random_clip(shape, seed=2).numpy()
        session = Session(compile_model(model, "akida", calibration=np.load(frames)))
        frame = median(lambda s=session, c=clip: s.run(c)) / length
        row(f"TENN {name}: a frame, reference engine", frame)
        floats = onnxruntime.InferenceSession(model)
        peer = median(lambda s=floats, c=clip: s.run(None, {"clip": c})) / length
        row(
            f"TENN {name}: a frame of the clip in onnxruntime",
            peer,
            f"{frame / peer:.1f} times faster than the simulation",
        )


def quantizeml_row(name: str, model: Path, frames: np.ndarray, length: int) -> None:
    """The same model quantized by quantizeml on the same frames, as whole clips; without it a line that says so."""
    title = f"TENN {name}: quantizeml on the same model and frames"
    if find_spec("quantizeml") is None:
        print(f"{title:<56} not installed")
        return
    import onnx
    from quantizeml.models import quantize as quantize_onnx  # type: ignore[import-not-found]

    count = len(frames) // length
    clips = np.moveaxis(frames[: count * length].reshape(count, length, *frames.shape[1:]), 1, 2)
    loaded = onnx.load(model)
    try:
        row(title, median(lambda: quantize_onnx(loaded, samples=clips)))
    except Exception as error:  # whatever it raises: the line says that there is no figure
        print(f"{title:<56} refused: {type(error).__name__}")


def gestures() -> None:
    """The shipped networks on test clips."""
    from gestures.data import clips, events

    folder = ROOT / "examples" / "gestures"
    typical, test = clips("train", 256, 0)[0], clips("test", CLIPS, 1)[0]
    for name, seen in (("gestures", np.asarray), ("gestures_events", events)):
        model, given = folder / f"{name}.onnx", seen(test)
        calibration = seen(typical)
        row(
            f"{name}: compile, 256 clips",
            median(lambda m=model, c=calibration: compile_model(m, "akida", calibration=c)),
        )
        session = Session(compile_model(model, "akida", calibration=calibration))
        seconds = median(lambda s=session, g=given: s.run(g)) / CLIPS
        row(f"{name}: a clip of 16 frames, reference engine", seconds, f"in one batch of {CLIPS}")
        floats = onnxruntime.InferenceSession(model)
        peer = median(lambda s=floats, g=given: s.run(None, {"clip": g})) / CLIPS
        row(f"{name}: a clip in onnxruntime", peer, f"{seconds / peer:.0f} times faster than the simulation")


def main() -> None:
    print(f"{describe()}\n")
    with tempfile.TemporaryDirectory() as folder:
        tenn_networks(Path(folder))
    gestures()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        quantize(Path(sys.argv[1]), Path(sys.argv[2]))
        print(own_peak())
    else:
        main()
