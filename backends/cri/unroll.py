"""The synapses of one linear layer, unrolled straight into the table without listing them first.

Position p of the input reaches position q of the output through kernel tap k if, on every axis,

    conv, pools       q · stride + k · dilation = p + pads
    conv_transpose    p · stride + k · dilation = q + pads

and then every input channel at p reaches every output channel of its group at q, with weight[o, c, k]. Most positions
see the same taps at the same distances: they share a `Pattern`, and one channel's synapses from all of them are one
small template, written once per position.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...compiler.ir.ops import Conv, ConvTranspose, Dense
from ...compiler.ir.ops.base import Array
from ...compiler.ir.ops.linear import output_first
from ...compiler.ir.types import TensorType
from ...runtime.program.cri import Table
from .affine import Entries, Ints
from .tables import INT16, Placed, check_weights, table

Layer = Conv | ConvTranspose | Dense
CHUNK = 1 << 16  # synapses written at once: their index arrays stay in the cache


@dataclass(frozen=True)
class Pattern:
    """Input positions (row-major numbers) that reach outputs through the same taps.

    positions[i] reaches output position first[i] + offset[j] through taps[j]; offsets ascend.
    """

    positions: Ints
    first: Ints
    taps: Ints
    offset: Ints


def _reached(op: Conv | ConvTranspose, axis: int, size: int, out: int, kernel: int) -> Ints:
    """On one axis: which output position an input position reaches through a tap, or -1; shape (size, kernel)."""
    stride, pad = op.stride[axis], op.pads[axis][0]
    position, tap = np.arange(size)[:, None], op.dilation[axis] * np.arange(kernel)
    if isinstance(op, ConvTranspose):
        q, rest = position * stride + tap - pad, np.zeros((size, kernel), np.int64)
    else:
        q, rest = np.divmod(position + pad - tap, stride)
    return np.where((rest == 0) & (q >= 0) & (q < out), q, -1)


def _axis_patterns(reached: Ints) -> list[Pattern]:
    first = np.where(reached >= 0, reached, np.iinfo(np.int64).max).min(axis=1)
    kinds, which = np.unique(np.where(reached >= 0, reached - first[:, None], -1), axis=0, return_inverse=True)
    made = []
    for number, kind in enumerate(kinds):
        taps = np.flatnonzero(kind >= 0)
        if len(taps):
            taps = taps[np.argsort(kind[taps])]
            positions = np.flatnonzero(which.reshape(-1) == number)
            made.append(Pattern(positions, first[positions], taps, kind[taps]))
    return made


def _join(a: Pattern, b: Pattern, extents: tuple[int, int, int]) -> Pattern:
    """Two axes as one, `b` running faster; extents of b: its input, output and kernel."""

    def pairs(major: Ints, minor: Ints, extent: int) -> Ints:
        return (major[:, None] * extent + minor).reshape(-1)

    size, out, kernel = extents
    return Pattern(
        pairs(a.positions, b.positions, size),
        pairs(a.first, b.first, out),
        pairs(a.taps, b.taps, kernel),
        pairs(a.offset, b.offset, out),
    )


@dataclass(frozen=True)
class Fan:
    """Synapses of a layer whose input elements are spike sources (a `tables.Part`).

    op, weight   the layer; its weight in the stored layout
    shape        of the layer's output: (1, …)
    source       int64, shape of the layer's input (1, …): the source of each element, -1 where it is always 0.
                 No source stands twice.
    target       int64 [output elements]: the target that each output element is, no two the same
    """

    op: Layer
    weight: Array
    shape: tuple[int, ...]
    source: Array
    target: Ints

    # --- one shape for all layers: groups G, their outputs O and inputs C, positions P of the input, taps K ---

    @cached_property
    def kernel(self) -> Array:
        """(G, C, O, K)"""
        first = output_first(self.op, self.weight)
        groups = 1 if isinstance(self.op, Dense) else self.op.groups
        return first.reshape(groups, -1, first.shape[1], math.prod(first.shape[2:])).swapaxes(1, 2)

    @cached_property
    def sources(self) -> Array:
        """(G·C, P)"""
        if isinstance(self.op, Dense):
            return self.source.reshape(-1, self.source.shape[-1]).T
        return self.source.reshape(self.source.shape[1], -1)

    @cached_property
    def targets(self) -> Ints | None:
        """The target of output element (g, o, q), numbered row-major; None where that is the number itself."""
        order = self.target
        if isinstance(self.op, Dense):
            order = order.reshape(-1, self.shape[-1]).T.reshape(-1)
        return None if np.array_equal(order, np.arange(len(order))) else order

    @cached_property
    def patterns(self) -> list[Pattern]:
        zero = np.zeros(1, np.int64)
        if isinstance(self.op, Dense):
            every = np.arange(self.sources.shape[1])
            return [Pattern(every, every, zero, zero)]
        made = [Pattern(zero, zero, zero, zero)]
        spaces = zip(self.source.shape[2:], self.shape[2:], self.weight.shape[2:], strict=True)
        for axis, extents in enumerate(spaces):
            along = _axis_patterns(_reached(self.op, axis, *extents))
            made = [_join(a, b, extents) for a in made for b in along]
        return made

    # --- what a table asks of its parts ---

    def degrees(self, columns: int) -> Ints:
        return self._count(self.kernel != 0, columns)

    def _count(self, chosen: Array, columns: int) -> Ints:
        """Per source, the synapses whose weight is chosen (bool, shape of `kernel`)."""
        hits = np.count_nonzero(chosen, axis=2).reshape(len(self.sources), -1)
        found = np.zeros(self.sources.shape, np.int64)
        for pattern in self.patterns:
            found[:, pattern.positions] = hits[:, pattern.taps].sum(axis=1)[:, None]
        result = np.zeros(columns, np.int64)
        inside = self.sources >= 0
        result[self.sources[inside]] = found[inside]
        return result

    def fill(self, start: Ints, target: Array, weight: Array, first: int = 0, shift: int = 0) -> None:
        begin = np.append(start, -1)[self.sources]  # source -1 finds the appended -1
        groups, inner, outer, _ = self.kernel.shape
        area = len(self.target) // (groups * outer)
        for pattern in self.patterns:
            template = self.kernel[..., pattern.taps].reshape(groups * inner, -1)
            within = (area * np.arange(outer)[:, None] + pattern.offset).reshape(-1)
            for channel, values in enumerate(template):
                at = begin[channel, pattern.positions]
                here, used = at >= 0, np.flatnonzero(values)
                goal = within[used] + channel // inner * outer * area
                shifted = (values[used].astype(np.int64) << shift).astype(weight.dtype)
                self._write(target, weight, at[here], pattern.first[here], goal, shifted, first)

    def _write(
        self, target: Array, weight: Array, at: Ints, origin: Ints, goal: Ints, values: Array, first: int
    ) -> None:
        """One template, `values` for the output elements `goal`, at[i] being its place when moved by origin[i]."""
        step, slots = max(1, CHUNK // max(len(goal), 1)), np.arange(len(goal))
        origin, goal = origin.astype(target.dtype), goal.astype(target.dtype)
        for low in range(0, len(at), step):
            place, rows, given = at[low : low + step, None] + slots, origin[low : low + step, None] + goal, values
            if self.targets is not None:
                rows = self.targets[rows]
                order = np.argsort(rows, axis=1)
                rows, given = np.take_along_axis(rows, order, axis=1), values[order]
            target[place] = rows + target.dtype.type(first)
            weight[place] = given

    def reach(self, peak: Ints, rows: int) -> tuple[Ints, Ints]:
        sent, whole = np.append(peak, 0)[self.source], self.weight.astype(np.int64)
        positive, negative = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        positive[self.target] = self.op.evaluate(sent, np.maximum(whole, 0)).reshape(-1)
        negative[self.target] = self.op.evaluate(sent, np.maximum(-whole, 0)).reshape(-1)
        return positive, negative

    def span(self) -> tuple[int, int]:
        return int(self.target.min()), int(self.target.max())

    def oversized(self, most: Ints) -> int:
        size = np.abs(self.kernel.astype(np.int64))
        if size.max(initial=0) <= most.min(initial=INT16):
            return 0
        return sum(int(self._count(size > bound, len(most))[most == bound].sum()) for bound in np.unique(most))

    def highest(self) -> int:
        """The highest source, -1 where there is none."""
        return int(self.source.max(initial=-1))

    def renumbered(self, offset: int) -> Fan:
        """Source s becomes source s + offset."""
        return replace(self, source=np.where(self.source >= 0, self.source + offset, -1))

    def largest(self) -> int:
        size, columns = np.abs(self.kernel.astype(np.int64)), int(self.source.max()) + 1
        return next(int(value) for value in np.unique(size)[::-1] if self._count(size == value, columns).any())

    def entries(self) -> Entries:
        """The synapses as a list, by source, then target."""
        columns = int(self.source.max(initial=-1)) + 1
        degrees = self.degrees(columns)
        row, weight = (np.zeros(int(degrees.sum()), np.int64) for _ in range(2))
        self.fill(np.cumsum(degrees) - degrees, row, weight)
        return Entries(row, np.repeat(np.arange(columns), degrees), weight)


def fan(op: Layer, weight: Array, source: Array) -> Fan:
    """A layer (its bias apart) that reads `source` (shape (1, …), -1 for always 0); targets are numbered row-major.

    IllegalOp where the shapes do not fit.
    """
    x = TensorType(source.shape, "i64", "NC" + "_" * (source.ndim - 2))
    shape = op.infer(x, TensorType.of(weight)).shape
    return Fan(op, weight, shape, source, np.arange(math.prod(shape)))


def layer_synapses(op: Layer, weight: Array, source_shape: tuple[int, ...]) -> Table:
    """The table of a conv, conv_transpose or dense layer: sources are the input's elements, targets the output's.

    `source_shape` is one sample's: (C, *space), or (…, inputs) for dense. Both sides are numbered row-major, targets
    ascend within a source, weights of 0 are left out. A pool that adds up is a conv with `groups` = C and weights of
    1. IllegalOp where shapes do not fit, NmcError NMC-C002 unless every weight fits int16.
    """
    elements = np.arange(math.prod(source_shape))
    layer = fan(op, weight, elements.reshape(1, *source_shape))
    check_weights("layer", (), [layer], np.full(len(elements), INT16))
    return table([Placed(layer, elements)], len(elements))
