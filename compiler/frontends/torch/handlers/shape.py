"""Reshapes, transposes, padding, joining and enlarging. The samples stay axis 0 throughout."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from ....ir import Value
from ....ir.ops import Concat, Pad, Transpose
from ...common.moves import cut, repeated, reshaped
from ...common.problems import Refusal
from ..call import Call, Ints, to_array
from .slices import unbind

Moved = Value | tuple[Value, ...]
_UNBIND = (torch.unbind, "unbind", torch.ops.aten.unbind.int)
_SELECT = (torch.select, "select", torch.ops.aten.select.int)


def listed(items: tuple[Any, ...]) -> Any:
    """The numbers of a call that takes them one by one or as a list."""
    return items[0] if len(items) == 1 and isinstance(items[0], tuple | list) else items


def as_said(call: Call, input: Any, *anything: Any, **more: Any) -> Value:
    """A reshape whose result shape is the one that torch computed: view, flatten, …"""
    return reshaped(call, call.value(input), call.shape)


def view(call: Call, input: Any, *shape: Any, dtype: Any = None) -> Value:
    call.require(
        dtype is None and not any(isinstance(size, torch.dtype) for size in shape),
        "NMC-I011",
        "it reads the bits as another type",
    )
    return as_said(call, input)


def squeeze(call: Call, input: Any, *dim: Any) -> Value:
    """Drops axes of length 1: the given ones, or all but the samples axis is one of them and refused."""
    x = call.value(input)
    shape, letters = x.type.shape, x.type.axes
    given = call.axes(call.integers(listed(dim), "dim"), len(shape)) if dim else range(len(shape))
    gone = [i for i in given if shape[i] == 1]
    why = "it removes the samples axis" if dim else "without axes it removes every axis of length 1, axis 0 too"
    call.require(0 not in gone, "NMC-I015", why, "name the axes, e.g. x.squeeze(-1)")
    keep = [i for i in range(len(shape)) if i not in gone]
    return call.reshape(x, tuple(shape[i] for i in keep), "".join(letters[i] for i in keep))


def unsqueeze(call: Call, input: Any, dim: int) -> Value:
    x = call.value(input)
    at = call.axis(call.integer(dim, "dim"), x.type.rank + 1)
    call.require(at != 0, "NMC-I015", "it puts an axis before the samples")
    shape, letters = x.type.shape, x.type.axes
    return call.reshape(x, (*shape[:at], 1, *shape[at:]), f"{letters[:at]}_{letters[at:]}")


def _is_taken_apart(node: fx.Node) -> bool:
    """Does everything that reads the tensor take single elements along its axis 0?"""
    for user in node.users:
        rest = [*user.args[1:], *user.kwargs.values()]
        unbound = user.target in _UNBIND and rest in ([], [0])
        selected = user.target in _SELECT and len(rest) == 2 and rest[0] == 0
        item = user.target is operator.getitem and isinstance(rest[0], int)
        if user.args[:1] != (node,) or not (unbound or selected or item):
            return False
    return True


def _elements(call: Call, x: Value, perm: Ints) -> tuple[Value, ...]:
    """The elements along axis 0 of a permutation that has the samples in axis 1."""
    axis, *others = perm
    rest = [d - (d > axis) for d in others]
    found = []
    for i, part in enumerate(unbind(call, x, axis), 1):
        moved = rest != sorted(rest)
        found.append(call.emit(Transpose(tuple(rest)), part, part=f"{i}.moved") if moved else part)
    return tuple(found)


def permuted(call: Call, x: Value, perm: Ints) -> Moved:
    """x with axis perm[i] as axis i. Queries, keys and values of one tensor come apart in front of the samples: they
    are values of their own then."""
    call.require(sorted(perm) == list(range(x.type.rank)), "NMC-I012", f"axes {list(perm)} for an input {x.type}")
    if perm[1:2] == (0,) and _is_taken_apart(call.node):
        return _elements(call, x, perm)
    call.require(perm[0] == 0, "NMC-I015", f"{list(perm)} moves axis 0", "keep the batch axis in front")
    return x if perm == tuple(range(x.type.rank)) else call.emit(Transpose(perm), x)


def permute(call: Call, input: Any, *dims: Any) -> Moved:
    x = call.value(input)
    return permuted(call, x, tuple(call.axis(d, x.type.rank) for d in call.integers(listed(dims), "dims")))


def transpose(call: Call, input: Any, dim0: int, dim1: int) -> Moved:
    x = call.value(input)
    perm = list(range(x.type.rank))
    a, b = (call.axis(call.integer(d, "dim"), x.type.rank) for d in (dim0, dim1))
    perm[a], perm[b] = perm[b], perm[a]
    return permuted(call, x, tuple(perm))


def movedim(call: Call, input: Any, source: Any, destination: Any) -> Moved:
    x = call.value(input)
    rank = x.type.rank
    sources = [call.axis(d, rank) for d in call.integers(source, "source")]
    targets = [call.axis(d, rank) for d in call.integers(destination, "destination")]
    rest = iter([d for d in range(rank) if d not in sources])
    moved = dict(zip(targets, sources, strict=True))
    return permuted(call, x, tuple(moved[i] if i in moved else next(rest) for i in range(rank)))


def turned(call: Call, input: Any) -> Moved:
    """`x.t()` and `x.T`, the axes in reverse order: samples are axis 0 only in a tensor of rank 1."""
    x = call.value(input)
    return permuted(call, x, tuple(reversed(range(x.type.rank))))


def last_swapped(call: Call, input: Any) -> Moved:
    """`x.mT`."""
    return transpose(call, input, -2, -1)


def attribute(call: Call, input: Any, name: str) -> Moved:
    """An attribute that is a tensor: `x.T` or `x.mT`."""
    call.require(name in ("T", "mT"), "NMC-I010", f"nmc has no import rule for the attribute {name!r}")
    return (last_swapped if name == "mT" else turned)(call, input)


def expand(call: Call, input: Any, *shape: Any, implicit: bool = False) -> Value:
    """Only where nothing is repeated."""
    x = call.value(input)
    hint = "leave it out where a sum or product follows: shapes are broadcast there"
    call.require(call.shape == x.type.shape, "NMC-I011", f"it repeats {x.type} to {list(call.shape)}", hint)
    return x


def padded(call: Call, input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Value:
    """Pads with a constant, last axis first; negative amounts cut off."""
    call.require(mode == "constant", "NMC-I011", f"its mode is {mode!r}", "use padding_mode='zeros'")
    fill = 0.0 if value is None else float(call.constant(value, "value"))
    call.require(not math.isnan(fill), "NMC-I011", "it pads with NaN")
    x = call.value(input)
    amounts = call.integers(pad, "pad")
    fits = len(amounts) % 2 == 0 and len(amounts) <= 2 * x.type.rank
    call.require(fits, "NMC-I012", f"pads {list(amounts)} for an input {x.type}")
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    pads = tuple(reversed([*pairs, *[(0, 0)] * (x.type.rank - len(pairs))]))
    call.require(pads[0] == (0, 0), "NMC-I015", "it pads axis 0")
    added = tuple((max(0, b), max(0, e)) for b, e in pads)
    rest = any(map(any, added))
    ranges = [(max(0, -b), size - max(0, -e), 1) for size, (b, e) in zip(x.type.shape, pads, strict=True)]
    x = cut(call, x, ranges, "cut" if rest else "")
    return call.emit(Pad(added, fill), x) if rest else x


def constant_pad(call: Call, input: Any, pad: Any, value: float = 0) -> Value:
    """ATen's spelling of a pad with a constant."""
    return padded(call, input, pad, "constant", value)


def cat(call: Call, tensors: Any, dim: int = 0, *, axis: int | None = None, out: None = None) -> Value:
    """Constants among the operands (zeros in front of a clip, for example) get the axes of the computed ones."""
    x = next((operand for operand in tensors if isinstance(operand, Value)), None)
    assert x is not None  # operations on constants alone do not come here
    at = call.axis(call.integer(dim if axis is None else axis, "dim"), x.type.rank)
    call.require(at != 0, "NMC-I015", "it joins samples along axis 0")
    parts: list[Value] = []
    for i, operand in enumerate(tensors):
        if isinstance(operand, Tensor):
            array = call.floats(operand, f"operand {i + 1}")
            fits = array.ndim == x.type.rank and array.shape[0] == 1
            call.require(fits, "NMC-I012", f"a constant of shape {list(array.shape)} beside {x.type}")
            if array.shape[at]:
                parts.append(call.weight(f"part{i + 1}", array, x.type.axes))
        else:
            parts.append(call.value(operand))
    return parts[0] if len(parts) == 1 else call.emit(Concat(at), *parts)


def stack(call: Call, tensors: Any, dim: int = 0, *, out: None = None) -> Value:
    """Joined along a new axis."""
    values = [call.value(operand) for operand in tensors]
    first = values[0].type
    at = call.axis(call.integer(dim, "dim"), first.rank + 1)
    call.require(at != 0, "NMC-I015", "it puts an axis before the samples")
    shape, axes = (*first.shape[:at], 1, *first.shape[at:]), f"{first.axes[:at]}_{first.axes[at:]}"
    parts = [call.reshape(x, shape, axes, f"{i + 1}") for i, x in enumerate(values)]
    return call.emit(Concat(at), *parts) if len(parts) > 1 else parts[0]


def interpolate(call: Call, input: Any, *anything: Any, mode: str = "nearest", **more: Any) -> Value:
    """Nearest neighbours by whole factors: a transposed convolution that repeats each element. Whether the operation
    takes each element as often as its axis grows is asked of torch."""
    hint = "use mode 'nearest' with a whole number as scale_factor; for other ways to enlarge use ConvTranspose"
    mode = str(anything[2]) if len(anything) > 2 and isinstance(anything[2], str) else mode
    call.require(mode.startswith("nearest"), "NMC-I011", f"its mode is {mode!r}, which interpolates", hint)
    x = call.value(input)
    old, new = x.type.shape, call.shape
    whole = len(old) >= 3 and all(b % a == 0 for a, b in zip(old, new, strict=True))
    call.require(whole, "NMC-I011", f"{list(new[2:])} is no multiple of {list(old[2:])}", hint)
    factors = tuple(b // a for a, b in zip(old, new, strict=True))
    for axis in range(2, len(old)):
        shape = [size if i == axis else 1 for i, size in enumerate(old)]
        ramp = torch.arange(old[axis], dtype=torch.float32).reshape(shape).expand(1, 1, *old[2:])
        found = to_array(call.again(ramp)).take(0, 0).take(0, 0)
        wanted = np.repeat(np.arange(old[axis]), factors[axis])
        line = np.moveaxis(found, axis - 2, 0).reshape(len(wanted), -1)[:, 0]
        if not np.array_equal(line, wanted):
            raise Refusal("NMC-I011", f"it does not take each of {old[axis]} elements {factors[axis]} times", hint)
    return repeated(call, x, factors)
