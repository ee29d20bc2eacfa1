"""One node of a trace as its handler sees it: operands that are numbers, constants or values, and ways to emit IR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from ...ir import Graph, Value
from ..common.emit import Array, Emitter
from ..common.names import Label, Names
from ..common.problems import Refusal
from .shapes import fake_of

Ints = tuple[int, ...]
Result = Value | Tensor | Sequence[Value | Tensor]


def to_array(tensor: Tensor) -> Array:
    """The constant as numpy has it (bfloat16 as float32). Refusal of what numpy cannot hold."""
    try:
        plain = tensor.detach().cpu()
        return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    except (RuntimeError, TypeError) as error:
        why = f"a constant cannot be read: {str(error).splitlines()[0][:200]}"
        raise Refusal("NMC-I011", why, "use plain dense tensors") from None


class Call(Emitter):
    """One operation of a trace. Its handler gets the operation's own arguments, tensors being `Value` if computed from
    the graph's inputs and torch tensors if constant."""

    def __init__(self, graph: Graph, names: Names, label: Label, op: str, node: fx.Node):
        super().__init__(graph, names, label, op)
        self.node = node

    @property
    def shape(self) -> Ints:
        """Shape of the result, as torch says."""
        return tuple(fake_of(self.node).shape)

    def value(self, operand: Any, role: str = "operand") -> Value:
        """An operand that must be computed from the inputs."""
        if not isinstance(operand, Value):
            kind = "a constant" if isinstance(operand, Tensor) else f"{operand!r}"
            raise Refusal("NMC-I011", f"its {role} is {kind}, a computed tensor is needed")
        return operand

    def constant(self, operand: Any, role: str) -> Array:
        """An operand that must be a constant (or a number)."""
        if isinstance(operand, Value):
            hint = "make it a parameter or buffer of the model"
            raise Refusal("NMC-I013", f"its {role} is computed from the model's input (%{operand.name})", hint)
        if isinstance(operand, Tensor):
            return to_array(operand)
        self.require(isinstance(operand, bool | int | float), "NMC-I011", f"its {role} is {operand!r}")
        return np.array(operand)

    def floats(self, operand: Any, role: str) -> Array:
        """A constant of floats; whole numbers become floats, as where torch computes with both."""
        array = self.constant(operand, role)
        return array.astype(np.float32) if array.dtype.kind in "iub" else array

    def optional(self, operand: Any, role: str) -> Value | None:
        """A weight of the layer, None if absent."""
        return None if operand is None else self.weight(role, self.constant(operand, role))

    def number(self, operand: Any, role: str) -> float:
        """A finite number."""
        array = self.constant(operand, role)
        self.require(array.size == 1, "NMC-I011", f"its {role} is not a single number")
        found = float(array.reshape(-1)[0])
        self.require(bool(np.isfinite(found)), "NMC-I011", f"its {role} is {found}")
        return found

    def integer(self, operand: Any, role: str) -> int:
        whole = isinstance(operand, int) and not isinstance(operand, bool)
        self.require(whole, "NMC-I011", f"its {role} is {operand!r}, not a whole number")
        return int(operand)

    def integers(self, operand: Any, role: str) -> Ints:
        """A list of whole numbers."""
        items = operand if isinstance(operand, tuple | list) else (operand,)
        return tuple(self.integer(item, role) for item in items)

    def each(self, operand: Any, dims: int, role: str) -> Ints:
        """One whole number an axis; one for all if a single one is given."""
        found = self.integers(operand, role)
        found = found * dims if len(found) == 1 else found
        self.require(len(found) == dims, "NMC-I012", f"its {role} {list(found)} is for {len(found)} axes, not {dims}")
        return found

    def again(self, x: Tensor) -> Tensor:
        """What the operation makes of another first operand."""
        args, kwargs = (x, *self.node.args[1:]), dict(self.node.kwargs)
        kwargs.pop("input", None)
        if self.node.op == "call_method":
            return getattr(x, str(self.node.target))(*args[1:], **kwargs)
        assert callable(self.node.target)
        return self.node.target(*args, **kwargs)
