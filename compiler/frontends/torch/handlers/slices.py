"""Slices, chunks and selections with constant bounds, and the parts of operations with several results."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from ....ir import Value
from ...common.moves import cut, whole
from ..call import Call, Ints

_SAMPLES = "it selects samples along axis 0"


def _dim(call: Call, x: Value, dim: Any) -> int:
    at = call.axis(call.integer(dim, "dim"), x.type.rank)
    call.require(at != 0, "NMC-I015", _SAMPLES)
    return at


def _ranges(call: Call, x: Value, axis: int, bounds: slice) -> tuple[int, int, int]:
    """The bounds as numbers: negative ones count from the end, all are clamped."""
    size = x.type.shape[axis]
    first, stop, step = bounds.indices(size)
    call.require(axis != 0 or (first, stop) == (0, size), "NMC-I015", _SAMPLES)
    call.require(first < stop, "NMC-I012", f"{bounds} of axis {axis} of {x.type} is empty")
    return first, stop, step


def _select(call: Call, x: Value, axis: int, index: int) -> tuple[int, int, int]:
    size = x.type.shape[axis]
    call.require(axis != 0, "NMC-I015", _SAMPLES)
    call.require(-size <= index < size, "NMC-I012", f"index {index} of an axis of {size}")
    return index % size, index % size + 1, 1


def _even(call: Call, x: Value, axis: int, indices: Tensor) -> tuple[int, int, int]:
    """Indices in even, rising steps as a slice."""
    array = call.constant(indices, "index")
    call.require(axis != 0, "NMC-I015", _SAMPLES)
    good = array.ndim == 1 and array.size > 0 and array.dtype.kind in "iu"
    call.require(good, "NMC-I011", f"its index is {array.dtype}{list(array.shape)}")
    size = x.type.shape[axis]
    chosen = [int(i) % size for i in array]
    steps = {b - a for a, b in pairwise(chosen)} or {1}
    rising = len(steps) == 1 and min(steps) > 0
    call.require(rising, "NMC-I011", f"indices {chosen[:8]} are not evenly spaced and rising")
    return chosen[0], chosen[-1] + 1, min(steps)


def getitem(call: Call, input: Any, index: Any) -> Any:
    """One of several results; or x[…] with numbers, slices, None and `...`."""
    if isinstance(input, tuple | list):
        at = call.integer(index, "index")
        call.require(-len(input) <= at < len(input), "NMC-I011", f"result {at + 1} of this operation is used")
        return input[at]
    x = call.value(input)
    items = list(index) if isinstance(index, tuple) else [index]
    items = [torch.tensor(item) if isinstance(item, list) else item for item in items]
    used = sum(item is not None and item is not Ellipsis for item in items)
    rest = [slice(None)] * (x.type.rank - used)
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    items[at : at + 1] = rest
    ranges, shape, letters = [], [], ""
    for item in items:
        axis = len(ranges)
        if item is None:
            call.require(axis > 0, "NMC-I015", "it puts an axis before the samples")
            shape.append(1)
            letters += "_"
            continue
        if isinstance(item, slice):
            call.require(item.step is None or item.step > 0, "NMC-I011", f"its step is {item.step}")
            ranges.append(_ranges(call, x, axis, item))
        elif isinstance(item, Tensor):
            call.require(sum(isinstance(i, Tensor) for i in items) == 1, "NMC-I011", "it has several index tensors")
            ranges.append(_even(call, x, axis, item))
        else:
            ranges.append(_select(call, x, axis, call.integer(item, "index")))
            continue
        shape.append(len(range(*ranges[-1])))
        letters += x.type.axes[axis]
    moved = len(shape) != x.type.rank or any(item is None for item in items)
    kept = cut(call, x, _tidy(x, ranges), "slice" if moved else "")
    return call.reshape(kept, tuple(shape), letters) if moved else kept


def _tidy(x: Value, ranges: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Ranges over everything in their plain form."""
    return [r if len(range(*r)) < size else (0, size, 1) for r, size in zip(ranges, x.type.shape, strict=True)]


def one(call: Call, x: Value, axis: int, item: Any) -> Value:
    """x with one axis indexed."""
    return getitem(call, x, (*[slice(None)] * axis, item))


def slice_(call: Call, input: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Value:
    x = call.value(input)
    axis = call.axis(call.integer(dim, "dim"), x.type.rank)
    return one(call, x, axis, slice(start, end, step))


def index(call: Call, input: Any, indices: Any) -> Value:
    """ATen's spelling of x[…] with index tensors."""
    return getitem(call, input, tuple(slice(None) if item is None else item for item in indices))


def narrow(call: Call, input: Any, dim: int, start: int, length: int) -> Value:
    x = call.value(input)
    axis = call.axis(call.integer(dim, "dim"), x.type.rank)
    start = start % x.type.shape[axis]
    return one(call, x, axis, slice(start, start + length))


def select(call: Call, input: Any, dim: int, index: int) -> Value:
    if isinstance(input, tuple) and dim == 0:  # one value each: states of recurrent layers, elements of a permutation
        return getitem(call, input, index)
    x = call.value(input)
    return one(call, x, _dim(call, x, dim), call.integer(index, "index"))


def index_select(call: Call, input: Any, dim: int, index: Any) -> Value:
    x = call.value(input)
    return one(call, x, _dim(call, x, dim), index)


def _parts(call: Call, x: Value, axis: int, sizes: Ints) -> list[Value]:
    results = []
    for i, (stop, size) in enumerate(zip(accumulate(sizes), sizes, strict=True)):
        call.require(size > 0, "NMC-I012", f"parts of {list(sizes)}")
        ranges = whole(x.type.shape)
        ranges[axis] = (stop - size, stop, 1)
        results.append(cut(call, x, ranges, f"{i + 1}"))
    return results


def _by_length(size: int, length: int) -> Ints:
    """Equal lengths, of which the last may be shorter."""
    return tuple(min(length, size - start) for start in range(0, size, length))


def chunk(call: Call, input: Any, chunks: int, dim: int = 0) -> list[Value]:
    x = call.value(input)
    axis = _dim(call, x, dim)
    size = x.type.shape[axis]
    return _parts(call, x, axis, _by_length(size, -(-size // call.integer(chunks, "chunks"))))


def split(call: Call, input: Any, split_size_or_sections: Any, dim: int = 0) -> list[Value]:
    x = call.value(input)
    axis = _dim(call, x, dim)
    lengths = call.integers(split_size_or_sections, "split size")
    listed = isinstance(split_size_or_sections, tuple | list)
    return _parts(call, x, axis, lengths if listed else _by_length(x.type.shape[axis], lengths[0]))


def unbind(call: Call, input: Any, dim: int = 0) -> list[Value]:
    """One value for each element of an axis, which is dropped."""
    if isinstance(input, tuple) and dim == 0:
        return list(input)
    x = call.value(input)
    axis = _dim(call, x, dim)
    shape, letters = x.type.shape, x.type.axes
    results = []
    for i, part in enumerate(_parts(call, x, axis, (1,) * shape[axis])):
        kept = (*shape[:axis], *shape[axis + 1 :])
        results.append(call.reshape(part, kept, letters[:axis] + letters[axis + 1 :], f"{i + 1}.row"))
    return results
