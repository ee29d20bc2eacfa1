"""A program as compiled code reads it: a list of operations on a stream's memory, and the tables they use."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...program.akida import AkidaProgram, GraphInput, Layer, Triple
from ...program.akida_kinds import NEURAL
from ...program.akida_shapes import Signal, hosted, macs, signals, source
from . import bounds
from .bounds import Range
from .frames import Frame, Memory
from .neural import Neural
from .operation import ADD, CHUNK, COPY, FUSED, OPERATION, POOLED, SCALE, Step, Tables
from .routes import LANES, Route
from .tables import Growing

Array = np.ndarray[Any, np.dtype[Any]]
_PLACE = ("narrow", "zero", "origin", "slot", "slots", "pitch")


@dataclass(frozen=True)
class Plan:
    """What all machines of one program and route share.

    macs     multiplications of a frame, by layer
    steps    the operations of a frame, in order
    feeds    the operation that takes what the host feeds, by layer; `fed` is the shape of that
    frames   where each layer's result lies
    narrow, wide  a stream's memory before the first frame, bytes and int32
    scratch  codes of an input, int32 sums, int64 sums, and runs that there can be at once
    """

    layers: tuple[Layer, ...]
    macs: dict[str, int]
    inputs: tuple[GraphInput, ...]
    signals: dict[str, Signal]
    steps: Array
    feeds: dict[str, Array]
    fed: dict[str, Triple]
    tables: Tables
    frames: dict[str, Frame]
    narrow: NDArray[np.uint8]
    wide: NDArray[np.int32]
    scratch: tuple[int, int, int, int]

    @classmethod
    def of(cls, program: AkidaProgram, route: Route) -> Plan:
        """For a valid program. `TooLarge` (frames.py) for a frame that the engine's tables cannot hold."""
        return _Making(program, route).plan()


class _Making:
    """A plan in the making."""

    def __init__(self, program: AkidaProgram, route: Route):
        self.program, self.layers, self.route, self.signals = program, program.layers, route, signals(program)
        self.ranges: dict[str, Range] = {}
        self.frames: dict[str, Frame] = {}
        self.images: dict[str, Frame] = {}
        self.memory, self.tables = Memory(), Growing()
        self.steps: list[Step] = []
        self.feeds: dict[str, Step] = {}
        for number, layer in enumerate(self.layers):
            self.layer(number, layer)

    def plan(self) -> Plan:
        feeds = {name: _records([step]) for name, step in self.feeds.items()}
        fed = {layer.name: hosted(layer).shape for layer in self.layers if not layer.inbounds}
        codes = max(math.prod(shape) for shape in fed.values())
        return Plan(
            *(
                self.layers,
                self.macs(),
                self.program.inputs,
                self.signals,
                _records(self.steps),
                feeds,
                fed,
                self.tables.done(),
            ),
            *(self.frames, *self.empty(), (codes, *_scratch(self.steps))),
        )

    def macs(self) -> dict[str, int]:
        given = {x.name: [self.signals[name] for name in x.inbounds] for x in self.layers if x.kind in NEURAL}
        return {x.name: macs(x, source(x, given[x.name]).shape) for x in self.layers if x.kind in NEURAL}

    def empty(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """A stream's memory before the first frame. Tiles read whole vectors, a little beyond the last frame."""
        narrow = np.zeros(self.memory.used[True] + 4 * LANES, np.uint8)
        for frame in self.frames.values():
            if frame.narrow:
                narrow[frame.start : frame.stop] = frame.zero
        for name, image in self.images.items():
            (layer,) = (layer for layer in self.layers if layer.name == name)
            values = layer.variables["padding_value"]
            _, x, y, pitch = image.spread
            narrow[image.start : image.start + x * y * pitch].reshape(-1, pitch)[:, : len(values)] = values
        return narrow, np.zeros(self.memory.used[False] + LANES, np.int32)

    def layer(self, number: int, layer: Layer) -> None:
        signal = self.signals[layer.name]
        reach = bounds.output_range(layer, signal, [self.ranges[name] for name in layer.inbounds])
        readers = [other for other in self.layers if layer.name in other.inbounds and other.kind != "InputConv2D"]
        frame = self.frames[layer.name] = self.memory.place(signal.shape, reach, readers)
        self.ranges[layer.name] = reach
        common = {"layer": number, **_ends(signal), "channels": signal.shape[2]}
        if layer.kind in NEURAL:
            self.neural(layer, frame, common)
        elif not layer.inbounds:
            self.feed(layer, frame, common)
        elif layer.kind == "Add":
            self.add(layer, frame, common)
        else:
            self.copy(layer, frame, common)

    def feed(self, layer: Layer, frame: Frame, common: Step) -> None:
        """The host's codes go to `frame`; those of a Quantizer are made there."""
        step = {**common, **_placed("to", frame), **self.places(frame)}
        step |= {"to_x": frame.shape[0], "to_y": frame.shape[1]}
        if layer.kind == "Quantizer":
            step["integers_at"] = self.tables.put("integers", layer.variables["zero_points"])
            step["floats_at"] = self.tables.put("floats", layer.variables["scales"])
        self.feeds[layer.name] = step

    def copy(self, layer: Layer, frame: Frame, common: Step) -> None:
        """Concatenate, or Dequantizer: each input's channels to where they belong."""
        ahead = 0
        for name in layer.inbounds:
            given = self.frames[name]
            step = {**common, **_placed("from", given), **_placed("to", frame), **self.places(frame), "kind": COPY}
            step |= {"to_origin": frame.origin + ahead, "channels": given.shape[2]}
            step["pixels_at"] = self.tables.put("offsets", given.inside)
            if layer.kind == "Dequantizer":
                step |= {"kind": SCALE, "floats_at": self.tables.put("floats", layer.variables["scales"])}
            self.steps.append(step)
            ahead += given.shape[2]

    def add(self, layer: Layer, frame: Frame, common: Step) -> None:
        a, b = (self.frames[name] for name in layer.inbounds)
        shifts = [layer.variables[name].astype(np.int64) for name in ("a_shift", "b_shift", "output_shift")]
        step = {**common, **_placed("from", a), **_placed("other", b), **_placed("to", frame), **self.places(frame)}
        step |= {
            "kind": ADD,
            "pixels_at": self.tables.put("offsets", a.inside),
            "other_at": self.tables.put("offsets", b.inside),
            "integers_at": self.tables.put("integers", np.concatenate(shifts)),
            "buffer": layer.parameters["buffer_bits"],
        }
        self.steps.append(step)

    def places(self, frame: Frame) -> Step:
        cells = frame.inside
        return {"pixels": len(cells), "places_at": self.tables.put("offsets", cells)}

    def neural(self, layer: Layer, frame: Frame, common: Step) -> None:
        given, source, reach = self.source(layer, common)
        made = Neural(layer, given, reach, source, self.signals[layer.name], frame, self.route, self.tables)
        for step in made.steps():
            self.steps.append({**common, **_placed("from", source), **_placed("to", frame), **step})

    def source(self, layer: Layer, common: Step) -> tuple[Triple, Frame, Range]:
        """What the layer's windows read. An InputConv2D has its own frame, with its own values in the margin."""
        if layer.kind != "InputConv2D":
            (name,) = layer.inbounds
            return self.signals[name].shape, self.frames[name], self.ranges[name]
        signal = hosted(layer)
        reach = Range(signal.bits, *bounds.ends(signal.bits, signal.signed))
        image = self.images[layer.name] = self.memory.place(signal.shape, reach, [layer])
        uncounted = {**common, "layer": len(self.layers), "channels": signal.shape[2], **_ends(signal)}
        if layer.inbounds:
            self.copy(replace(layer, kind="Concatenate"), image, uncounted)
        else:
            self.feed(layer, image, uncounted)
        return signal.shape, image, reach


def _scratch(steps: list[Step]) -> tuple[int, int, int]:
    """Room for the int32 sums, the int64 sums and the runs of any operation."""
    narrow, wide, runs = 1, 1, 1
    for step in steps:
        fused = step.get("then") == FUSED
        # Pools put their results behind the sums.
        stored = min(step["pixels"], CHUNK) if fused else step["pixels"] * (1 + (step.get("then") == POOLED))
        narrow = max(narrow, (stored + max(0, step.get("tile", 0))) * step.get("vectors", 0) * LANES)
        wide = max(wide, 0 if fused else step["pixels"] * step["channels"])
        runs = max(runs, step.get("runs", 0))
    return narrow, wide, runs


def _records(steps: list[Step]) -> Array:
    made = np.zeros(len(steps), OPERATION)
    for i, step in enumerate(steps):
        for name, value in step.items():
            made[name][i] = value
    return made


def _placed(way: str, frame: Frame) -> Step:
    return {f"{way}_{name}": int(getattr(frame, name)) for name in _PLACE}


def _ends(signal: Signal) -> Step:
    bottom, top = bounds.ends(signal.bits, signal.signed) if signal.bits else (0, 0)
    return {"bottom": bottom, "top": top}
