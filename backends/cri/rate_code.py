"""Rate coding, the classical way from activations to spikes: a network of integrate-and-fire neurons.

Every relu becomes a population that integrates what the relu would read, in every timestep again, and fires at a
threshold λ. Over T timesteps a neuron whose input is a constant x fires about clip(x / λ, 0, 1) · T times, so the next
layer reads spikes worth λ each. λ is balanced on calibration samples, one number for a layer:

    λ = max over samples and neurons of the activation      data-based normalization of Diehl et al. 2015
    λ = its 99.9th percentile                               Rueckauer et al. 2017, section 2.3.3

Both divide the weights by λ of the layer and multiply those of the next by it; a threshold of λ is the same network.
With reset to 0 ("hard") a neuron forgets by how much it passed the threshold, so it fires too rarely; with subtraction
of the threshold ("soft") it keeps it, and the rate is exact up to one spike (Rueckauer et al. 2017, equations 5 and 6).
Inputs are held: their codes arrive in every timestep. An output is the mean over T timesteps of what the last layer
reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...compiler.analysis.ranges import METHODS
from ...compiler.ir import Graph, Node, Op, Timing, Value
from ...compiler.ir.ops import Clip, Lif, MaxPool, Mul, Pad, Relu, Reshape, RunningMean
from ...compiler.ir.ops.base import Array
from ...compiler.passes.base import Context, Pass
from .balance import balanced_thresholds
from .given import activation_range
from .integerize import Integerizer, NotUniform, channel_shape, check_activation, per_channel
from .refusals import Refusals

RESETS = {"hard": "value", "soft": "subtract"}


@dataclass(frozen=True)
class RateCode(Pass):
    """Integrate-and-fire neurons in the place of activations, one graph step a timestep.

    timesteps  T
    reset      hard: to 0; soft: the threshold is subtracted
    ranges     what thresholds are of a layer's activations on the samples: minmax (the largest), percentile, or mse
               (the one with the least squared error of T + 1 rates)
    percent    the percentile, where ranges=percentile
    """

    name: ClassVar[str] = "rate-code"
    takes: ClassVar[tuple[str, ...]] = ("terms",)
    gives: ClassVar[str] = "affine"
    preserves: ClassVar[bool] = False
    encodes: ClassVar[bool] = True

    timesteps: int = 16
    reset: str = "hard"
    ranges: str = "percentile"
    percent: float = 99.9

    def __post_init__(self) -> None:
        if not 1 <= self.timesteps <= 4096:
            raise ValueError(f"timesteps must be 1 to 4096, not {self.timesteps}")
        if self.reset not in RESETS:
            raise ValueError(f"reset must be hard or soft, not {self.reset!r}")
        if self.ranges not in METHODS:
            raise ValueError(f"ranges must be one of {', '.join(METHODS)}, not {self.ranges!r}")
        if not 0 < self.percent <= 100:
            raise ValueError(f"percent must be above 0 and at most 100, not {self.percent}")

    def run(self, graph: Graph, context: Context) -> int:
        refusals = Refusals(Integerizer(Graph()))
        refusals.refuse_impossible(graph)
        for node in graph.nodes:
            if isinstance(node.op, Relu | Clip | MaxPool):
                refusals.guard(node.result, check_activation, node)
        refusals.raise_if_any()
        made = _Builder(self, graph, context, refusals).build()
        graph.adopt(made)
        return len(made.nodes)


class _Builder:
    """One run of the pass: `source` is read, `target` is built. `made` maps values of one to the other; of
    activations and max pools `trains` holds the spikes and what one of them is worth."""

    def __init__(self, options: RateCode, source: Graph, context: Context, refusals: Refusals):
        assert context.samples is not None
        self.options, self.source, self.context, self.refusals = options, source, context, refusals
        self.target = Graph(source.name, options.gives)
        self.made: dict[int, Value] = {}
        self.trains: dict[int, tuple[Value, Array]] = {}
        self.given: set[str] = set()
        self.thresholds = balanced_thresholds(
            source, context.samples, options.ranges, options.percent, options.timesteps
        )

    def build(self) -> Graph:
        for value in self.source.inputs:
            timeless = replace(value.type, axes=_timeless(value.type.axes))
            self.made[id(value)] = self.target.add_input(value.name, timeless)
            self.target.timing[value.name] = Timing(0)
        for node in self.source.nodes:
            try:
                self.made[id(node.result)] = self._node(node)
            except NotUniform:
                why = "layers with several thresholds meet in one channel, so a spike in it has no one worth"
                self.refusals.refuse(node.result, why, "pool before they are joined, or code=unary")
                self.refusals.raise_if_any()
        for name, value in self.source.outputs.items():
            mean = self.target.add(RunningMean(), self._value(value), name=f"{name}.mean", origin=value.origin)
            self.target.outputs[name] = mean
            self.target.timing[name] = Timing(self.options.timesteps - 1)
        self._tell()
        return self.target

    def _value(self, value: Value) -> Value:
        if value.is_constant and id(value) not in self.made:
            self.made[id(value)] = self.target.constant(
                value.name, value.data, _timeless(value.type.axes), value.origin
            )
        return self.made[id(value)]

    def _node(self, node: Node) -> Value:
        name, op = node.result.name, node.op
        if isinstance(op, Relu | Clip):
            return self._worth(node, *self._neurons(node))
        if isinstance(op, MaxPool) and (found := self._spikes(node.x)) is not None:
            worth = per_channel(found[1], node.x).astype(np.float32).reshape(channel_shape(node.result))
            spikes = self.target.add(op, found[0], name=name, origin=node.result.origin)
            return self._worth(node, spikes, worth)
        operands = [None if value is None else self._value(value) for value in node.operands]
        return self.target.add(_moved(op), *operands, name=name, origin=node.result.origin)

    def _spikes(self, value: Value) -> tuple[Value, Array] | None:
        """The spikes that a train moved about consists of, and what one of them is worth; None for an input."""
        if id(value) in self.trains:
            return self.trains[id(value)]
        node = value.producer
        if node is None:
            return None
        parts = [(v, self._spikes(v)) for v in node.operands if v is not None]
        found = [(v, *part) for v, part in parts if part is not None]
        if len(found) < len(parts):
            return None
        spikes = self.target.add(_moved(node.op), *(s for _, s, _ in found), name=f"{value.name}.spikes")
        worth = [np.broadcast_to(number, v.type.shape) for v, _, number in found]
        if isinstance(node.op, Pad):  # padding has no spikes, so the border's number is right for it
            return spikes, np.pad(worth[0], node.op.pads, mode="edge")
        return spikes, node.op.evaluate(*worth)

    def _neurons(self, node: Node) -> tuple[Value, Array]:
        """Spikes of the neurons for an activation, and what one is worth."""
        name, origin = node.result.name, node.result.origin
        given = activation_range(node.result, self.context.scales)
        if given is not None:
            self.given.add(name)
        height = self.thresholds[name] if given is None else float(np.max(given))
        worth = np.asarray(height, np.float32)
        decay = self.target.constant(f"{name}.decay", np.ones((), np.float32))
        threshold = self.target.constant(f"{name}.threshold", worth)
        op = Lif(RESETS[self.options.reset])
        spikes = self.target.add(op, self._value(node.x), decay, threshold, name=name, origin=origin)
        return spikes, worth

    def _worth(self, node: Node, spikes: Value, worth: Array) -> Value:
        self.trains[id(node.result)] = spikes, worth
        name = f"{node.result.name}.worth"
        constant = self.target.constant(f"{name}.spike", worth)
        return self.target.add(Mul(), spikes, constant, name=name, origin=node.result.origin)

    def _tell(self) -> None:
        """What is not exact, and where thresholds do not come from samples."""
        pools = [f"%{node.result.name}" for node in self.source.nodes if isinstance(node.op, MaxPool)]
        if pools:
            self.context.warnings.append(
                f"{', '.join(pools)}: a max pool passes a spike on whenever one of its inputs fires, so its rate is "
                "too high where they fire at different times; code=unary takes maxima exactly"
            )
        missing = [n.result.name for n in self.source.nodes if isinstance(n.op, Relu | Clip)]
        missing = [name for name in missing if name not in self.given]
        if missing and self.context.made_up:
            self.context.warnings.append(self.context.made_up)


def _moved(op: Op) -> Op:
    """The op where no axis is time."""
    return replace(op, axes=_timeless(op.axes)) if isinstance(op, Reshape) else op


def _timeless(axes: str) -> str:
    """Axis T of a clip is one more axis of a frame that is held."""
    return axes.replace("T", "_")
