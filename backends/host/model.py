"""A float graph as ONNX bytes, with what a runner must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Ints = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class HostState:
    """A memory of a frame graph: what the model gives as `output` in one step it takes as `input` in the next.

    start  one stream's memory before the first frame, without the samples axis; its dtype is the memory's: float32,
           float64 for sums over a whole stream, int64 for counters of frames
    """

    input: str
    output: str
    start: Array

    @property
    def shape(self) -> Ints:
        """The shape for one stream."""
        return self.start.shape

    def before(self, streams: int) -> Array:
        """The memories of parallel streams before the first frame, shape (streams, *shape)."""
        return np.repeat(self.start[None], streams, axis=0)


@dataclass(frozen=True, eq=False)
class HostModel:
    """An ONNX model and its interface.

    model    the file's bytes: standard operators, float32, samples axis open
    inputs   (name, shape of one sample) in the graph's order; of a frame graph one frame
    outputs  the same for outputs; a name that is also an input's has a `_` after it
    states   memories of a frame graph, which stand behind inputs and outputs in the model
    """

    model: bytes
    inputs: tuple[tuple[str, Ints], ...]
    outputs: tuple[tuple[str, Ints], ...]
    states: tuple[HostState, ...]
