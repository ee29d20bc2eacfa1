"""One timestep of the CRI machine, compiled: fire, reset, leak, then input, as runtime/reference/neuron.py has it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arith import Ints
from ..encode import Bools
from .fanout import Fanout, Int32s
from .jit import compiled

Sums = NDArray[np.int32] | Ints

KEEP, LEAK, CLEAR, COUNT, QUIRK = range(5)
"""What a neuron that does not fire keeps: V; V − ((V & mask) >> leak); 0; V + 1; V, but V + 1 where V > 0 (that is
leak 63 of the vendor's simulator)."""

BLOCK = 32  # neurons that are looked at together; where none fires, nothing is listed


class Width(NamedTuple):
    """The range of a potential: `low` … `high`, in which a sum is clamped or, with `wraps`, wrapped."""

    low: int
    high: int
    wraps: bool


class Neurons(NamedTuple):
    """The parameters of n neurons, one array [n] each, in the engine's order.

    threshold  they fire at V > threshold, with `inclusive` also at V = threshold
    origin     their numbers in the program
    rule       what they keep, one of the above; `leak` is 0 … 63, `steady` says whether all of them keep V
    soft       whether V − threshold is kept after a spike
    mask       −1, or the bits of V that a logical shift sees
    """

    threshold: Ints
    origin: Int32s
    rule: NDArray[np.uint8]
    leak: NDArray[np.uint8]
    soft: NDArray[np.bool_]
    inclusive: bool
    steady: bool
    mask: int


@compiled
def advance(
    low: int,
    high: int,
    v: Ints,
    sums: Sums,
    listed: Int32s,
    axons: Bools,
    fired: Bools,
    neurons: Neurons,
    width: Width,
    axon_fanout: Fanout,
    neuron_fanout: Fanout,
) -> tuple[int, int, int]:
    """Samples low … high − 1 through one timestep; (synaptic events, spikes, potentials out of range).

    v int64 [batch, n] and fired bool [batch, n], all False, are changed. sums [n], all 0 before and after, holds the
    input of one sample, listed int32, as long as there are neurons or axons, what is active.
    """
    events = spikes = misfits = 0
    for b in range(low, high):
        count = 0
        for source in range(axons.shape[1]):
            if axons[b, source]:
                listed[count] = source
                count += 1
        events += scatter(sums, listed[:count], axon_fanout)
        count, out = fire(v[b], listed, neurons, width)
        spikes += count
        for i in range(count):
            listed[i] = neurons.origin[listed[i]]
            fired[b, listed[i]] = True
        events += scatter(sums, listed[:count], neuron_fanout)
        misfits += out + settle(v[b], sums, width)
    return events, spikes, misfits


@compiled
def fire(v: Ints, listed: Int32s, neurons: Neurons, width: Width) -> tuple[int, int]:
    """Leak and reset, in place. How many neurons fired (they are the first in `listed`), how many did not fit."""
    count = _list(v, listed, neurons.threshold, neurons.inclusive)
    misfits = 0 if neurons.steady else _leak(v, neurons, width)
    for i in listed[:count]:
        kept = v[i] - neurons.threshold[i] if neurons.soft[i] else np.int64(0)
        v[i] = _fit(kept, width)
        misfits += v[i] != kept
    return count, misfits


@compiled
def _list(v: Ints, listed: Int32s, threshold: Ints, inclusive: bool) -> int:
    """List the neurons that fire, in order; how many they are."""
    count = 0
    for start in range(0, len(v), BLOCK):
        end, some = min(start + BLOCK, len(v)), 0
        for i in range(np.uint64(start), np.uint64(end)):
            some += (v[i] > threshold[i]) | (inclusive & (v[i] == threshold[i]))
        if some:
            for i in range(np.uint64(start), np.uint64(end)):
                if (v[i] > threshold[i]) | (inclusive & (v[i] == threshold[i])):
                    listed[count] = i
                    count += 1
    return count


@compiled
def _leak(v: Ints, neurons: Neurons, width: Width) -> int:
    """The leak of all neurons that do not fire, in place; how many did not fit."""
    threshold, rule, leak = neurons.threshold, neurons.rule, neurons.leak
    misfits = 0
    for i in range(len(v)):
        x = v[i]
        fires = (x > threshold[i]) | (neurons.inclusive & (x == threshold[i]))
        # Choices without branches, so that the compiler can use vectors.
        lost = (x & neurons.mask) >> np.int64(leak[i])
        lost = lost if rule[i] == LEAK else np.int64(0)
        lost = x if rule[i] == CLEAR else lost
        lost = np.int64(-1) if rule[i] == COUNT else lost
        lost = -np.int64(x > 0) if rule[i] == QUIRK else lost
        kept = x if fires else x - lost
        v[i] = _fit(kept, width)
        misfits += v[i] != kept
    return misfits


@compiled
def _fit(x: int, width: Width) -> int:
    if width.wraps:
        return ((x & (width.high - width.low)) ^ (width.high + 1)) + width.low
    return min(max(x, width.low), width.high)


@compiled
def scatter(sums: Sums, sources: Int32s, fanout: Fanout) -> int:
    """Add the synapses of some sources to `sums`; how many they are."""
    events = 0
    for source in sources:
        events += int(fanout.degree[source])
    if len(fanout.template):
        _add_runs(sums, sources, fanout)
    else:
        _add_each(sums, sources, fanout)
    return events


@compiled
def _add_runs(sums: Sums, sources: Int32s, fanout: Fanout) -> None:
    """Neighbours in the list whose runs lie at the same sums, as those of the channels of a pixel do, are added four at
    a time: then the sums are read and written once for all four."""
    i = 0
    while i < len(sources):
        if i + 3 < len(sources) and _alike(sources[i : i + 4], fanout):
            _add_four(sums, sources[i : i + 4], fanout)
            i += 4
        else:
            _add_one(sums, sources[i], fanout)
            i += 1


@compiled
def _alike(sources: Int32s, fanout: Fanout) -> bool:
    """Do the runs of all sources lie at the same sums?"""
    stop, offset, length = fanout.run_stop, fanout.offset, fanout.length
    model = fanout.template[sources[0]]
    low, count = stop[model], stop[model + 1] - stop[model]
    for source in sources[1:]:
        t = fanout.template[source]
        if fanout.base[source] != fanout.base[sources[0]] or stop[t + 1] - stop[t] != count:
            return False
        for r in range(count):
            if offset[stop[t] + r] != offset[low + r] or length[stop[t] + r] != length[low + r]:
                return False
    return True


@compiled
def _add_four(sums: Sums, sources: Int32s, fanout: Fanout) -> None:
    template, weight, first_of = fanout.template, fanout.weight, fanout.weight_first
    t, start, done = template[sources[0]], fanout.base[sources[0]], 0
    a, b = first_of[t], first_of[template[sources[1]]]
    c, d = first_of[template[sources[2]]], first_of[template[sources[3]]]
    for r in range(fanout.run_stop[t], fanout.run_stop[t + 1]):
        first = np.uint64(start + fanout.offset[r])
        p, q, x, y = np.uint64(a + done), np.uint64(b + done), np.uint64(c + done), np.uint64(d + done)
        for i in range(np.uint64(fanout.length[r])):
            low, high = np.int32(weight[p + i]) + weight[q + i], np.int32(weight[x + i]) + weight[y + i]
            sums[first + i] += low + high
        done += fanout.length[r]


@compiled
def _add_one(sums: Sums, source: int, fanout: Fanout) -> None:
    t, start = fanout.template[source], fanout.base[source]
    at = fanout.weight_first[t]
    for r in range(fanout.run_stop[t], fanout.run_stop[t + 1]):
        # Unsigned indices: an index that might be negative keeps the compiler from using vectors.
        first, here = np.uint64(start + fanout.offset[r]), np.uint64(at)
        for i in range(np.uint64(fanout.length[r])):
            sums[first + i] += fanout.weight[here + i]
        at += fanout.length[r]


@compiled
def _add_each(sums: Sums, sources: Int32s, fanout: Fanout) -> None:
    indptr, target, weight = fanout.indptr, fanout.target, fanout.weight
    for source in sources:
        for k in range(np.uint64(indptr[source]), np.uint64(indptr[source + 1])):
            sums[np.uint64(target[k])] += weight[k]


@compiled
def settle(v: Ints, sums: Sums, width: Width) -> int:
    """Add the sums to the potentials and clear them; how many did not fit."""
    misfits = 0
    for i in range(len(v)):
        total = v[i] + np.int64(sums[i])
        sums[i] = 0
        v[i] = _fit(total, width)
        misfits += v[i] != total
    return misfits
