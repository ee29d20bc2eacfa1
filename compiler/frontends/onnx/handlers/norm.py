"""Norms whose statistics come from each sample: the IR's normalize, then a scale and a shift."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ir.ops import Add, Dense, Divide, Function, Maximum, Mean, Mul, Normalize, Power, Transpose
from ...common.emit import Array
from ..call import Call
from .elementwise import absolute, aligned

Ints = tuple[int, ...]

TINY = np.array(2.0**-126, np.float32)  # the smallest normal number: 0 / TINY is 0


def parameter(call: Call, index: int, role: str, x: Value, shape: Ints | None = None) -> Value | None:
    """A scale or shift that broadcasts to x, constant (then reshaped to `shape`) or computed; None if absent."""
    operand = call.operand(index)
    if operand is None:
        return None
    if isinstance(operand, Value):
        aligned(call, x, operand)
        return operand
    array = call.constant(index, role)
    if shape is not None:
        fits = array.ndim == 1 and array.size == shape[0]
        call.require(fits, "NMC-I012", f"its {role} has shape {list(array.shape)}, not [{shape[0]}]")
        array = array.reshape(shape)
    aligned(call, x, array)
    return call.weight(role, array)


def scaled_norm(call: Call, x: Value, dims: Ints, epsilon: float, centered: bool, *operands: Value | None) -> Value:
    """normalize(x), times the first operand, plus the second."""
    steps = [(op, operand) for op, operand in zip((Mul(), Add()), operands, strict=False) if operand is not None]
    result = call.emit(Normalize(dims, epsilon, centered), x, part="normalized" if steps else "")
    for i, (op, operand) in enumerate(steps, 1):
        result = call.emit(op, result, operand, part="scaled" if i < len(steps) else "")
    call.require(result.type.shape == x.type.shape, "NMC-I012", "its scale or shift is larger than its input")
    return result


def _last(call: Call, x: Value) -> Ints:
    """The axes from attribute `axis` on."""
    call.ignore("stash_type")  # the precision of the statistics: nmc computes in float64
    first = call.axis(call.integer("axis", -1), x.type.rank)
    call.require(first != 0, "NMC-I015", "it normalizes over the samples (axis 0)", "normalize the features only")
    return tuple(range(first, x.type.rank))


def layer_norm(call: Call) -> Value:
    x = call.value()
    dims = _last(call, x)
    parameters = (parameter(call, 1, "scale", x), parameter(call, 2, "shift", x))
    return scaled_norm(call, x, dims, call.finite("epsilon", 1e-5), True, *parameters)


def rms_norm(call: Call) -> Value:
    x = call.value()
    dims = _last(call, x)
    return scaled_norm(call, x, dims, call.finite("epsilon", 1e-5), False, parameter(call, 1, "scale", x))


def _by_channel(call: Call, x: Value) -> tuple[Value | None, Value | None]:
    shape = (x.type.shape[1], *(1,) * (x.type.rank - 2))
    return parameter(call, 1, "scale", x, shape), parameter(call, 2, "shift", x, shape)


def instance_norm(call: Call) -> Value:
    """Over the space of each channel."""
    x = call.value()
    call.require(x.type.rank >= 3, "NMC-I012", f"there is no space to normalize over in {x.type}")
    dims = tuple(range(2, x.type.rank))
    return scaled_norm(call, x, dims, call.finite("epsilon", 1e-5), True, *_by_channel(call, x))


def group_norm(call: Call) -> Value:
    """Over groups of channels and space. Scale and shift are one a channel from opset 21, one a group before."""
    call.ignore("stash_type")
    x, groups = call.value(), call.required_integer("num_groups")
    call.require(x.type.rank >= 2, "NMC-I012", f"there are no channels in {x.type}")
    channels, space = x.type.shape[1], x.type.shape[2:]
    fits = groups >= 1 and channels % groups == 0
    call.require(fits, "NMC-I012", f"{channels} channels do not divide into {groups} groups")
    split = call.reshape(x, (1, groups, channels // groups, *space), f"N__{x.type.axes[2:]}", "groups")
    dims, epsilon = tuple(range(2, split.type.rank)), call.finite("epsilon", 1e-5)
    if call.opset < 21:
        shape = (groups, *(1,) * (split.type.rank - 2))
        parameters = parameter(call, 1, "scale", split, shape), parameter(call, 2, "shift", split, shape)
        return call.reshape(
            scaled_norm(call, split, dims, epsilon, True, *parameters), x.type.shape, x.type.axes, "whole"
        )
    normalized = call.emit(Normalize(dims, epsilon), split, part="normalized")
    whole = call.reshape(normalized, x.type.shape, x.type.axes, "whole")
    scale, shift = _by_channel(call, x)
    call.require(scale is not None and shift is not None, "NMC-I011", "its scale or shift is missing")
    return call.emit(Add(), call.emit(Mul(), whole, scale, part="scaled"), shift)


def mean_variance_norm(call: Call) -> Value:
    """(x − mean) / (σ + 1e−9), as ONNX defines it; axes without the samples."""
    x = call.value()
    axes = call.integers("axes") or (0, 2, 3)
    dims = call.axes(axes, x.type.rank)
    call.require(0 not in dims, "NMC-I015", f"its axes {list(axes)} hold axis 0", "normalize each sample by itself")
    sign = call.weight("sign", np.array(-1, np.float32))
    minus = call.emit(Mul(), call.emit(Mean(dims), x, part="mean"), sign, part="minus")
    centered = call.emit(Add(), x, minus, part="centered")
    variance = call.emit(Mean(dims), call.emit(Mul(), centered, centered, part="squared"), part="variance")
    deviation = call.emit(Function("sqrt"), variance, part="deviation")
    divisor = call.emit(Add(), deviation, call.weight("least", np.array(1e-9, np.float32)), part="divisor")
    return call.emit(Divide(), centered, divisor)


def lp_norm(call: Call) -> Value:
    """x divided by the L1 or L2 norm along an axis; 0 where that is 0."""
    order = call.integer("p", 2)
    call.require(order in (1, 2), "NMC-I011", f"its p is {order}, 1 and 2 are defined")
    x = call.value()
    dim = call.axis(call.integer("axis", -1), x.type.rank)
    call.require(dim != 0, "NMC-I015", "it normalizes over the samples (axis 0)")
    powers = absolute(call, x, "absolute") if order == 1 else call.emit(Mul(), x, x, part="squared")
    mean = call.emit(Mean((dim,)), powers, part="mean")
    count = call.weight("count", np.array(x.type.shape[dim], np.float32))
    size = call.emit(Mul(), mean, count, part="sum")
    size = call.emit(Function("sqrt"), size, part="norm") if order == 2 else size
    return call.emit(Divide(), x, call.emit(Maximum(), size, call.weight("tiny", TINY), part="divisor"))


def _band(channels: int, size: int) -> Array:
    """1 where two channels are in one window of `size`."""
    distance = np.arange(channels)[None] - np.arange(channels)[:, None]
    return ((distance >= -((size - 1) // 2)) & (distance <= size // 2)).astype(np.float32)


def lrn(call: Call) -> Value:
    """x / (bias + alpha/size · Σ x² over nearby channels)^beta."""
    alpha, beta, bias = call.finite("alpha", 1e-4), call.finite("beta", 0.75), call.finite("bias", 1.0)
    size, x = call.required_integer("size"), call.value()
    call.require(size > 0, "NMC-I012", f"its size is {size}")
    call.require(x.type.rank >= 2, "NMC-I012", f"there are no channels in {x.type}")
    rank = x.type.rank
    last = (0, *range(2, rank), 1)
    back = (0, rank - 1, *range(1, rank - 1))
    moved = call.emit(Transpose(last), call.emit(Mul(), x, x, part="squared"), part="moved")
    weight = call.weight("band", _band(x.type.shape[1], size) * (alpha / size))
    shift = call.weight("bias", np.full(x.type.shape[1], bias, np.float32))
    near = call.emit(Transpose(back), call.emit(Dense(), moved, weight, shift, part="near"), part="base")
    power = call.emit(Power(), near, call.weight("beta", np.array(beta, np.float32)), part="power")
    return call.emit(Divide(), x, power)
