"""The float network that a program was quantized from, and what single neurons do in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from ..ir import FrameSession, Graph, Node, stretched
from ..ir.ops import Li, Lif, Threshold
from ..ir.ops.base import Array
from ..manager import Manager
from ..passes.base import Context
from ..pipeline import parse_pipeline


def before_integers(
    imported: Graph, pipeline: str, extra: Mapping[str, str], samples: Mapping[str, Array], steps: int = 0
) -> Graph:
    """The graph after those passes of a pipeline (as text) that leave floats, up to one that makes rates of spikes of
    them: its values have the names that layers and populations of the program have.

    extra    the target's own passes; samples: for passes that measure
    steps    of a spiking network, the timesteps that it shall run; 0: as it is
    """
    graph = imported.copy()
    floats = takewhile(lambda step: not step.encodes, parse_pipeline(pipeline, extra))
    passes = [step for step in floats if step.gives != "quantized"]
    Manager().run(graph, passes, Context(samples=samples))
    if steps and graph.stepped:
        graph.timing = stretched(graph, steps)
    return graph


@dataclass(frozen=True)
class FloatNeuron:
    """A float neuron in a run of one sample.

    tested     the potential that is held against the threshold, float64 (T); fired: whether it fires, bool (T)
    threshold  its threshold; rest: the potential it is reset to (0 with soft reset)
    decay      what a potential is multiplied with in each step; 0 for a neuron without a memory
    """

    tested: Array
    fired: Array
    threshold: float
    rest: float
    decay: float


def float_neuron(graph: Graph, sample: Mapping[str, Array], name: str, element: tuple[int, ...]) -> FloatNeuron | None:
    """What a neuron of the value `name` does, for one sample, arrays (1, …) by input name; None if no `lif` or
    `threshold` makes that value."""
    node = next((n for n in graph.nodes if n.result.name == name), None)
    if node is None or not isinstance(node.op, Lif | Threshold):
        return None
    given: list[Array] = []
    fired: list[bool] = []

    def visit(value: str, array: Array) -> None:
        if value == node.x.name:
            given.append(array)
        elif value == node.result.name:
            fired.append(bool(array[(0, *element)]))

    FrameSession(graph).run(sample, visit)
    rest = _parameter(node, "v_reset", element) if isinstance(node.op, Lif) and node.op.reset == "value" else 0.0
    decay = _parameter(node, "decay", element) if isinstance(node.op, Lif) else 0.0
    tested = [float(v[(0, *element)]) for v in _potentials(node, given)]
    return FloatNeuron(np.array(tested), np.array(fired), _parameter(node, "threshold", element), rest, decay)


def _parameter(node: Node, name: str, element: tuple[int, ...]) -> float:
    value = node.operand(name)
    return 0.0 if value is None else float(np.broadcast_to(value.data, node.result.type.shape)[(0, *element)])


def _potentials(node: Node, given: list[Array]) -> list[Array]:
    """What is held against the threshold in each step."""
    op = node.op
    if not isinstance(op, Lif):
        return given
    constants = [None if value is None else value.data for value in node.operands[1:]]
    decay, _, gain, offset, _, start = (*constants, *(None,) * 6)[:6]
    state: Any = None
    before = np.broadcast_to(0.0 if start is None else start, node.result.type.shape)
    tested = []
    for step, x in enumerate(given):
        integrated, _ = Li().advance(before, step, x, decay, gain, offset)
        _, state = op.advance(state, step, x, *constants)
        before = state[0]
        tested.append(before if op.delayed else integrated)
    return tested
