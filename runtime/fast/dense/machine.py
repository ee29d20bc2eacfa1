"""The Akida machine compiled: the interface of `AkidaMachine` (runtime/reference/akida.py), and every bit of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ...program.akida import AkidaProgram, GraphInput, in_order
from ...reference.akida_tail import Clamps
from ..jit import cores
from .feeds import Steps, encode, feed, quantize
from .kernels import Scratch, advance
from .plan import Plan
from .pools import BUFFER
from .routes import route
from .settle import OUTPUT, SCALED, ZEROS
from .tiles import tile_address

Array = np.ndarray[Any, np.dtype[Any]]
AXES = "HWC"
LEAST_WORK = 1 << 22  # multiplications of one frame of all streams from which on a second thread is worth its start


class FastAkidaMachine:
    """`batch` independent streams through one program.

    Threads share the streams, by default as many as are worth it; no result depends on their number.

    values   what every layer gave for the last frame, by name: int64 (batch, X, Y, C), float32 of a Dequantizer; made
             when asked for, so ask before the next step
    frames   frames seen, all streams together
    """

    def __init__(self, plan: Plan, batch: int = 1, threads: int | None = None):
        self.plan, self.batch, self.signals = plan, batch, plan.signals
        wanted = min(cores(), 1 + batch * sum(plan.macs.values()) // LEAST_WORK) if threads is None else threads
        count = max(1, min(batch, wanted))
        self._bounds = [batch * i // count for i in range(count + 1)]
        self._narrow, self._wide = (np.tile(memory, (batch, 1)) for memory in (plan.narrow, plan.wide))
        self._floats = self._wide.view(np.float32)
        self._scratch = [_scratch(*plan.scratch) for _ in range(count)]
        self._counts = np.zeros((count, len(plan.layers) + 1, 4), np.int64)
        self._pool = ThreadPoolExecutor(count - 1) if count > 1 else None
        self._frame, self._empty = -1, False
        self.frames = 0
        self.values: Mapping[str, Array] = {}

    def reset(self) -> None:
        """Empty the FIFOs: all their frames become 0. The counters go on."""
        self._empty = True

    def step(self, frames: Mapping[str, Array]) -> Mapping[str, Array]:
        """One frame of every stream: (batch, X, Y, C) for each layer that reads no other; returns `values`.

        Integers in the layer's range, or float32 for a Quantizer.
        """
        floats = {layer.name for layer in self.plan.layers if layer.kind == "Quantizer"}
        flat = {name: _flat(frames[name], np.float32 if name in floats else np.int64) for name in self.plan.feeds}

        def take(part: int, stream: int) -> int:
            for name, given in flat.items():
                into = quantize if name in floats else feed
                into(*self._target(name, stream), given[stream], self._narrow.reshape(-1), self._counts_of(part, name))
            return 0

        self._step(take)
        return self.values

    def step_inputs(self, frames: Mapping[str, Array]) -> int:
        """One frame of every stream, (batch, *frame_shape) by the program's input in the source model's values.

        Returns how many values were clipped.
        """
        entries = self.plan.inputs
        flat = {entry.name: _values(entry, frames[entry.name], self.signal_of(entry)) for entry in entries}

        def take(part: int, stream: int) -> int:
            clipped = 0
            for entry in entries:
                given, target = flat[entry.name][stream], self._target(entry.layer, stream)
                rest = self._narrow.reshape(-1), self._counts_of(part, entry.layer)
                if entry.bits:
                    code = entry.scale, entry.zero_point, _steps(entry, self.signal_of(entry))
                    clipped += encode(*target, given, *code, self._scratch[part].codes, *rest)
                else:
                    quantize(*target, given, *rest)
            return clipped

        return self._step(take)

    @property
    def clamps(self) -> dict[str, Clamps]:
        """Saturations so far, by layer name."""
        columns = [BUFFER, SCALED, OUTPUT]
        return {name: Clamps(*map(int, row[columns])) for name, row in self._totals()}

    @property
    def zeros(self) -> dict[str, int]:
        """Results that were 0 so far, by layer name."""
        return {name: int(row[ZEROS]) for name, row in self._totals()}

    @property
    def macs(self) -> dict[str, int]:
        """Multiplications so far, by layer name."""
        return {name: self.frames * products for name, products in self.plan.macs.items()}

    def value(self, name: str) -> Array:
        """What a layer gave for the last frame."""
        frame, floats = self.plan.frames[name], self.signals[name].bits == 0
        memory = self._narrow if frame.narrow else self._floats if floats else self._wide
        first = frame.start + self._frame % frame.slots * frame.slot
        _, rows, columns, pitch = frame.spread
        held = memory[:, first : first + rows * columns * pitch].reshape(self.batch, rows, columns, pitch)
        (x, _), (y, _) = frame.margin
        cut = held[:, x : x + frame.shape[0], y : y + frame.shape[1], : frame.shape[2]]
        return cut.copy() if floats else cut.astype(np.int64) - frame.zero

    def signal_of(self, entry: GraphInput) -> tuple[int, int, int]:
        """Shape of the frames that an input's layer takes."""
        return self.plan.fed[entry.layer]

    def _totals(self) -> Iterator[tuple[str, Array]]:
        return zip((layer.name for layer in self.plan.layers), self._counts.sum(axis=0), strict=False)

    def _target(self, layer: str, stream: int) -> tuple[Any, ...]:
        """The first arguments of the functions in feeds.py."""
        return self.plan.feeds[layer][0], stream * self._narrow.shape[1], self._frame, self.plan.tables

    def _counts_of(self, part: int, layer: str) -> Array:
        return self._counts[part, self.plan.feeds[layer]["layer"][0]]

    def _step(self, take: Callable[[int, int], int]) -> int:
        """Have `take` feed each stream, by thread and stream, then advance it; the sum of what it returns."""
        if self._empty:
            self._narrow[:], self._wide[:] = self.plan.narrow, self.plan.wide
            self._frame, self._empty = -1, False
        self._frame += 1
        others = range(1, len(self._scratch))
        waiting = [self._pool.submit(self._advance, part, take) for part in others] if self._pool else []
        total = self._advance(0, take) + sum(other.result() for other in waiting)
        self.frames += self.batch
        self.values = _Values(self)
        return total

    def _advance(self, part: int, take: Callable[[int, int], int]) -> int:
        plan, (low, high) = self.plan, self._bounds[part : part + 2]
        total = sum(take(part, stream) for stream in range(low, high))
        memory = self._narrow, self._wide, self._floats
        advance(low, high, self._frame, plan.steps, plan.tables, *memory, self._scratch[part], self._counts[part])
        return total


class _Values(Mapping[str, Array]):
    """What every layer gave, made when asked for."""

    def __init__(self, machine: FastAkidaMachine):
        self._machine = machine

    def __getitem__(self, name: str) -> Array:
        return self._machine.value(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._machine.signals)

    def __len__(self) -> int:
        return len(self._machine.signals)


def _scratch(codes: int, sums: int, wide_sums: int, runs: int) -> Scratch:
    return Scratch(
        np.zeros(codes, np.uint8),
        np.zeros(sums, np.int32),
        np.zeros(wide_sums, np.int64),
        np.zeros(wide_sums, np.int64),
        np.zeros(runs, np.int64),
        np.array([tile_address()]),
    )


def _flat(x: Array, kind: type[np.generic]) -> Array:
    """[stream, element], in memory as counted."""
    return np.ascontiguousarray(x, kind).reshape(len(x), math.prod(x.shape[1:]))


def _values(entry: GraphInput, frames: Array, shape: tuple[int, int, int]) -> Array:
    """What `encode` or `quantize` takes of an input."""
    if entry.bits:
        return _flat(frames, np.float32 if frames.dtype == np.float32 else np.float64)
    moved = frames.reshape(len(frames), *in_order(shape, entry.order))
    with np.errstate(over="ignore"):
        return _flat(moved.transpose(0, *(1 + entry.order.index(letter) for letter in AXES)), np.float32)


def _steps(entry: GraphInput, shape: tuple[int, int, int]) -> Steps:
    """How far apart neighbours in X, Y and C lie in the input's frames."""
    extents = in_order(shape, entry.order)
    step = dict(zip(entry.order, (extents[1] * extents[2], extents[2], 1), strict=True))
    return step["H"], step["W"], step["C"]


def machine(
    program: AkidaProgram, batch: int = 1, threads: int | None = None, way: str | None = None
) -> FastAkidaMachine:
    """A machine for a program; `way` names a route (routes.py), by default the fastest one."""
    return FastAkidaMachine(Plan.of(program, route(way)), batch, threads)
