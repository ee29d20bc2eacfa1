"""The operations of a neural layer: where its sums read, how they are made, and what follows them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...arith import Ints
from ...program.akida import Layer, Triple
from ...program.akida_kinds import DEPTHWISE, TEMPORAL
from ...program.akida_shapes import Signal, padding, positions
from . import bounds
from .bounds import Range
from .frames import Frame
from .operation import AVG, FUSED, LOOPS, LUT, MAX, NONE, POOLED, RELU, SETTLED, TILES, TOTALLED, Step
from .routes import DEPTHWISE as DEPTHWISE_ROUTE
from .routes import LANES, Route
from .tables import Growing
from .windows import Part, parts

ACTIVATIONS = {"none": NONE, "relu": RELU, "lut": LUT}
POOLS = {"none": NONE, "max": MAX, "avg": AVG}
PER_CHANNEL = ("bias", "cap", "output_scales", "output_shift", "activation_scales", "activation_shift")
"""What settle.py reads of each channel, int64 [number][channel], before the table of 2048 entries if there is one."""


@dataclass(frozen=True)
class Neural:
    """A layer that reads integers within `reach`, of shape `given`, from `source`, and writes `signal` to `frame`."""

    layer: Layer
    given: Triple
    reach: Range
    source: Frame
    signal: Signal
    frame: Frame
    route: Route
    tables: Growing

    @property
    def pool(self) -> str:
        return self.layer.parameters.get("pool_type", "none")

    @property
    def depthwise(self) -> bool:
        return self.layer.kind in DEPTHWISE

    def steps(self) -> list[Step]:
        """The operations that do all of it, one per part. They lack the layer's number and its frames."""
        after = self.after()
        made = []
        for number, part in enumerate(parts(self.layer, self.given, self.source)):
            sums = self.tiles(part) or self.loops(part, number == 0)
            made.append({**after, **self.windows(part), **sums})
        return made

    def windows(self, part: Part) -> Step:
        """Where the sums read and where results go."""
        places = self.frame.inside if self.pool != "none" else self.frame.cells(part.x, part.y)
        return {
            "pixels": len(part.pixels),
            "pixels_at": self.tables.put("offsets", part.pixels),
            "places_at": self.tables.put("offsets", places),
            "inner": self.given[2],
            "runs": len(part.weights),
            "runs_at": self.tables.put("runs", part.runs),
            "cells": part.weights.shape[1],
            "temporal": int(self.layer.kind in TEMPORAL),
            "depthwise": int(self.depthwise),
        }

    def tiles(self, part: Part) -> Step:
        """The sums in tiles, if 32 bits hold them, and the quickest way to go on that gives the same; else nothing."""
        runs, cells, inner, last = part.weights.shape
        if not self.source.narrow:
            return {}
        weights = bounds.shifted(part.weights.reshape(-1, inner, last), self.layer, self.reach)
        if weights is None:
            return {}
        by_channel = weights[:, :, 0] if self.depthwise else weights
        least, most = bounds.sums(by_channel, self.reach)
        if least.min() < bounds.INT32.min or most.max() > bounds.INT32.max:
            return {}
        then, fields = self.ending(least, most)
        init = -self.source.zero * by_channel.reshape(-1, len(least)).sum(axis=0)
        if then != SETTLED:
            init = init + bounds.bias(self.layer)
        route = DEPTHWISE_ROUTE if self.depthwise else self.route
        packed = (
            _by_lanes(by_channel)
            if self.depthwise
            else _by_fours(weights.reshape(runs, cells, inner, last), self.source.pitch, route.vectors)
        )
        vectors = -(-len(least) // LANES)
        return {
            "kind": TILES,
            "then": then,
            "route": route.number,
            "tile": next(size for size in route.pixels if size <= len(part.pixels)),
            "groups": cells * self.source.pitch // 4,
            "vectors": vectors,
            "blocks": -(-vectors // route.vectors),
            "weights_at": self.tables.put("weights", packed),
            "numbers_at": self.tables.put("numbers", bounds.packed(fields, init)),
        }

    def ending(self, least: Ints, most: Ints) -> tuple[int, dict[int, Ints]]:
        """What follows sums between those bounds, and the numbers of tail.py that it needs."""
        if self.pool == "avg" and bounds.held(self.layer, least, most) and self.layer.parameters["activation"] != "lut":
            return TOTALLED, bounds.rectifier(self.layer)
        fields = None if self.pool == "avg" else bounds.tail(self.layer, self.signal, least, most)
        if fields is None:
            return SETTLED, {}
        return POOLED if self.pool == "max" else FUSED, fields

    def loops(self, part: Part, first: bool) -> Step:
        """The sums one by one. Inputs that leave their buffer are counted with the layer's first part."""
        shifts = self.layer.variables.get("input_shift", np.zeros(1, np.int64))
        shifted = "input_shift" in self.layer.variables
        cells = self.source.inside
        return {
            "kind": LOOPS,
            "then": SETTLED,
            "weights_at": self.tables.put("weights", part.weights),
            "shifts_inputs": int(shifted),
            "counts_inputs": int(first and shifted),
            "shifts": len(shifts),
            "shifts_at": self.tables.put("integers", shifts),
            "entries": len(cells),
            "entries_at": self.tables.put("offsets", cells),
        }

    def after(self) -> Step:
        """What pools need, and settle.py."""
        p, v = self.layer.parameters, {name: array.astype(np.int64) for name, array in self.layer.variables.items()}
        x, y, channels = positions(self.layer, self.given)
        v["bias"] = bounds.bias(self.layer)
        if p["activation"] == "relu":
            v["cap"] = v["max_value"] << v["max_value_shift"]
        none = np.zeros(channels, np.int64)
        columns = [v.get(name, none) for name in PER_CHANNEL]
        integers = np.concatenate([*columns, v.get("lut_values", none[:0])])
        step = {
            "activation": ACTIVATIONS[p["activation"]],
            "integers_at": self.tables.put("integers", integers),
            "buffer": p["buffer_bits"],
            "post": p["post_op_buffer_bits"],
            "pool": POOLS[self.pool],
            "sums_x": x,
            "sums_y": y,
            "to_x": self.signal.shape[0],
            "to_y": self.signal.shape[1],
        }
        if self.pool == "max":
            size, stride = p["pool_size"], p["pool_stride"]
            before = (padding(extent, size, stride, p["padding"])[0] for extent in (x, y))
            step |= {"size": size, "stride": stride, **dict(zip(("before_x", "before_y"), before, strict=True))}
        return step


def _by_fours(weights: Ints, pitch: int, vectors: int) -> NDArray[np.int8]:
    """Weights [run, cell, C, F] as a dense tile reads them, one block of at most `vectors` vectors after another."""
    runs, cells, inner, channels = weights.shape
    count = -(-channels // LANES)
    spread = np.zeros((runs, cells, pitch, count * LANES), np.int8)
    spread[:, :, :inner, :channels] = weights
    fours = spread.reshape(runs, cells * pitch // 4, 4, count, LANES).transpose(0, 1, 3, 4, 2)
    blocks = np.array_split(np.arange(count), -(-count // vectors))
    return np.concatenate([fours[:, :, block].ravel() for block in blocks])


def _by_lanes(weights: Ints) -> NDArray[np.int8]:
    """Weights [run, C] as a depthwise tile reads them: [vector][run][16]."""
    runs, channels = weights.shape
    count = -(-channels // LANES)
    spread = np.zeros((runs, count * LANES), np.int8)
    spread[:, :channels] = weights
    return spread.reshape(runs, count, LANES).transpose(1, 0, 2)
