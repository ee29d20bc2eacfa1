"""Synapse tables as the event engine reads them: runs of neighbouring neurons, equal fan-outs stored once.

In a convolution the synapses of all neurons of one channel are the same, but for where they start. Such rows of a
table share one *template*. Neurons are renumbered with channels innermost, so that a template is a few long runs of
weights that are added to consecutive sums.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arith import Ints
from ..program.cri import Table
from .jit import compiled

Int32s = NDArray[np.int32]
Weights = NDArray[np.int16]
GAP = 8  # a run goes on over fewer missing neurons than this, with weight 0: that is cheaper than one run more
SAMPLES = 8  # synapses that decide which earlier row a row is compared with
PROBES = 8  # earlier rows that a row is compared with at most
SHARED = 4  # synapses per stored weight, or weights per run, from which on templates are worth their making
TRIED = 64  # templates whose runs are looked at before all are made
MIX = np.uint64(0x9E3779B97F4A7C15)  # an odd number with no pattern in its bits (2^64 / golden ratio)


class Fanout(NamedTuple):
    """The synapses of all sources.

    Source s has `degree[s]` synapses. With templates: template t = template[s] holds the runs run_stop[t] …
    run_stop[t+1] − 1; run r adds `length[r]` weights to the sums from base[s] + offset[r] on. The weights of a template
    lie behind one another from weight_first[t] on. Without (`template` is empty): the synapses are those of the table,
    indptr[s] … indptr[s+1] − 1, in `target` and `weight`.
    """

    degree: Ints
    indptr: Ints
    target: Int32s
    weight: Weights
    template: Int32s
    base: Int32s
    run_stop: Ints
    weight_first: Ints
    offset: Int32s
    length: Int32s


def fanout(table: Table, place: Int32s, bound: Ints) -> Fanout:
    """The synapses to neurons renumbered as `place`; |weights| are added to `bound`, int64 [n], by new number."""
    rows = _frozen(table.indptr), _frozen(table.target), _frozen(table.weight), place
    indptr, target, weight, _ = rows
    degree, empty = np.diff(indptr), np.zeros(0, np.int32)
    template, models = _templates(*rows, bound)
    if not _worth(rows, models, degree):
        moved = target if np.array_equal(place, np.arange(len(place))) else _frozen(place[target])
        return Fanout(degree, indptr, moved, weight, empty, empty, degree[:0], degree[:0], empty, empty)
    base = np.zeros(table.sources, np.int32)
    base[degree > 0] = place[target[indptr[:-1][degree > 0]]]
    runs = _runs(*rows, models, int(degree[models].sum()))
    return Fanout(degree, indptr, _frozen(empty), _frozen(runs[0]), template, base, *runs[1:])


def _worth(rows: tuple[NDArray[Any], ...], models: Ints, degree: Ints) -> bool:
    """Do templates save enough: are there few of them, or are runs long in some of them?"""
    some = models[:: len(models) // TRIED + 1]
    tried = int(degree[some].sum())
    return degree[models].sum() * SHARED <= degree.sum() or len(_runs(*rows, some, tried)[-1]) * SHARED <= tried


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: what a program file is mapped to is read-only, and the compiler makes code for each type."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@compiled
def _templates(indptr: Ints, target: Int32s, weight: Weights, place: Int32s, bound: Ints) -> tuple[Int32s, Ints]:
    """The template of each source, and a source that is the model of each template."""
    sources = len(indptr) - 1
    slots = np.uint64(16)
    while slots < 2 * sources:
        slots *= np.uint64(2)
    found = np.full(slots, -1, np.int32)
    template, models = np.empty(sources, np.int32), np.empty(sources, np.int64)
    count = 0
    for s in range(sources):
        low, high = indptr[s], indptr[s + 1]
        for k in range(low, high):
            bound[place[target[k]]] += abs(np.int64(weight[k]))
        slot = _signature(low, high, target, weight, place) & (slots - np.uint64(1))
        template[s] = -1
        for _ in range(PROBES):
            t = found[slot]
            if t < 0:
                found[slot] = count
                break
            if _same(low, high, indptr[models[t]], indptr[models[t] + 1], target, weight, place):
                template[s] = t
                break
            slot = (slot + np.uint64(1)) & (slots - np.uint64(1))
        if template[s] < 0:
            template[s], models[count] = count, s
            count += 1
    return template, models[:count].copy()


@compiled
def _signature(low: int, high: int, target: Int32s, weight: Weights, place: Int32s) -> np.uint64:
    """A number that is the same for rows that could share a template: made of some of their synapses."""
    mixed = np.uint64(high - low) * MIX
    for j in range(min(SAMPLES, high - low)):
        k = low + j * (high - low - 1) // SAMPLES
        ahead = np.uint64(place[target[k]] - place[target[low]])
        mixed = (mixed ^ (ahead << np.uint64(16)) ^ np.uint64(np.uint16(weight[k]))) * MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed


@compiled
def _same(low: int, high: int, other: int, other_stop: int, target: Int32s, weight: Weights, place: Int32s) -> bool:
    """Do two rows have the same weights at the same distances, in the same order?"""
    if high - low != other_stop - other:
        return False
    if high == low:
        return True
    ahead = place[target[low]] - place[target[other]]
    for i in range(high - low):
        if weight[low + i] != weight[other + i] or place[target[low + i]] - place[target[other + i]] != ahead:
            return False
    return True


@compiled
def _runs(
    indptr: Ints, target: Int32s, weight: Weights, place: Int32s, models: Ints, stored: int
) -> tuple[Weights, Ints, Ints, Int32s, Int32s]:
    """weight, run_stop, weight_first, offset, length of the templates."""
    weights = np.empty(stored + stored // 16 + 64, np.int16)
    offset, length = np.empty(stored // SHARED + 64, np.int32), np.empty(stored // SHARED + 64, np.int32)
    run_stop, weight_first = np.zeros(len(models) + 1, np.int64), np.zeros(len(models), np.int64)
    run, used = -1, 0
    for t in range(len(models)):
        low, high = indptr[models[t]], indptr[models[t] + 1]
        base = place[target[low]] if high > low else 0
        keys = _sorted_keys(low, high, target, weight, place)
        weights = _room(weights, used + GAP * len(keys))
        offset, length = _room(offset, run + 1 + len(keys)), _room(length, run + 1 + len(keys))
        weight_first[t] = used
        for i in range(len(keys)):
            at = keys[i] >> 16
            ahead = at - (keys[i - 1] >> 16) if i else 0
            if 1 <= ahead <= GAP:
                weights[used : used + ahead - 1] = 0
                used += ahead - 1
                length[run] += ahead
            else:
                run += 1
                offset[run], length[run] = at - base, 1
            weights[used] = (keys[i] & 0xFFFF) - 32768
            used += 1
        run_stop[t + 1] = run + 1
    return weights[:used].copy(), run_stop, weight_first, offset[: run + 1].copy(), length[: run + 1].copy()


@compiled
def _sorted_keys(low: int, high: int, target: Int32s, weight: Weights, place: Int32s) -> Ints:
    """2^16 · neuron + weight + 2^15 of a row's synapses, ascending."""
    keys = np.empty(high - low, np.int64)
    ordered = True
    for i in range(high - low):
        keys[i] = (np.int64(place[target[low + i]]) << 16) + np.int64(weight[low + i]) + 32768
        ordered &= i == 0 or keys[i - 1] <= keys[i]
    if not ordered:
        keys.sort()
    return keys


@compiled
def _room(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """The array, or a longer one that starts with it, of at least that many entries."""
    if needed <= len(array):
        return array
    longer = np.empty(max(needed, 2 * len(array)), array.dtype)
    longer[: len(array)] = array
    return longer
