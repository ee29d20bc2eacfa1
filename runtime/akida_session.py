"""Running an Akida program: clips or images in, or frame by frame; arrays, counters and traces out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .akida_engines import ENGINES, Machine
from .akida_host import arrange, edges, frame_of, integer_layers
from .encode import Array, check_inputs
from .program.akida import AkidaProgram
from .program.akida_check import validate
from .program.akida_shapes import signals
from .result import BATCH_ENTRIES, MAX_BATCH, Result, in_batches, named_engine, take_results

__all__ = ["ENGINES", "AkidaSession"]


class AkidaSession:
    """An Akida program on an engine. `run` takes whole samples; `step` and `reset` single frames, on `machine`.

    latency        frames that each output comes late, by name
    input_clipped  values outside the code range in all steps so far
    """

    def __init__(self, program: AkidaProgram, engine: str = "auto"):
        """NmcError NMC-F… for an inconsistent program, NMC-R009 for an engine that is unknown or not there."""
        validate(program)
        self.program = program
        self.latency = {o.name: o.timing.latency(program.clip_length) for o in program.outputs}
        self.input_clipped = 0
        self._build = named_engine(ENGINES, engine)(program)
        self.machine = self._build(1)

    def step(self, frames: Mapping[str, ArrayLike] | ArrayLike) -> dict[str, NDArray[np.float32]]:
        """One frame of every stream: (streams, *frame shape) by input name, in the source model's values and layout.

        Returns what each output carries at this frame, float32 (streams, *frame shape); `machine.values` has the
        integers of every layer. Another number of streams than in the step before starts all anew. NMC-R004 to R007.
        """
        single = [replace(entry, shape=entry.frame_shape, axis=-1) for entry in self.program.inputs]
        arrays = check_inputs(single, frames)
        streams = len(next(iter(arrays.values())))
        if streams != self.machine.batch:
            self.machine = self._build(streams)
        self.input_clipped += self.machine.step_inputs(arrays)
        return {o.name: arrange(o, self.machine.values[o.layer]).astype(np.float32) for o in self.program.outputs}

    def reset(self) -> None:
        """All streams of `machine` back to before their first frame."""
        self.machine.reset()

    def run(
        self,
        inputs: Mapping[str, ArrayLike] | ArrayLike,
        *,
        trace: bool = False,
        batch: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Result:
        """Run every sample from a fresh start: its frames, then zero frames until the last element of all outputs.

        inputs    (samples, *shape) by input name, or one array where the program has one input; NMC-R004 to R007
        trace     also keep what every layer gave: int64 (samples, X, Y, C); of clips (samples, frames, X, Y, C)
        batch     samples that run together (the result does not depend on it)
        progress  called with (samples done, samples in all) after each batch

        Counters: `samples`, `frames` (of each sample), `macs` and `macs_per_layer` (products, padding included),
        `sparsity` (share of zeros in what each layer gave), `saturations` (per layer: `buffer` in sums and pools,
        `scale` in products with scales, `output` clipped to the output's range), `out_of_range` (all of `buffer`),
        `input_clipped`.
        """
        arrays = check_inputs(self.program.inputs, inputs)
        samples = len(next(iter(arrays.values())))
        size = _batch_size(self.program) if batch is None else batch
        _take_results(self.program, samples, trace, size)
        run = _Run(self.program, samples, trace)
        for low, count, part in in_batches(arrays, samples, size, progress):
            run.add(low, part, self._build(count))
        return run.result


class _Run:
    """A result that grows batch by batch."""

    def __init__(self, program: AkidaProgram, samples: int, trace: bool):
        self.program = program
        self.integer_layers = integer_layers(program)
        shapes = signals(program)
        outputs = {o.name: np.zeros((samples, *o.shape), np.float32) for o in program.outputs}
        integers = {o.name: np.zeros((samples, *o.shape), np.int64) for o in program.outputs}
        marked = {o.name: edges(o) for o in program.outputs if o.timing.edges}
        names = [layer.name for layer in program.layers]
        self.elements = dict.fromkeys(names, 0)
        self.zeros = dict.fromkeys(names, 0)
        counters: dict[str, Any] = {
            "samples": samples,
            "frames": program.stream_length,
            "macs": 0,
            "macs_per_layer": dict.fromkeys(names, 0),
            "sparsity": dict.fromkeys(names, 0.0),
            "saturations": {name: {"buffer": 0, "scale": 0, "output": 0} for name in names},
            "input_clipped": 0,
            "out_of_range": 0,
        }
        frames = (program.stream_length,) if program.temporal else ()
        traced = {name: signal for name, signal in shapes.items() if trace and signal.bits}
        kept = {name: np.zeros((samples, *frames, *signal.shape), np.int64) for name, signal in traced.items()}
        self.result = Result(outputs, integers, counters, kept, edges=marked)

    def add(self, low: int, part: dict[str, Array], machine: Machine) -> None:
        """Run one batch, the samples from `low` on."""
        rows = slice(low, low + machine.batch)
        for frame in range(self.program.stream_length):
            given = {entry.name: frame_of(entry, part[entry.name], frame) for entry in self.program.inputs}
            clipped = machine.step_inputs(given)
            if frame < self.program.clip_length:
                self.result.counters["input_clipped"] += clipped
            self._collect(rows, frame, machine)
        self._count(machine)

    def _collect(self, rows: slice, frame: int, machine: Machine) -> None:
        """Keep what the outputs carry at this frame, and the trace."""
        for output in self.program.outputs:
            timing = output.timing
            if frame in timing.frames():
                element = (frame - timing.offset) // timing.stride
                integers = machine.values[self.integer_layers[output.name]]
                for kept, values in (
                    (self.result.integers[output.name], integers),
                    (self.result.outputs[output.name], machine.values[output.layer]),
                ):
                    by_element = np.moveaxis(kept[rows], timing.axis, 1) if timing.axis > 0 else kept[rows, None]
                    by_element[:, element] = arrange(output, values)
        for name, kept in self.result.trace.items():
            now = kept[rows, frame] if self.program.temporal else kept[rows]
            now[:] = machine.values[name]

    def _count(self, machine: Machine) -> None:
        counters = self.result.counters
        for name, products in machine.macs.items():
            counters["macs_per_layer"][name] += products
            counters["macs"] += products
        for name, clamps in machine.clamps.items():
            for kind, count in asdict(clamps).items():
                counters["saturations"][name][kind] += count
            counters["out_of_range"] += clamps.buffer
            self.zeros[name] += machine.zeros[name]
            self.elements[name] += machine.frames * math.prod(machine.signals[name].shape)
            counters["sparsity"][name] = self.zeros[name] / self.elements[name]


def _take_results(program: AkidaProgram, samples: int, trace: bool, size: int) -> None:
    frames = program.stream_length if program.temporal else 1
    kept = [frames * math.prod(signal.shape) for signal in signals(program).values() if signal.bits]
    work = min(size, samples) * _widest(program)
    take_results(samples, [math.prod(o.shape) for o in program.outputs], kept if trace else (), work)


def _widest(program: AkidaProgram) -> int:
    """Elements of the largest layer, with what its FIFO holds."""
    frames = {layer.name: layer.parameters.get("fifo_size", 1) for layer in program.layers}
    return max(math.prod(signal.shape) * frames[name] for name, signal in signals(program).items())


def _batch_size(program: AkidaProgram) -> int:
    return min(max(BATCH_ENTRIES // _widest(program), 1), MAX_BATCH)
