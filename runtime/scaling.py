"""What becomes of pixels before a network sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .program.container import Program
from .program.diagnostics import bad_file

Floats32 = NDArray[np.float32]

PIXEL_MAX = 255.0


@dataclass(frozen=True)
class Scaling:
    """x = (pixel / scale − mean) / std in float32, of pixels 0 … 255; mean and std hold one number or one for each
    channel, () stands for 0 and 1. ValueError unless scale and std are finite and above 0."""

    scale: float = PIXEL_MAX
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(0 < number < math.inf for number in (self.scale, *self.std)):
            raise ValueError(f"scale and std must be positive numbers, not {self.scale} and {self.std}")

    def __call__(self, pixels: Floats32) -> Floats32:
        """(…, channels) to the same shape."""
        x = pixels / np.float32(self.scale)
        x = x - np.array(self.mean, np.float32) if self.mean else x
        return x / np.array(self.std, np.float32) if self.std else x

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that a pixel becomes."""
        ends = [self(np.full(max(len(self.mean), len(self.std), 1), pixel, np.float32)) for pixel in (0, PIXEL_MAX)]
        return float(ends[0].min()), float(ends[1].max())


def scaling_of(program: Program, channels: int, scale: float | None = None) -> Scaling:
    """As the program's task says, with `scale` instead of its scale where one is given.

    NmcError NMC-R005 where the program has means or deviations of another number of channels than its input.
    """
    task = program.task
    for name, numbers in (("mean", task.pixel_mean), ("std", task.pixel_std)):
        if len(numbers) not in (0, 1, channels):
            what = f"the program's pixel_{name} has {len(numbers)} numbers, and its input {channels} channels"
            raise bad_file("NMC-R005", what, hint="compile the model again, with one number or one for each channel")
    stored = PIXEL_MAX if task.pixel_scale is None else task.pixel_scale
    return Scaling(stored if scale is None else scale, task.pixel_mean, task.pixel_std)
