"""A frame of an Akida program: dense engine and onnxruntime.

The networks are the TENN ones at full size with random weights, a MobileNetV2, and the shipped gesture networks.
onnxruntime runs the float32 network and, where it can, its int8 form (QDQ, u8 × s8, per channel, as its own quantizer
writes it) on whole clips; its time of a clip is divided by its frames. nmc runs frame by frame, as a stream does. All
run in one process, in turns, on one thread; medians of 15. "÷ float32" is the time over that of onnxruntime's
float32. The ways of the engine are those this processor has (docs/engines.md); a session's step takes the fastest.

Streams are many inputs of one program at once, their frames per second those of all, medians of 5. The last table is
a new process until its first step is done, imports included.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from machine import in_turns
from page import Section, ms, run

from nmc.compiler import compile_model
from nmc.runtime import Session
from nmc.runtime.fast.dense.machine import FastAkidaMachine, machine
from nmc.runtime.fast.dense.plan import Plan
from nmc.runtime.fast.dense.routes import available, route
from nmc.runtime.program import AkidaProgram, save

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

RUNS = 15
SHAPES = {"jester": (3, 16, 100, 100), "dvs128": (2, 15, 128, 128), "eye_tracking": (2, 50, 80, 106)}
STREAMS = 16
MOBILENET = (224, 224)
FIRST_STEP = """
import time
begin = time.perf_counter()
import numpy, sys
from nmc.runtime import Session
session = Session(sys.argv[1])
shape = session.program.inputs[0].frame_shape
session.step(numpy.zeros((1, *shape), numpy.float32))
print(time.perf_counter() - begin)
"""


def peer(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def quantized(model: Path, feed: str, clips: np.ndarray) -> Path:
    """The network in int8, as onnxruntime's own tools make it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Clips(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = list(clips)

        def get_next(self) -> dict[str, Any] | None:  # type: ignore[override]
            return {feed: self.left.pop()[None]} if self.left else None

    made = model.with_suffix(".int8.onnx")
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "per_channel": True}
    quantize_static(model, made, Clips(), **kinds)
    return made


def frames(program: AkidaProgram, streams: int) -> list[dict[str, np.ndarray]]:
    """Some frames of random values in the range of the calibration."""
    rng, entry = np.random.default_rng(0), program.inputs[0]
    return [{entry.name: rng.random((streams, *entry.frame_shape), np.float32)} for _ in range(8)]


def stepping(made: FastAkidaMachine, given: list[dict[str, np.ndarray]], count: int) -> Callable[[], None]:
    def work() -> None:
        for i in range(count):
            made.step_inputs(given[i % len(given)])

    return work


def beside(section: Section, name: str, model: Path, program: AkidaProgram, clip: np.ndarray, runs: int) -> None:
    """The engine in every way it has, and both forms in onnxruntime."""
    length = clip.shape[2] if clip.ndim == 5 else len(clip)
    feed, one = peer(model).get_inputs()[0].name, frames(program, 1)
    sessions = {"onnxruntime, float32": peer(model), "onnxruntime, int8 (QDQ)": peer(quantized(model, feed, clip))}
    done: dict[str, Callable[[], object]] = {
        title: lambda s=session: s.run(None, {feed: clip}) for title, session in sessions.items()
    }
    for way in available():
        done[f"nmc, {way.name}"] = stepping(machine(program, way=way.name), one, length)
    session = Session(program)
    done["nmc, a session's step"] = lambda: [session.step(one[i % 8]) for i in range(length)]
    seconds = {title: value / length for title, value in in_turns(done, runs).items()}
    base, products = seconds["onnxruntime, float32"], sum(Plan.of(program, route()).macs.values()) / 1e9
    section.table(f"{name}, {1e3 * products:.1f} M MAC", "a frame", "GMAC/s", "÷ float32")
    for title, value in seconds.items():
        section.row(title, ms(value), f"{products / value:.0f}", f"{value / base:.2f}")


def streams(section: Section, program: AkidaProgram, runs: int) -> None:
    """One stream on one thread, and many on one and two."""
    plan, count = Plan.of(program, route()), 4
    cases = [(1, 1), (STREAMS, 1), (STREAMS, 2)]
    done = {
        f"{n} stream{'s' * (n > 1)}, {threads} thread{'s' * (threads > 1)}": stepping(
            FastAkidaMachine(plan, n, threads), frames(program, n), count
        )
        for n, threads in cases
    }
    seconds = in_turns(done, min(runs, 5))
    rates = {title: n * count / value for (title, value), (n, _) in zip(seconds.items(), cases, strict=True)}
    alone = next(iter(rates.values()))
    section.table("streams", "frames/s", "× one stream")
    for title, rate in rates.items():
        section.row(title, f"{rate:.0f}", f"{rate / alone:.2f}")


def beginning(program: AkidaProgram, folder: Path, runs: int) -> tuple[str, str]:
    """Seconds of making the plan, and of a new process until its first step is done."""
    planning = in_turns({"": lambda: Plan.of(program, route())}, runs)[""]
    save(program, folder / "net.nmc")
    command = [sys.executable, "-c", FIRST_STEP, str(folder / "net.nmc")]
    times = [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(min(runs, 5) + 1)
    ]
    return ms(planning), ms(statistics.median(times[1:]))


def random_networks(folder: Path) -> Iterator[tuple[str, Path, AkidaProgram, np.ndarray]]:
    """Name, ONNX file, program and typical input of networks with random weights."""
    from models import tenn
    from models.export import export
    from models.images import MobileNetV2
    from models.weights import random_clip, randomize

    for name, (channels, length, height, width) in SHAPES.items():
        shape = (1, channels, length, height, width)
        model = export(randomize(getattr(tenn, name)(), shape), random_clip(shape), folder / f"{name}.onnx")
        calibration = random_clip((100, channels, height, width), seed=1).numpy()
        yield name, model, compile_model(model, "akida", calibration=calibration), random_clip(shape, seed=2).numpy()
    image = (1, 3, *MOBILENET)
    network = randomize(MobileNetV2(), (4, *image[1:]), seed=3)
    model = export(network, random_clip(image), folder / "mobilenet.onnx", opset=18)
    calibration = random_clip((8, *image[1:]), seed=1).numpy()
    yield "MobileNetV2", model, compile_model(model, "akida", calibration=calibration), calibration[:1]


def shipped_networks(folder: Path) -> Iterator[tuple[str, Path, AkidaProgram, np.ndarray]]:
    """The same of the gesture networks."""
    from gestures.data import clips, events

    for name, seen in (("gestures", np.asarray), ("gestures_events", events)):
        model = folder / f"{name}.onnx"
        model.write_bytes((ROOT / "examples" / "gestures" / f"{name}.onnx").read_bytes())
        typical = np.asarray(seen(clips("train", 256, 0)[0]), np.float32)
        yield name, model, compile_model(model, "akida", calibration=typical), typical[:1]


def measure(section: Section, quick: bool) -> None:
    runs, starts = 1 if quick else RUNS, []
    with tempfile.TemporaryDirectory() as folder:
        kinds = [shipped_networks] if quick else [random_networks, shipped_networks]
        for made in kinds:
            for name, model, program, typical in made(Path(folder)):
                beside(section, name, model, program, typical, runs)
                streams(section, program, runs)
                starts.append((name, *beginning(program, Path(folder), runs)))
                if quick:
                    break
    section.table("start", "making the plan", "a new process, first step done")
    for cells in starts:
        section.row(*cells)


if __name__ == "__main__":
    run(__file__, __doc__, measure)
