"""From a causal clip graph to a frame graph: one frame in, one result out, time is the state of FIFOs.

    temporal layer    → fifo with a tap per kernel element, then the layer without padding over the window
    spatial layer     → the same layer without its time axis
    delay             → fifo with one tap
    mean over frames  → running_mean (or, on request, a mean over a window of the clip's length)
    flatten over time → fifo that holds the whole clip
    slices at the end → timings: at which frames the elements of an output appear

Memories start with zeros (−∞ in front of a maximum).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..ir import Graph
from .base import Context, Pass
from .stream_builder import Builder
from .stream_rules import RULES, alone

NAME = "stream"


@dataclass(frozen=True)
class Stream(Pass):
    """Turn a causal clip graph into a frame graph.

    mean       running: mean over the clip so far; window: mean over the last frames, as many as the clip has elements
    max_fifo   frames a FIFO may hold, 0 = any number; longer ones are chained through one-tap delays, or refused
    chain      whether they may be chained
    zero_fill  a dilated temporal kernel becomes a FIFO without gaps and a kernel with zeros
    """

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("causal",)
    gives: ClassVar[str] = "streaming"

    mean: str = "running"
    max_fifo: int = 0
    chain: bool = True
    zero_fill: bool = False

    def __post_init__(self) -> None:
        if self.mean not in ("running", "window"):
            raise ValueError(f"mean must be running or window, not {self.mean!r}")
        if self.max_fifo < 0 or self.max_fifo == 1:
            raise ValueError(f"max_fifo must be 0 (any) or at least 2, not {self.max_fifo}")

    def run(self, graph: Graph, context: Context) -> int:
        builder = Builder(graph, self, RULES, alone)
        builder.build()
        builder.problems.raise_if_any()
        made = builder.target
        graph.adopt(made)
        return len(made.nodes)
