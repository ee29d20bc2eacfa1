"""Softmax, norms and functions: operations that a host runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir import Value
from ....ir.ops import Add, Function, Maximum, Mean, Minimum, Mul, Normalize, Op, Relu, Softmax
from ...common.emit import Array
from ..call import Call
from .arithmetic import both


def function(name: str) -> Callable[..., Value]:
    """The handler of the IR's function of that name."""

    def handler(call: Call, input: Any, *, out: None = None) -> Value:
        return call.emit(Function(name), call.value(input))

    return handler


def reciprocal_root(call: Call, input: Any) -> Value:
    return call.emit(Function("reciprocal"), call.emit(Function("sqrt"), call.value(input), part="root"))


def absolute(call: Call, input: Any) -> Value:
    """|x| is max(x, 0) + max(−x, 0)."""
    x = call.value(input)
    negated = call.emit(Mul(), x, call.weight("sign", np.array(-1, np.float32)), part="negated")
    return call.emit(Add(), call.emit(Relu(), x, part="positive"), call.emit(Relu(), negated, part="negative"))


def larger(call: Call, input: Any, other: Any) -> Value:
    return call.emit(Maximum(), *both(call, input, other))


def smaller(call: Call, input: Any, other: Any) -> Value:
    return call.emit(Minimum(), *both(call, input, other))


def total(call: Call, input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    """Σ x over axes, as n · mean x; none given means all."""
    x = call.value(input)
    call.require(dtype is None or dtype.is_floating_point, "NMC-I011", f"its dtype is {dtype}")
    given = () if dim is None else call.integers(dim, "dim")
    dims = call.axes(given, x.type.rank) if given else tuple(range(x.type.rank))
    why = f"axes {list(given)} hold axis 0" if given else "no axes are given, which means all of them"
    call.require(0 not in dims, "NMC-I015", why, "sum over channels, time or space only, e.g. x.sum((2, 3))")
    count = math.prod(x.type.shape[d] for d in dims)
    mean = call.emit(Mean(dims, keepdim), x, part="mean")
    return call.emit(Mul(), mean, call.weight("count", np.array(count, np.float32)))


def _softmax(call: Call, input: Any, dim: Any, log: bool) -> Value:
    x = call.value(input)
    call.require(dim is not None, "NMC-I011", "its dim is not given", "give dim")
    axis = call.axis(call.integer(dim, "dim"), x.type.rank, "dim")
    call.require(axis != 0, "NMC-I015", "its dim is that of the samples (axis 0)")
    return call.emit(Softmax(axis, log), x)


def softmax(call: Call, input: Any, dim: Any = None, _stacklevel: Any = 3, dtype: Any = None) -> Value:
    return _softmax(call, input, dim, log=False)


def log_softmax(call: Call, input: Any, dim: Any = None, _stacklevel: Any = 3, dtype: Any = None) -> Value:
    return _softmax(call, input, dim, log=True)


def _affine(call: Call, x: Value, op: Op, scale: Array | None, shift: Array | None) -> Value:
    """The norm, times a scale, plus a shift."""
    steps = [
        (step, role, array)
        for step, role, array in ((Mul(), "weight", scale), (Add(), "bias", shift))
        if array is not None
    ]
    x = call.emit(op, x, part="normalized" if steps else "")
    for i, (step, role, array) in enumerate(steps, 1):
        x = call.emit(step, x, call.weight(role, array), part="scaled" if i < len(steps) else "")
    return x


def _parameter(call: Call, operand: Any, role: str, shape: tuple[int, ...]) -> Array | None:
    if operand is None:
        return None
    array = call.constant(operand, role)
    call.require(array.size == math.prod(shape), "NMC-I012", f"its {role} has shape {list(array.shape)}")
    return array.reshape(shape)


def _last(call: Call, x: Value, normalized_shape: Any) -> tuple[int, ...]:
    shape = call.integers(normalized_shape, "normalized_shape")
    rank = x.type.rank
    call.require(0 < len(shape) < rank, "NMC-I015", f"it normalizes {len(shape)} of {rank} axes, the samples too")
    call.require(
        x.type.shape[-len(shape) :] == shape, "NMC-I012", f"its normalized_shape is {list(shape)} for {x.type}"
    )
    return shape


def layer_norm(
    call: Call,
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Value:
    x = call.value(input)
    shape = _last(call, x, normalized_shape)
    op = Normalize(tuple(range(x.type.rank - len(shape), x.type.rank)), call.number(eps, "eps"))
    return _affine(call, x, op, _parameter(call, weight, "weight", shape), _parameter(call, bias, "bias", shape))


def native_layer_norm(call: Call, input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> list[Value]:
    """Core ATen's spelling, whose first result is the normed input."""
    return [layer_norm(call, input, normalized_shape, weight, bias, eps)]


def rms_norm(call: Call, input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Value:
    x = call.value(input)
    shape = _last(call, x, normalized_shape)
    epsilon = float(np.finfo(np.float32).eps) if eps is None else call.number(eps, "eps")
    op = Normalize(tuple(range(x.type.rank - len(shape), x.type.rank)), epsilon, centered=False)
    return _affine(call, x, op, _parameter(call, weight, "weight", shape), None)


def group_norm(
    call: Call,
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Value:
    x, groups = call.value(input), call.integer(num_groups, "num_groups")
    channels, space = x.type.shape[1], x.type.shape[2:]
    fits = groups >= 1 and channels % groups == 0
    call.require(fits, "NMC-I012", f"{channels} channels do not divide into {groups} groups")
    split = call.reshape(x, (1, groups, channels // groups, *space), f"N__{x.type.axes[2:]}", "groups")
    op = Normalize(tuple(range(2, split.type.rank)), call.number(eps, "eps"))
    whole = call.reshape(call.emit(op, split, part="normalized"), x.type.shape, x.type.axes, "whole")
    for step, operand, role in ((Mul(), weight, "weight"), (Add(), bias, "bias")):
        array = _parameter(call, operand, role, (channels, *(1,) * len(space)))
        if array is not None:
            whole = call.emit(step, whole, call.weight(role, array), part=f"by_{role}")
    return whole


def native_group_norm(
    call: Call, input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> list[Value]:
    """Core ATen's spelling, whose first result is the normed input."""
    return [group_norm(call, input, group, weight, bias, eps)]


def instance_norm(
    call: Call,
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Value:
    call.require(bool(use_input_stats), "NMC-I011", "it uses running statistics", "use BatchNorm, which does the same")
    x = call.value(input)
    call.require(x.type.rank >= 3, "NMC-I012", f"there is no space to normalize over in {x.type}")
    shape = (x.type.shape[1], *(1,) * (x.type.rank - 2))
    op = Normalize(tuple(range(2, x.type.rank)), call.number(eps, "eps"))
    return _affine(call, x, op, _parameter(call, weight, "weight", shape), _parameter(call, bias, "bias", shape))


def aten_instance_norm(
    call: Call,
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Value:
    return instance_norm(call, input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
