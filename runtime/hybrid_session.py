"""Running a program with host segments: in every frame one segment after the other, on the device and on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .akida_host import arrange, edges, frame_of, integer_layers
from .encode import Array, check_inputs
from .hybrid_streams import Plan, Streams
from .program.akida_shapes import signals
from .program.hybrid import DeviceSegment, HybridOutput, HybridProgram
from .program.hybrid_check import validate
from .program.hybrid_work import work
from .result import BATCH_ENTRIES, MAX_BATCH, Result, in_batches, take_results


class HybridSession:
    """A program with host segments. `run` takes whole samples; `step` and `reset` single frames.

    latency        frames that each output comes late, by name
    input_clipped  values outside the code range of a device segment in all steps so far
    values         after a step, every value that a segment read or gave, float (streams, *frame shape) by name

    Device segments run on the engine, host segments on onnxruntime: float32, one thread, no optimizations. Their last
    bits may differ between processors, and with them a code of the device segment behind.
    """

    def __init__(self, program: HybridProgram, engine: str = "auto"):
        """NmcError NMC-F… for an inconsistent program, NMC-R009 for an unknown engine, NMC-R025 where onnxruntime is
        missing or does not take a segment."""
        validate(program)
        self.program = program
        self.latency = {o.name: o.timing.latency(program.clip_length) for o in program.outputs}
        self._plan = Plan.of(program, engine)
        self._streams: Streams | None = None
        self._clipped_before = 0
        self.values: dict[str, Array] = {}

    @property
    def input_clipped(self) -> int:
        """Values outside the code range of a device segment in all steps so far."""
        return self._clipped_before + (self._streams.clipped if self._streams else 0)

    def step(self, frames: Mapping[str, ArrayLike] | ArrayLike) -> dict[str, NDArray[np.float32]]:
        """One frame of every stream: (streams, *frame shape) by input name, in the source model's values and layout.

        Returns what each output carries at this frame, float32 (streams, *frame shape). Another number of streams than
        in the step before starts all anew. NMC-R004 to R007; R007 also where a host segment gives NaN or infinity to a
        device segment; R025 if onnxruntime fails.
        """
        arrays = check_inputs([replace(e, shape=e.frame_shape, axis=-1) for e in self.program.inputs], frames)
        streams = len(next(iter(arrays.values())))
        if self._streams is None or self._streams.count != streams:
            self._clipped_before = self.input_clipped
            self._streams = self._open(streams)
        self.values = self._streams.step(arrays)
        return {o.name: _frame(o, self.values).astype(np.float32) for o in self.program.outputs}

    def reset(self) -> None:
        """All streams back to before their first frame."""
        if self._streams is not None:
            self._streams.reset()

    def run(
        self,
        inputs: Mapping[str, ArrayLike] | ArrayLike,
        *,
        trace: bool = False,
        batch: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Result:
        """Run every sample from a fresh start: its frames, then zero frames until the last element of all outputs.

        Arguments are those of `AkidaSession.run`. `integers` of the result has the outputs of device segments. The
        trace has what every device layer gave, int64, as "segment/layer", and what every host segment gave, float32,
        as "segment/value".

        Counters: `samples`, `frames` (of each sample), `macs` (`macs_device`, `macs_host`, `macs_per_segment`),
        `bytes_per_frame` (sent to device segments, `in`, and read from them, `out`), `saturations` (by device layer, as
        in an AkidaSession), `out_of_range` (all of their `buffer`), `input_clipped` (at all device segments).
        """
        arrays = check_inputs(self.program.inputs, inputs)
        samples = len(next(iter(arrays.values())))
        size = _batch_size(self.program) if batch is None else batch
        _take_results(self.program, samples, trace, size)
        run = _Run(self.program, samples, trace)
        for low, count, part in in_batches(arrays, samples, size, progress):
            run.add(low, part, self._open(count))
        return run.result

    def _open(self, streams: int) -> Streams:
        return Streams(self._plan, streams)


class _Run:
    """A result that grows batch by batch."""

    def __init__(self, program: HybridProgram, samples: int, trace: bool):
        self.program, self.trace = program, trace
        self.samples = samples
        found = work(program)
        frames = samples * program.stream_length
        layers = [f"{s.name}/{layer.name}" for s in program.devices for layer in s.program.layers]
        counters: dict[str, Any] = {
            "samples": samples,
            "frames": program.stream_length,
            "macs": frames * sum(w.macs for w in found),
            "macs_device": frames * sum(w.macs for w in found if not w.on_host),
            "macs_host": frames * sum(w.macs for w in found if w.on_host),
            "macs_per_segment": {w.segment: frames * w.macs for w in found},
            "bytes_per_frame": {"in": sum(w.bytes_in for w in found), "out": sum(w.bytes_out for w in found)},
            "saturations": {name: {"buffer": 0, "scale": 0, "output": 0} for name in layers},
            "input_clipped": 0,
            "out_of_range": 0,
        }
        outputs = {o.name: np.zeros((samples, *o.shape), np.float32) for o in program.outputs}
        # Where the integers behind an output are: segment and output of that segment's program.
        self.behind = {
            o.name: (s, p)
            for o in program.outputs
            for s in program.devices
            for p in s.program.outputs
            if p.name == o.value
        }
        integers = {name: np.zeros(outputs[name].shape, np.int64) for name in self.behind}
        marked = {o.name: edges(o) for o in program.outputs if o.timing.edges}
        self.result = Result(outputs, integers, counters, {}, edges=marked)

    def add(self, low: int, part: dict[str, Array], streams: Streams) -> None:
        """Run one batch, the samples from `low` on."""
        rows = slice(low, low + streams.count)
        for frame in range(self.program.stream_length):
            given = {entry.name: frame_of(entry, part[entry.name], frame) for entry in self.program.inputs}
            values = streams.step(given)
            self._collect(rows, frame, values, streams)
        self._count(streams)

    def _collect(self, rows: slice, frame: int, values: Mapping[str, Array], streams: Streams) -> None:
        """Keep what the outputs carry at this frame, and the trace."""
        for output in self.program.outputs:
            if frame not in output.timing.frames():
                continue
            self._put(rows, frame, output, self.result.outputs[output.name], _frame(output, values))
            if output.name in self.behind:
                segment, inner = self.behind[output.name]
                layer = integer_layers(segment.program)[inner.name]
                integers = {output.value: arrange(inner, streams.machines[segment.name].values[layer])}
                self._put(rows, frame, output, self.result.integers[output.name], _frame(output, integers))
        if self.trace:
            for name, now in _traced(self.program, values, streams):
                self._trace(rows, frame, name, now)

    def _put(self, rows: slice, frame: int, output: HybridOutput, kept: Array, now: Array) -> None:
        timing = output.timing
        by_element = np.moveaxis(kept[rows], timing.axis, 1) if timing.axis > 0 else kept[rows, None]
        by_element[:, (frame - timing.offset) // timing.stride] = now

    def _trace(self, rows: slice, frame: int, name: str, now: Array) -> None:
        frames = (self.program.stream_length,) if self.program.temporal else ()
        if name not in self.result.trace:
            self.result.trace[name] = np.zeros((self.samples, *frames, *now.shape[1:]), now.dtype)
        kept = self.result.trace[name]
        kept[(rows, frame) if frames else rows] = now

    def _count(self, streams: Streams) -> None:
        counters = self.result.counters
        counters["input_clipped"] += streams.clipped
        for segment, machine in streams.machines.items():
            for layer, clamps in machine.clamps.items():
                for kind, count in asdict(clamps).items():
                    counters["saturations"][f"{segment}/{layer}"][kind] += count
                counters["out_of_range"] += clamps.buffer


def _frame(output: HybridOutput, values: Mapping[str, Array]) -> Array:
    """The output's value as (streams, *frame_shape): a time axis of length 1 that a value may have is dropped."""
    value = values[output.value]
    return value.reshape(len(value), *output.frame_shape)


def _traced(program: HybridProgram, values: Mapping[str, Array], streams: Streams) -> list[tuple[str, Array]]:
    found: list[tuple[str, Array]] = []
    for segment in program.segments:
        if isinstance(segment, DeviceSegment):
            made = streams.machines[segment.name].values
            integers = [name for name, signal in signals(segment.program).items() if signal.bits]
            found += [(f"{segment.name}/{name}", made[name]) for name in integers]
        else:
            found += [(f"{segment.name}/{name}", values[name]) for name in segment.gives]
    return found


def _take_results(program: HybridProgram, samples: int, trace: bool, size: int) -> None:
    frames = program.stream_length if program.temporal else 1
    layers = [signal for s in program.devices for signal in signals(s.program).values() if signal.bits]
    given = [port for s in program.segments if not isinstance(s, DeviceSegment) for port in s.outputs]
    kept = [frames * prod(traced.shape) for traced in (*layers, *given)]
    outputs = [prod(o.shape) for o in program.outputs]
    take_results(samples, outputs, kept if trace else (), min(size, samples) * _widest(program))


def _widest(program: HybridProgram) -> int:
    """Elements of the largest array of one sample."""
    widest = 1
    for segment in program.segments:
        if isinstance(segment, DeviceSegment):
            fifos = {layer.name: layer.parameters.get("fifo_size", 1) for layer in segment.program.layers}
            sizes = [prod(s.shape) * fifos[name] for name, s in signals(segment.program).items()]
        else:
            shapes = [p.shape for p in (*segment.inputs, *segment.outputs)] + [s.shape for s in segment.states]
            sizes = [prod(shape) for shape in shapes]
        widest = max(widest, *sizes)
    return widest


def _batch_size(program: HybridProgram) -> int:
    """Samples that run together: few enough that the widest array of them is not large."""
    return min(max(BATCH_ENTRIES // _widest(program), 1), MAX_BATCH)
