"""Akida programs: import, quantize and lower, beside quantizeml.

The TENN networks at full size with random weights, and 100 calibration frames of random values. quantizeml is the
vendor's quantizer; it gets the same file and the same frames as whole clips, in an environment of its own that the
first run of this benchmark makes in `build/quantizeml` (about 1 GB on the disk). Each measurement is one process; the
time is the median of 5 after one that is not counted, without imports, the memory that process's peak. nmc's result
is a program, quantizeml's a quantized network that its converter still has to map.
`python benchmarks/akida_compile.py MODEL FRAMES LENGTH RUNS nmc` measures one and prints JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import RUNS, median, own_process, peak_mb
from page import Section, ms, ratio, run

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

SHAPES = {"jester": (3, 16, 100, 100), "dvs128": (2, 15, 128, 128), "eye_tracking": (2, 50, 80, 106)}
CALIBRATION = 100  # frames
PEER = ROOT / "build" / "quantizeml"
# quantizeml asks for the TensorFlow that has GPU libraries, which is three times as large and not used here.
PACKAGES = ("tensorflow-cpu==2.19.*", "onnxruntime==1.23.*", "onnxscript==0.4.*", "onnx_ir<=0.1.12", "scipy")
BARE = ("quantizeml==1.2.5", "tf_keras==2.19.*", "onnxruntime_extensions<0.14")


def compiling(model: Path, frames: Path) -> None:
    from nmc.compiler import compile_model

    compile_model(model, "akida", calibration=np.load(frames))


def quantizing(model: Path, frames: Path, length: int) -> None:
    import onnx
    from quantizeml.models import quantize  # type: ignore[import-not-found]

    x = np.load(frames)
    count = len(x) // length
    clips = np.moveaxis(x[: count * length].reshape(count, length, *x.shape[1:]), 1, 2)
    quantize(onnx.load(model), samples=np.ascontiguousarray(clips))


def of_file(model: Path, frames: Path, length: int, runs: int, who: str) -> dict[str, float]:
    """Seconds and peak memory of this process."""
    work = (lambda: compiling(model, frames)) if who == "nmc" else lambda: quantizing(model, frames, length)
    return {"seconds": median(work, runs), "mb": peak_mb()}


def installed() -> str:
    """Why quantizeml cannot be measured; empty if it can. Makes its environment if there is none."""
    python = PEER / "bin" / "python"
    if (PEER / "done").exists():
        return ""
    try:
        subprocess.run([sys.executable, "-m", "venv", PEER], check=True, capture_output=True)
        for more in ((*PACKAGES,), ("--no-deps", *BARE)):
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *more]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
        command = [python, "-c", "import quantizeml.models"]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        lines = str(error.stderr or error).strip().splitlines()
        return f"quantizeml could not be installed: {lines[-1] if lines else error}"
    (PEER / "done").touch()
    return ""


def peer(arguments: tuple[str, ...]) -> dict[str, Any] | str:
    """What quantizeml takes, or why there is no figure."""
    command = [PEER / "bin" / "python", "-W", "ignore", __file__, *arguments, "quantizeml"]
    try:
        made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return "over 300 s"
    except subprocess.CalledProcessError as error:
        return error.stderr.strip().splitlines()[-1][:120]
    return json.loads(made.stdout.strip().splitlines()[-1])


def networks(folder: Path) -> Iterator[tuple[str, Path, Path, int]]:
    """Name, ONNX file, calibration frames and frames per clip of the TENN networks."""
    from models import tenn
    from models.export import export
    from models.weights import random_clip, randomize

    for name, (channels, length, height, width) in SHAPES.items():
        shape = (1, channels, length, height, width)
        model = export(randomize(getattr(tenn, name)(), shape), random_clip(shape), folder / f"{name}.onnx")
        frames = folder / f"{name}.npy"
        np.save(frames, random_clip((CALIBRATION, channels, height, width), seed=1).numpy())
        yield name, model, frames, length


def smallest(folder: Path) -> Iterator[tuple[str, Path, Path, int]]:
    """The shipped gesture network on few frames."""
    frames = folder / "frames.npy"
    np.save(frames, np.random.default_rng(0).random((16, 1, 24, 24), np.float32))
    yield "gestures", ROOT / "examples" / "gestures" / "gestures.onnx", frames, 16


def measure(section: Section, quick: bool) -> None:
    missing = "not measured in a quick run" if quick else installed()
    section.table("network", "nmc", "quantizeml", "quantizeml ÷ nmc", "nmc, peak memory", "quantizeml, peak memory")
    refusals = []
    with tempfile.TemporaryDirectory() as folder:
        for name, model, frames, length in (smallest if quick else networks)(Path(folder)):
            arguments = (str(model), str(frames), str(length), "1" if quick else str(RUNS))
            ours = own_process(__file__, *arguments, "nmc")
            theirs = missing or peer(arguments)
            if isinstance(theirs, str):
                section.row(name, ms(ours["seconds"]), "—", "—", f"{ours['mb']:.0f} MB", "—")
                refusals.append(theirs if missing else f"{name}: {theirs}")
            else:
                times = ms(ours["seconds"]), ms(theirs["seconds"]), ratio(theirs["seconds"], ours["seconds"])
                section.row(name, *times, f"{ours['mb']:.0f} MB", f"{theirs['mb']:.0f} MB")
    if refusals:
        section.text("No figure of quantizeml: " + "; ".join(dict.fromkeys(refusals)) + ".")


if __name__ == "__main__":
    if len(sys.argv) == 6:
        numbers = int(sys.argv[3]), int(sys.argv[4])
        print(json.dumps(of_file(Path(sys.argv[1]), Path(sys.argv[2]), *numbers, sys.argv[5])))
    else:
        run(__file__, __doc__, measure)
