"""A program of which a host computes a part: segments of the device and of the host, one after the other.

Values travel between segments by name. In every frame (once a sample, where there is no time) each segment reads values
of earlier ones and gives its own; docs/host_segments.md says what crosses and how.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .akida import AT_ONCE, AkidaProgram
from .framed import Framed, FramedInput, FramedOutput
from .records import OPTIONAL
from .task import NO_TASK, Task
from .timing import Timing

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class HybridInput(FramedInput):
    """An input of the source model, and the value's name: one sample has `shape`, time at `axis` of (samples, *shape)
    or −1."""

    name: str
    shape: tuple[int, ...]
    axis: int


@dataclass(frozen=True)
class HybridOutput(FramedOutput):
    """An output of the source model: frames of a value, put together to samples of `shape` by `timing`."""

    name: str
    value: str
    shape: tuple[int, ...]
    timing: Timing = AT_ONCE


@dataclass(frozen=True)
class Port:
    """An input or output of an ONNX model and the value that it stands for; `shape` is one frame's, without samples."""

    name: str
    value: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class HostState:
    """A memory of a host segment: what the model gives as `output` in one frame it takes as `input` in the next.

    start  the memory before the first frame, of one stream, flattened; one entry stands for equal ones
    """

    input: str
    output: str
    shape: tuple[int, ...]
    start: Array

    def before(self, streams: int) -> Array:
        """The memories of parallel streams before the first frame, (streams, *shape)."""
        whole = np.broadcast_to(self.start, (int(np.prod(self.shape)),)) if self.start.size == 1 else self.start
        return np.repeat(whole.reshape(1, *self.shape), streams, axis=0)


@dataclass(frozen=True)
class HostOp:
    """An operation of a host segment: the value it makes, why it is there, and its multiplications in a frame."""

    name: str
    op: str
    why: str
    macs: int
    origin: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostSegment:
    """Operations that onnxruntime computes, in float32: an ONNX model as bytes (uint8) and its interface."""

    name: str
    model: Array
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    states: tuple[HostState, ...]
    ops: tuple[HostOp, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the values that it reads."""
        return tuple(port.value for port in self.inputs)

    @property
    def gives(self) -> tuple[str, ...]:
        """Names of the values that it makes."""
        return tuple(port.value for port in self.outputs)


@dataclass(frozen=True)
class DeviceSegment:
    """A program of the device. Its inputs and outputs have the values' names; time, where there is one, is axis 1."""

    name: str
    program: AkidaProgram

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the values that it reads."""
        return tuple(entry.name for entry in self.program.inputs)

    @property
    def gives(self) -> tuple[str, ...]:
        """Names of the values that it makes."""
        return tuple(output.name for output in self.program.outputs)


@dataclass(frozen=True)
class HybridProgram(Framed):
    """Segments in the order in which they run, and how the source model's inputs and outputs lie in time.

    device  the target of the device segments
    """

    device: str
    segments: tuple[DeviceSegment | HostSegment, ...]
    inputs: tuple[HybridInput, ...]
    outputs: tuple[HybridOutput, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    task: Task = field(default=NO_TASK, metadata=OPTIONAL)

    @property
    def target(self) -> str:
        """The target that it was compiled for: that of its device segments."""
        return self.device

    @property
    def devices(self) -> tuple[DeviceSegment, ...]:
        """The segments of the device."""
        return tuple(segment for segment in self.segments if isinstance(segment, DeviceSegment))

    @property
    def hosts(self) -> tuple[HostSegment, ...]:
        """The segments of the host."""
        return tuple(segment for segment in self.segments if isinstance(segment, HostSegment))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .notebook import hybrid_table

        return hybrid_table(self)
