"""Reshapes, transposes, padding and concatenation. The samples stay axis 0 throughout."""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ....ir.ops import Concat, Pad, Slice, Transpose
from ...common.moves import MAX_LENGTH, MAX_PIECES, picked, reshaped, runs_of
from ..call import Call
from .window import pairs


def flatten(call: Call) -> Value:
    axis = call.integer("axis", 1)
    x = call.value()
    split = axis if axis == x.type.rank else call.axis(axis, x.type.rank)
    call.require(split > 0 or not call.model.several, "NMC-I015", "axis 0 joins all samples", "use x.flatten(1)")
    return reshaped(call, x, (math.prod(x.type.shape[:split]), math.prod(x.type.shape[split:])))


def reshape(call: Call) -> Value:
    """The target may copy sizes (0) and leave one open (-1); a batch size > 1 in it stands for the samples where
    input_shapes said so."""
    copies = not (call.opset >= 14 and call.flag("allowzero"))
    target = call.optional_integers(1, "shape") or ()
    x = call.value()
    have = x.type.shape
    call.require(
        not copies or 0 not in target[len(have) :],
        "NMC-I012",
        f"shape {list(target)} copies a size that {x.type} lacks",
    )
    shape = [have[i] if size == 0 and copies else size for i, size in enumerate(target)]
    if shape and shape[0] in call.model.batches and math.prod(shape) != math.prod(have):
        shape[0] = 1
    legal = shape.count(-1) <= 1 and min(shape, default=0) >= -1
    call.require(legal, "NMC-I012", f"shape {list(target)} cannot be read")
    if -1 in shape:
        known = math.prod(size for size in shape if size != -1)
        fits = known > 0 and math.prod(have) % known == 0
        call.require(fits, "NMC-I012", f"{list(have)} does not reshape to {list(target)}")
        shape[shape.index(-1)] = math.prod(have) // known
    return reshaped(call, x, tuple(shape))


def _axes(call: Call) -> tuple[int, ...] | None:
    """Attribute to opset 12, operand from 13."""
    return call.integers("axes") if call.opset < 13 else call.optional_integers(1, "axes")


def squeeze(call: Call) -> Value:
    axes = _axes(call)
    call.require(axes != (), "NMC-I011", "its list of axes is empty, which may mean none or all")
    x = call.value()
    shape, letters = x.type.shape, x.type.axes
    gone = tuple(i for i, n in enumerate(shape) if n == 1) if axes is None else call.axes(axes, len(shape))
    why = "it removes the samples axis" if axes else "without axes it removes every axis of length 1, axis 0 too"
    call.require(0 not in gone, "NMC-I015", why, "name the axes, e.g. x.squeeze(-1)")
    call.require(all(shape[i] == 1 for i in gone), "NMC-I012", f"axes {list(gone)} of {x.type} are not of length 1")
    keep = [i for i in range(len(shape)) if i not in gone]
    return call.reshape(x, tuple(shape[i] for i in keep), "".join(letters[i] for i in keep))


def unsqueeze(call: Call) -> Value:
    axes = _axes(call) or ()
    x = call.value()
    rank = x.type.rank + len(axes)
    new = call.axes(axes, rank)
    call.require(0 not in new, "NMC-I015", "it puts an axis before the samples")
    sizes, letters = iter(x.type.shape), iter(x.type.axes)
    shape = tuple(1 if i in new else next(sizes) for i in range(rank))
    return call.reshape(x, shape, "".join("_" if i in new else next(letters) for i in range(rank)))


def transpose(call: Call) -> Value:
    """A Transpose that leaves the samples in front (`shifts.leaves_front` has the others)."""
    given, x = call.integers("perm"), call.value()
    perm = tuple(reversed(range(x.type.rank))) if given is None else given
    return x if perm == tuple(range(x.type.rank)) else call.emit(Transpose(perm), x)


def _all_pads(call: Call, x: Value) -> tuple[tuple[int, int], ...]:
    """(before, after) for every axis: attribute to opset 10, operand from 11, for some axes only from 18."""
    given = call.integers("pads") if call.opset < 11 else call.optional_integers(1, "pads")
    axes = call.optional_integers(3, "axes") if call.opset >= 18 else None
    if axes is None:
        return pairs(call, given or (), x.type.rank)
    call.axes(axes, x.type.rank)
    some = dict(zip((axis % x.type.rank for axis in axes), pairs(call, given or (), len(axes)), strict=True))
    return tuple(some.get(i, (0, 0)) for i in range(x.type.rank))


def _padded_with_itself(call: Call, x: Value, pads: tuple[tuple[int, int], ...], mode: str) -> Value:
    """Modes edge, reflect and wrap: elements of x at other places, axis by axis."""
    for dim, (before, after) in enumerate(pads):
        size = x.type.shape[dim]
        most = {"edge": MAX_PIECES, "reflect": min(size - 1, MAX_PIECES), "wrap": size}[mode]
        call.require(min(before, after) >= 0, "NMC-I011", f"it cuts off elements in mode {mode!r}", "use a slice")
        why = f"it pads {max(before, after)} beside {size} elements in mode {mode!r}, at most {most} are supported"
        call.require(max(before, after) <= most, "NMC-I011", why)
        if before or after:
            call.require(size <= MAX_LENGTH, "NMC-I012", f"it pads an axis of {size} elements in mode {mode!r}")
            sources = np.pad(np.arange(size), (before, after), mode)  # type: ignore[call-overload]
            x = picked(call, x, dim, runs_of([int(i) for i in sources]))
    return x


def pad(call: Call) -> Value:
    """Pads with a constant, or with the input's own elements; negative amounts cut off."""
    mode = call.text("mode", "constant")
    known = mode in ("constant", "edge", "reflect") or (mode == "wrap" and call.opset >= 19)
    call.require(known, "NMC-I011", f"its mode is {mode!r}", "use padding_mode='zeros'")
    fill = call.number("value", 0.0) if call.opset < 11 else 0.0
    array = call.optional_constant(2, "constant_value") if call.opset >= 11 else None
    call.require(array is None or array.size == 1, "NMC-I012", "its constant_value is not a single number")
    fill = fill if array is None else float(array.reshape(-1)[0])
    call.require(not math.isnan(fill), "NMC-I011", "it pads with NaN")
    x = call.value()
    pads = _all_pads(call, x)
    call.require(pads[0] == (0, 0), "NMC-I015", "it pads axis 0")
    if mode != "constant":
        return _padded_with_itself(call, x, pads, mode)
    if any(min(pair) < 0 for pair in pads):
        ranges = tuple((max(0, -b), n - max(0, -e), 1) for n, (b, e) in zip(x.type.shape, pads, strict=True))
        pads = tuple((max(0, b), max(0, e)) for b, e in pads)
        rest = any(map(any, pads))
        x = call.emit(Slice(ranges), x, part="cut" if rest else "")
    return call.emit(Pad(pads, fill), x) if any(map(any, pads)) else x


def concat(call: Call) -> Value:
    """Constants among the operands (zeros in front of a clip, for example) get the axes of the computed ones."""
    axis = call.required_integer("axis")
    operands = call.given()
    x = next((operand for operand in operands if isinstance(operand, Value)), None) or call.value()
    dim = call.axis(axis, x.type.rank)
    call.require(dim != 0, "NMC-I015", "it joins samples along axis 0")
    parts: list[Value] = []
    for i, operand in enumerate(operands):
        if isinstance(operand, np.ndarray):
            call.require(operand.ndim == x.type.rank, "NMC-I012", f"{list(operand.shape)} beside {x.type}")
            call.require(
                operand.shape[0] == 1, "NMC-I015", f"its constant of shape {list(operand.shape)} has several samples"
            )
            if operand.shape[dim]:
                parts.append(call.weight(f"part{i + 1}", operand, x.type.axes))
        else:
            parts.append(call.value(i))
    return parts[0] if len(parts) == 1 else call.emit(Concat(dim), *parts)
