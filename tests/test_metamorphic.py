"""Spiking networks against themselves: scaled, permuted, split, batched, delayed, in company, on other builds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fuzz.campaign import check_block
from fuzz.relations import DELAYS, RELATIONS, CriRelation, delay, permute, scale, split

from nmc.compiler import compile_model
from nmc.runtime import Session

pytestmark = pytest.mark.slow


def check_relation(name: str, seeds: range) -> None:
    block = check_block(f"relation-{name}", seeds)
    assert not block.failure, block.failure
    assert len(block.seen) == len(seeds)


@pytest.mark.parametrize("name", RELATIONS)
def test_relation(name: str) -> None:
    check_relation(name, range(3))


@pytest.mark.slow
@pytest.mark.parametrize("name", RELATIONS)
def test_relation_on_more_networks(name: str) -> None:
    check_relation(name, range(100, 106))


class Picks(np.random.Generator):
    """Random numbers with what hypothesis's generator has beside numpy's; `at` is the place that `pick` takes."""

    def __init__(self, seed: int, at: int = 0):
        super().__init__(np.random.PCG64(seed))
        self.at = at

    def pick(self, choices: Any) -> Any:
        return choices[self.at % len(choices)]


def case(name: str, seed: int = 3, at: int = 0) -> tuple[CriRelation, Any, Any]:
    rng: Any = Picks(seed, at)
    made = CriRelation(rng, name)
    program = compile_model(made.graph, "cri")
    return made, program, Session(program, "reference").run(made.feeds, trace=True)


def test_networks_are_alive() -> None:
    """Relations between layers that never fire would say little."""
    shares = []
    for seed in range(12):
        _, _, result = case("scale", seed)
        shares += [float(spikes.mean()) for spikes in result.trace.values()]
    assert np.mean(np.array(shares) > 0.01) > 0.6


@pytest.mark.parametrize(("relation", "name"), [(scale, "scale"), (permute, "permute"), (delay, "delay")])
def test_relations_notice_a_single_spike(relation: Any, name: str) -> None:
    made, program, wanted = case(name)
    relation(made, program, wanted)
    first = next(iter(wanted.trace))
    wanted.trace[first][1, 3] ^= 1
    with pytest.raises((AssertionError, KeyError)):
        relation(made, program, wanted)


def test_split_notices_lost_potentials(monkeypatch: pytest.MonkeyPatch) -> None:
    made, program, wanted = case("split")
    split(made, program, wanted)
    setter = type(Session(program, "reference").machine).potentials
    monkeypatch.setattr(
        type(Session(program, "reference").machine), "potentials", setter.setter(lambda self, values: None)
    )
    with pytest.raises(AssertionError):
        split(made, program, wanted)


@pytest.mark.parametrize("at", range(len(DELAYS)))
def test_every_delay(at: int) -> None:
    made, program, wanted = case("delay", at=at)
    delay(made, program, wanted)
    assert wanted.trace
