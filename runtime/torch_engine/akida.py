"""The Akida machine on torch: many streams of one program together, every integer that of the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..akida_host import feed
from ..program.akida import AkidaProgram
from ..program.akida_kinds import TEMPORAL
from ..program.akida_shapes import hosted, signals
from ..reference.akida_tail import Clamps
from .akida_layers import Counts, Placed, advance
from .device import exact

Array = np.ndarray[Any, np.dtype[Any]]


class TorchAkidaMachine:
    """`batch` independent streams through one program, advanced together; the attributes are those of `AkidaMachine` in
    runtime/reference/akida.py. Values and counts stay on the device until they are asked for."""

    def __init__(self, program: AkidaProgram, layers: tuple[Placed, ...], batch: int, device: torch.device):
        """layers: what `place` gives for the program and device, which machines share."""
        self.program, self.batch, self.device = program, batch, device
        self.layers = layers
        self.signals = signals(program)
        self.values: Mapping[str, Array] = {}
        self.frames = 0
        self._counts = {placed.layer.name: Counts(device) for placed in layers}
        self.reset()

    def reset(self) -> None:
        """Empty the FIFOs: all their frames become 0. The counters go on."""
        self._fifos: dict[str, Tensor] = {}
        for placed in self.layers:
            layer = placed.layer
            if layer.kind in TEMPORAL and placed.source:
                x, y, c = placed.source.shape
                shape = self.batch, x, y, layer.parameters["fifo_size"], c
                self._fifos[layer.name] = torch.zeros(shape, dtype=placed.held, device=self.device)

    def step_inputs(self, frames: Mapping[str, Array]) -> int:
        """One frame of every stream, (batch, *frame_shape) by input name, in the source model's values.

        Returns how many values were clipped.
        """
        layers = {placed.layer.name: placed.layer for placed in self.layers}
        clipped, fed = 0, {}
        for entry in self.program.inputs:
            fed[entry.layer], out = feed(entry, frames[entry.name], hosted(layers[entry.layer]).shape)
            clipped += out
        self.step(fed)
        return clipped

    def step(self, frames: Mapping[str, Array]) -> None:
        """One frame of every stream: (batch, X, Y, C) for each layer that reads no other. Integers, or float32 for a
        Quantizer."""
        given: dict[str, Tensor] = {}
        with exact(self.device):
            for placed in self.layers:
                layer = placed.layer
                if layer.inbounds:
                    inbounds = [given[name] for name in layer.inbounds]
                else:
                    kind = np.float32 if layer.kind == "Quantizer" else np.int64
                    inbounds = [torch.from_numpy(np.array(frames[layer.name], kind)).to(self.device)]
                counts = self._counts[layer.name]
                given[layer.name] = advance(placed, inbounds, self._fifos, counts)
                counts.result(given[layer.name])
        self.values = _Values(given)
        self.frames += self.batch

    @property
    def clamps(self) -> dict[str, Clamps]:
        """Saturations so far, by layer name."""
        return {name: Clamps(*counts.totals[:3].tolist()) for name, counts in self._counts.items()}

    @property
    def zeros(self) -> dict[str, int]:
        """Results that were 0 so far, by layer name."""
        return {name: int(counts.totals[3]) for name, counts in self._counts.items()}

    @property
    def macs(self) -> dict[str, int]:
        """Multiplications so far, by layer name."""
        return {p.layer.name: self.frames * p.macs for p in self.layers if p.weights is not None}

    @property
    def ways(self) -> dict[str, str]:
        """By name of a neural layer, the numbers in which its sums are exact: float32, float64 or int64."""
        return {p.layer.name: str(p.weights.dtype)[6:] for p in self.layers if p.weights is not None}


class _Values(Mapping[str, Array]):
    """What every layer gave, brought from the device when asked for."""

    def __init__(self, given: dict[str, Tensor]):
        self._given = given

    def __getitem__(self, name: str) -> Array:
        return self._given[name].cpu().numpy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)
