"""Emitting the IR of one node of a model: its values are named after the layer, what does not fit becomes a refusal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir import Graph, Op, Value
from ...ir.ops import Reshape
from .names import Label, Names
from .problems import Refusal, require

Array = np.ndarray[Any, np.dtype[Any]]

MAX_ELEMENTS = 1 << 27  # of one value: 1 GiB in float64


def is_float(array: Array) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def nonfinite(array: Array) -> str:
    """Which elements of a float array are not numbers, in words; empty if all are finite."""
    if not is_float(array):
        return ""
    good = np.isfinite(array if array.dtype.kind == "f" else array.astype(np.float32))
    if good.all():
        return ""
    first = [int(i) for i in np.argwhere(~good)[0]]
    return f"{int(good.size - good.sum())} of {good.size} values are NaN or infinite, the first at {first}"


def is_mask(array: Array) -> bool:
    """Are all elements finite, or −∞ where attention must not look, and some of them finite?"""
    hidden = np.isneginf(array)
    return bool(hidden.any() and not hidden.all() and np.isfinite(array[~hidden]).all())


def as_float32(array: Array) -> Array:
    """The constant in float32 (float64 is rounded, the smaller types fit). Refusal if it is not finite or no float."""
    if not is_float(array):
        raise Refusal("NMC-I011", f"a constant operand has element type {array.dtype}, floats are needed")
    with np.errstate(all="ignore"):
        converted = np.asarray(array, np.float32)
    if why := nonfinite(converted):
        raise Refusal("NMC-I006", why + (" in float32" if array.dtype == np.float64 else ""))
    return converted


class Emitter:
    """Puts the values of one node into the graph.

    graph  the graph; names: hands out names; label: the node's place in the user's model; op: what the node calls
    """

    def __init__(self, graph: Graph, names: Names, label: Label, op: str):
        self.graph, self.names, self.label, self.op = graph, names, label, op
        self._name = ""

    def require(self, condition: bool, code: str, why: str, hint: str = "") -> None:
        """Refusal of the node unless the condition holds."""
        require(condition, code, why, hint)

    @property
    def name(self) -> str:
        """Name of this node's value in the IR; its constants are called `<name>.<role>`."""
        if not self._name:
            self._name = self.names.unique(self.label.base, self.op)
        return self._name

    def weight(self, role: str, array: Array, axes: str | None = None) -> Value:
        """A constant of the graph, in float32. Refusal if it is not finite."""
        data = np.ascontiguousarray(as_float32(array)).reshape(array.shape)
        if data is not array:
            data.setflags(write=False)
        return self.graph.constant(f"{self.name}.{role}", data, axes, (self.label.origin,))

    def emit(self, op: Op, *operands: Value | None, part: str = "") -> Value:
        """Apply an op. The last one of a node is called `name`, those before it `name.part`."""
        types = [None if value is None else value.type for value in operands]
        try:
            inferred = op.infer(*types)
        except ValueError as error:  # IllegalOp, or axes that do not fit a type
            raise Refusal("NMC-I012", str(error)) from None
        size = math.prod(inferred.shape)
        self.require(0 < size <= MAX_ELEMENTS, "NMC-I012", f"the result {inferred} has {size} elements")
        name = f"{self.name}.{part}" if part else self.name
        return self.graph.add(op, *operands, name=name, origin=(self.label.origin,))

    def reshape(self, x: Value, shape: tuple[int, ...], axes: str, part: str = "") -> Value:
        """x in another shape (or x itself)."""
        return x if shape == x.type.shape else self.emit(Reshape(shape, axes), x, part=part)

    def axis(self, axis: int, rank: int, name: str = "axis") -> int:
        """The axis counted from the front."""
        self.require(-rank <= axis < rank, "NMC-I012", f"{name} {axis} of a tensor with {rank} axes")
        return axis % rank

    def axes(self, axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
        """Axes counted from the front, each once, sorted."""
        found = sorted({self.axis(axis, rank) for axis in axes})
        self.require(len(found) == len(axes), "NMC-I012", f"axes {list(axes)} name an axis twice")
        return tuple(found)
