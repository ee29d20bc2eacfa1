"""One node of a trace over all timesteps, and what it is rewritten to: the same for one timestep."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.fx.node import map_arg

from ..common.problems import Refusal, require
from .handlers import handler_of
from .layout import Ints, Layout
from .shapes import fake_of
from .trace import Traced

UNKNOWN = Layout("unknown")
FOLD = "fold them into the batch: x.flatten(0, 1), or SpikingJelly's layers with step_mode='m'"
WHOLE = "leave the time axis whole: what is picked or joined there has no meaning in one timestep"


@dataclass(frozen=True)
class Rewrite:
    """The node that computes the frame, and the layout of the whole. No layout: a constant."""

    node: fx.Node
    layout: Layout | None


@dataclass
class Step:
    """One node of the trace over all timesteps as its rule sees it."""

    traced: Traced
    node: fx.Node
    layouts: Mapping[fx.Node, Layout | None]
    made: Mapping[fx.Node, fx.Node]
    emit: Callable[[fx.Node, str, Any, Any, Any], fx.Node]

    @property
    def shape(self) -> Ints:
        """Shape of the result over all timesteps."""
        return tuple(fake_of(self.node).shape)

    def bound(self) -> dict[str, Any]:
        """The node's arguments by the names that its handler has for them."""
        handler = handler_of(self.node)
        assert handler is not None
        try:
            found = inspect.signature(handler).bind(None, *self.node.args, **self.node.kwargs)
        except TypeError as error:
            raise Refusal("NMC-I011", f"it is called with an argument that is not imported: {error}") from None
        found.apply_defaults()
        return found.arguments

    def layout(self, operand: Any) -> Layout | None:
        """None for numbers and constants."""
        return self.layouts[operand] if isinstance(operand, fx.Node) else None

    @property
    def first(self) -> Any:
        """The first argument, by position or by name."""
        return next(iter((*self.node.args, *self.node.kwargs.values())), None)

    def operand(self) -> fx.Node:
        """The first argument, which must be a tensor."""
        found = self.first
        require(isinstance(found, fx.Node), "NMC-I011", f"its input is {found!r}, a tensor is needed")
        return found

    def moving(self) -> list[fx.Node]:
        """Operands that are no constants."""
        return [operand for operand in self.node.all_input_nodes if self.layouts[operand] is not None]

    def when(self) -> str:
        """When the result is there, by its operands."""
        kinds = {layout.when for node in self.moving() if (layout := self.layouts[node]) is not None}
        why = "it joins a result of the whole run with what each timestep gives"
        require(not {"last", "step"} <= kinds, "NMC-I011", why)
        return "last" if "last" in kinds else "step" if "step" in kinds else "held"

    def same(self, layout: Layout | None) -> Rewrite:
        """The operation as it is, on frames."""
        args, kwargs = map_arg((self.node.args, self.node.kwargs), self.made.__getitem__)
        return Rewrite(self.emit(self.node, self.node.op, self.node.target, args, kwargs), layout)

    def call(self, function: Any, layout: Layout, *args: Any, **kwargs: Any) -> Rewrite:
        """Another operation in its place; operands are nodes of the old trace."""
        args, kwargs = map_arg((args, kwargs), self.made.__getitem__)
        return Rewrite(self.emit(self.node, "call_function", function, args, kwargs), layout)

    def as_shape(self, x: fx.Node, layout: Layout) -> Rewrite:
        """The frame of x in the shape that the layout gives the result."""
        wanted, new = layout.frame(self.shape), self.made[x]
        if tuple(fake_of(new).shape) == wanted:
            return Rewrite(new, layout)
        return Rewrite(self.emit(self.node, "call_function", torch.reshape, (new, wanted), {}), layout)


def train_of(step: Step, x: Any) -> tuple[fx.Node, Layout, int]:
    """An operand with a time axis: itself, its layout, the axis."""
    layout = step.layout(x)
    assert isinstance(x, fx.Node) and layout is not None and layout.time is not None
    return x, layout, layout.time


def rank_of(node: fx.Node) -> int:
    return len(fake_of(node).shape)


def one_step(step: Step, node: fx.Node, axis: int, merged: bool) -> fx.Node:
    """A constant beside trains, without the axis that lies beside their time axis."""
    size = fake_of(node).shape[axis]
    tensor = step.traced.constants.get(node.name)
    if size > 1:
        alike = tensor is not None and bool((tensor == tensor.narrow(axis, 0, 1)).all())
        require(alike, "NMC-I011", "one of its operands is a constant that differs from step to step")
    new = step.made[node]
    if not merged:
        return step.emit(step.node, "call_function", torch.select, (new, axis, 0), {})
    return new if size == 1 else step.emit(step.node, "call_function", torch.narrow, (new, axis, 0, 1), {})
