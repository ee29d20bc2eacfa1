"""From a clip graph to a causal one: no layer looks ahead, branches meet in the same frame, strides become dilation.

The graph still takes and returns clips. Inside, time runs over as many frames as a stream needs (the clip, then zero
frames); each temporal layer pads on the left only, with its taps as far apart as the strides before it say; a `delay`
goes where branches meet; at the outputs, slices pick the frames that are the clip's elements. What cannot be said so is
refused by name. docs/video.md explains timings and edge frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..diagnostics import Collector
from ..ir import Graph
from ..ir.ops import Pad, Slice
from .base import Context, Pass
from .causal_builder import Builder
from .causal_rules import RULES
from .causal_windows import window_numbers
from .host_rules import HOST_RULES

NAME = "make-causal"


@dataclass(frozen=True)
class TimingReport:
    """Of one output: latency in frames, how many elements, which of them are edge elements."""

    output: str
    latency: int
    elements: int
    edges: tuple[int, ...]


@dataclass(frozen=True)
class MakeCausal(Pass):
    """Turn a clip graph into one that a frame-by-frame stream can follow.

    causal  delay: layers that look ahead come late by as much; strict: they are refused
    """

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("canonical",)
    gives: ClassVar[str] = "causal"

    causal: str = "delay"

    def __post_init__(self) -> None:
        if self.causal not in ("delay", "strict"):
            raise ValueError(f"causal must be delay or strict, not {self.causal!r}")

    def run(self, graph: Graph, context: Context) -> int:
        lengths = [value.type.shape[value.type.axes.index("T")] for value in graph.inputs if "T" in value.type.axes]
        problems = Collector()
        for value in graph.inputs:
            if "T" not in value.type.axes:
                problems.add("NMC-V004", f"input %{value.name}: {value.type} has no time axis")
        problems.raise_if_any()
        # How many frames a stream needs is known once all timings are: one run to find out, one to build.
        rules = {**RULES, **HOST_RULES}
        probe = Builder(graph, max(lengths) + _reach(graph), self.causal == "strict", rules)
        probe.build()
        probe.problems.raise_if_any()
        builder = Builder(graph, max(max(lengths), probe.frames), self.causal == "strict", rules)
        builder.build()
        made = builder.target
        for name, timing in made.timing.items():
            if name in made.outputs:
                report = TimingReport(name, timing.latency(max(lengths)), timing.length, timing.edges)
                context.reports.setdefault(NAME, []).append(report)
        context.reports.setdefault("delays", []).extend(builder.delays)
        graph.adopt(made)
        return len(made.nodes)


def _reach(graph: Graph) -> int:
    """More frames than any element can come late."""
    total, stride = 16, 1
    for node in graph.nodes:
        numbers = window_numbers(node)
        if numbers is not None:
            kernel, step, dilation, before, after = numbers
            stride *= step
            total += stride * (dilation * (kernel - 1) + before + after)
        if isinstance(node.op, Pad | Slice) and "T" in node.x.type.axes:
            axis = node.x.type.axes.index("T")
            total += stride * (sum(node.op.pads[axis]) if isinstance(node.op, Pad) else node.x.type.shape[axis])
    return total + stride * sum(v.type.shape[v.type.axes.index("T")] for v in graph.inputs)
