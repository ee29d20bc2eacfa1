"""The NIR record of each op. `Unwritable` says why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...ir import Node, Value
from ...ir.ops import AvgPool, Conv, Dense, Li, Lif, Mean, Mul, Op, Reshape, Threshold
from .records import Array, Record

_SAME = "padding on the two sides of an axis differs"


class Unwritable(Exception):
    """An op that NIR cannot express: why, and what the user can try."""

    def __init__(self, why: str, hint: str = ""):
        super().__init__(why)
        self.why, self.hint = why, hint


def need(condition: bool, why: str, hint: str = "") -> None:
    """Unwritable unless the condition holds."""
    if not condition:
        raise Unwritable(why, hint)


def frame(value: Value | None, default: float, like: Value) -> Array:
    """A neuron's parameter in float64, one number for each element of a frame without its samples axis."""
    data = np.array(default) if value is None else value.data.astype(np.float64)
    need(np.broadcast_shapes(data.shape, like.type.shape) == like.type.shape, f"a constant {value} makes {like} larger")
    return np.ascontiguousarray(np.broadcast_to(data, like.type.shape)[0])


def integers(numbers: tuple[int, ...]) -> Array:
    return np.array(numbers[0] if len(numbers) == 1 else numbers, np.int64)


# --- layers ---


def conv(node: Node) -> Record:
    op, x, weight, bias = node.op, node.x, node.operand("weight"), node.operand("bias")
    assert isinstance(op, Conv) and weight is not None
    dims = x.type.rank - 2
    need(dims in (1, 2), f"NIR has no {dims}-D convolution")
    even = all(a == b for a, b in op.pads)
    if even and bias is None and _sums(op, x, weight.data):
        kernel, pads = weight.type.shape[2:], tuple(a for a, _ in op.pads)
        return _pool("SumPool2d", kernel, op.stride, pads)
    total = [d * (k - 1) for d, k in zip(op.dilation, weight.type.shape[2:], strict=True)]
    same = op.pads == tuple((t // 2, t - t // 2) for t in total) and set(op.stride) == {1}
    need(even or same, f"{_SAME}: {op.pads}", "pad evenly, and cut the result where it is too long")
    parameters = {
        "input_shape": integers(x.type.shape[2:]),
        "weight": weight.data,
        "stride": integers(op.stride),
        "padding": integers(tuple(a for a, _ in op.pads)) if even else "same",
        "dilation": integers(op.dilation),
        "groups": np.array(op.groups, np.int64),
        "bias": np.zeros(len(weight.data), np.float32) if bias is None else bias.data,
    }
    return Record(f"Conv{dims}d", parameters)


def _sums(op: Conv, x: Value, weight: Array) -> bool:
    """Does a convolution add up windows of each channel?"""
    apart = op.groups == x.type.shape[1] == len(weight) and x.type.rank == 4
    return apart and set(op.dilation) == {1} and bool(np.all(weight == 1))


def _pool(kind: str, kernel: tuple[int, ...], stride: tuple[int, ...], pads: tuple[int, ...]) -> Record:
    return Record(kind, {"kernel_size": integers(kernel), "stride": integers(stride), "padding": integers(pads)})


def avg_pool(node: Node) -> Record:
    op = node.op
    assert isinstance(op, AvgPool)
    need(node.x.type.rank == 4, "NIR averages over two axes only")
    need(set(op.dilation) == {1} and not op.ceil_mode, "NIR pools have no dilation and no ceil_mode")
    need(all(a == b for a, b in op.pads), f"{_SAME}: {op.pads}")
    need(op.include_pad or not any(map(any, op.pads)), "it leaves padding out of the mean, NIR counts it as zeros")
    return _pool("AvgPool2d", op.kernel, op.stride, tuple(a for a, _ in op.pads))


def mean(node: Node) -> Record:
    op, x = node.op, node.x.type
    assert isinstance(op, Mean)
    need(x.rank == 4 and sorted(op.dims) == [2, 3] and op.keepdims, "NIR averages over height and width only")
    return _pool("AvgPool2d", x.shape[2:], x.shape[2:], (0, 0))


def dense(node: Node) -> Record:
    weight, bias = node.operand("weight"), node.operand("bias")
    assert weight is not None
    need(node.x.type.rank == 2, f"NIR's linear layers take vectors, this one {node.x.type}", "flatten its input")
    if bias is None:
        return Record("Linear", {"weight": weight.data})
    return Record("Affine", {"weight": weight.data, "bias": bias.data})


def reshape(node: Node) -> Record:
    before, after = node.x.type.shape[1:], node.result.type.shape[1:]
    for start in range(len(before)):
        for end in range(len(before) - 1, start, -1):
            joined = (*before[:start], math.prod(before[start : end + 1]), *before[end + 1 :])
            if joined == after:
                ends = {"start_dim": integers((start,)), "end_dim": integers((end,))}
                return Record("Flatten", {**ends, "input_type": np.array(before, np.int64)})
    raise Unwritable(f"NIR joins axes only, this turns {list(before)} into {list(after)}")


def mul(node: Node) -> Record:
    factor = node.operands[1]
    need(factor is not None and factor.is_constant, "NIR multiplies by constants only")
    need(node.result.type.shape == node.x.type.shape, f"its constant {factor} makes {node.x} larger")
    return Record("Scale", {"scale": frame(factor, 1, node.x)})


def threshold(node: Node) -> Record:
    return Record("Threshold", {"threshold": frame(node.operand("threshold"), 1, node.x)})


# --- neurons ---


@dataclass(frozen=True)
class _Leak:
    """What a first-order filter v ← decay · v + gain · x + offset is in continuous time, for one dt."""

    tau: Array
    r: Array
    v_leak: Array


def _leak(node: Node, dt: float) -> _Leak | None:
    """Time constant, resistance and leak potential that Euler's method turns into the node's decay, gain and offset to
    the last bit of float32; None for neurons without a leak. Unwritable if there are none."""
    decay, gain, offset = _filter(node)
    if np.all(decay == 1):
        need(
            not offset.any(), "it adds a constant in every step and does not leak", "use a bias of the layer before it"
        )
        return None
    need(bool(np.all((decay >= 0) & (decay < 1))), f"its decay {decay.min():g} … {decay.max():g} is not within [0, 1)")
    tau = dt / (1 - decay)
    rate = dt / tau
    found = _Leak(tau, gain / rate, offset / rate)
    back = ((1 - rate, decay), (rate * found.r, gain), (rate * found.v_leak, offset))
    exact = all(np.array_equal(a.astype(np.float32), b.astype(np.float32)) for a, b in back)
    need(exact, f"no time constant gives its decay of {decay.min():g} back", "make the decay 0 or larger")
    return found


def _filter(node: Node) -> tuple[Array, Array, Array]:
    """(decay, gain, offset) of a neuron for each element."""
    y = node.result
    return frame(node.operand("decay"), 1, y), frame(node.operand("gain"), 1, y), frame(node.operand("offset"), 0, y)


def li(node: Node, dt: float) -> Record:
    """I or LI."""
    need(not frame(node.operand("start"), 0, node.result).any(), "its potential does not start at 0")
    leak = _leak(node, dt)
    if leak is None:
        return Record("I", {"r": _filter(node)[1] / dt})
    return Record("LI", {"tau": leak.tau, "r": leak.r, "v_leak": leak.v_leak})


def lif(node: Node, dt: float) -> Record:
    """IF or LIF."""
    op, y = node.op, node.result
    assert isinstance(op, Lif)
    need(op.reset == "value", f"NIR resets to a value, this one has reset {op.reset!r}", "use a hard reset")
    need(not op.delayed, "its reset comes a step late, NIR's at once")
    fires = {"v_threshold": frame(node.operand("threshold"), 1, y), "v_reset": frame(node.operand("v_reset"), 0, y)}
    leak = _leak(node, dt)
    if leak is None:
        return Record("IF", {"r": _filter(node)[1] / dt, **fires})
    return Record("LIF", {"tau": leak.tau, "r": leak.r, "v_leak": leak.v_leak, **fires})


def starts(node: Node) -> set[str]:
    """Which values of --start give the potential that a neuron has before the first step."""
    y = node.result
    start, reset = frame(node.operand("start"), 0, y), frame(node.operand("v_reset"), 0, y)
    return {name for name, value in (("zero", 0 * reset), ("reset", reset)) if np.array_equal(start, value)}


def joined(current: Record, potential: Record) -> Record | None:
    """CubaLI or CubaLIF for a current (LI) that drives a potential (LI or LIF); None if they are not that."""
    if current.kind != "LI" or potential.kind not in ("LI", "LIF") or np.any(current.parameters["v_leak"]):
        return None
    rest = {name: value for name, value in potential.parameters.items() if name != "tau"}
    syn = {
        "tau_syn": current.parameters["tau"],
        "tau_mem": potential.parameters["tau"],
        "w_in": current.parameters["r"],
    }
    return Record("CubaLI" if potential.kind == "LI" else "CubaLIF", {**syn, **rest})


LAYERS: dict[type[Op], Callable[[Node], Record]] = {
    AvgPool: avg_pool,
    Conv: conv,
    Dense: dense,
    Mean: mean,
    Mul: mul,
    Reshape: reshape,
    Threshold: threshold,
}
NEURON_OPS: dict[type[Op], Callable[[Node, float], Record]] = {Li: li, Lif: lif}
