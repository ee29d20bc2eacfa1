"""Element-wise operators, softmax, norms and reductions on tensors whose samples are not axis 0."""

from __future__ import annotations

import numpy as np

from ..inside import Inside
from .node import Handler, Results, Rule, Shifted


def same(s: Shifted, handler: Handler) -> Results:
    """Every element by itself, with operands that broadcast."""
    samples = s.samples_from_end()
    rank = max(len(operand.shape) for operand in s.operands if isinstance(operand, Inside | np.ndarray))
    for i, operand in enumerate(s.operands):
        if isinstance(operand, Inside):
            s.operands[i] = s.widened(operand, rank, f"operand{i + 1}")
        elif isinstance(operand, np.ndarray) and s.x.alone and operand.ndim >= -samples:
            if operand.shape[samples] != 1:
                raise s.mixes("it repeats that axis")
            s.operands[i] = operand.squeeze(samples)
    results = s.run(handler)
    if not s.x.alone and any(y.type.shape[1 + rank + samples] != s.x.shape[s.x.samples] for y in results):
        raise s.mixes("it repeats that axis")
    return [s.made(y, samples + rank) for y in results]


def softmax(s: Shifted, handler: Handler) -> Results:
    old = s.call.opset < 13  # over all axes from `axis` on
    axis = s.axis(s.call.integer("axis", 1 if old else -1))
    if old and axis < s.x.samples:
        raise s.mixes("it acts on all axes from one before it on")
    s.attributes["axis"] = s.x.inner(axis)
    return s.on_value(handler)


def normalized(s: Shifted, handler: Handler) -> Results:
    """Over all axes from `axis` on."""
    axis = s.axis(s.call.integer("axis", -1))
    if axis < s.x.samples:
        raise s.mixes("it normalizes over all axes from one before it on")
    s.attributes["axis"] = s.x.inner(axis)
    return s.on_value(handler)


def reduced(since: int) -> Rule:
    """A reduction whose axes are an operand from an opset on."""

    def rule(s: Shifted, handler: Handler) -> Results:
        given = s.integers("axes", 1, since)
        if not given:
            raise s.mixes("it reduces every axis")
        axes = s.axes(given)
        s.put_integers("axes", 1, since, [s.x.inner(axis) for axis in axes])
        gone = 0 if s.call.integer("keepdims", 1) else sum(axis < s.x.samples for axis in axes)
        return s.on_value(handler, s.x.samples - gone)

    return rule
