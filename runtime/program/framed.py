"""What programs that run frame by frame share, as do their inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .timing import Timing


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape of a sample without its time axis; axis counts the samples axis, ≤ 0 stands for none."""
    return tuple(extent for i, extent in enumerate(shape) if i != axis - 1) if axis > 0 else shape


def classes_of(shape: tuple[int, ...], axis: int = -1) -> int | None:
    """The number of classes that an output of this shape scores: one axis besides time (as in `without`) is longer than
    1. None where that is not so."""
    longer = [extent for extent in without(shape, axis) if extent > 1]
    return longer[0] if len(longer) == 1 else None


class _Input(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def axis(self) -> int: ...


class _FramedInput(_Input, Protocol):
    @property
    def frames(self) -> int: ...


class _Output(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def timing(self) -> Timing: ...


class _Program(Protocol):
    @property
    def inputs(self) -> Sequence[_FramedInput]: ...
    @property
    def outputs(self) -> Sequence[_Output]: ...


class FramedInput:
    """An input of which a sample has `shape`, with time at `axis` of (samples, *shape) or −1."""

    @property
    def frame_shape(self: _Input) -> tuple[int, ...]:
        """One frame as the source model has it."""
        return without(self.shape, self.axis)

    @property
    def frames(self: _Input) -> int:
        """Frames of one sample."""
        return self.shape[self.axis - 1] if self.axis > 0 else 1


class FramedOutput:
    """An output of which a sample has `shape`, with its elements in time as `timing` says."""

    @property
    def frame_shape(self: _Output) -> tuple[int, ...]:
        """One frame as the source model has it."""
        return without(self.shape, self.timing.axis)


class Framed:
    """A program of such inputs and outputs."""

    @property
    def temporal(self: _Program) -> bool:
        """Do the inputs have a time axis?"""
        return any(entry.axis > 0 for entry in self.inputs)

    @property
    def clip_length(self: _Program) -> int:
        """Frames of one sample as the source model takes it."""
        return max((entry.frames for entry in self.inputs), default=1)

    @property
    def stream_length(self: _Program) -> int:
        """Frames until the last element of every output has come."""
        return max((output.timing.last for output in self.outputs), default=0) + 1

    @property
    def scored(self: _Program) -> dict[str, int | None]:
        """The number of classes that each output scores (`classes_of`)."""
        return {output.name: classes_of(output.shape, output.timing.axis) for output in self.outputs}
