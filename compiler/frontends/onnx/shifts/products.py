"""Products, windows and recurrent layers on tensors whose samples are not axis 0."""

from __future__ import annotations

import numpy as np

from ....ir.ops import Mean, Transpose
from ..inside import alone
from .elements import same
from .node import Handler, Results, Shifted


def matmul(s: Shifted, handler: Handler) -> Results:
    """Products over the last axes; those in front, among them the samples', broadcast."""
    samples, right = s.samples_from_end(), s.operands[-1]
    if samples == -2 and isinstance(right, np.ndarray):  # they may be the rows of x · B
        return s.on_value(handler) if right.ndim <= 2 else same(s.whole(), handler)
    if samples >= -2:
        raise s.mixes("they are rows or columns of the matrices that it multiplies")
    return same(s, handler)


def gemm(s: Shifted, handler: Handler) -> Results:
    if s.x.alone or s.x.samples != 0 or not isinstance(s.operands[1], np.ndarray):
        raise s.mixes("the product runs over them")
    return s.on_value(handler)


def window(s: Shifted, handler: Handler) -> Results:
    """A layer over 1 or 2 axes of space, with frames, say, beside the samples in axis 0: a layer over those too, with a
    window of 1 there."""
    space = s.rank - 2
    if s.x.alone or s.x.samples != 0 or not 1 <= space <= 2:
        raise s.mixes(f"{s.call.op} over {space} axes of space reads axis 0 alone as samples and others")
    for name, one in (("kernel_shape", [1]), ("strides", [1]), ("dilations", [1]), ("output_padding", [0])):
        if name in s.attributes:
            s.attributes[name] = one + list(s.attributes[name])
    if "pads" in s.attributes:
        pads = list(s.attributes["pads"])
        s.attributes["pads"] = [0, *pads[:space], 0, *pads[space:]]
    if s.call.op in ("Conv", "ConvTranspose"):
        s.operands[1] = s.call.constant(1, "weight")[:, :, None]
    return channels_second(s, handler)


def channels_second(s: Shifted, handler: Handler) -> Results:
    """With the channels in front of what shares axis 0 with the samples, and back."""
    if s.x.alone or s.x.samples != 0:
        raise s.mixes(f"{s.call.op} reads axis 0 alone as samples and others")
    swap = (0, 2, 1, *range(3, s.rank + 1))
    s.operands[0] = s.call.emit(Transpose(swap), s.x.value, part="channels")
    (y,) = s.run(handler)
    return [s.made(s.call.emit(Transpose(swap), y, part="samples"), 0)]


def global_average(s: Shifted, handler: Handler) -> Results:
    if s.x.samples > 1:
        raise s.mixes("it averages over that axis")
    s.call.require(s.rank > 2, "NMC-I012", f"there is no space to average over in {list(s.x.shape)}")
    space = tuple(s.x.inner(axis) for axis in range(2, s.rank))
    return [s.made(s.call.emit(Mean(space, True), s.x.value), s.x.samples)]


def recurrent(s: Shifted, handler: Handler) -> Results:
    """A layer that takes (time, samples, features), which is the one of layout 1 with its samples in front; its results
    have the samples in the axis before the last."""
    if s.call.opset >= 14 and s.call.flag("layout"):
        raise s.mixes("it takes samples, time, features (layout 1)")
    if s.x.samples != 1 or not s.x.alone:
        raise s.mixes("it takes time, samples, features (layout 0)")
    s.attributes["layout"] = 1
    s.operands[0] = s.x.value
    for i in range(5, min(7, len(s.operands))):  # states before the first frame: directions, samples, units
        before = s.operands[i]
        if isinstance(before, np.ndarray) and before.ndim == 3:
            s.operands[i] = before.swapaxes(0, 1)
    found = s.run(handler, opset=14)  # the first one that has layouts
    return [alone(y, y.type.rank - 2) for y in found]
