"""When a stream carries what a clip network computes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """When a stream carries the elements of a clip tensor: element j (0 ≤ j < length) at frame stride · j + offset.

    `axis` is the position of time in (samples, *rest of the clip tensor), −1 if it has none (one result a clip).
    `edges` are the elements that may differ from the clip's, because there the clip has zero padding where the stream
    has other frames.
    """

    offset: int
    stride: int = 1
    length: int = 1
    axis: int = -1
    edges: tuple[int, ...] = ()

    @property
    def last(self) -> int:
        """Frame of the last element."""
        return self.offset + self.stride * (self.length - 1)

    def latency(self, clip_length: int) -> int:
        """Frames that an output comes late: its offset; for one result a clip, frames after the clip's last one."""
        return self.offset if self.length > 1 else max(0, self.last - (clip_length - 1))

    def frames(self) -> range:
        """The frames at which the elements appear, in order."""
        return range(self.offset, self.last + 1, self.stride)
