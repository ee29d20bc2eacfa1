"""Slice, Split and Gather with constant bounds, all of which are slices."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ...common.moves import cut, picked, runs_of, whole
from ..call import Call, Result

ENDLESS = 2**31 - 1  # exporters write INT32_MAX or INT64_MAX for "to the end"
_SAMPLES = "it selects samples along axis 0"


def slice_(call: Call) -> Value:
    """Bounds are attributes in opset 9 and operands from 10; negative ones count from the end, all are clamped."""
    if call.opset < 10:
        starts, ends, axes = call.integers("starts") or (), call.integers("ends") or (), call.integers("axes")
        steps = None
    else:
        starts, ends = call.optional_integers(1, "starts") or (), call.optional_integers(2, "ends") or ()
        axes, steps = call.optional_integers(3, "axes"), call.optional_integers(4, "steps")
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    equal = len(starts) == len(ends) == len(axes) == len(steps)
    call.require(equal, "NMC-I012", f"starts {starts}, ends {ends}, axes {axes} and steps {steps} differ in length")
    call.require(0 not in steps, "NMC-I011", "a step is 0")
    x = call.value()
    call.axes(axes, x.type.rank)
    ranges = whole(x.type.shape)
    turned: list[tuple[int, range]] = []
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= x.type.rank
        first, stop, _ = slice(start, end, step).indices(x.type.shape[axis])
        if axis == 0:
            longest = max(call.model.batches, default=ENDLESS if call.model.open_batch else 1)
            everything = (first, stop) == (0, 1) and end >= longest
            call.require(everything, "NMC-I015", _SAMPLES)
            continue
        if step < 0:
            turned.append((axis, range(first, stop, step)))
            call.require(
                len(turned[-1][1]) > 0, "NMC-I012", f"{start}:{end}:{step} of axis {axis} of {x.type} is empty"
            )
            continue
        call.require(first < stop, "NMC-I012", f"{start}:{end}:{step} of axis {axis} of {x.type} is empty")
        ranges[axis] = (first, stop, step) if step > 1 or (first, stop) != (0, x.type.shape[axis]) else ranges[axis]
    x = cut(call, x, ranges, "forward" if turned else "")
    for axis, backward in turned:
        x = picked(call, x, axis, runs_of(list(backward)), f"axis{axis}")
    return x


def _split_sizes(call: Call, size: int) -> list[int]:
    """Sizes of the parts: given, or equal ones of which the last may be shorter (from opset 18)."""
    outputs = len(call.proto.output)
    given = call.integers("split") if call.opset < 13 else call.optional_integers(1, "split")
    parts = call.integer("num_outputs", outputs) if call.opset >= 18 else outputs
    if given is not None:
        sizes = list(given)
    else:
        call.require(parts == outputs, "NMC-I012", f"it makes {parts} parts and gives {outputs}")
        longest = -(-size // parts)
        sizes = [longest] * (parts - 1) + [size - longest * (parts - 1)]
        call.require(call.opset >= 18 or len(set(sizes)) == 1, "NMC-I012", f"{size} does not divide into {parts} parts")
    fits = sum(sizes) == size and min(sizes, default=-1) >= 0 and len(sizes) == outputs
    call.require(fits, "NMC-I012", f"parts of {sizes} do not make up {size} in {outputs} outputs")
    return sizes


def split(call: Call) -> list[Result]:
    axis = call.integer("axis", 0)
    x = call.value()
    dim = call.axis(axis, x.type.rank)
    call.require(dim != 0, "NMC-I015", _SAMPLES)
    results: list[Result] = []
    start = 0
    for i, size in enumerate(_split_sizes(call, x.type.shape[dim])):
        ranges = whole(x.type.shape)
        if not size:  # nothing, which a concat takes
            results.append(np.zeros([0 if j == dim else n for j, n in enumerate(x.type.shape)], np.float32))
            continue
        ranges[dim] = (start, start + size, 1)
        results.append(cut(call, x, ranges, f"{i + 1}"))
        start += size
    return results


def gather(call: Call) -> Value:
    """Constant indices: slices, one for each evenly spaced rising run of them; a single index drops the axis."""
    axis, indices = call.integer("axis", 0), call.constant(1, "indices")
    x = call.value()
    dim = call.axis(axis, x.type.rank)
    call.require(dim != 0, "NMC-I015", _SAMPLES)
    size = x.type.shape[dim]
    call.require(
        indices.dtype.kind in "iu" and indices.size > 0,
        "NMC-I011",
        f"its indices are {indices.dtype}{list(indices.shape)}",
    )
    chosen = [int(i) for i in indices.reshape(-1)]
    call.require(all(-size <= i < size for i in chosen), "NMC-I012", f"indices {chosen[:8]} of an axis of {size}")
    chosen = [i % size for i in chosen]
    if indices.ndim == 1:
        return picked(call, x, dim, runs_of(chosen))
    kept = picked(call, x, dim, runs_of(chosen), "picked")
    shape, letters = x.type.shape, x.type.axes
    new = tuple(map(int, indices.shape))
    return call.reshape(kept, shape[:dim] + new + shape[dim + 1 :], letters[:dim] + "_" * len(new) + letters[dim + 1 :])


def shape(call: Call) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The sizes of one sample's tensor, as a constant."""
    start, end = call.integer("start", 0), call.integer("end", 2**31 - 1)
    return np.array(_operand_shape(call)[start:end], np.int64)


def size(call: Call) -> np.ndarray[tuple[()], np.dtype[np.int64]]:
    return np.array(int(np.prod(_operand_shape(call))), np.int64)


def _operand_shape(call: Call) -> tuple[int, ...]:
    operand = call.operand(0)
    return operand.shape if isinstance(operand, np.ndarray) else call.value().type.shape
