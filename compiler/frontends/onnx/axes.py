"""Letters of the axes of the graph inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from onnx import NodeProto

from ..common.axes import Layout, default_letters
from ..common.axes import input_letters as letters_of_input
from .tensors import Array

_CHANNELS_SECOND = {
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "BatchNormalization",
    "QLinearConv",
    "QLinearAveragePool",
    "QLinearGlobalAveragePool",
    "ConvInteger",
}
_SAME_AXES = {"Identity", "Dropout", "Cast", "Relu", "Clip", "Add", "Sub", "Mul", "Div", "Pad", "Slice"}
_SAME_AXES |= {"Resize", "Upsample", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Quant"}

_RECURRENT = {"GRU", "LSTM", "RNN"}


def _number(node: NodeProto, name: str) -> int:
    return next((a.i for a in node.attribute if a.name == name), 0)


def _ints(node: NodeProto, name: str) -> list[int]:
    return next((list(a.ints) for a in node.attribute if a.name == name), [])


def _moved(node: NodeProto, layout: Layout, constant: Callable[[str], Array | None]) -> Layout | None:
    """Which axis of the graph input each axis of the node's result is (None: a new one); None if that is unclear."""
    rank = len(layout)
    if node.op_type in _SAME_AXES:
        return layout
    if node.op_type == "Transpose":
        perm = _ints(node, "perm") or list(reversed(range(rank)))
        return tuple(layout[i] for i in perm) if sorted(perm) == list(range(rank)) else None
    if node.op_type not in ("Squeeze", "Unsqueeze") or not rank:
        return None
    given = constant(node.input[1]) if len(node.input) > 1 else None
    axes = _ints(node, "axes") if given is None or given.dtype.kind != "i" else [int(i) for i in given.reshape(-1)]
    if node.op_type == "Squeeze":
        gone = {axis % rank for axis in axes}
        return tuple(source for i, source in enumerate(layout) if i not in gone) if axes else None
    total = rank + len(axes)
    new, old = {axis % total for axis in axes}, iter(layout)
    return tuple(None if i in new else next(old) for i in range(total)) if len(new) == len(axes) else None


def input_letters(
    name: str, rank: int, readers: Mapping[str, Sequence[NodeProto]], constant: Callable[[str], Array | None]
) -> str:
    """Letters of a graph input, see `common.axes`."""

    def follow(value: str, layout: Layout) -> Iterator[tuple[str | None, Layout, str]]:
        for node in readers.get(value, ()):
            if node.op_type in _CHANNELS_SECOND and node.input[0] == value:
                yield None, layout, default_letters(len(layout))
            if node.op_type in _RECURRENT and node.input[0] == value:
                yield None, layout, "NTC" if _number(node, "layout") else "TNC"
            if node.op_type == "MatMul" and node.input[0] == value and layout and node.output:
                yield node.output[0], (*layout[:-1], None), ""
            after = _moved(node, layout, constant)
            if after is not None and node.output:
                yield node.output[0], after, ""

    return letters_of_input(name, rank, follow)
