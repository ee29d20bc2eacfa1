"""More levels for the layers that need them, in as many timesteps as an equal number for all takes.

Rounding an activation to T levels adds an error to the network's outputs that falls with 1 / T². It is measured for one
layer at a time, the others left in floats, with T0 levels: e. All layers start with one level; then one level at a time
goes where it takes most from Σ e · (T0 / T)², as long as the longest way through the network takes no more timesteps
than with T0 levels in every layer. So layers beside that way get levels for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...compiler.ir import Graph, evaluate
from ...compiler.ir.ops import Clip, MaxPool, Relu
from ...compiler.ir.ops.base import Array, Op
from ...compiler.levels import Budget
from ...runtime import arith
from .integerize import channel_shape

Arrays = Mapping[str, Array]

SAMPLES = 64
MANTISSA = 16
MOST_TIMES = 4  # no layer gets more levels than so many times T0


def spread_levels(graph: Graph, samples: Arrays, reach: Arrays, levels: int, budget: Budget) -> dict[str, int]:
    """T by name of the activation; reach: ranges per channel by name. T0 for all if the time is up before the end."""
    names = [node.result.name for node in graph.nodes if isinstance(node.op, Relu | Clip)]
    stride = max(1, len(next(iter(samples.values()))) // SAMPLES)
    some = {name: array[::stride] for name, array in samples.items()}
    wanted = evaluate(graph, some)
    errors: dict[str, float] = {}
    for name in names:
        if budget.over:
            return dict.fromkeys(names, levels)
        errors[name] = _error(graph, name, some, wanted, reach[name], levels)
    most = _timesteps(graph, dict.fromkeys(errors, levels))
    given = dict.fromkeys(errors, 1)
    open_ = sorted(errors)
    while open_:
        gain = {name: errors[name] * (given[name] ** -2 - (given[name] + 1) ** -2) for name in open_}
        best = max(open_, key=lambda name: (gain[name], name))
        given[best] += 1
        if given[best] > MOST_TIMES * levels or _timesteps(graph, given) > most:
            given[best] -= 1
            open_.remove(best)
    return given


@dataclass(frozen=True)
class _Rounded(Op):
    """An activation whose values are rounded to levels."""

    inner: Op
    step: Array
    levels: int

    def evaluate(self, x: Array) -> Array:
        return np.clip(np.floor(self.inner.evaluate(x) / self.step + 0.5), 0, self.levels) * self.step


def _error(graph: Graph, name: str, samples: Arrays, wanted: Arrays, reach: Array, levels: int) -> float:
    """Squared error of the outputs, relative to their size, if this activation alone is rounded to levels."""
    copy = graph.copy()
    node = next(node for node in copy.nodes if node.result.name == name)
    node.op = _Rounded(node.op, (reach / levels).reshape(channel_shape(node.result)), levels)
    found = evaluate(copy, samples)
    total = sum(((found[k] - wanted[k]) ** 2).sum() / max((wanted[k] ** 2).sum(), 1e-30) for k in wanted)
    return float(arith.round_mantissa(total, MANTISSA))


def _timesteps(graph: Graph, given: Mapping[str, int]) -> int:
    """When the last train ends: a layer takes its T, a max pool one timestep."""
    ends: dict[int, int] = {}
    for node in graph.nodes:
        start = max((ends.get(id(value), 0) for value in node.operands if value is not None), default=0)
        took = 1 if isinstance(node.op, MaxPool) else given.get(node.result.name, 0)
        ends[id(node.result)] = start + took
    return max(ends.values(), default=0)
