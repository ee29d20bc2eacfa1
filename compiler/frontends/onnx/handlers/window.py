"""Attributes that convolutions and pools share: strides, dilations and the three ways to say how much is padded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...common.emit import MAX_ELEMENTS
from ...common.problems import Refusal
from ..call import Call

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """kernel, stride and dilation with one entry an axis; pads if explicit, else auto (SAME_UPPER, SAME_LOWER)."""

    kernel: Ints
    stride: Ints
    dilation: Ints
    pads: Pads
    auto: str

    def pads_for(self, space: Ints) -> Pads:
        """The padding for an input of this size."""
        pads = self._auto_pads(space) if self.auto else self.pads
        padded = math.prod(max(1, size + sum(ends)) for size, ends in zip(space, pads, strict=True))
        if padded > MAX_ELEMENTS:
            raise Refusal("NMC-I012", f"the padded input would have {padded} elements a channel")
        return pads

    def _auto_pads(self, space: Ints) -> Pads:
        """SAME gives ⌈size/stride⌉ outputs; an odd element goes to the end (UPPER) or the beginning (LOWER)."""
        pads: list[tuple[int, int]] = []
        for size, k, s, d in zip(space, self.kernel, self.stride, self.dilation, strict=True):
            total = (-(-size // s) - 1) * s + d * (k - 1) + 1 - size
            if total < 0:  # runtimes disagree: some cut the input, others do not
                why = f"auto_pad {self.auto} with stride {s} would cut elements off an axis of {size}"
                raise Refusal("NMC-I011", why, "give explicit pads")
            small = total // 2
            pads.append((small, total - small) if self.auto == "SAME_UPPER" else (total - small, small))
        return tuple(pads)


def pairs(call: Call, pads: Ints, axes: int) -> Pads:
    """ONNX's (begins…, ends…) as one (begin, end) an axis."""
    call.require(len(pads) == 2 * axes, "NMC-I012", f"pads {list(pads)} for {axes} axes")
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


def read_window(call: Call, kernel: Ints, dilations: bool = True) -> Window:
    """The window attributes of a node with this kernel."""
    ones = (1,) * len(kernel)
    stride = call.integers("strides") or ones
    dilation = (call.integers("dilations") if dilations else None) or ones
    auto, given = call.text("auto_pad", "NOTSET"), call.integers("pads")
    pads = pairs(call, given or (0,) * (2 * len(kernel)), len(kernel))
    known = auto in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    call.require(known, "NMC-I011", f"auto_pad is {auto!r}")
    call.require(auto == "NOTSET" or not any(given or ()), "NMC-I011", f"it has pads beside auto_pad {auto}")
    same_length = len(stride) == len(dilation) == len(kernel)
    call.require(
        same_length, "NMC-I012", f"strides {stride} and dilations {dilation} for a {len(kernel)}-D window {kernel}"
    )
    positive = min((*stride, *dilation, *kernel), default=0) >= 1
    call.require(positive, "NMC-I012", f"kernel {kernel}, strides {stride} and dilations {dilation} must be positive")
    return Window(kernel, stride, dilation, pads, auto if auto.startswith("SAME") else "")
