"""What make-causal does with recurrent layers: they start with the clip's first element and go on with each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..analysis.timing import Track
from ..ir import Node
from ..ir.ops import Lstm, Recurrent
from .causal_builder import Builder, Refused


def recurrent(b: Builder, node: Node) -> None:
    """The layer over all frames of the stream, its state held until the clip begins and between its elements. An
    element is the clip's if all up to it are; what follows the clip is nothing that a clip holds."""
    op = node.op
    assert isinstance(op, Recurrent)
    if op.reverse:
        raise Refused("it runs from the end of the clip to its beginning", hint="layers that run forward stream")
    value, track = b.operand(node)
    value, track = b.delayed(value, track, max(0, -track.offset), f"%{value.name}")
    made = b.add(replace(op, start=track.offset, period=track.stride), value, *node.operands[1:], node=node)
    before = node.operand("cell" if isinstance(op, Lstm) and op.gives == "cell" else "hidden")
    silent = before is None or not np.any(before.data)
    zero = (np.arange(len(track.zero)) < track.offset) & silent
    b.put(node.result, made, Track(track.offset, track.stride, np.logical_and.accumulate(track.good), zero))
