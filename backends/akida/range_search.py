"""Ranges of outputs that leave the least error in the layers that read them, after the machine's own arithmetic.

The ranges that `spreads` gives look at the values of one layer alone. Here each is tried larger and smaller on the
network's integers: with s the step of a layer's output, y what it gives for the integers it reads, z what it gives in
floats, w the weights of a layer that reads it,

    Σ_f Var( Σ_c w[c,f] · (s·k·clip(round(y_c / (s·k))) − z_c) )

is taken over the factors k; its mean is left out, for the next layer's bias takes it. In contrast to the noise of the
values alone, it knows that errors of clipping go the same way in many channels. The error of what a layer gives after
its own arithmetic is what Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 3.1, search
ranges by.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...runtime import arith
from .calibrate import Spread, finish, levels
from .floats import Array, FloatLayer, FloatNet
from .scales import passes_on, sum_groups, users
from .sums import sums

FACTORS = (1.0, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2)
FRAMES = 256
MANTISSA = 20


@dataclass
class RangeSearch:
    """Collects the best factor of each layer's range while a quantizer goes through the net."""

    net: FloatNet
    factors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fixed = set(sum_groups(self.net))

    def look(self, layer: FloatLayer, acc: Array, unit: Array, after: Array, scale: Array) -> None:
        """Try a layer's ranges.

        acc    its integer sums with bias, (streams, frames, X', Y', F), and what one unit of them stands for, (F)
        after  what it gives in floats
        scale  the step of its output, (F)
        """
        if layer.name in self.fixed or passes_on(layer):
            return
        few = max(1, FRAMES // after.shape[1])
        given, wanted = finish(layer, acc[:few] * unit), after[:few]
        top = levels(layer)
        low = 0 if layer.activation == "relu" else -top - 1
        costs = []
        for factor in FACTORS:
            step = scale * factor
            error = np.clip(np.rint(given / step), low, top) * step - wanted
            costs.append(self._cost(layer, error))
        self.factors[layer.name] = FACTORS[int(np.argmin(arith.round_mantissa(costs, MANTISSA)))]

    def _cost(self, layer: FloatLayer, error: Array) -> float:
        readers = users(self.net, layer.name)
        if not readers:
            return _variance(error)
        return sum(_variance(sums(user, _part(user, first, layer.made[2]), error)) for user, first in readers)

    def applied(self, spreads: dict[str, Spread]) -> dict[str, Spread]:
        """The spreads with the ranges found."""
        return {name: spread.times(self.factors.get(name, 1.0)) for name, spread in spreads.items()}


def _variance(error: Array) -> float:
    """The sum over channels."""
    return float(error.reshape(-1, error.shape[-1]).var(axis=0, dtype=np.float64).sum())


def _part(layer: FloatLayer, first: int, channels: int) -> Array:
    """The weights for some of the channels that a layer reads."""
    assert layer.weight is not None
    weight, given = layer.weight, layer.given[2]
    if layer.kind == "Dense1D":
        rows = weight.reshape(-1, given, weight.shape[-1])[:, first : first + channels]
        return rows.reshape(-1, weight.shape[-1])
    return weight[..., first : first + channels, :]
