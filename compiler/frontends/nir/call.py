"""What a handler of one NIR primitive works with: its parameters, its input, and the emitting of IR."""

from __future__ import annotations

import numpy as np

from ...ir import Graph, Value
from ..common.emit import Emitter
from ..common.names import Label, Names, readable
from .options import Clock
from .records import Array, Record

_TINY = 1e-6


class Call(Emitter):
    """One node: its `record`, the clock of the discretization, and `x`, the sum of what flows in, once it is known."""

    x: Value

    def __init__(self, graph: Graph, names: Names, path: str, record: Record, clock: Clock):
        super().__init__(graph, names, Label("", record.kind, path, readable(path)), record.kind)
        self.record, self.clock = record, clock

    def given(self, name: str) -> bool:
        return name in self.record.parameters

    def array(self, name: str) -> Array:
        """A parameter as a float64 array."""
        value = self.record.parameters[name]
        fits = isinstance(value, np.ndarray)
        self.require(fits, "NMC-I011", f"its {name} is the text {value!r}, not numbers")
        assert isinstance(value, np.ndarray)
        return value.astype(np.float64)

    def frame(self, name: str, default: float | None = None) -> Array:
        """A parameter of a neuron, one number for each element of a frame (1, *shape): as shape () where all are equal,
        (1, C, 1, …) where all of a channel are. Refusal unless it has the shape of the input, or a single element."""
        if default is not None and not self.given(name):
            return np.array(default)
        value, shape = self.array(name), self.x.type.shape[1:]
        single, channels = value.size == 1, (*shape[:1], *(1,) * (len(shape) - 1))
        fits = single or value.shape in (shape, channels)
        self.require(fits, "NMC-I012", f"its {name} has shape {value.shape}, what flows in {shape}")
        return value.reshape(()) if single else compact(value[None])

    def integers(self, name: str, count: int) -> tuple[int, ...]:
        """A parameter as `count` whole numbers, of which a single one stands for all."""
        value = self.array(name)
        self.require(value.size in (1, count), "NMC-I012", f"its {name} has {value.size} numbers for {count} axes")
        whole = bool(np.all(value == np.floor(value)) and np.all(np.abs(value) < 2**31))
        self.require(whole, "NMC-I011", f"its {name} is {value.tolist()}, whole numbers are needed")
        numbers = [int(number) for number in value.reshape(-1)]
        return tuple(numbers * count if len(numbers) < count else numbers)

    def parameter(self, name: str, value: Array, unless: float | None = None) -> Value | None:
        """A constant of the graph; None if it is `unless` everywhere, which is what its absence means."""
        with np.errstate(all="ignore"):
            rounded = value.astype(np.float32)
        if unless is not None and np.all(rounded == unless):
            return None
        return self.weight(name, rounded)

    def decay(self, tau_name: str) -> tuple[Array, Array]:
        """(decay, rate) of a time constant for one step: v ← decay · v + rate · (what drives it), in float64.

        Files hold float32 time constants, so a tau of one dt can come out a rounding error below it: a decay between
        −1e-6 and 0 is 0. Refusal for other negative decays and for a tau that is not positive.
        """
        tau, dt = self.frame(tau_name), self.clock.dt
        self.require(bool(np.all(tau > 0)), "NMC-I011", f"its {tau_name} is {tau.min()} s, it must be positive")
        rate = dt / tau if self.clock.discretization == "euler" else -np.expm1(-dt / tau)
        decay = 1 - rate if self.clock.discretization == "euler" else np.exp(-dt / tau)
        tiny = (decay < 0) & (decay > -_TINY)
        hint = "give a smaller --dt, or --discretization exact"
        why = f"its {tau_name} of {tau.min()} s is shorter than the timestep of {dt} s"
        self.require(bool(np.all((decay >= 0) | tiny)), "NMC-I011", why, hint)
        return np.where(tiny, 0.0, decay), np.where(tiny, 1.0, rate)


def compact(value: Array) -> Array:
    """A frame (1, C, …) of numbers as shape () or (1, C, 1, …) where that holds all of it."""
    if np.all(value == value.reshape(-1)[0]):
        return value.reshape(-1)[0].reshape(())
    first = value[(slice(None), slice(None), *(slice(0, 1),) * (value.ndim - 2))]
    return first if np.all(value == first) else value
