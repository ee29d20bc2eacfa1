"""Tensors in which the samples share an axis with something else, or lie where an operator does not expect them.

    frames.reshape(N · T, C, H, W)       samples in front of the frames, in axis 0

A file is imported with one sample, so such a tensor is a tensor of that sample: in the IR it stands behind a samples
axis of its own, as (N, *shape in the file). Operators on it count axes from one place later (`shifts`), and where the
samples come to stand alone in front again, the axis of length 1 that they have in the file is dropped. `samples` is the
axis of the file that holds them, which no operator may mix, reduce or cut. Samples that are alone in another axis than
the first are `samples.Moved`, and become one of these where an operator asks for more than that has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...ir import Value
from ..common.axes import reshaped_letters
from ..common.emit import Emitter
from ..common.problems import Refusal
from .samples import Moved

Ints = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Inside:
    """A tensor of the file as (N, *its shape); `samples` is its axis that holds them, as the outer factor."""

    value: Value
    samples: int

    @property
    def shape(self) -> Ints:
        """Its shape in the file."""
        return self.value.type.shape[1:]


def put(call: Emitter, value: Value, shape: Ints, part: str = "") -> Value:
    """The value as (1, *shape)."""
    whole = (1, *shape)
    return call.reshape(value, whole, reshaped_letters(value.type.shape, value.type.axes, whole), part)


def lifted(call: Emitter, x: Value | Moved | Inside, part: str) -> Inside:
    """A tensor with the samples alone in an axis as one of those."""
    if isinstance(x, Inside):
        return x
    if isinstance(x, Moved):
        return Inside(put(call, x.value, x.shape, part), x.axis)
    return Inside(put(call, x, x.type.shape, part), 0)


def placed(call: Emitter, value: Value, shape: Ints, samples: int) -> Value | Inside:
    """The value in a shape of the file; without an axis in front if the samples are alone in axis 0 again."""
    if samples == 0 and shape[:1] == (1,):
        return put(call, value, shape[1:], "samples")
    return Inside(put(call, value, shape), samples)


def settled(call: Emitter, value: Value, samples: int) -> Value | Inside:
    """`placed` for a value that has its shape already."""
    return placed(call, value, value.type.shape[1:], samples)


def after_reshape(before: Ints, samples: int, after: Ints) -> int:
    """Which axis holds the samples in the new shape: the one that begins where they began.

    Refusal if they would lie between parts of another axis.
    """
    ahead = math.prod(before[:samples])
    for axis in range(len(after)):
        if math.prod(after[:axis]) == ahead:
            return axis
    raise Refusal("NMC-I015", f"it turns {list(before)} into {list(after)}: the samples (axis {samples}) fall apart")
