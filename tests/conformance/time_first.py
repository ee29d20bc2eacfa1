"""Recurrent nodes take time first and samples second: they are read with their samples moved to the front and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, helper

Array = np.ndarray[Any, Any]
RECURRENT = ("GRU", "LSTM", "RNN")


def is_time_first(model: ModelProto) -> bool:
    """Is the model one recurrent node whose samples are axis 1?"""
    nodes = model.graph.node
    if len(nodes) != 1 or nodes[0].op_type not in RECURRENT:
        return False
    return not any(a.name == "layout" and a.i for a in nodes[0].attribute)


def move_samples(model: ModelProto, x: Array, expected: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Put a Transpose before the node and one behind each of its results, which have samples on the axis before the
    last; returns the input and the results to expect with samples in front."""
    (node,) = model.graph.node
    (given,) = [value for value in model.graph.input if value.name == node.input[0]]
    before = helper.make_node("Transpose", [given.name], ["time.first"], perm=[1, 0, 2])
    node.input[0] = "time.first"
    after = []
    for value, array in zip(model.graph.output, expected, strict=True):
        inner = f"{value.name}.time.first"
        index = list(node.output).index(value.name)
        node.output[index] = inner
        axes = list(range(array.ndim))
        after.append(helper.make_node("Transpose", [inner], [value.name], perm=[axes.pop(-2), *axes]))
    nodes = [before, node, *after]
    made = ModelProto()
    made.graph.node.extend(nodes)
    del model.graph.node[:]
    model.graph.node.extend(made.graph.node)
    return x.swapaxes(0, 1), [np.moveaxis(array, -2, 0) for array in expected]
