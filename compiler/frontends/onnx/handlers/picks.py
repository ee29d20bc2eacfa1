"""Elements picked by constant indices of every axis, and triangles: slices, a concat, or weights of 0 and 1."""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ....ir.ops import Mul
from ...common.emit import Array
from ...common.moves import picked, runs_of
from ..call import Call

_SAMPLES = "it selects samples along axis 0"


def _checked(call: Call, indices: Array, sizes: tuple[int, ...]) -> Array:
    """Indices counted from the front. `sizes` broadcasts to the indices' last axis."""
    call.require(indices.dtype.kind in "iu" and indices.size > 0, "NMC-I011", f"its indices are {indices.dtype}")
    limit = np.array(sizes)
    inside = bool(np.all((indices >= -limit) & (indices < limit)))
    call.require(inside, "NMC-I012", f"an index lies outside of axes of {list(sizes)}")
    return np.where(indices < 0, indices + limit, indices)


def _from_flat(call: Call, x: Value, sources: Array, letters: str) -> Value:
    """The elements of each sample at these positions of its row-major order, in the shape of `sources`."""
    flat = call.reshape(x, (1, x.type.elements), "NC", "flat")
    chosen = picked(call, flat, 1, runs_of(sources.reshape(-1).tolist()), "picked")
    return call.reshape(chosen, (1, *map(int, sources.shape)), f"N{letters}")


def gather_elements(call: Call) -> Value:
    """y[…, i, …] = x[…, indices[…, i, …], …] along one axis."""
    axis, indices, x = call.integer("axis", 0), call.constant(1, "indices"), call.value()
    rank = x.type.rank
    dim = call.axis(axis, rank)
    call.require(dim != 0, "NMC-I015", _SAMPLES)
    call.require(indices.ndim == rank, "NMC-I012", f"indices of shape {list(indices.shape)} for {x.type}")
    same = bool(np.all(indices == indices[:1]))
    call.require(same, "NMC-I015", "each sample has indices of its own", "give all samples the same indices")
    given = _checked(call, indices[0], (x.type.shape[dim],))
    shape = x.type.shape[1:]
    fits = all(n <= size for i, (n, size) in enumerate(zip(given.shape, shape, strict=True), 1) if i != dim)
    call.require(fits, "NMC-I012", f"indices of shape {list(indices.shape)} for {x.type}")
    order = np.arange(math.prod(shape)).reshape(shape)[
        tuple(slice(n) if i != dim - 1 else slice(None) for i, n in enumerate(given.shape))
    ]
    letters = "".join(c if i != dim else "_" for i, c in enumerate(x.type.axes))[1:]
    return _from_flat(call, x, np.take_along_axis(order, given, axis=dim - 1), letters)


def gather_nd(call: Call) -> Value:
    """y[n, …] = x[n, indices[…, 0], indices[…, 1], …], with the samples as batch axis."""
    batch, indices, x = call.integer("batch_dims", 0), call.constant(1, "indices"), call.value()
    call.require(batch >= 1, "NMC-I015", "its batch_dims is 0: it selects samples along axis 0")
    call.require(batch == 1 and indices.ndim >= 2, "NMC-I011", f"its batch_dims is {batch}, 1 is imported")
    same = bool(np.all(indices == indices[:1]))
    call.require(same, "NMC-I015", "each sample has indices of its own", "give all samples the same indices")
    depth, shape = indices.shape[-1], x.type.shape[1:]
    call.require(1 <= depth <= len(shape), "NMC-I012", f"indices of shape {list(indices.shape)} for {x.type}")
    given = _checked(call, indices[0], shape[:depth])
    order = np.arange(math.prod(shape)).reshape(shape)
    sources = order[tuple(np.moveaxis(given, -1, 0))]
    call.require(sources.ndim >= 1, "NMC-I015", "each sample would have no axis of its own")
    return _from_flat(call, x, sources, "_" * (sources.ndim - len(shape[depth:])) + x.type.axes[1 + depth :])


def trilu(call: Call) -> Value:
    """The upper or lower triangle of the last two axes, 0 elsewhere: x times 0 and 1, which is exact."""
    upper, offset, x = call.flag("upper", True), call.optional_integers(1, "k") or (0,), call.value()
    call.require(x.type.rank >= 3, "NMC-I015", f"the samples are an axis of its matrix {x.type}")
    ones = np.ones(x.type.shape[-2:], np.float32)
    triangle = np.triu(ones, offset[0]) if upper else np.tril(ones, offset[0])
    return call.emit(Mul(), x, call.weight("triangle", triangle))
