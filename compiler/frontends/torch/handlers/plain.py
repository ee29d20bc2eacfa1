"""What does nothing in inference, casts, and constants made to the shape of a value."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ....ir import Value
from ..call import Call


def same(call: Call, input: Any, **settings: Any) -> Value:
    """contiguous, clone, detach, …: the same elements."""
    return call.value(input)


def dropout(call: Call, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    """Does nothing in inference."""
    hint = "pass training=self.training, or use the module nn.Dropout"
    call.require(not training or p == 0, "NMC-I011", "it is in training mode", hint)
    return call.value(input)


def cast(call: Call, input: Any, *target: Any, dtype: Any = None, **settings: Any) -> Value:
    """A cast of a value to a float type does nothing: nmc computes in float32 throughout."""
    to = [dtype, *target]
    found = [t.dtype if isinstance(t, Tensor) else t for t in to if isinstance(t, torch.dtype | Tensor)]
    whole = [str(t) for t in found if not t.is_floating_point]
    why = f"it casts a computed value to {', '.join(whole)}; networks compute with floats"
    call.require(not whole, "NMC-I011", why)
    return call.value(input)


def filled(value: float | None) -> Any:
    """The handler of zeros_like, new_ones, …: a constant of the result's shape."""

    def handler(call: Call, input: Any, *more: Any, **settings: Any) -> Tensor:
        fill = value if value is not None else settings.get("fill_value", more[-1] if more else None)
        return torch.full(call.shape, call.number(fill, "fill value"))

    return handler
