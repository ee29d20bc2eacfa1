"""What more than one front end emits for one node: reshapes, slices, repeated elements, inputs of windows."""

from __future__ import annotations

import math

import numpy as np

from ...ir import Value
from ...ir.ops import Activation, Add, Clip, Concat, ConvTranspose, Mul, Relu, Reshape, Slice
from .axes import channel_letters, reshaped_letters
from .emit import Array, Emitter

Ints = tuple[int, ...]

MAX_KERNEL = 1 << 22  # elements of a kernel of ones, which a few bytes of a file can ask for
MAX_PIECES = 64  # slices that one gather, tile or pad becomes
MAX_LENGTH = 1 << 24  # of an axis whose elements are listed one by one
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


def runs_of(indices: list[int]) -> list[tuple[int, int, int]]:
    """(first, stop, step) of the rising, evenly spaced runs that make up indices, each as long as it can be."""
    found: list[tuple[int, int, int]] = []
    start = 0
    while start < len(indices):
        step = indices[start + 1] - indices[start] if start + 1 < len(indices) else 1
        end = start + 1
        while step > 0 and end < len(indices) and indices[end] - indices[end - 1] == step:
            end += 1
        found.append((indices[start], indices[end - 1] + 1, step if end > start + 1 else 1))
        start = end
    return found


def picked(call: Emitter, x: Value, dim: int, runs: list[tuple[int, int, int]], part: str = "") -> Value:
    """The elements of an axis of x in these runs (first, stop, step), one after the other: slices and a concat.

    Refusal if there are more than MAX_PIECES runs.
    """
    why = f"it takes elements of an axis in {len(runs)} runs, at most {MAX_PIECES} are supported"
    call.require(len(runs) <= MAX_PIECES, "NMC-I011", why, "take every element once, in order, or in even steps")
    parts: list[Value] = []
    for i, run in enumerate(runs, 1):
        ranges = whole(x.type.shape)
        ranges[dim] = run
        name = f"{part}{'.' if part else ''}{dim}.{i}" if len(runs) > 1 else part
        parts.append(cut(call, x, ranges, name))
    return parts[0] if len(parts) == 1 else call.emit(Concat(dim), *parts, part=part)


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
