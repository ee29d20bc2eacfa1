"""What is imported: one function for each operation of PyTorch, and one for each module that is a node of its own.

A handler gets a `Call` and the operation's own arguments, and returns the value (or values) it stands for. Its
signature is that of the operation: what it does not name is refused. Functions of torch, torch.nn.functional and
operator, methods of tensors and ATen operations of the same name share a handler.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch._ops import OpOverload

from .. import over_time as marks
from . import over_time, shape
from .functions import ATEN, NAMES, Handler
from .modules import other_neuron, refused, row_of

__all__ = ["NAMES", "Handler", "handler_of", "other_neuron", "refused", "row_of", "word"]

# Operations over time, by the function of `over_time` that stands for them in a trace.
_OVER_TIME: dict[Any, Handler] = {
    marks.mean_over_steps: over_time.mean_over_steps,
    marks.previous: over_time.previous,
    marks.remember: over_time.remember,
    marks.sum_over_steps: over_time.sum_over_steps,
}

_SPACES: tuple[Any, ...] = (torch, nn.functional, operator)
_IN_PLACE = {f"i{name}": name for name in ("add", "sub", "mul", "truediv", "pow")}
# Functions by themselves, so that another library's function of the same name is not taken for PyTorch's.
_FUNCTIONS: dict[Any, str] = {
    getattr(space, spelling): name
    for space in _SPACES
    for name in NAMES
    for spelling in (name, f"{name}_")
    if hasattr(space, spelling)
} | {getattr(operator, spelling): name for spelling, name in _IN_PLACE.items()}


def word(node: fx.Node) -> str:
    """What the node's operation is called, without the marks of in-place and reflected spellings: `relu`, `add`."""
    if isinstance(node.target, OpOverload):
        name = node.target.overloadpacket.__name__
    else:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    name = name.strip("_") if name.startswith("__") else name.removesuffix("_")
    return _IN_PLACE.get(name, name)


def handler_of(node: fx.Node) -> Handler | None:
    """The handler of a function, method or ATen operation; None if there is none."""
    name = word(node)
    if isinstance(node.target, OpOverload):
        return (ATEN.get(name) or NAMES.get(name)) if node.target.namespace == "aten" else None
    if node.op == "call_method":
        return NAMES.get(name)
    if node.target is getattr:
        return shape.attribute
    return _OVER_TIME.get(node.target) or NAMES.get(_FUNCTIONS.get(node.target, ""))
