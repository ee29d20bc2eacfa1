"""Blocks of random networks: one kind and a range of seeds; of the first that fails the smallest network that does.

A network is what hypothesis reads from the bytes that its seed gives; so it can shrink one that fails.
"""

from __future__ import annotations

import hashlib
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase

from nmc.compiler.diagnostics import NmcError

from .drawn import Drawn
from .kinds import KINDS, Subject

BYTES = 1 << 14  # that hypothesis may read for one network
REFUSALS = ("NMC-A", "NMC-C")  # a backend's codes; any other says that a front end, a pass or a program is wrong


@dataclass
class Block:
    """What came of a block.

    seen      digests of the networks that were compared; refused: how many nmc did not take, by code
    engines   how many networks each engine ran beside the reference
    failure   if one failed: the smallest network that fails, why, and the command that replays it
    """

    kind: str
    seeds: range
    seen: set[bytes] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)
    failure: str = ""


@dataclass
class _Checker:
    """Draws a network and checks it; `text` is that network's."""

    kind: str
    block: Block
    text: str = ""

    def __call__(self, draw: Callable[..., object]) -> None:
        self.text = "(it could not be drawn)"
        try:
            subject: Subject = KINDS[self.kind](Drawn(draw))
            self.text = subject.text()
            engines = subject.check()
        except NmcError as error:
            codes = sorted({problem.code for problem in error.diagnostics})
            if not all(code.startswith(REFUSALS) for code in codes):
                raise
            self.block.refused[" ".join(codes)] += 1
            return
        self.block.seen.add(hashlib.sha256(self.text.encode()).digest()[:8])
        self.block.engines.update(engines)


def check_block(kind: str, seeds: range) -> Block:
    """Draw and check one network a seed, up to the first that fails."""
    block = Block(kind, seeds)
    checker = _Checker(kind, block)

    @settings(
        database=InMemoryExampleDatabase(),
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.reuse, Phase.shrink),
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        checker(data.draw)

    check_bytes = run.hypothesis.fuzz_one_input
    for seed in seeds:
        try:
            check_bytes(np.random.default_rng([zlib.crc32(kind.encode()), seed]).bytes(BYTES))
        except Exception:  # whatever it is, it is what was looked for; hypothesis kept it, and makes it smaller now
            block.failure = _smallest(kind, seed, run, checker)
            break
    return block


def _smallest(kind: str, seed: int, run: Callable[[], None], checker: _Checker) -> str:
    why = f"hypothesis did not see it again in\n{checker.text}"
    try:
        run()
    except Exception as error:
        why = "".join((f"{type(error).__name__}: {error}\n", *traceback.format_tb(error.__traceback__)[-3:]))
    replay = f"replay from tests/: python -m fuzz --kind {kind} --seed {seed} --graphs 1"
    return "\n".join((f"kind {kind}, seed {seed}: {why}", replay, checker.text))
