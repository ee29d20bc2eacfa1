"""Frame graphs, run frame by frame: the reference for every streaming engine and for spiking networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...runtime.program.timing import Timing
from .graph import Graph, Value
from .ops.base import Array, working
from .ops.temporal import Stateful

Visit = Callable[[str, Array], object]

DEFAULT_STEPS = 16  # timesteps of a spiking network that does not say how many it takes


def steps_of(graph: Graph) -> int:
    """Timesteps that the timings of a frame graph are made for; where every input is held, until the last output."""
    timed = [graph.timing[value.name] for value in graph.inputs]
    if any(timing.axis >= 0 for timing in timed):
        return max(timing.length for timing in timed)
    return max((graph.timing[name].last + 1 for name in graph.outputs), default=1)


def stretched(graph: Graph, steps: int) -> dict[str, Timing]:
    """The timings for another number of timesteps. ValueError for streams that skip frames or have edge frames."""
    more = steps - steps_of(graph)
    if not more:
        return dict(graph.timing)
    if any(timing.stride != 1 or timing.edges for timing in graph.timing.values()):
        raise ValueError(f"the graph is made for {steps_of(graph)} frames, not for {steps}")
    made = {}
    for name, timing in graph.timing.items():
        once = timing.axis < 0
        held = once and any(value.name == name for value in graph.inputs)
        offset = timing.offset + (more if once and not held else 0)
        made[name] = replace(timing, offset=offset, length=timing.length + (0 if once else more))
    return made


class FrameSession:
    """A frame graph with its memories, for any number of parallel streams.

    `step` takes one frame per input, shape (streams, *frame shape), and returns what each output carries then; `run`
    takes whole clips (or trains of timesteps) and returns the outputs as the clip graph would, aligned by timing.
    """

    def __init__(self, graph: Graph):
        if not graph.stepped:
            raise ValueError(f"a FrameSession runs frame graphs, not clip graphs in stage {graph.stage}")
        self.graph = graph
        self.reset()

    def reset(self) -> None:
        """Back to before the first frame."""
        self.frame = 0
        self._states: dict[int, Any] = {}
        self._before: dict[Value, Array] = {}

    def step(self, frames: Mapping[str, Array], visit: Visit = lambda name, array: None) -> dict[str, Array]:
        """Feed one frame per input; KeyError if one is missing. `visit` sees every value that is no constant."""
        live: dict[int, Array] = {id(v): working(v.data) for v in self.graph.constants()}
        live |= {id(v): working(np.asarray(frames[v.name])) for v in self.graph.inputs}
        streams = max((len(live[id(v)]) for v in self.graph.inputs), default=1)
        for state in self.graph.feedback:
            zeros = np.zeros((streams, *state.type.shape[1:]), np.float64 if state.type.is_float else np.int64)
            live[id(state)] = self._before.get(state, zeros)
        for value in (*self.graph.inputs, *self.graph.feedback):
            visit(value.name, live[id(value)])
        for index, node in enumerate(self.graph.nodes):
            arrays = [None if value is None else live[id(value)] for value in node.operands]
            if isinstance(node.op, Stateful):
                assert arrays[0] is not None
                result, self._states[index] = node.op.advance(
                    self._states.get(index), self.frame, arrays[0], *arrays[1:]
                )
            else:
                result = node.op.evaluate(*arrays)
            live[id(node.result)] = result
            visit(node.result.name, result)
        self._before = {state: live[id(value)] for state, value in self.graph.feedback.items()}
        self.frame += 1
        return {name: live[id(value)] for name, value in self.graph.outputs.items()}

    def run(self, clips: Mapping[str, Array], visit: Visit = lambda name, array: None) -> dict[str, Array]:
        """Clips, shape (samples, …) as the clip graph takes them, from a fresh start; then zero frames until the last
        element of every output has come. Returns the outputs as clip tensors.

        Clips may have another number of frames than the graph is made for, see `stretched`. An input without a time
        axis is held: it is the same in every frame.
        """
        self.reset()
        given = {v.name: np.asarray(clips[v.name]) for v in self.graph.inputs}
        axes = {name: self.graph.timing[name].axis for name in given}
        moved = {name: np.moveaxis(array, axes[name], 0) for name, array in given.items() if axes[name] >= 0}
        timing = stretched(self.graph, max(map(len, moved.values()), default=steps_of(self.graph)))
        wanted = {name: timing[name] for name in self.graph.outputs}
        picked: dict[str, list[Array]] = {name: [] for name in wanted}
        for frame in range(max(t.last for t in wanted.values()) + 1):
            feed = {n: clip[frame] if frame < len(clip) else np.zeros_like(clip[0]) for n, clip in moved.items()}
            outputs = self.step(given | feed, visit)
            for name, when in wanted.items():
                if frame in when.frames():
                    picked[name].append(outputs[name])
        return {name: self._as_clip(name, frames) for name, frames in picked.items()}

    def _as_clip(self, name: str, frames: list[Array]) -> Array:
        axis = self.graph.timing[name].axis
        if axis < 0 or "T" in self.graph.outputs[name].type.axes:
            return frames[-1]
        return np.stack(frames, axis=axis)
