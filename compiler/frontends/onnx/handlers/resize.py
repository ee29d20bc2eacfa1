"""Resize and Upsample by whole factors in mode nearest: a transposed convolution that repeats each element.

With kernel = stride = s, one group a channel and weights of 1, y[s·q + r] = x[q] for r < s, which is exact. Every other
way to resize mixes or drops elements and is refused.
"""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ...common.emit import Array, is_float
from ...common.moves import MAX_LENGTH, repeated
from ..call import Call

Ints = tuple[int, ...]

_DEFAULTS = ("half_pixel", "round_prefer_floor")
_SIMPLE = ("asymmetric", "floor")  # what Upsample and Resize of opset 10 do
_HINT = (
    "use nn.Upsample(scale_factor=2) or F.interpolate(x, scale_factor=2), mode 'nearest', with a whole number; for "
    "other ways to enlarge use ConvTranspose"
)


def _numbers(call: Call, index: int, role: str) -> Array | None:
    """A list of numbers; None if it is absent or empty, which means the same."""
    array = call.optional_constant(index, role)
    if array is None or array.size == 0:
        return None
    call.require(array.ndim == 1, "NMC-I012", f"its {role} have shape {list(array.shape)}")
    return array


def _by_scales(call: Call, scales: Array) -> Ints:
    call.require(is_float(scales), "NMC-I011", f"its scales are {scales.dtype}")
    given = [float(scale) for scale in scales]
    whole = all(math.isfinite(scale) and scale >= 1 and scale.is_integer() for scale in given)
    call.require(whole, "NMC-I011", f"its scales are {given}, not whole numbers ≥ 1", _HINT)
    return tuple(map(int, given))


def _by_sizes(call: Call, sizes: Array, have: Ints) -> Ints:
    call.require(sizes.dtype.kind in "iu", "NMC-I011", f"its sizes are {sizes.dtype}")
    want = [int(size) for size in sizes]
    whole = all(size > 0 and size % old == 0 for size, old in zip(want, have, strict=True))
    call.require(whole, "NMC-I011", f"sizes {want} are no multiples of {list(have)}", _HINT)
    return tuple(size // old for size, old in zip(want, have, strict=True))


def _factors(call: Call, x: Value) -> Ints:
    """The factor of each axis of x."""
    scales = _numbers(call, 1 if call.opset < 11 else 2, "scales")
    sizes = _numbers(call, 3, "sizes") if call.opset >= 11 else None
    call.require((scales is None) != (sizes is None), "NMC-I012", "it needs either scales or sizes, constant ones")
    named = call.integers("axes") if call.opset >= 18 else None
    axes = range(x.type.rank) if named is None else [call.axis(axis, x.type.rank) for axis in named]
    given = scales if scales is not None else sizes
    assert given is not None
    fits = len(given) == len(axes) == len(set(axes))
    call.require(fits, "NMC-I012", f"{len(given)} scales or sizes for axes {list(axes)} of {x.type}")
    # A batch size that input_shapes replaced by 1 stands for the samples.
    have = tuple(
        int(given[i]) if axis == 0 and sizes is not None and int(given[i]) in call.model.batches else x.type.shape[axis]
        for i, axis in enumerate(axes)
    )
    found = _by_scales(call, given) if sizes is None else _by_sizes(call, given, have)
    by_axis = dict(zip(axes, found, strict=True))
    return tuple(by_axis.get(axis, 1) for axis in range(x.type.rank))


def _sources(call: Call, size: int, factor: int, transform: str, rounding: str) -> Array:
    """Index of the input element that each element of the enlarged axis takes: a fraction (up / down), rounded."""
    i = np.arange(size * factor, dtype=np.int64)
    if transform == "asymmetric":
        up, down = i, factor
    elif transform == "align_corners":
        up, down = i * (size - 1), max(1, size * factor - 1)
    elif transform == "tf_half_pixel_for_nn" and call.opset < 13:
        up, down = 2 * i + 1, 2 * factor
    else:  # these differ only where a size is rounded or 1
        known = ("half_pixel", "pytorch_half_pixel", *(("half_pixel_symmetric",) if call.opset >= 19 else ()))
        call.require(transform in known, "NMC-I011", f"its coordinate_transformation_mode is {transform!r}", _HINT)
        up, down = 2 * i + 1 - factor, 2 * factor
    rounded = {
        "floor": lambda: up // down,
        "ceil": lambda: -(-up // down),
        "round_prefer_floor": lambda: -((down - 2 * up) // (2 * down)),
        "round_prefer_ceil": lambda: (2 * up + down) // (2 * down),
    }
    call.require(rounding in rounded, "NMC-I011", f"its nearest_mode is {rounding!r}")
    return np.clip(rounded[rounding](), 0, size - 1)


def _check_repeats(call: Call, x: Value, factors: Ints, transform: str, rounding: str) -> None:
    """Refusal unless every element is repeated as often as its axis grows, in place."""
    for size, factor in zip(x.type.shape[2:], factors[2:], strict=True):
        long = size * factor <= MAX_LENGTH
        call.require(long, "NMC-I012", f"an axis would get {size * factor} elements, {MAX_LENGTH} are supported")
        sources = _sources(call, size, factor, transform, rounding)
        why = f"{transform} with {rounding} does not take each of {size} elements {factor} times"
        repeats = bool(np.all(sources == np.arange(size * factor) // factor))
        call.require(repeats, "NMC-I011", why, _HINT)


def _enlarged(call: Call, transform: str, rounding: str) -> Value:
    mode = call.text("mode", "nearest")
    call.require(mode == "nearest", "NMC-I011", f"its mode is {mode!r}, which interpolates", _HINT)
    x = call.value()
    factors = _factors(call, x)
    call.require(factors[0] == 1, "NMC-I015", "it repeats samples along axis 0", "resize the spatial axes only")
    channels = "it repeats channels (axis 1)"
    hint = "resize the spatial axes only; a network whose channels are last has to transpose before and after"
    call.require(factors[1:2] in ((), (1,)), "NMC-I011", channels, hint)
    spatial = 3 <= x.type.rank <= 5 or set(factors) == {1}
    call.require(spatial, "NMC-I011", f"its input {x.type} has not 1 to 3 spatial axes")
    _check_repeats(call, x, factors, transform, rounding)
    return repeated(call, x, factors)


def resize(call: Call) -> Value:
    call.require(call.opset >= 10, "NMC-I011", f"there is no Resize in opset {call.opset}")
    if call.opset < 11:
        return _enlarged(call, *_SIMPLE)
    call.operand(1)  # roi, for tf_crop_and_resize only
    call.ignore("cubic_coeff_a", "exclude_outside", "extrapolation_value")
    if call.opset >= 18:
        policy = call.text("keep_aspect_ratio_policy", "stretch")
        call.require(policy == "stretch", "NMC-I011", f"its keep_aspect_ratio_policy is {policy!r}", "use 'stretch'")
        call.require(not call.flag("antialias"), "NMC-I011", "antialias interpolates", _HINT)
    transform = call.text("coordinate_transformation_mode", _DEFAULTS[0])
    return _enlarged(call, transform, call.text("nearest_mode", _DEFAULTS[1]))


def upsample(call: Call) -> Value:
    call.require(call.opset < 10, "NMC-I011", f"there is no Upsample in opset {call.opset}", "use Resize")
    return _enlarged(call, *_SIMPLE)
