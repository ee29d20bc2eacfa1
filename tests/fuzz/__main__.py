"""`python -m fuzz` (from tests/): random networks until time is over, through all that can be compared.

--minutes N  how long (default 5)          --graphs N  or up to so many networks
--seed S     the first seed of each kind   --jobs N    processes (default 2)
--kind K     one kind only, of those in kinds.py

Prints a table by kind, and of each block that failed the smallest network that does; exit code 1 if there is one.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from .campaign import Block, check_block
from .kinds import CAMPAIGN, KINDS

BLOCK = 25  # networks
SHARES = {"cri-integers": 2, "cri-trains": 4, "cri-relations": 2}  # blocks in a turn, where it is not 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Random testing: see tests/fuzz/__init__.py")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--graphs", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kind", choices=KINDS, default=None)
    return parser.parse_args()


def blocks(kinds: list[str], seed: int, networks: int | None) -> Iterator[tuple[str, range]]:
    """All kinds in turn, those that take little time more often, seed after seed; `networks` in all, if given."""
    begin = dict.fromkeys(kinds, seed)
    left = networks
    turn = [name for name in kinds for _ in range(SHARES.get(name, 1))]
    for kind in itertools.cycle(turn):
        size = BLOCK if left is None else min(BLOCK, left)
        if size == 0:
            return
        yield kind, range(begin[kind], begin[kind] + size)
        begin[kind] += size
        left = None if left is None else left - size


def run(given: argparse.Namespace) -> list[Block]:
    """Every block that was begun before time was over."""
    start, said = time.monotonic(), 0.0
    waiting = blocks([given.kind] if given.kind else list(CAMPAIGN), given.seed, given.graphs)
    done: list[Block] = []
    running: set[Future[Block]] = set()
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("spawn")) as pool:
        while True:
            minutes = (time.monotonic() - start) / 60
            begun = itertools.islice(waiting, given.jobs + 1 - len(running)) if minutes < given.minutes else ()
            running |= {pool.submit(check_block, kind, seeds) for kind, seeds in begun}
            if not running:
                return done
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            done += (future.result() for future in finished)
            for block in done[-len(finished) :]:
                if block.failure:
                    print(f"{block.failure}\n", flush=True)
            if minutes > said + 1:
                said = minutes
                print(f"{minutes:.0f} minutes: {sum(len(b.seen) for b in done):,} networks", file=sys.stderr)


def table(done: list[Block]) -> str:
    """One line a kind: networks compared, engines beside the reference, refusals, seeds."""
    lines = ["| kind | networks | engines beside the reference | refused | seeds |", "| --- | ---: | --- | --- | --- |"]
    for kind in KINDS:
        found = [block for block in done if block.kind == kind]
        if found:
            seen = set[bytes]().union(*(block.seen for block in found))
            counts = (sum((getattr(block, part) for block in found), Counter[str]()) for part in ("engines", "refused"))
            engines, refused = (", ".join(f"{n} {c:,}" for n, c in sorted(part.items())) or "–" for part in counts)
            seeds = f"{min(b.seeds.start for b in found)}–{max(b.seeds.stop for b in found) - 1}"
            lines.append(f"| {kind} | {len(seen):,} | {engines} | {refused} | {seeds} |")
    return "\n".join(lines)


def main() -> int:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # for the processes that are started
    given = arguments()
    start = time.monotonic()
    done = run(given)
    failed = sum(bool(block.failure) for block in done)
    networks = len(set[bytes]().union(*(block.seen for block in done)))
    print(table(done))
    print(f"{networks:,} different networks, {failed} failures, {(time.monotonic() - start) / 60:.1f} minutes")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
