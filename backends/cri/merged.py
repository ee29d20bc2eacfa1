"""Two layers in a row as the rule of one layer, so that no synapses have to be listed: pools in front of a layer."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from ...compiler.ir import Node
from ...compiler.ir.ops import Conv, Dense
from ...compiler.ir.ops.base import Array
from .affine import Entries
from .unroll import Fan, fan


def through_pool(node: Node, pool: Fan) -> Fan | None:
    """A convolution that reads a pool that adds up: a convolution of a larger kernel and stride. None where the pool's
    windows overlap or reach into padding, or where it is no pool.

    With pool windows k1 every s1, tap t2 of the convolution and tap t1 of the pool meet input stride · q − pads + T,
    T = t2 · dilation · s1 + t1, and the padding is s1 times as wide.
    """
    op, inner, weight = node.op, pool.op, node.operands[1]
    if not isinstance(op, Conv) or not isinstance(inner, Conv) or weight is None or not _tiles(inner, pool):
        return None
    if pool.shape != node.x.type.shape or not np.array_equal(pool.target, np.arange(len(pool.target))):
        return None
    window = pool.weight.shape[2:]
    steps = [d * s for d, s in zip(op.dilation, inner.stride, strict=True)]
    extents = [(k - 1) * step + w for k, step, w in zip(weight.type.shape[2:], steps, window, strict=True)]
    whole = np.zeros((*weight.type.shape[:2], *extents), np.int64)
    channel = np.arange(weight.type.shape[0]) // (weight.type.shape[0] // op.groups) * weight.type.shape[1]
    own = pool.weight[channel[:, None] + np.arange(weight.type.shape[1]), 0].astype(np.int64)  # (o, c, *window)
    for tap in product(*map(range, window)):
        spread = (slice(None), slice(None), *(slice(t, None, step) for t, step in zip(tap, steps, strict=True)))
        fits = tuple(slice(None, size) for size in weight.type.shape)
        whole[spread][fits] += weight.data * own[(..., *tap)][(..., *(None,) * len(window))]
    stride = tuple(a * b for a, b in zip(op.stride, inner.stride, strict=True))
    pads = tuple((before * s, after * s) for (before, after), s in zip(op.pads, inner.stride, strict=True))
    seen = tuple(slice(None, n * s) for n, s in zip(pool.shape[2:], inner.stride, strict=True))
    source = pool.source[(slice(None), slice(None), *seen)]
    return fan(Conv(stride, pads, (1,) * len(window), op.groups), whole, source)


def _tiles(op: Conv, pool: Fan) -> bool:
    """Does it add up windows of each channel that do not overlap, all inside the input?"""
    depthwise = pool.weight.shape[0] == op.groups == pool.source.shape[1]
    apart = all(k <= s for k, s in zip(pool.weight.shape[2:], op.stride, strict=True))
    inside = not np.any(op.pads) and all(d == 1 for d in op.dilation)
    return depthwise and apart and inside


def dense_of_single(node: Node, e: Entries) -> Fan:
    """A dense layer over inputs that are sums of sources, none of which is in two of them: a dense layer over those."""
    weight = node.operands[1]
    assert isinstance(node.op, Dense) and weight is not None
    gathered: Array = weight.data[:, e.row] * e.weight
    return fan(node.op, gathered, e.col.reshape(1, -1))


def is_flat_dense(node: Node) -> bool:
    """Is it a dense layer over all elements of one sample?"""
    return isinstance(node.op, Dense) and math.prod(node.x.type.shape[:-1]) == 1
