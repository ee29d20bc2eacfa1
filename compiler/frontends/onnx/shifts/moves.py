"""Operators that pick, join, pad or repeat elements, on tensors whose samples are not axis 0."""

from __future__ import annotations

import math

import numpy as np

from ...common.problems import Refusal, require
from ..handlers.slices import ENDLESS
from ..inside import Inside
from .node import Handler, Results, Shifted


def gather(s: Shifted, handler: Handler) -> Results:
    axis, indices = s.axis(s.call.integer("axis", 0)), s.constant(1)
    if indices is None:
        raise Refusal("NMC-I011", "its indices are missing")
    s.attributes["axis"] = s.x.inner(axis)
    return s.on_value(handler, s.x.samples + (indices.ndim - 1 if axis < s.x.samples else 0))


def split(s: Shifted, handler: Handler) -> Results:
    s.attributes["axis"] = s.x.inner(s.axis(s.call.integer("axis", 0)))
    return s.on_value(handler)


def cut(s: Shifted, handler: Handler) -> Results:
    """Slice."""
    starts, ends = s.integers("starts", 1, 10) or (), s.integers("ends", 2, 10) or ()
    given = s.integers("axes", 3, 10)
    axes = tuple(range(len(starts))) if given is None else tuple(s.call.axis(axis, s.rank) for axis in given)
    steps = (s.call.optional_integers(4, "steps") if s.call.opset >= 10 else None) or (1,) * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=False):
        all_of_them = ENDLESS if s.call.model.several else s.x.shape[axis]
        if axis == s.x.samples and (start != 0 or end < all_of_them or step != 1):
            raise s.mixes("it cuts that axis")
    s.put_integers("axes", 3, 10, [s.x.inner(axis) for axis in axes])
    return s.on_value(handler)


def concat(s: Shifted, handler: Handler) -> Results:
    s.attributes["axis"] = s.x.inner(s.axis(s.call.required_integer("axis")))
    s.samples_from_end()
    for i, operand in enumerate(s.operands):
        if isinstance(operand, Inside):
            s.operands[i] = operand.value
        elif isinstance(operand, np.ndarray):
            fits = operand.ndim == s.rank
            require(fits, "NMC-I012", f"its constant of shape {list(operand.shape)} beside {list(s.x.shape)}")
            s.operands[i] = np.moveaxis(operand, s.x.samples, 0) if s.x.alone else operand[None]
    return [s.made(y, s.x.samples) for y in s.run(handler)]


def pad(s: Shifted, handler: Handler) -> Results:
    given = s.integers("pads", 1, 11) or ()
    axes = s.call.optional_integers(3, "axes") if s.call.opset >= 18 else None
    named = tuple(range(s.rank)) if axes is None else tuple(s.call.axis(axis, s.rank) for axis in axes)
    require(len(given) == 2 * len(named), "NMC-I012", f"pads {list(given)} for axes {list(named)}")
    pads = np.zeros((2, s.x.value.type.rank), np.int64)
    for i, axis in enumerate(named):
        pads[:, s.x.inner(axis)] = given[i], given[i + len(named)]
    if pads[:, s.x.inner(s.x.samples)].any():
        raise s.mixes("it pads that axis")
    s.put_integers("pads", 1, 11, pads.reshape(-1).tolist())
    if axes is not None:
        s.operands[3] = None
    return s.on_value(handler)


def expand(s: Shifted, handler: Handler) -> Results:
    shape = s.call.optional_integers(1, "shape") or ()
    rank = max(len(shape), s.rank)
    samples = s.x.samples + rank - s.rank
    whole = (1,) * (rank - len(shape)) + shape
    if whole[samples] not in (1, s.x.shape[s.x.samples]):
        raise s.mixes("it repeats that axis")
    s.operands[0] = s.widened(s.x, rank, "input")
    s.operands[1] = np.array([1, *(whole[:samples] + whole[samples + 1 :] if s.x.alone else whole)], np.int64)
    return [s.made(y, samples) for y in s.run(handler)]


def shape(s: Shifted, handler: Handler) -> Results:
    """The sizes in the file."""
    start, end = s.call.integer("start", 0), s.call.integer("end", 2**31 - 1)
    return [np.array(s.x.shape[start:end], np.int64)]


def size(s: Shifted, handler: Handler) -> Results:
    return [np.array(math.prod(s.x.shape), np.int64)]
