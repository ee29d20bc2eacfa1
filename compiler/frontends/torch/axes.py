"""Letters of the axes of the model's inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import fx, nn

from ..common.axes import Layout, default_letters, input_letters
from .handlers import word
from .shapes import fake_of

_CHANNELS_SECOND = {
    f"{layer}{dims}d"
    for layer in ("conv", "conv_transpose", "max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool")
    for dims in (1, 2, 3)
} | {"batch_norm", "convolution"}
_SAME_AXES = {
    "add",
    "sub",
    "mul",
    "div",
    "truediv",
    "neg",
    "relu",
    "clamp",
    "pad",
    "contiguous",
    "clone",
    "to",
    "float",
}
_SAME_AXES |= {"slice", "dropout", "detach", "interpolate"}

_RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}


def _is_recurrent(node: fx.Node) -> bool:
    """Is the node one of PyTorch's recurrent layers, as a module or an ATen operation?"""
    if node.op != "call_module":
        return word(node) in _RECURRENT
    _, kind = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())[-1]
    return isinstance(kind, type) and issubclass(kind, nn.RNNBase)


def _moved(node: fx.Node, layout: Layout) -> Layout | None:
    """Which axis of the input each axis of the node's result is (None: a new one); None if that is unclear."""
    rank, op = len(layout), word(node)
    shape = getattr(fake_of(node), "shape", None)
    if shape is None:
        return None
    arguments: list[Any] = [*node.args[1:], *node.kwargs.values()]
    slices = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple) else arguments
    if op == "getitem" and all(isinstance(item, slice) or item is Ellipsis for item in slices):
        return layout
    if op in _SAME_AXES and len(shape) == rank:
        return layout
    numbers = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else arguments
    if not all(isinstance(number, int) for number in numbers):
        return None
    if op == "permute" and len(numbers) == rank:
        return tuple(layout[i] for i in numbers)
    if op in ("transpose", "swapaxes", "swapdims") and len(numbers) == 2:
        moved = list(layout)
        a, b = numbers
        moved[a], moved[b] = moved[b], moved[a]
        return tuple(moved)
    if op == "squeeze" and numbers:
        gone = {number % rank for number in numbers}
        return tuple(source for i, source in enumerate(layout) if i not in gone) if len(shape) < rank else layout
    if op == "unsqueeze" and len(numbers) == 1:
        at = numbers[0] % (rank + 1)
        return (*layout[:at], None, *layout[at:])
    return None


def letters(source: fx.Node, rank: int) -> str:
    """Letters of a placeholder, see `common.axes`."""

    def follow(value: fx.Node, layout: Layout) -> Iterator[tuple[fx.Node | None, Layout, str]]:
        for node in value.users:
            if node.args[:1] == (value,) and (node.op == "call_module" or word(node) in _RECURRENT):
                yield None, layout, "NTC" if _is_recurrent(node) else ""
            elif node.args[:1] == (value,) and word(node) == "linear":
                yield node, (*layout[:-1], None), ""
            elif word(node) in _CHANNELS_SECOND and node.args[:1] == (value,):
                yield None, layout, default_letters(len(layout))
            elif node.op != "output" and (after := _moved(node, layout)) is not None:
                yield node, after, ""

    return input_letters(source, rank, follow)
