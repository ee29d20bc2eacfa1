"""Values whose samples axis is not axis 0 in the file: recurrent layers take (time, samples, features).

In the IR samples come first, always. A Transpose that moves them gives a `Moved`: the value with its samples in front,
and where the file has them. Recurrent layers, moves and what treats elements alone work on (see `aside.py`); anything
else refuses the Transpose.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import Value
from ..common.problems import Refusal


@dataclass(frozen=True, eq=False)
class Origin:
    """The node that moved the samples, and how it is refused where nothing can be made of its result."""

    op: str
    where: str
    refusal: Refusal


@dataclass(frozen=True, eq=False)
class Moved:
    """An operand that has its samples on axis `axis` ≥ 1 in the file; `value` has them in front, the rest in order."""

    value: Value
    axis: int
    origin: Origin

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample's tensor as the file has it."""
        samples, *rest = self.value.type.shape
        return (*rest[: self.axis], samples, *rest[self.axis :])

    def inner(self, axis: int) -> int:
        """The axis of `value` that an axis of the file's tensor is."""
        return 0 if axis == self.axis else axis + (axis < self.axis)

    def after(self, value: Value, axis: int) -> Moved | Value:
        """Another value of the same origin, with samples on this axis of the file's tensor."""
        return Moved(value, axis, self.origin) if axis else value


class SamplesMoved(Exception):
    """A node needs samples on axis 0 and has them elsewhere."""

    def __init__(self, moved: Moved):
        super().__init__(moved.origin.refusal.why)
        self.origin = moved.origin
