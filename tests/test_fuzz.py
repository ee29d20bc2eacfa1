"""Random testing: some networks of every kind, and that a planted bug is found and made small (`make fuzz` goes on)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fuzz.__main__ import blocks, table
from fuzz.campaign import Block, check_block
from fuzz.drawn import FORMS, Drawn
from fuzz.extremes import events, stretch_thresholds, with_ends
from fuzz.kinds import CAMPAIGN, KINDS, AkidaLayers, CriTrains
from hypothesis import given, settings
from hypothesis import strategies as st
from spiking_random import random_net

from nmc.compiler.diagnostics import bad_file, unsupported
from nmc.compiler.ir.ops import Spike
from nmc.runtime.cri_session import ENGINES
from nmc.runtime.program import CriProgram

pytestmark = pytest.mark.slow

NETWORKS = 3


def check_networks(kind: str, seeds: range) -> Block:
    block = check_block(kind, seeds)
    assert not block.failure, block.failure
    assert len(block.seen) + block.refused.total() == len(seeds)
    return block


@pytest.mark.parametrize("kind", CAMPAIGN)
def test_networks_of_every_kind(kind: str) -> None:
    assert check_networks(kind, range(NETWORKS)).seen


@pytest.mark.slow
@pytest.mark.parametrize("kind", CAMPAIGN)
def test_more_networks_of_every_kind(kind: str) -> None:
    assert len(check_networks(kind, range(100, 105)).seen) > 1


# --- what a bug looks like ---


def broken(program: CriProgram, seed: int | None) -> Callable[..., Any]:
    """An engine whose thresholds are one too high."""
    models = tuple(replace(model, threshold=model.threshold + 1) for model in program.models)
    return ENGINES["reference"](replace(program, models=models), seed)


@pytest.mark.slow
def test_a_planted_bug_is_found_made_small_and_can_be_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "broken", broken)
    block = check_block("cri-trains", range(40))
    assert "engine broken" in block.failure and "other" in block.failure
    line = next(line for line in block.failure.splitlines() if "python -m fuzz" in line)
    seed = int(line.split("--seed ")[1].split()[0])
    assert "--kind cri-trains" in line and seed in block.seeds
    ir = block.failure.split(line)[1]
    assert "# profile" in ir and "graph " in ir and ir.count("= spike(") <= 2
    monkeypatch.undo()
    assert not check_block("cri-trains", range(seed, seed + 1)).failure


@pytest.mark.slow
@pytest.mark.parametrize("error", [ZeroDivisionError("planted"), bad_file("NMC-F012", "planted")])
def test_a_crash_and_a_damaged_program_are_failures(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr("fuzz.kinds.SpikingLowering", crash)
    block = check_block("cri-trains", range(3))
    assert "planted" in block.failure and not block.seen and not block.refused


def test_a_refusal_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise unsupported("NMC-C001", "too large")

    monkeypatch.setattr("fuzz.kinds.SpikingLowering", refuse)
    block = check_block("cri-trains", range(3))
    assert not block.failure and not block.seen and block.refused == {"NMC-C001": 3}


def test_the_same_seed_gives_the_same_network() -> None:
    first, again, other = (check_block("cri-trains", seeds) for seeds in (range(3), range(3), range(3, 6)))
    assert first.seen == again.seen != other.seen


# --- the numbers that networks are made of ---


@given(st.data())
@settings(max_examples=40)
def test_drawn_numbers_are_in_range(data: st.DataObject) -> None:
    rng = Drawn(data.draw)
    assert np.random.default_rng(rng) is rng
    assert 3 <= rng.integers(3, 9) < 9 and 0 <= rng.integers(4) < 4
    whole = rng.integers(-127, 128, (3, 5))
    assert whole.shape == (3, 5) and whole.min() >= -127 and whole.max() <= 127
    assert 0 <= rng.random() < 1
    share = rng.random((4, 4))
    assert share.min() >= 0 and share.max() < 1
    assert rng.choice([None, 2]) in (None, 2) and rng.pick("ab") in "ab"
    assert np.abs(rng.normal(scale=2.0, size=6)).max() < 16 and isinstance(rng.normal(), float)
    assert rng.uniform(0.5, 2, 4).min() >= 0.5 and rng.shuffle([1, 2]) is None


def scripted(*answers: Any) -> Drawn:
    """A Drawn that gets these answers in place of hypothesis's."""
    left = [0, *answers]
    return Drawn(lambda strategy: left.pop(0))


@pytest.mark.parametrize("form", sorted(set(FORMS)))
def test_forms_of_arrays(form: str) -> None:
    array = scripted(form).integers(-127, 128, 50)
    ends = {"lowest": {-127}, "highest": {127}, "one": {-127, 127}, "ends": {-127, 127}}
    assert set(array.tolist()) == ends[form] if form in ends else len(set(array.tolist())) > 20
    single = scripted("one").normal(0.0, 0.5, 50)
    assert np.count_nonzero(single) == 1 and single.max() == 1.5


def test_inputs_go_to_the_ends() -> None:
    x = np.arange(1, 13, dtype=np.float32).reshape(2, 2, 3)
    made = with_ends(x)
    assert made.dtype == np.float32 and made.shape == (7, 2, 3)
    assert not made[2].any() and np.all(made[3] == 12) and np.all(made[4] == 1)
    assert np.count_nonzero(made[5]) == 1 and np.array_equal(made[6], 10 * x[0])
    spikes = events(scripted(), 3, 4, 5)
    assert not spikes[0].any() and spikes[2].all() and 0 < spikes[1].mean() < 1


def test_some_thresholds_are_far_away() -> None:
    graph = random_net(1)
    stretch_thresholds(graph, scripted(*[999, 3] * 50))
    thresholds = [node.operands[1].data.max() for node in graph.nodes if isinstance(node.op, Spike)]
    assert thresholds and set(thresholds) == {2**30}


# --- the command ---


def test_blocks_go_through_all_kinds_and_count() -> None:
    found = list(blocks(["akida-image", "cri-integers"], 10, 110))
    assert [kind for kind, _ in found] == ["akida-image", "cri-integers", "cri-integers", "akida-image", "cri-integers"]
    assert [seeds for kind, seeds in found if kind == "akida-image"] == [range(10, 35), range(35, 60)]
    assert [seeds for _, seeds in found][2::2] == [range(35, 60), range(60, 70)]
    endless = blocks(["akida-image"], 0, None)
    assert [next(endless)[1].start for _ in range(3)] == [0, 25, 50]


def test_the_table_counts_networks_engines_and_refusals() -> None:
    first = check_block("cri-trains", range(2))
    second = replace(first, seeds=range(2, 4), seen={b"other"}, refused=Counter())
    first.refused["NMC-C001"] = 3
    text = table([first, second])
    assert f"| cri-trains | {len(first.seen) + 1} | fast 4, torch 4 | NMC-C001 3 | 0–3 |" in text.splitlines()
    assert text.count("\n") == 2


def test_kinds_say_what_they_are() -> None:
    assert KINDS["akida-layers"] is AkidaLayers and KINDS["cri-trains"] is CriTrains
    assert sum(name.startswith("relation-") for name in KINDS) >= 7
