"""Tensors whose samples are not axis 0, or share an axis with something else.

    frames.transpose(T, N, C)            samples alone in axis 1, as recurrent layers take them
    frames.reshape(N · T, C, H, W)       samples in front of the frames, in axis 0

A file is imported with one sample, so such a tensor is a tensor of that sample, and samples that are alone are an axis
of length 1. In the IR the samples are in front: alone in their axis, they leave it; else they are an axis of their own.
Operators on such a tensor count other axes than those on the value that stands for it (`shifts`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import Value
from ...ir.ops import Transpose
from ..common.axes import reshaped_letters
from ..common.emit import Emitter

Ints = tuple[int, ...]
HINT = "put the samples in front, as axis 0 of their own"


@dataclass(frozen=True, eq=False)
class Inside:
    """A tensor of the file. `samples` is its axis that holds them, as the outer factor, which no operator may mix,
    reduce or cut.

    value  (N, *its other axes) if nothing shares the samples' axis, else (N, *its shape)
    """

    value: Value
    samples: int
    alone: bool

    @property
    def shape(self) -> Ints:
        """Its shape in the file."""
        inner = self.value.type.shape[1:]
        return (*inner[: self.samples], 1, *inner[self.samples :]) if self.alone else inner

    @property
    def why(self) -> str:
        """What is wrong with it where samples must be axis 0."""
        return f"the samples lie in axis {self.samples} of {list(self.shape)}"

    def inner(self, axis: int) -> int:
        """The axis of `value` that an axis of the file's tensor is."""
        if not self.alone:
            return axis + 1
        return 0 if axis == self.samples else axis + (axis < self.samples)


def alone(value: Value, samples: int) -> Value | Inside:
    """The tensor that has the samples of a value alone in this axis."""
    return Inside(value, samples, True) if samples else value


def reshaped(call: Emitter, value: Value, inner: Ints, part: str = "") -> Value:
    """The value as (1, *inner)."""
    whole = (1, *inner)
    return call.reshape(value, whole, reshaped_letters(value.type.shape, value.type.axes, whole), part)


def placed(call: Emitter, value: Value, shape: Ints, samples: int) -> Value | Inside:
    """The elements of a value in a shape of the file, with samples in this axis."""
    if shape[samples] == 1:
        return alone(reshaped(call, value, shape[:samples] + shape[samples + 1 :]), samples)
    return Inside(reshaped(call, value, shape), samples, False)


def joined(call: Emitter, x: Inside, part: str) -> Inside:
    """The tensor as (N, *its shape), whatever shares the samples' axis."""
    if not x.alone:
        return x
    shape, letters, at = x.value.type.shape, x.value.type.axes, x.samples + 1
    value = call.reshape(x.value, (*shape[:at], 1, *shape[at:]), f"{letters[:at]}_{letters[at:]}", part)
    return Inside(value, x.samples, False)


def turned(call: Emitter, x: Value | Inside, perm: Ints) -> Value | Inside:
    """The tensor with its axes in another order."""
    x = x if isinstance(x, Inside) else Inside(x, 0, True)
    order = (0, *(x.inner(axis) for axis in perm if not x.alone or axis != x.samples))
    value = x.value if order == tuple(range(len(order))) else call.emit(Transpose(order), x.value)
    samples = perm.index(x.samples)
    return alone(value, samples) if x.alone else Inside(value, samples, False)
