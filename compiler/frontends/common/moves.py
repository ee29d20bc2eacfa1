"""What more than one front end emits for one node: reshapes, slices, repeated elements, inputs of windows."""

from __future__ import annotations

import math

import numpy as np

from ...ir import Value
from ...ir.ops import Activation, Add, Clip, ConvTranspose, Mul, Relu, Reshape, Slice
from .axes import channel_letters, reshaped_letters
from .emit import Array, Emitter

Ints = tuple[int, ...]

MAX_KERNEL = 1 << 22  # elements of a kernel of ones, which a few bytes of a file can ask for
_APART = (
    "keep the batch axis in front and alone, e.g. x.flatten(1) or x.view(x.size(0), -1); for frames of a clip use "
    "Conv3d with a kernel (1, k, k) instead of folding them into the batch"
)


def image(call: Emitter, x: Value, dims: int) -> Value:
    """x with its second axis called C, as convolutions and pools over `dims` axes need it."""
    call.require(x.type.rank == dims + 2, "NMC-I012", f"a {dims}-D window over an input {x.type}")
    if x.type.axes[:2] == "NC":
        return x
    return call.emit(Reshape(x.type.shape, channel_letters(x.type.axes)), x, part="input")


def reshaped(call: Emitter, x: Value, shape: Ints) -> Value:
    """x in a new shape whose axis 0 holds the samples."""
    before, after = list(x.type.shape), list(shape)
    fits = math.prod(shape) == math.prod(x.type.shape)
    call.require(fits, "NMC-I012", f"{before} does not reshape to {after}")
    call.require(bool(shape) and shape[0] == 1, "NMC-I015", f"it turns {before} (one sample) into {after}", _APART)
    return call.reshape(x, shape, reshaped_letters(x.type.shape, x.type.axes, shape))


def whole(shape: Ints) -> list[tuple[int, int, int]]:
    """The ranges of a slice that cuts nothing off."""
    return [(0, size, 1) for size in shape]


def cut(call: Emitter, x: Value, ranges: list[tuple[int, int, int]], part: str = "") -> Value:
    """x[ranges], or x itself where they are everything."""
    return x if ranges == whole(x.type.shape) else call.emit(Slice(tuple(ranges)), x, part=part)


def repeated(call: Emitter, x: Value, factors: Ints) -> Value:
    """x with each element repeated along the spatial axes: a transposed convolution with weights of 1.

    With kernel = stride = s and one group a channel, y[s·q + r] = x[q] for r < s, which is exact.
    """
    if not any(factor > 1 for factor in factors):
        return x
    kernel = factors[2:]
    x = image(call, x, len(kernel))
    channels, ones = x.type.shape[1], (1,) * len(kernel)
    elements = channels * math.prod(kernel)
    call.require(elements <= MAX_KERNEL, "NMC-I016", f"its factors {list(kernel)} need {elements} weights of 1")
    weight = call.weight("weight", np.ones((channels, 1, *kernel), np.float32))
    op = ConvTranspose(kernel, ((0, 0),) * len(kernel), ones, (0,) * len(kernel), groups=channels)
    return call.emit(op, x, weight)


def leaky(call: Emitter, x: Value, slope: Array) -> Value:
    """One slope for negative x: leaky_relu. Several, which broadcast: relu(x) + slope · min(x, 0)."""
    if slope.size and np.all(slope == slope.reshape(-1)[0]):
        return call.emit(Activation("leaky_relu", float(slope.reshape(-1)[0])), x)
    positive = call.emit(Relu(), x, part="positive")
    negative = call.emit(Clip(high=0.0), x, part="negative")
    scaled = call.emit(Mul(), negative, call.weight("slope", slope), part="scaled")
    return call.emit(Add(), positive, scaled)
