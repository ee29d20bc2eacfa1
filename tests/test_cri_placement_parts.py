"""The parts of placement: classes of sources, the wave, assignments, grids."""

import numpy as np
import pytest
from cri_images import sums
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_programs import HIDDEN, convolutions, permuted, programs

from nmc.backends.cri.placement.balance import balance
from nmc.backends.cri.placement.loads import assignment
from nmc.backends.cri.placement.sources import collect
from nmc.backends.cri.placement.wave import wave
from nmc.runtime.program import cri
from nmc.runtime.program.cri import CriProgram


@settings(max_examples=60, deadline=None)
@given(programs(), st.sampled_from([5, 1 << 20]))
def test_classes_hold_the_sources_with_the_same_targets(source: CriProgram, block: int) -> None:
    expected: dict[tuple[bool, bool, frozenset[int]], int] = {}
    last = len(source.neuron_model) - 1
    for inner, table in ((False, source.axons), (True, source.neurons)):
        reached: dict[int, set[int]] = {}
        for s, target in sums(table):
            reached.setdefault(s, set()).add(target)
        for s, targets in reached.items():
            key = inner, inner and s == last, frozenset(targets)
            expected[key] = expected.get(key, 0) + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cri, "BLOCK", block)
        found = collect(source)
    targets = [set(found.targets[c].tolist()) for c in range(found.classes)]
    assert found.classes >= len(expected)  # repeated synapses tell sets apart
    for (_, _, wanted), count in expected.items():
        same = [c for c in range(found.classes) if targets[c] == wanted]
        assert found.count[same].sum() >= count
    assert found.count.sum() == sum(expected.values())
    for neuron in range(len(source.neuron_model)):
        assert found.reached[neuron].tolist() == [c for c in range(found.classes) if neuron in targets[c]]
    entries = np.array([len(part) for part in targets], np.int64)
    assert np.all((found.least == -(-entries // 16)) | (found.least == -(-(entries + 1) // 16)))


@settings(max_examples=60)
@given(programs())
def test_the_wave_meets_every_neuron_once(source: CriProgram) -> None:
    assert sorted(wave(collect(source)).tolist()) == list(range(len(source.neuron_model)))


def test_the_wave_crosses_an_image_from_corner_to_corner() -> None:
    order = wave(collect(permuted(convolutions())))
    new = np.random.default_rng(1).permutation(len(order))
    hidden = np.argsort(new)[order]
    channels, place_of = np.divmod(hidden[hidden < np.prod(HIDDEN)], 100)
    y, x = np.divmod(place_of, 10)
    assert len(set(channels[:20].tolist())) == 20 and len(set(place_of[:20].tolist())) == 1
    distance = np.abs(y - y[0]) + np.abs(x - x[0])
    assert np.corrcoef(distance, np.arange(len(distance)))[0, 1] > 0.8


@given(st.integers(0, 2**32 - 1), st.integers(1, 16))
def test_assignments_are_permutations_that_no_exchange_improves(seed: int, high: int) -> None:
    costs = np.random.default_rng(seed).integers(0, high, (16, 16))
    column = assignment(costs)
    assert sorted(column.tolist()) == list(range(16))
    total = costs[np.arange(16), column].sum()
    for i in range(16):
        for j in range(i):
            other = column.copy()
            other[[i, j]] = column[[j, i]]
            assert costs[np.arange(16), other].sum() >= total


def test_balance_keeps_the_neurons_of_every_grid() -> None:
    source = convolutions(0.5)
    order = np.arange(len(source.neuron_model))
    grids = [np.append(order[:990], [-1] * 2).reshape(-1, 16), np.append(order[990:], [-1] * 10).reshape(-1, 16)]
    made = balance([grids], collect(source), 2)
    for old, new in zip(grids, made, strict=True):
        assert old.shape == new.shape and sorted(old.ravel().tolist()) == sorted(new.ravel().tolist())
