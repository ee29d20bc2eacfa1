"""How spike sources reach the elements of every value between populations: kept as rules of layers where possible.

A single layer between two populations, with any moves (reshape, transpose, pad, slice, concat) around it and any sums
of such paths, stays a `Fan` of a few numbers per weight. What is no such path (a layer on a layer, on a sum of trains
with weights, on a train that comes twice) is composed into a list, entry by entry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ...compiler.ir import Node
from ...compiler.ir.ops import Add, Conv, ConvTranspose, Dense, Mul, Reshape
from ...compiler.ir.ops.base import Array
from .affine import Affine, Entries, compose, conv_entries, conv_transpose_entries, dense_entries, move_entries
from .merged import dense_of_single, is_flat_dense, through_pool
from .tables import Ints
from .unroll import Fan, fan

_ENTRIES = {Conv: conv_entries, ConvTranspose: conv_transpose_entries, Dense: dense_entries}
Part = Entries | Fan


@dataclass(frozen=True)
class Paths:
    """y[row] = const[row] + Σ over parts Σ weight · n[source], rows being the row-major elements of one sample."""

    parts: tuple[Part, ...]
    const: Ints

    @classmethod
    def constant(cls, data: Array) -> Paths:
        return cls((), data.reshape(-1).astype(np.int64))

    @classmethod
    def sources(cls, first: int, count: int, const: int = 0) -> Paths:
        """One source per row: first, first + 1, …"""
        return cls.listed(Affine.sources(first, count, const))

    @classmethod
    def listed(cls, affine: Affine) -> Paths:
        return cls((affine.entries,), affine.const)

    def affine(self) -> Affine:
        """All of it as one list."""
        return Affine(Entries.join([part.entries() for part in self.parts]), self.const)

    def degrees(self, columns: int) -> Ints:
        """Synapses of each source; exact for settled paths."""
        return sum((part.degrees(columns) for part in self.parts), np.zeros(columns, np.int64))

    def reach(self, peak: Ints) -> tuple[Ints, Ints]:
        """Per row, the largest sums of positive and of negative contributions (tables.Part.reach)."""
        sums = [part.reach(peak, len(self.const)) for part in self.parts]
        zero = np.zeros(len(self.const), np.int64)
        return sum((positive for positive, _ in sums), zero), sum((negative for _, negative in sums), zero)

    def highest(self) -> int:
        """The highest number of a source, -1 without sources."""
        return max((part.highest() for part in self.parts), default=-1)

    def renumbered(self, offset: int) -> Paths:
        """The same paths from other sources: source s is source s + offset."""
        return Paths(tuple(part.renumbered(offset) for part in self.parts), self.const)

    def joined(self, entries: Entries) -> Paths:
        """These paths and more synapses."""
        return Paths((*self.parts, entries), self.const)

    def settled(self, columns: int) -> Paths:
        """The same with every pair of source and target once, no weight 0, and the parts in an order that suits
        `tables.table`: parts with a source in common have targets in ascending order."""
        listed = Entries.join([part for part in self.parts if isinstance(part, Entries)]).merged()
        parts: list[Part] = [listed, *(part for part in self.parts if isinstance(part, Fan))]
        while clash := _clash(parts, columns):
            rest = [part for i, part in enumerate(parts) if i not in clash]
            parts = [*rest, Entries.join([parts[i].entries() for i in clash]).merged()]
        return Paths(tuple(sorted(parts, key=lambda part: part.span())), self.const)


def _clash(parts: Sequence[Part], columns: int) -> tuple[int, int] | None:
    """Numbers of two parts with a source in common whose targets do not follow one another, if there are any."""
    spans = [part.span() for part in parts]
    used = [part.degrees(columns) > 0 for part in parts]
    for a, b in combinations(range(len(parts)), 2):
        apart = spans[a][1] < spans[b][0] or spans[b][1] < spans[a][0]
        if not apart and np.any(used[a] & used[b]):
            return a, b
    return None


def through(node: Node, inner: Sequence[Paths]) -> Paths:
    """Paths to the result of a linear op or a move.

    `inner` holds those of its first operands; the rest are constants of the op: weight and bias, or a factor.
    """
    values = [value for value in node.operands if value is not None]
    own = values[len(inner) :]
    biased = any(paths.const.any() for paths in inner) or any(value.data.any() for value in own[1:])
    const = np.zeros(node.result.type.elements, np.int64)
    if biased or not own:
        at_zero = [paths.const.reshape(value.type.shape) for paths, value in zip(inner, values, strict=False)]
        const = node.op.evaluate(*at_zero, *(value.data for value in own))
    parts = tuple(_through(node, i, part) for i, paths in enumerate(inner) for part in paths.parts)
    return Paths(parts, const.reshape(-1).astype(np.int64))


def _through(node: Node, operand: int, part: Part) -> Part:
    """What becomes of synapses to the elements of one operand."""
    if isinstance(node.op, Add | Reshape):
        return part
    if isinstance(node.op, Conv | ConvTranspose | Dense):
        return layer(node, part)
    if isinstance(node.op, Mul):
        e, factor = part.entries(), node.operands[1]
        assert factor is not None
        full = np.broadcast_to(factor.data, node.result.type.shape).reshape(-1)
        return Entries(e.row, e.col, e.weight * full[e.row])
    move = move_entries(node, operand)
    value = node.operands[operand]
    assert value is not None
    place = np.full(value.type.elements, -1)
    place[move.col] = move.row
    if isinstance(part, Fan) and np.all(place[part.target] >= 0):
        return replace(part, target=place[part.target])
    return part.entries().moved(place)


def layer(node: Node, part: Part) -> Part:
    """A layer that reads spikes as they come, by the same factor for each channel, or through a pool that adds up is a
    Fan; of anything else a list is composed."""
    op, weight = node.op, node.operands[1]
    assert isinstance(op, Conv | ConvTranspose | Dense) and weight is not None
    merged = through_pool(node, part) if isinstance(part, Fan) else None
    if merged is not None:
        return merged
    factor = None if isinstance(part, Fan) or not part.distinct else _channel_factors(node, part)
    if isinstance(part, Fan) or factor is None:
        if is_flat_dense(node) and np.all(part.degrees(part.highest() + 1) <= 1):
            return dense_of_single(node, part.entries())
        inner = Affine(part.entries(), np.zeros(node.x.type.elements, np.int64))
        return compose(_ENTRIES[type(op)](node), inner, node.result.type.elements).entries
    source = np.full(node.x.type.elements, -1)
    source[part.row] = part.col
    data = weight.data if np.all(factor == 1) else _scaled(op, weight.data, factor)
    return fan(op, data, source.reshape(node.x.type.shape))


def _channel_factors(node: Node, part: Entries) -> Array | None:
    """The weight with which the sources of each input channel come, None where it differs within a channel."""
    shape = node.x.type.shape
    after = 1 if isinstance(node.op, Dense) else math.prod(shape[2:])
    channel = part.row // after % shape[-1 if isinstance(node.op, Dense) else 1]
    factor = np.ones(shape[-1 if isinstance(node.op, Dense) else 1], np.int64)
    factor[channel] = part.weight
    return factor if np.array_equal(factor[channel], part.weight) else None


def _scaled(op: Conv | ConvTranspose | Dense, weight: Array, factor: Array) -> Array:
    """The weights of a layer whose input channel c comes multiplied by factor[c]."""
    whole = weight.astype(np.int64)
    if isinstance(op, Dense):
        return whole * factor
    if isinstance(op, ConvTranspose):  # (inputs, outputs a group, *kernel)
        return whole * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    by_group = whole.reshape(op.groups, -1, *weight.shape[1:])  # (groups, outputs, inputs a group, *kernel)
    return (by_group * factor.reshape(op.groups, 1, -1, *(1,) * (weight.ndim - 2))).reshape(weight.shape)
