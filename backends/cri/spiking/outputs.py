"""What the outputs of a spiking network are read from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....compiler.diagnostics import Collector
from ....compiler.ir import Graph, Node, Value
from ....compiler.ir.ops import Dequantize, Potential, RunningMean
from ....compiler.ir.ops.base import Array
from ....compiler.ir.ops.neuron import NO_LEAK
from ..paths import Paths
from ..tables import Ints
from .columns import Columns
from .neurons import Planned


@dataclass
class Wanted:
    """An output: integers · scale.

    value    the sum of trains that it shows, `leak` how the sums of all steps so far count
    by_step  whether there is a result for each step, or one after the last
    mean     whether the result is the mean over the steps
    column   the columns of the neurons that stand for it one to one, or None: then `population` holds its sums
    depth    of its neurons: of the readout population, or of the latest train
    """

    name: str
    node: Node
    value: Value
    leak: Array
    by_step: bool
    mean: bool
    column: Ints | None = None
    population: Planned | None = None
    depth: int = 0

    @property
    def after_last(self) -> bool:
        """Whether the result is the potential after the last step, not a sum of those of all steps."""
        return summed(self) or not self.mean

    @property
    def scale(self) -> Array:
        scale = self.node.operands[1]
        assert scale is not None
        return np.broadcast_to(scale.data, self.node.result.type.shape).reshape(-1).astype(np.float64)


def wanted_outputs(graph: Graph, problems: Collector) -> list[Wanted]:
    """All outputs, each as a `dequantize` of a `potential` or of a sum of trains, perhaps a mean over time."""
    found = []
    for name, value in graph.outputs.items():
        last, mean = value.producer, False
        if last is not None and isinstance(last.op, RunningMean):
            plain = (last.op.start, last.op.period) == (0, 1)
            last, mean = (last.x.producer if plain else None), True
        if last is None or not isinstance(last.op, Dequantize) or (mean and graph.timing[name].axis >= 0):
            why = "an output is a sum of spikes, a potential, or the mean of one of them over all steps"
            problems.add("NMC-C001", f"target 'cri' cannot hold output {name!r}", ", ".join(value.origin), why)
            continue
        shown, leak = last.x, np.zeros((), np.int64)
        if shown.producer is not None and isinstance(shown.producer.op, Potential):
            given = shown.producer.operands[1]
            assert given is not None
            shown, leak = shown.producer.x, given.data.astype(np.int64)
        found.append(Wanted(name, last, shown, leak, graph.timing[name].axis >= 0, mean))
    return found


def summed(wanted: Wanted) -> bool:
    """Whether the result is the sum over all steps: the mean of the sums of each step is one, too."""
    leak = wanted.leak == 0 if wanted.mean else wanted.leak >= NO_LEAK
    return not wanted.by_step and bool(np.all(leak))


def choose(wanted: Wanted, columns: Columns, planned: dict[object, Planned], taken: set[str]) -> None:
    """Read the neurons where the output is their trains as they are, or their spike counts; else add a population."""
    paths = columns.paths(wanted.value)
    if (wanted.by_step and np.all(wanted.leak == 0)) or summed(wanted):
        wanted.column = _as_they_are(paths, columns)
        if wanted.column is not None:
            return
    leak = np.full((), NO_LEAK) if summed(wanted) else wanted.leak
    key = (id(wanted.value), leak.shape, leak.tobytes())
    if key not in planned:
        shape, origin = wanted.node.result.type.shape[1:], wanted.node.result.origin
        planned[key] = Planned(unique(wanted.name, taken), "readout", shape, origin, paths, leak)
    wanted.population = planned[key]


def _as_they_are(paths: Paths, columns: Columns) -> Ints | None:
    """The columns of neurons if every element is the train of one of them, without a constant."""
    rows = len(paths.const)
    if paths.const.any() or paths.degrees(paths.highest() + 1).sum() != rows:
        return None
    e = paths.affine().entries.merged()
    if not np.array_equal(e.row, np.arange(rows)) or np.any(e.weight != 1):
        return None
    return None if columns.of_input[e.col % columns.total].any() else e.col


def unique(name: str, taken: set[str]) -> str:
    """The name, or one made of it that no population has; it is taken from now on."""
    while name in taken:
        name += ".out"
    taken.add(name)
    return name
