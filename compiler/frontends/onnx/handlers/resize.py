"""Resize and Upsample: every axis by itself, as linear operators.

Mode nearest by a whole factor repeats each element: a transposed convolution with kernel = stride and weights of 1.
Where elements are only left out it is a slice. Everything else is a matrix along the axis, from `interpolate`, or for
mode linear by a whole factor one transposed convolution, from `enlarge`.
"""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ...common.emit import Array, is_float
from ...common.moves import MAX_KERNEL, MAX_LENGTH, picked, repeated, runs_of
from ..call import Call
from .enlarge import enlarged
from .interpolate import Axis, check_transform, cubic, linear, nearest
from .reduce import along

Ints = tuple[int, ...]

_DEFAULTS = ("half_pixel", "round_prefer_floor")
_SIMPLE = ("asymmetric", "floor")  # what Upsample and Resize of opset 10 do


def _numbers(call: Call, index: int, role: str) -> Array | None:
    """A list of numbers; None if it is absent or empty, which means the same."""
    array = call.optional_constant(index, role)
    if array is None or array.size == 0:
        return None
    call.require(array.ndim == 1, "NMC-I012", f"its {role} have shape {list(array.shape)}")
    return array


def _by_scales(call: Call, scales: Array, have: Ints, transform: str) -> list[Axis]:
    call.require(is_float(scales), "NMC-I011", f"its scales are {scales.dtype}")
    given = [float(scale) for scale in scales]
    good = all(math.isfinite(scale) and scale > 0 for scale in given)
    call.require(good, "NMC-I011", f"its scales are {given}, not positive numbers")
    axes = [
        Axis(size, math.floor(np.float32(size) * np.float32(scale)), scale)
        for size, scale in zip(have, given, strict=True)
    ]
    same = all(axis.scale == 1 for axis in axes if axis.out == axis.size)
    why = f"scales {given} leave an axis of {list(have)} as long as it is: some runtimes move its elements, some do not"
    call.require(same, "NMC-I011", why, "give sizes")
    whole = transform != "align_corners" or all(axis.out == axis.size * axis.scale for axis in axes)
    why = f"scales {given} leave fractions of elements of {list(have)}, where runtimes align corners differently"
    call.require(whole, "NMC-I011", why, "give sizes")
    return axes


def _by_sizes(call: Call, sizes: Array, have: Ints) -> list[Axis]:
    call.require(sizes.dtype.kind in "iu", "NMC-I011", f"its sizes are {sizes.dtype}")
    want = [int(size) for size in sizes]
    call.require(min(want) > 0, "NMC-I012", f"its sizes are {want}")
    scales = [size / old for size, old in zip(want, have, strict=True)]
    policy = call.text("keep_aspect_ratio_policy", "stretch") if call.opset >= 18 else "stretch"
    call.require(
        policy in ("stretch", "not_larger", "not_smaller"), "NMC-I011", f"its keep_aspect_ratio_policy is {policy!r}"
    )
    if policy != "stretch":
        one = min(scales) if policy == "not_larger" else max(scales)
        scales = [one] * len(scales)
        want = [math.floor(one * old + 0.5) for old in have]
    return [Axis(old, size, scale) for old, size, scale in zip(have, want, scales, strict=True)]


def _axes(call: Call, x: Value, transform: str) -> list[Axis]:
    """Every axis of x."""
    scales = _numbers(call, 1 if call.opset < 11 else 2, "scales")
    sizes = _numbers(call, 3, "sizes") if call.opset >= 11 else None
    call.require((scales is None) != (sizes is None), "NMC-I012", "it needs either scales or sizes, constant ones")
    named = call.integers("axes") if call.opset >= 18 else None
    dims = range(x.type.rank) if named is None else [call.axis(axis, x.type.rank) for axis in named]
    given = scales if scales is not None else sizes
    assert given is not None
    fits = len(given) == len(dims) == len(set(dims))
    call.require(fits, "NMC-I012", f"{len(given)} scales or sizes for axes {list(dims)} of {x.type}")
    # A batch size that input_shapes replaced by 1 stands for the samples.
    have = tuple(
        int(given[i]) if axis == 0 and sizes is not None and int(given[i]) in call.model.batches else x.type.shape[axis]
        for i, axis in enumerate(dims)
    )
    found = _by_scales(call, given, have, transform) if sizes is None else _by_sizes(call, given, have)
    by_axis = dict(zip(dims, found, strict=True))
    axes = [by_axis.get(i, Axis(size, size, 1.0)) for i, size in enumerate(x.type.shape)]
    call.require(
        axes[0].out == axes[0].size, "NMC-I015", "it resizes axis 0, the samples", "resize the other axes only"
    )
    for axis in axes:
        call.require(axis.out >= 1, "NMC-I012", f"an axis of {axis.size} would get no elements")
        call.require(
            axis.out <= MAX_LENGTH, "NMC-I012", f"an axis would get {axis.out} elements, {MAX_LENGTH} are supported"
        )
    return axes


def _repeats(x: Value, axes: list[Axis], sources: list[Array]) -> Ints | None:
    """How often each element comes along each axis, if all come in place and channels once."""
    factors = tuple(axis.factor for axis in axes)
    spatial = 3 <= x.type.rank <= 5 and factors[:2] == (1, 1)
    whole = all(f and np.array_equal(s, np.arange(len(s)) // f) for f, s in zip(factors, sources, strict=True))
    return factors if spatial and whole else None


def _matrix(call: Call, axis: Axis) -> None:
    elements = axis.size * axis.out
    call.require(elements <= MAX_KERNEL, "NMC-I016", f"its matrix would have {axis.out} × {axis.size} elements")


def _nearest(call: Call, x: Value, axes: list[Axis], transform: str, rounding: str) -> Value:
    sources = [nearest(call, axis, transform, rounding) for axis in axes]
    factors = _repeats(x, axes, sources)
    if factors is not None:
        return repeated(call, x, factors)
    for dim, source in enumerate(sources):
        runs = runs_of(source.tolist())
        if len(runs) == 1:
            x = picked(call, x, dim, runs, f"axis{dim}")
            continue
        _matrix(call, axes[dim])
        matrix = np.zeros((axes[dim].out, axes[dim].size), np.float32)
        matrix[np.arange(len(source)), source] = 1
        x = along(call, x, dim, matrix, f"axis{dim}")
    return x


def _resized(call: Call, transform: str, rounding: str) -> Value:
    mode = call.text("mode", "nearest")
    call.require(mode in ("nearest", "linear", "cubic"), "NMC-I011", f"its mode is {mode!r}")
    check_transform(call, transform)
    x = call.value()
    axes = _axes(call, x, transform)
    a, exclude = call.finite("cubic_coeff_a", -0.75), call.flag("exclude_outside")
    if mode == "nearest":
        return _nearest(call, x, axes, transform, rounding)
    matrices: dict[int, Array] = {}
    for dim, axis in enumerate(axes):
        if axis.out != axis.size or axis.scale != 1:
            _matrix(call, axis)
            matrices[dim] = linear(axis, transform) if mode == "linear" else cubic(axis, transform, a, exclude)
    x, rest = enlarged(call, x, matrices)
    for dim, matrix in rest.items():
        x = along(call, x, dim, matrix, f"axis{dim}")
    return x


def resize(call: Call) -> Value:
    call.require(call.opset >= 10, "NMC-I011", f"there is no Resize in opset {call.opset}")
    if call.opset < 11:
        return _resized(call, *_SIMPLE)
    call.raw(1)  # roi, for tf_crop_and_resize only
    call.ignore("extrapolation_value")  # the same
    if call.opset >= 18:
        call.ignore("keep_aspect_ratio_policy")  # of sizes alone, where it is read
        antialias = "antialias widens its windows when it makes the image smaller"
        call.require(not call.flag("antialias"), "NMC-I011", antialias, "resize without antialias, or pool first")
    transform = call.text("coordinate_transformation_mode", _DEFAULTS[0])
    return _resized(call, transform, call.text("nearest_mode", _DEFAULTS[1]))


def upsample(call: Call) -> Value:
    call.require(call.opset < 10, "NMC-I011", f"there is no Upsample in opset {call.opset}", "use Resize")
    return _resized(call, *_SIMPLE)
