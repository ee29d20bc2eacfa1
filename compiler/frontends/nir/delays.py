"""Values of earlier steps: what loops carry, and NIR's Delay, y(t) = x(t − delay), in whole steps."""

from __future__ import annotations

import numpy as np

from ...ir import Graph, TensorType, Value
from ...ir.ops import Add, Mul
from ..common.problems import Refusal
from .call import Call
from .records import Array, Record

MAX_STEPS = 1024
_WHOLE = 1e-6  # relative distance from a whole number of steps that still is one


def delay_steps(record: Record, dt: float) -> Array:
    """The steps that each element is late. Refusal where that is no whole number, negative, or more than MAX_STEPS."""
    value = record.parameters.get("delay")
    if not isinstance(value, np.ndarray) or not value.size:
        raise Refusal("NMC-I011", "its delay is no array of numbers")
    steps = value.astype(np.float64) / dt
    whole = np.round(steps)
    wrong = np.abs(steps - whole) > _WHOLE * np.maximum(1, whole)
    if np.any(wrong):
        why = f"its delay of {value[wrong].reshape(-1)[0]} s is not a whole number of timesteps of {dt} s"
        raise Refusal("NMC-I011", why, "give another --dt")
    if np.any(whole < 0) or np.any(whole > MAX_STEPS):
        raise Refusal("NMC-I011", f"it delays by {whole.min():.0f} … {whole.max():.0f} steps, 0 … {MAX_STEPS} are held")
    if whole.min() == 0 < whole.max():
        raise Refusal("NMC-I011", "it delays some elements and others not", "add what is not delayed by an edge")
    return whole.astype(np.int64)


class Line:
    """A value of type `type`, some steps late: a chain of states, the last of which has the line's name.

    `lengthen` makes the others, once all lines have their names; `close` says which value it is.
    """

    def __init__(self, graph: Graph, name: str, type: TensorType, origin: tuple[str, ...], steps: int = 1):
        self.graph, self.steps = graph, steps
        self.states = [graph.add_state(name, type, origin)]

    def lengthen(self) -> None:
        (last,) = self.states
        names = [f"{last.name}.{step}" for step in range(1, self.steps)]
        self.states = [*(self.graph.add_state(name, last.type, last.origin) for name in names), last]

    def tap(self, steps: int) -> Value:
        """The value, that many steps late (1 or more)."""
        return self.states[steps - 1]

    def close(self, x: Value) -> None:
        for state, value in zip(self.states, [x, *self.states[:-1]], strict=True):
            self.graph.close(state, value)


def tapped(call: Call, line: Line, steps: Array) -> Value:
    """What a Delay gives: one tap, or for elements with delays of their own the sum of taps times masks of 0 and 1."""
    kinds = np.unique(steps)
    if len(kinds) == 1:
        return line.tap(int(kinds[0]))
    frame = line.states[0].type.shape[1:]
    call.require(steps.shape == frame, "NMC-I012", f"its delay has shape {steps.shape}, what flows in {frame}")
    total: Value | None = None
    for kind in map(int, kinds):
        mask = call.weight(f"mask.{kind}", (steps[None] == kind).astype(np.float32))
        masked = call.emit(Mul(), line.tap(kind), mask, part=f"by.{kind}")
        total = masked if total is None else call.emit(Add(), total, masked, part=f"to.{kind}")
    assert total is not None
    return total
