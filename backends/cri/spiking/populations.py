"""The populations that ops of the graph become."""

from __future__ import annotations

import numpy as np

from ....compiler.diagnostics import Collector
from ....compiler.ir import Node
from ....compiler.ir.ops import Conv, MaxPool, Spike
from ....compiler.ir.ops.window import ceil_pads
from ..affine import Affine, Entries, compose, max_pool_entries
from ..paths import Paths
from ..tables import Ints
from ..unroll import fan
from .columns import Columns
from .neurons import MEMORYLESS, Planned


def planned_spikes(name: str, node: Node, columns: Columns) -> Planned:
    """The neurons of a `spike` op."""
    op, (_, threshold, leak) = node.op, node.operands
    assert isinstance(op, Spike) and threshold is not None and leak is not None
    shape, paths = node.result.type.shape, columns.paths(node.x)
    theta, exponent = threshold.data.astype(np.int64), leak.data.astype(np.int64)
    low = np.broadcast_to((theta <= 0) & (exponent == MEMORYLESS) & (not op.soft), shape)
    if low.any():
        # At threshold 0 a neuron fires in the first timestep, before its input is there. Without a memory both sides of
        # V ≥ threshold may be raised by the same amount, which comes with the input as part of the bias.
        raised = np.where(low, 1 - theta, 0)
        paths, theta = Paths(paths.parts, paths.const + raised.reshape(-1)), theta + raised
    return Planned(name, "spiking", shape[1:], node.result.origin, paths, exponent, theta, op.soft)


def planned_pool(name: str, node: Node, columns: Columns, problems: Collector) -> Planned:
    """The maximum of trains: neurons that fire when any of theirs does."""
    paths = columns.paths(node.x)
    e = paths.affine().entries.merged()
    plain = np.all(e.weight == 1) and np.all(np.bincount(e.row) <= 1) and not paths.const.any()
    if not plain or np.any(columns.bits[e.col % max(columns.total, 1)] > 1):
        why = "max_pool reads something else than spikes: a sum, or an input of several bits"
        where, hint = ", ".join(node.result.origin), "put the neurons in front of the max pool"
        problems.add("NMC-C001", f"target 'cri' cannot hold %{node.result.name}", where, why, hint)
        e = Entries.join([])
    zero, one = np.zeros((), np.int64), np.ones((), np.int64)
    return Planned(name, "or", node.result.type.shape[1:], node.result.origin, _any(node, e), zero, one)


def _any(node: Node, e: Entries) -> Paths:
    """Paths of weight 1 from all that a window looks at."""
    op, x, y = node.op, node.x.type, node.result.type
    assert isinstance(op, MaxPool)
    const = np.zeros(y.elements, np.int64)
    if not e.distinct:
        inner = Affine(e, np.zeros(x.elements, np.int64))
        return Paths((compose(max_pool_entries(node), inner, y.elements).entries,), const)
    # A convolution with weights of 1: the rule of a layer instead of a list of synapses.
    source = np.full(x.elements, -1)
    source[e.row] = e.col
    pads = ceil_pads(x.shape[2:], op.kernel, op.stride, op.dilation, op.pads, y.shape[2:])
    conv = Conv(op.stride, pads, op.dilation, x.shape[1])
    return Paths((fan(conv, np.ones((x.shape[1], 1, *op.kernel), np.int8), source.reshape(x.shape)),), const)


def planned_relay(name: str, origin: tuple[str, ...], shape: tuple[int, ...], depth: int) -> Planned:
    """Neurons that repeat what reaches them; their synapses are placed apart (relays.py)."""
    zero, one = np.zeros((), np.int64), np.ones((), np.int64)
    nothing = Paths.constant(np.zeros(shape, np.int64))
    return Planned(name, "relay", shape, origin, nothing, zero, one, depth=depth)


def inhibit_themselves(made: Planned, first: int, total: int) -> None:
    """Make exact neurons with soft reset on a machine that compares with >.

    It is programmed with threshold θ − 1 and keeps V − (θ − 1): one too much. A synapse of weight −1 from every neuron
    to itself takes it away in the same timestep; where the network has such a synapse the weights add up. Column
    `first` + i is neuron i, and `total` columns on it is that neuron in the step before.
    """
    rows: Ints = np.arange(made.size)
    made.synapses = made.synapses.joined(Entries(rows, rows + first + total, np.full(made.size, -1)))
    made.settle()
