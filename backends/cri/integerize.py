"""From floats to integers: rebuilds the linear part before an activation with integer weights at a given scale.

Every value v that an activation or output reads is rebuilt as an integer accumulator V with v ≈ S · V, where S may
differ between channels. Since each neuron owns its synapses, each activation chooses the S that suits it, even where
two of them read the same sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import (
    Add,
    AvgPool,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Function,
    MaxPool,
    Mean,
    Mul,
    Pad,
    Relu,
    Reshape,
    Slice,
    Transpose,
)
from ...compiler.ir.ops.base import Array
from ...compiler.ir.ops.linear import output_first
from ...runtime import arith
from .trains import MOVES, NEURON, POOLED, WEIGHTED, is_pooled_train, is_train

MOST_UNITS = 2.0**60  # integers are 64 bits wide
Scale = Array  # float64, broadcasts to the value's shape


class NotHeld(Exception):
    """A part of the network that the machine cannot hold: which value, why, what to try."""

    def __init__(self, value: Value, why: str, hint: str = ""):
        super().__init__(why)
        self.value, self.why, self.hint = value, why, hint


class NotUniform(Exception):
    """The scale differs where one number per channel is needed."""


@dataclass(frozen=True)
class Peaks:
    """Largest |weight| on the way into a value in real units, per channel: of weighted layers, of plain connections."""

    weighted: Array
    plain: Array

    def map(self, function: Callable[[Array], Array]) -> Peaks:
        return Peaks(function(self.weighted), function(self.plain))


def channel_axis(value: Value) -> int:
    """Position of the channel axis: C where there is one, else axis 1."""
    position = value.type.axis("C")
    return 1 if position is None else position


def channel_shape(value: Value) -> tuple[int, ...]:
    """(1, …, C, …, 1): the shape of one number per channel."""
    axis = channel_axis(value)
    return tuple(size if i == axis else 1 for i, size in enumerate(value.type.shape))


def to_channels(array: Array, value: Value) -> Array:
    """Largest entry per channel of an array that broadcasts to the value's shape."""
    axis = channel_axis(value)
    others = tuple(i for i in range(value.type.rank) if i != axis)
    return np.broadcast_to(array, value.type.shape).max(axis=others, keepdims=True)


def per_channel(scale: Scale, value: Value) -> Array:
    """The scale as one number per channel, shape (C); NotUniform if it differs within a channel."""
    axis = channel_axis(value)
    flat = np.moveaxis(np.broadcast_to(scale, value.type.shape), axis, 0).reshape(value.type.shape[axis], -1)
    if np.any(flat != flat[:, :1]):
        raise NotUniform(value.name)
    return flat[:, 0]


def pool_kernel(node: Node) -> tuple[Conv, tuple[int, ...]]:
    """A sum over windows as a depthwise convolution with ones: its op and kernel; NotHeld if windows differ in size."""
    x, op = node.x.type, node.op
    if x.axes[:2] != "NC":
        raise NotHeld(node.result, f"it averages over axes of {x}, which do not start with N, C")
    if isinstance(op, Mean):
        if 1 in op.dims:
            raise NotHeld(node.result, "it averages over channels")
        kernel = tuple(size if i in op.dims else 1 for i, size in enumerate(x.shape))[2:]
        return Conv((1,) * len(kernel), ((0, 0),) * len(kernel), (1,) * len(kernel), x.shape[1]), kernel
    assert isinstance(op, AvgPool)
    if np.any(op.counts(x.shape[2:]) != np.prod(op.kernel)):
        raise NotHeld(
            node.result,
            "its windows at the border average over fewer elements than the others",
            "count_include_pad=True, or a pool size that divides the input",
        )
    return Conv(op.stride, op.pads, op.dilation, x.shape[1]), op.kernel


class Integerizer:
    """Builds the integer graph `target` from float values in form `terms`.

    `trains` maps a float value to its integer train and the real value of one unit of it (float64, broadcasts).
    """

    def __init__(self, target: Graph):
        self.target = target
        self.trains: dict[int, tuple[Value, Scale]] = {}

    # --- trains ---

    def travels(self, value: Value) -> bool:
        """Is it a (pooled) train, or does one stand in for it?"""
        if is_pooled_train(value) or id(value) in self.trains:
            return True
        node = value.producer
        if node is None or not isinstance(node.op, (*MOVES, *POOLED, Concat)):
            return False
        return all(operand is not None and self.travels(operand) for operand in node.operands)

    def train(self, value: Value) -> tuple[Value, Scale]:
        """The integer form of a (pooled) train and the real value of its unit."""
        if id(value) not in self.trains:
            self.trains[id(value)] = self._moved_train(value)
        return self.trains[id(value)]

    def _moved_train(self, value: Value) -> tuple[Value, Scale]:
        node = value.producer
        if node is None or isinstance(node.op, (Relu, Clip, *NEURON)):
            raise NotHeld(value, "it is not a train of spikes")
        parts = [self.train(operand) for operand in node.operands if operand is not None]
        if isinstance(node.op, POOLED):
            total, area = self._sum(node, parts[0][0]), self._area(node)
            return total, per_channel(parts[0][1], node.x).reshape(channel_shape(value)) / area
        operands = [part for part, _ in parts]
        result = self.target.add(node.op, *operands, name=value.name, origin=value.origin)
        return result, self._moved_scale(node, [scale for _, scale in parts])

    def _moved_scale(self, node: Node, scales: list[Scale]) -> Scale:
        op = node.op
        if isinstance(op, MaxPool):
            return per_channel(scales[0], node.x).reshape(channel_shape(node.result))
        if isinstance(op, Pad):
            return self._padded_scale(node, scales[0])
        operands = [v for v in node.operands if v is not None]
        return op.evaluate(*(np.broadcast_to(s, v.type.shape) for s, v in zip(scales, operands, strict=True)))

    @staticmethod
    def _padded_scale(node: Node, scale: Scale) -> Scale:
        """Padding holds zeros, so any scale is right for it: repeat the border's."""
        assert isinstance(node.op, Pad)
        return np.pad(np.broadcast_to(scale, node.x.type.shape), node.op.pads, mode="edge")

    def _area(self, node: Node) -> int:
        return int(np.prod(pool_kernel(node)[1]))

    def _sum(self, node: Node, x: Value) -> Value:
        conv, kernel = pool_kernel(node)
        name = node.result.name
        ones = self.target.constant(f"{name}.ones", np.ones((conv.groups, 1, *kernel), np.int8))
        return self.target.add(conv, x, ones, name=f"{name}.sum", origin=node.result.origin)

    # --- how large weights get ---

    def peaks(self, value: Value) -> Peaks:
        """Largest |weights| into the value, as arrays that broadcast to its shape."""
        zero = np.zeros((1,) * value.type.rank)
        if value.is_constant:
            return Peaks(zero, zero)
        if self.travels(value):
            return Peaks(zero, np.abs(self.train(value)[1]))
        node = value.producer
        assert node is not None
        if isinstance(node.op, WEIGHTED):
            weight = np.abs(output_first(node.op, self.real_weight(node)))
            return Peaks(weight.reshape(len(weight), -1).max(axis=1).reshape(channel_shape(value)), zero)
        if isinstance(node.op, Mul):
            factor = np.abs(self._factor(node))
            return self.peaks(node.x).map(lambda peak: peak * factor)
        operands = [operand for operand in node.operands if operand is not None]
        parts = [self.peaks(operand) for operand in operands]
        if isinstance(node.op, Add):
            a, b = parts
            return Peaks(np.maximum(a.weighted, b.weighted), np.maximum(a.plain, b.plain))
        if isinstance(node.op, POOLED):
            area = self._area(node)
            return parts[0].map(lambda peak: to_channels(peak, node.x) / area)
        if isinstance(node.op, Reshape | Transpose | Slice | Concat | Pad):
            full = [
                p.map(lambda peak, v=v: np.broadcast_to(peak, v.type.shape))
                for p, v in zip(parts, operands, strict=True)
            ]
            return Peaks(node.op.evaluate(*(f.weighted for f in full)), node.op.evaluate(*(f.plain for f in full)))
        raise not_linear(node)

    def real_weight(self, node: Node) -> Array:
        """The layer's weight in real units per unit of its input train, in the stored layout."""
        if not self.travels(node.x):
            raise NotHeld(
                node.result,
                f"its input %{node.x.name} does not travel as non-negative spikes",
                "an activation, or neurons, between",
            )
        if isinstance(node.op, Dense) and node.x.type.rank != 2:
            why = f"a dense layer over the last axis of {node.x.type}"  # scales are per channel, axis 1
            raise NotHeld(node.result, why, "flatten it, or use a convolution with a kernel of 1")
        weight = node.operand("weight")
        assert weight is not None
        scale = per_channel(self.train(node.x)[1], node.x)
        data = weight.data.astype(np.float64)
        if isinstance(node.op, Dense):
            return data * scale
        if isinstance(node.op, ConvTranspose):
            return data * scale.reshape(-1, *(1,) * (data.ndim - 1))
        assert isinstance(node.op, Conv)
        groups = node.op.groups
        grouped = data.reshape(groups, -1, *data.shape[1:])
        return (grouped * scale.reshape(groups, 1, -1, *(1,) * (data.ndim - 2))).reshape(data.shape)

    @staticmethod
    def _factor(node: Node) -> Array:
        factor = node.operands[1]
        if factor is None or not factor.is_constant or node.x.type.shape != node.result.type.shape:
            raise NotHeld(node.result, "it multiplies two values that both depend on the input")
        return factor.data.astype(np.float64)

    # --- the integer accumulator ---

    def emit(self, value: Value, scale: Scale) -> Value:
        """The accumulator V with value ≈ scale · V. NotUniform if a layer would need several scales in a channel."""
        name, origin, g = value.name, value.origin, self.target
        if value.is_constant:
            return self._constant(value, scale)
        if self.travels(value):
            return self._plain(value, scale)
        node = value.producer
        assert node is not None
        op = node.op
        if isinstance(op, WEIGHTED):
            return self._layer(node, per_channel(scale, value))
        if isinstance(op, Mul):
            with np.errstate(divide="ignore"):
                return self.emit(node.x, scale / self._factor(node))
        if isinstance(op, POOLED):
            inner = self.emit(node.x, per_channel(scale, value).reshape(channel_shape(node.x)) * self._area(node))
            return self._sum(node, inner)
        operands = [operand for operand in node.operands if operand is not None]
        if isinstance(op, Add):
            if any(v.type.shape != value.type.shape and not v.is_constant for v in operands):
                raise NotHeld(value, "it adds tensors of different shapes")
            scales = [scale, scale]
        else:
            scales = self._scales_before(node, np.broadcast_to(scale, value.type.shape))
        parts = [self.emit(operand, s) for operand, s in zip(operands, scales, strict=True)]
        return g.add(op, *parts, name=f"{name}.int", origin=origin)

    @staticmethod
    def _scales_before(node: Node, scale: Scale) -> list[Scale]:
        """Scales of a move's operands that put `scale` (in full shape) on its result."""
        op, x = node.op, node.x.type
        if isinstance(op, Reshape):
            return [scale.reshape(x.shape)]
        if isinstance(op, Transpose):
            return [scale.transpose(np.argsort(op.perm))]
        if isinstance(op, Pad):
            return [scale[tuple(slice(b, b + n) for (b, _), n in zip(op.pads, x.shape, strict=True))]]
        if isinstance(op, Concat):
            ends = np.cumsum([v.type.shape[op.dim] for v in node.operands if v is not None])
            return np.split(scale, ends[:-1], axis=op.dim)
        raise NotHeld(node.result, f"{op.mnemonic} of a sum") if isinstance(op, MOVES) else not_linear(node)

    def _constant(self, value: Value, scale: Scale) -> Value:
        rounded = _units(value, value.data, scale)
        shape = np.broadcast_shapes(rounded.shape, value.type.shape)  # a single number may need one integer a channel
        axes = value.type.axes if shape == value.type.shape else None
        return self.target.constant(f"{value.name}.int", np.broadcast_to(rounded, shape), axes)

    def _plain(self, value: Value, scale: Scale) -> Value:
        """A train that goes in as it is: connections whose weight is one unit of the train."""
        train, unit = self.train(value)
        weight = _units(value, np.broadcast_to(unit, value.type.shape), scale)
        compact = to_channels(weight, value)
        weight = compact if np.all(weight == compact) else weight
        if np.all(weight == 1):
            return train
        constant = self.target.constant(f"{value.name}.unit", weight)
        return self.target.add(Mul(), train, constant, name=f"{value.name}.scaled", origin=value.origin)

    def _layer(self, node: Node, scale: Array) -> Value:
        """A convolution or dense layer with rounded weights; scale has shape (output channels)."""
        first = output_first(node.op, self.real_weight(node))
        rounded = _units(node.result, first, scale.reshape(-1, *(1,) * (first.ndim - 1)))
        small = np.abs(rounded).max(initial=0) <= 127
        name, bias = node.result.name, node.operand("bias")
        weight = self.target.constant(
            f"{name}.weight", output_first(node.op, rounded).astype(np.int8 if small else np.int16)
        )
        operands: list[Value | None] = [self.train(node.x)[0], weight]
        if bias is not None:
            operands.append(self.target.constant(f"{name}.bias", _units(node.result, bias.data, scale)))
        return self.target.add(node.op, *operands, name=f"{name}.int", origin=node.result.origin)


def _units(value: Value, data: Array, scale: Scale) -> Array:
    """Numbers in whole units of a scale. NotHeld if one of them is too many."""
    with np.errstate(all="ignore"):
        units = data / scale
    if not np.abs(units).max(initial=0) < MOST_UNITS:  # also where it is NaN
        most = np.abs(data).max(initial=0)
        why = f"its numbers differ too much in size: {most:.3g} would be 2**60 units of {np.min(scale):.3g} or more"
        raise NotHeld(value, why, "the training diverged, or a bias dwarfs the weights beside it")
    return arith.round_half_even(units)


def not_linear(node: Node) -> NotHeld:
    """What to say of a node that no sum of weighted spikes computes."""
    op = node.op
    kind = op.name if isinstance(op, Function) else getattr(op, "kind", op.mnemonic)
    return NotHeld(node.result, f"sums of weighted spikes do not compute {kind}", "ReLU or ReLU6, or spiking neurons")


def check_activation(node: Node) -> None:
    """NotHeld unless the activation is relu or a clip that starts at 0."""
    op = node.op
    if isinstance(op, Clip) and op.low != 0:
        raise NotHeld(node.result, f"clip({op.low}, {op.high}) lets negative values through", "ReLU or ReLU6")
    if isinstance(op, MaxPool) and not is_train(node.x):
        raise NotHeld(node.result, "max_pool reads values that may be negative", "put the ReLU before the max pool")
