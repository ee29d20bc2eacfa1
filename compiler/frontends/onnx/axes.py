"""Letters of axes: those of the graph inputs, and those a reshape keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from onnx import NodeProto

from .tensors import Array

LETTERS = {1: "N", 2: "NC", 3: "NCW", 4: "NCHW", 5: "NCTHW"}
_CHANNELS_SECOND = {
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "BatchNormalization",
}
_SAME_AXES = {"Identity", "Dropout", "Cast", "Relu", "Clip", "Add", "Sub", "Mul", "Div", "Pad", "Slice"}
_SAME_AXES |= {"Resize", "Upsample"}
Layout = tuple[int | None, ...]


def default_letters(rank: int) -> str:
    return LETTERS.get(rank, "N" + "_" * (rank - 1))


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
    """Letters of a graph input: those that its first convolution, pool or norm gives its axes, through the transposes
    (and element-wise ops) in between; else the usual ones for its rank."""
    queue: list[tuple[str, Layout]] = [(name, tuple(range(rank)))]
    seen = {name}
    for value, layout in queue:  # grows while it is walked
        for node in readers.get(value, ()):
            if node.op_type in _CHANNELS_SECOND and node.input[0] == value and len(layout) in LETTERS:
                given = dict(zip(layout, LETTERS[len(layout)], strict=True))
                letters = "".join(given.get(axis, "_") for axis in range(rank))
                return letters if letters[0] == "N" else default_letters(rank)
            after = _moved(node, layout, constant)
            if after is not None and node.output and node.output[0] not in seen:
                seen.add(node.output[0])
                queue.append((node.output[0], after))
    return default_letters(rank)


def reshaped_letters(shape: tuple[int, ...], axes: str, target: tuple[int, ...]) -> str:
    """Letters after a reshape: axes that keep place (from either end) and size keep their letter; what is flattened to
    rank 2 is NC; the rest has none."""
    if len(target) == 2:
        return "NC"
    letters = ["_"] * len(target)
    front = 0
    while front < min(len(shape), len(target)) and shape[front] == target[front]:
        letters[front] = axes[front]
        front += 1
    back = 1
    while back <= min(len(shape), len(target)) - front and shape[-back] == target[-back]:
        letters[-back] = axes[-back]
        back += 1
    if math.prod(shape[:1]) == 1:
        letters[0] = "N"
    return "".join(letters)


def channel_letters(axes: str) -> str:
    """Letters of an operand whose second axis holds the channels, whatever it was called before: time becomes nameless
    rather than guessed, H and W are filled in."""
    usual = default_letters(len(axes))
    tail = [letter if letter not in "NC" else "_" for letter in axes[2:]]
    for i, letter in enumerate(usual[2:]):
        if tail[i] == "_" and letter in "HW" and letter not in tail:
            tail[i] = letter
    return "NC" + "".join(tail)
