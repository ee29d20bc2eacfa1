"""The float network of a program as steps, each of which can also round as the program does.

What a program's hidden integers stand for is not stored. Of Akida layers it follows from the inputs on: with the step
of what a layer reads, one unit of its sums is the number with which its integer weights have the least squared error
against the real ones, and its output is that many times its scale. Of the unary code it is the step with the least
squared error on some samples (as in the rows of `nmc verify`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ...compiler.ir import Graph, Node, trace
from ...compiler.ir.ops.base import working
from ...runtime.compare.metrics import fitted_scale
from ...runtime.encode import quantize
from ...runtime.program.cri import CriProgram
from ...runtime.result import Result

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]
WEIGHTS, VALUES = "weights", "values"
HALF = 0.5 + 1e-4  # what floats leave of a half is met as one


@dataclass(frozen=True)
class Rounding:
    """What a step's values are rounded to: levels of `step` from low to high, halves up. clipped: the share of the
    squared error on the samples that stems from values beyond the ends."""

    step: Array
    low: int
    high: int
    clipped: float = 0.0

    def __call__(self, values: Array) -> Array:
        steps = np.where(self.step > 0, self.step, 1.0)
        return np.clip(np.floor(values / steps + HALF), self.low, self.high) * self.step

    def on(self, values: Array) -> Rounding:
        """The same with what it clips of some values."""
        error = np.square(values - self(values))
        beyond = (values > (self.high + 0.5) * self.step) | (values < (self.low - 0.5) * self.step)
        return replace(self, clipped=float(error[beyond].sum() / (error.sum() or 1.0)))


@dataclass(frozen=True)
class Step:
    """One value of the network: what it reads, and how it is computed from that with or without the weights' rounding.

    parts  what can be rounded: weights, values, both or neither; bits of the weights, 0 where they are not rounded
    """

    name: str
    kind: str
    reads: tuple[str, ...]
    compute: Callable[[Sequence[Array], bool], Array]
    parts: tuple[str, ...] = ()
    rounding: Callable[[Array], Array] | None = None
    weight_bits: int = 0


@dataclass(frozen=True)
class Network:
    """Steps in the order of execution, and how samples go in and outputs come out; `skipped`: names that a program's
    rounding was not found for."""

    steps: tuple[Step, ...]
    feed: Callable[[Mapping[str, Array]], Values]
    outputs: Callable[[Values], Values]
    elements: int
    skipped: tuple[str, ...] = field(default=())

    def run(
        self,
        given: Values,
        rounded: Mapping[str, Collection[str]],
        base: Values | None = None,
        dirty: Iterable[str] = (),
    ) -> Values:
        """All values where the parts in `rounded` are, by step. With a `base` of earlier values only the `dirty` steps
        and what depends on them are computed."""
        made, touched = dict(given), set(dirty)
        for step in self.steps:
            if base is not None and step.name not in touched and not touched.intersection(step.reads):
                made[step.name] = base[step.name]
                continue
            touched.add(step.name)
            parts = rounded.get(step.name, ())
            value = step.compute([made[name] for name in step.reads], WEIGHTS in parts)
            made[step.name] = step.rounding(value) if VALUES in parts and step.rounding is not None else value
        return made


def given_name(name: str) -> str:
    """Under which name an input's values are fed, before the host codes them."""
    return f"{name}:given"


def input_step(entry: Any, low: int, high: int) -> Step:
    """The host's code of an input, under the name of the input."""

    def rounding(values: Array) -> Array:
        return (quantize(values, entry.scale, entry.zero_point, low, high)[0] - entry.zero_point) * entry.scale

    return Step(entry.name, "input", (given_name(entry.name),), lambda given, _: given[0], (VALUES,), rounding)


# --- CRI, unary code ---


def unary_network(program: CriProgram, graph: Graph, samples: Mapping[str, Array], result: Result) -> Network:
    """The float graph of a program in the unary code, whose activations can be rounded to its levels."""
    unary = {p.name: p for p in program.populations if p.kind == "unary"}
    real = trace(graph, samples, set(unary))
    roundings = {}
    for name, values in real.items():
        if values.shape == result.trace[name].shape:
            unit = fitted_scale(values, result.trace[name], 1)[0]
            roundings[name] = Rounding(unit, 0, unary[name].levels).on(values)
    steps = [input_step(entry, 0, 2**entry.bits - 1) for entry in program.inputs]
    for node in graph.nodes:
        name = node.result.name
        parts, kind = ((VALUES,) if name in roundings else ()), node.op.mnemonic
        reads = tuple(v.name for v in node.operands if v is not None and not v.is_constant)
        steps.append(Step(name, kind, reads, partial(_node, node), parts, roundings.get(name)))
    ends = {name: value.name for name, value in graph.outputs.items()}
    return Network(
        tuple(steps),
        lambda arrays: {given_name(name): np.asarray(array, np.float64) for name, array in arrays.items()},
        lambda values: {name: values[end] for name, end in ends.items()},
        sum(node.result.type.elements for node in graph.nodes),
        tuple(name for name in unary if name not in roundings),
    )


def _node(node: Node, given: Sequence[Array], _: bool) -> Array:
    left = iter(given)
    arrays = [
        None if value is None else working(value.data) if value.is_constant else next(left) for value in node.operands
    ]
    return node.op.evaluate(*arrays)
