"""Integer affine maps from spike sources to the elements of a tensor, built with array arithmetic.

Lowering asks for each neuron: which sources reach it, and with what weight? An `Affine` answers for a whole tensor:

    y[row] = const[row] + Σ weight · n[col]

with rows the row-major elements of one sample and cols the network's spike sources. Maps of ops compose, so a pool
between a train and a convolution, or a residual sum, disappears into synapses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler.ir.graph import Node
from ...compiler.ir.ops import Conv, ConvTranspose, Dense, MaxPool
from ...compiler.ir.ops.base import Array
from ...compiler.ir.ops.linear import output_first
from ...compiler.ir.ops.window import taps
from ...runtime.program.budget import take_memory
from .tables import Ints


@dataclass(frozen=True)
class Entries:
    """A sparse matrix as parallel arrays (row, col, weight), in any order, duplicates adding up.

    Without duplicates and zeros it is a `tables.Part`: rows are targets, cols are sources.
    """

    row: Ints
    col: Ints
    weight: Ints

    @classmethod
    def join(cls, parts: list[Entries]) -> Entries:
        if not parts:
            nothing = np.zeros(0, np.int64)
            return cls(nothing, nothing, nothing)
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("row", "col", "weight")))

    def merged(self) -> Entries:
        """Sorted by row, then col; duplicates summed, zeros dropped."""
        if not len(self.row):
            return self
        order = np.lexsort((self.col, self.row))
        row, col, weight = self.row[order], self.col[order], self.weight[order]
        starts = np.flatnonzero(np.concatenate([[True], (row[1:] != row[:-1]) | (col[1:] != col[:-1])]))
        total = np.add.reduceat(weight, starts)
        keep = total != 0
        starts = starts[keep]
        return Entries(row[starts], col[starts], total[keep])

    @property
    def distinct(self) -> bool:
        """Has every entry a row and a col of its own?"""
        return all(np.bincount(index).max(initial=0) <= 1 for index in (self.row, self.col))

    def highest(self) -> int:
        """The highest source, -1 where there is none."""
        return int(self.col.max(initial=-1))

    def renumbered(self, offset: int) -> Entries:
        """Source s becomes source s + offset."""
        return Entries(self.row, self.col + offset, self.weight)

    def moved(self, place: Ints) -> Entries:
        """Row r becomes row place[r], or is left out where that is negative."""
        keep = place[self.row] >= 0
        return Entries(place[self.row[keep]], self.col[keep], self.weight[keep])

    # --- what a table asks of its parts ---

    def degrees(self, columns: int) -> Ints:
        return np.bincount(self.col, minlength=columns)

    def fill(self, start: Ints, target: Array, weight: Array, first: int = 0, shift: int = 0) -> None:
        order = np.lexsort((self.row, self.col))
        order = order[start[self.col[order]] >= 0]
        col = self.col[order]
        rank = np.arange(len(col)) - np.searchsorted(col, col)
        target[start[col] + rank] = self.row[order] + first
        weight[start[col] + rank] = self.weight[order] << shift

    def reach(self, peak: Ints, rows: int) -> tuple[Ints, Ints]:
        sent = self.weight * peak[self.col]
        positive, negative = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        np.add.at(positive, self.row, np.maximum(sent, 0))
        np.add.at(negative, self.row, np.maximum(-sent, 0))
        return positive, negative

    def span(self) -> tuple[int, int]:
        return (int(self.row.min()), int(self.row.max())) if len(self.row) else (0, -1)

    def oversized(self, most: Ints) -> int:
        return int(np.count_nonzero(np.abs(self.weight) > most[self.col]))

    def largest(self) -> int:
        return int(np.abs(self.weight).max(initial=0))

    def entries(self) -> Entries:
        return self


@dataclass(frozen=True)
class Affine:
    """y[row] = const[row] + Σ weight · n[col]; the number of rows is len(const)."""

    entries: Entries
    const: Ints

    @classmethod
    def constant(cls, data: Array) -> Affine:
        return cls(Entries.join([]), data.reshape(-1).astype(np.int64))

    @classmethod
    def sources(cls, first: int, count: int, const: int = 0) -> Affine:
        """One source per row: first, first + 1, …"""
        rows = np.arange(count)
        return cls(Entries(rows, rows + first, np.ones(count, np.int64)), np.full(count, const))

    def merged(self) -> Affine:
        return Affine(self.entries.merged(), self.const)


def compose(outer: Entries, inner: Affine, rows: int) -> Affine:
    """z = outer · y with y given by `inner`: shape (rows)."""
    e = inner.entries
    order = np.argsort(e.row, kind="stable")
    begin = np.searchsorted(e.row[order], np.arange(len(inner.const) + 1))
    count = begin[outer.col + 1] - begin[outer.col]
    entries = int(count.sum())
    take_memory(5 * 8 * entries, f"a layer of {entries:,} synapses on what it reads")  # 5 arrays of int64 at a time
    first = np.repeat(begin[outer.col] - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
    position = order[first + np.arange(len(first))]
    const = np.zeros(rows, np.int64)
    np.add.at(const, outer.row, outer.weight * inner.const[outer.col])
    weight = np.repeat(outer.weight, count) * e.weight[position]
    return Affine(Entries(np.repeat(outer.row, count), e.col[position], weight), const)


# --- maps of ops: which element of the operand reaches which element of the result ---


def numbered(shape: tuple[int, ...]) -> Array:
    """Elements numbered from 1 in row-major order, so that 0 can stand for padding."""
    return np.arange(1, int(np.prod(shape, dtype=np.int64)) + 1).reshape(shape)


def move_entries(node: Node, operand: int = 0) -> Entries:
    """Where a reshape, transpose, pad, slice or concat puts the elements of one of its operands."""
    shapes = [value.type.shape for value in node.operands if value is not None]
    numbers = [numbered(s) if i == operand else np.zeros(s, np.int64) for i, s in enumerate(shapes)]
    moved = node.op.evaluate(*numbers).reshape(-1)
    row = np.flatnonzero(moved)
    return Entries(row, moved[row] - 1, np.ones(len(row), np.int64))


def _tap(row: Array, col: Array, weight: Array) -> Entries:
    """One kernel position: row (G, O, P) and col (G, C, P) numbered from 1 or 0 outside, weight (G, O, C)."""
    shape = (*weight.shape, row.shape[-1])
    row, col = np.broadcast_to(row[:, :, None], shape), np.broadcast_to(col[:, None], shape)
    keep = (row > 0) & (col > 0) & (weight != 0)[..., None]
    full = np.broadcast_to(weight[..., None], shape)
    return Entries(row[keep] - 1, col[keep] - 1, full[keep].astype(np.int64))


def conv_entries(node: Node) -> Entries:
    """The matrix of a convolution."""
    op, weight = node.op, node.operands[1]
    assert isinstance(op, Conv) and weight is not None
    split = weight.data.reshape(op.groups, -1, *weight.type.shape[1:])
    out = node.result.type.shape[2:]
    row = numbered(node.result.type.shape).reshape(op.groups, split.shape[1], -1)
    source = np.pad(numbered(node.x.type.shape), ((0, 0), (0, 0), *op.pads))
    views = taps(source, weight.type.shape[2:], op.stride, op.dilation, out)
    return Entries.join(
        [_tap(row, view.reshape(op.groups, split.shape[2], -1), split[(..., *position)]) for position, view in views]
    )


def conv_transpose_entries(node: Node) -> Entries:
    """The matrix of a transposed convolution."""
    op, weight = node.op, node.operands[1]
    assert isinstance(op, ConvTranspose) and weight is not None
    first = output_first(op, weight.data)
    split = first.reshape(op.groups, -1, *first.shape[1:])
    space, kernel = node.x.type.shape[2:], weight.type.shape[2:]
    col = numbered(node.x.type.shape).reshape(op.groups, split.shape[2], -1)
    full = np.zeros((1, node.result.type.shape[1], *op.full_sizes(space, kernel)), np.int64)
    inside = tuple(slice(b, size - e) for (b, e), size in zip(op.pads, full.shape[2:], strict=True))
    full[(slice(None), slice(None), *inside)] = numbered(node.result.type.shape)
    views = taps(full, kernel, op.stride, op.dilation, space)
    return Entries.join(
        [_tap(view.reshape(op.groups, split.shape[1], -1), col, split[(..., *position)]) for position, view in views]
    )


def dense_entries(node: Node) -> Entries:
    """The matrix of a dense layer over the last axis."""
    weight = node.operands[1]
    assert weight is not None and isinstance(node.op, Dense)
    out, inner = weight.type.shape
    lead = node.x.type.elements // inner
    row = numbered((lead, out))[:, None].transpose(1, 2, 0)
    col = numbered((lead, inner))[:, None].transpose(1, 2, 0)
    return _tap(row, col, weight.data[None])


def max_pool_entries(node: Node) -> Entries:
    """Which elements each window of a max_pool looks at, with weight 1."""
    assert isinstance(node.op, MaxPool)
    row = numbered(node.result.type.shape).reshape(-1)
    parts = []
    for view in node.op.windows(numbered(node.x.type.shape), 0, 0):
        col = view.reshape(-1)
        parts.append(Entries(row[col > 0] - 1, col[col > 0] - 1, np.ones(int((col > 0).sum()), np.int64)))
    return Entries.join(parts)
