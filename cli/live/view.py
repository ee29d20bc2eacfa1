"""How a program's input takes pictures, and what a person sees of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...runtime.akida_host import AXES
from ...runtime.encode import Array
from ...runtime.frames import Pixels, pixels_of
from ...runtime.program import Program
from ...runtime.program.akida import in_order
from ...runtime.program.framed import without

EVENTS = 2
"""Channels of frames of events: ON and OFF."""


@dataclass(frozen=True)
class View:
    """An input of pictures, (height, width, channels) with 1, 2 (events) or 3 channels.

    shape  one sample as the program takes it; time is at `axis` of (samples, *shape), −1 where there is none
    order  how a frame's elements lie in memory: a permutation of "HWC"
    on     the channel of ON events
    """

    name: str
    shape: tuple[int, ...]
    axis: int
    order: str
    height: int
    width: int
    channels: int
    on: int = 1

    @property
    def frame_shape(self) -> tuple[int, ...]:
        return without(self.shape, self.axis)

    @property
    def pixels(self) -> Pixels:
        """What reads images for this input."""
        return Pixels(self.name, self.shape, self.axis, self.order, self.height, self.width, self.channels)

    def frame(self, picture: Array) -> Array:
        """A picture (H, W, C) as the program takes it: frame_shape."""
        return picture.transpose([AXES.index(letter) for letter in self.order]).reshape(self.frame_shape)

    def picture(self, frame: Array) -> Array:
        """A frame of the program as (H, W, C)."""
        spread = frame.reshape(in_order((self.height, self.width, self.channels), self.order))
        return spread.transpose([self.order.index(letter) for letter in AXES])

    def paint(self, frame: Array, low: float, high: float) -> Array:
        """A frame as 8-bit colours, uint8 (H, W, 3); low is black and high white, ON green and OFF red."""
        shades = np.clip((self.picture(frame).astype(np.float64) - low) / (high - low), 0, 1)
        if self.channels == EVENTS:
            dark = np.zeros(shades.shape[:2])
            shades = np.stack([shades[..., 1 - self.on], shades[..., self.on], dark], axis=-1)
        return np.rint(np.broadcast_to(shades, (self.height, self.width, 3)) * 255).astype(np.uint8)


def view_of(program: Program, on: int = 1) -> View:
    """The program's only input; NMC-R004 if there are several, NMC-R005 if it takes no pictures."""
    found = pixels_of(program, (1, 2, 3))
    return View(found.name, found.shape, found.axis, found.order, found.height, found.width, found.channels, on)
