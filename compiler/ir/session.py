"""Frame graphs, run frame by frame: the reference for every streaming engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .graph import Graph
from .ops.base import Array, working
from .ops.temporal import Stateful


class FrameSession:
    """A graph in stage `streaming` with its memories, for any number of parallel streams.

    `step` takes one frame per input, shape (streams, *frame shape), and returns what each output carries then; `run`
    takes whole clips and returns the outputs as the clip graph would, aligned by their timings.
    """

    def __init__(self, graph: Graph):
        if graph.stage != "streaming":
            raise ValueError(f"a FrameSession runs graphs in stage streaming, not {graph.stage}")
        self.graph = graph
        self.reset()

    def reset(self) -> None:
        """Back to before the first frame."""
        self.frame = 0
        self._states: dict[int, Any] = {}

    def step(self, frames: Mapping[str, Array]) -> dict[str, Array]:
        """Feed one frame per input; KeyError if one is missing."""
        live: dict[int, Array] = {id(v): working(v.data) for v in self.graph.constants()}
        live |= {id(v): working(np.asarray(frames[v.name])) for v in self.graph.inputs}
        for index, node in enumerate(self.graph.nodes):
            arrays = [None if value is None else live[id(value)] for value in node.operands]
            if isinstance(node.op, Stateful):
                assert arrays[0] is not None
                result, state = node.op.advance(self._states.get(index), arrays[0], self.frame)
                self._states[index] = state
            else:
                result = node.op.evaluate(*arrays)
            live[id(node.result)] = result
        self.frame += 1
        return {name: live[id(value)] for name, value in self.graph.outputs.items()}

    def run(self, clips: Mapping[str, Array]) -> dict[str, Array]:
        """Clips, shape (samples, …) as the clip graph takes them, from a fresh start; then zero frames until the last
        element of every output has come. Returns the outputs as clip tensors."""
        self.reset()
        timing = self.graph.timing
        moved = {v.name: np.moveaxis(np.asarray(clips[v.name]), timing[v.name].axis, 0) for v in self.graph.inputs}
        wanted = {name: timing[name] for name in self.graph.outputs}
        picked: dict[str, list[Array]] = {name: [] for name in wanted}
        for frame in range(max(t.last for t in wanted.values()) + 1):
            feed = {n: clip[frame] if frame < len(clip) else np.zeros_like(clip[0]) for n, clip in moved.items()}
            outputs = self.step(feed)
            for name, when in wanted.items():
                if frame in when.frames():
                    picked[name].append(outputs[name])
        return {name: self._as_clip(name, frames) for name, frames in picked.items()}

    def _as_clip(self, name: str, frames: list[Array]) -> Array:
        axis = self.graph.timing[name].axis
        if axis < 0 or "T" in self.graph.outputs[name].type.axes:
            return frames[-1]
        return np.stack(frames, axis=axis)
