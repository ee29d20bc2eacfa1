"""How near the engines come to what the processor can do, one thread.

The ceilings are measured first: matrix products of torch (float32, and int8 with int32 sums where it has them),
adding cached int16 weights to cached int32 sums (all that an event engine does for a synapse), and the memory's
bandwidth for reading. Then a frame in the dense engine, in multiply-accumulates, and a timestep
of the DVS128 Gesture network in the event engine, in synaptic events. "table's limit" is the bandwidth over the 6
bytes a synapse has in a plain table: an engine that reads the table cannot be faster. Medians of 15.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from machine import in_turns
from page import Section, ms, run

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

RUNS = 15
LENGTH, REPEATS = 4096, 10_000  # int32 sums and int16 weights of 24 KB stay in the first cache
BYTES = 6  # of a synapse in a table: target int32, weight int16


def products(size: int, runs: int) -> dict[str, float]:
    """Multiply-accumulates per second of square matrix products, by type."""
    import torch

    torch.set_num_threads(1)
    floats = torch.rand(size, size)
    integers = torch.randint(-127, 128, (size, size), dtype=torch.int8)
    works = {"float32": lambda: floats @ floats, "int8": lambda: torch._int_mm(integers, integers)}
    return {name: size**3 / seconds for name, seconds in in_turns(works, runs).items()}


def additions(repeats: int, runs: int) -> float:
    """Additions of a weight to a sum per second."""
    import numba

    @numba.njit
    def add(sums: np.ndarray, weights: np.ndarray, repeats: int) -> None:
        for _ in range(repeats):
            for i in range(len(sums)):
                sums[i] += weights[i]

    sums, weights = np.zeros(LENGTH, np.int32), np.ones(LENGTH, np.int16)
    return LENGTH * repeats / in_turns({"": lambda: add(sums, weights, repeats)}, runs)[""]


def bandwidth(megabytes: int, runs: int) -> float:
    """Bytes read per second, from an array larger than the caches of most processors."""
    numbers = np.zeros(megabytes << 17, np.int64)
    return numbers.nbytes / in_turns({"": lambda: numbers.max()}, runs)[""]


def dense(section: Section, peak: dict[str, float], quick: bool) -> None:
    from akida_engine import frames, shipped_networks, stepping
    from scaling import jester

    from nmc.runtime.fast.dense.machine import machine
    from nmc.runtime.fast.dense.plan import Plan
    from nmc.runtime.fast.dense.routes import route

    section.table("dense engine", "a frame", "M MAC", "GMAC/s", "of float32 product", "of int8 product")
    with tempfile.TemporaryDirectory() as folder:
        shipped = next(shipped_networks(Path(folder)))
        programs = [(shipped[0], shipped[2])] + ([] if quick else [("TENN Jester", jester(folder))])
    for name, program in programs:
        macs = sum(Plan.of(program, route()).macs.values())
        seconds = in_turns({"": stepping(machine(program), frames(program, 1), 8)}, 1 if quick else RUNS)[""] / 8
        rate = macs / seconds
        shares = (f"{rate / peak[kind]:.0%}" for kind in ("float32", "int8"))
        section.row(name, ms(seconds), f"{macs / 1e6:.1f}", f"{rate / 1e9:.0f}", *shares)


def events(section: Section, adds: float, read: float, quick: bool) -> None:
    from cri_engine import ACTIVE, Stepping
    from scaling import spiking_program

    from nmc.runtime.fast.cri import Network

    with tempfile.TemporaryDirectory() as folder:
        network = Network.of_program(spiking_program(folder, quick))
        section.table("event engine", "a timestep", "M events", "G events/s", "of the additions", "÷ table's limit")
        for share in ACTIVE:
            one = Stepping(network, share, 1, 1)
            seconds = in_turns({"": one.step}, 1 if quick else RUNS, prepare=one.prepare)[""]
            count = one.machine.synaptic_events
            rate = count / seconds
            cells = f"{count / 1e6:.2f}", f"{rate / 1e9:.2f}", f"{rate / adds:.0%}", f"{rate * BYTES / read:.2f}"
            section.row(f"{100 * share:.0f} % active", ms(seconds), *cells)


def measure(section: Section, quick: bool) -> None:
    peak = products(*((128, 1) if quick else (1024, RUNS)))
    adds = additions(*((10, 1) if quick else (REPEATS, RUNS)))
    read = bandwidth(*((1, 1) if quick else (1024, 5)))
    section.table("ceiling", "measured")
    for name, rate in peak.items():
        section.row(f"{name} matrix product", f"{rate / 1e9:.0f} GMAC/s")
    section.row("additions of int16 to int32 in cache", f"{adds / 1e9:.1f} G/s")
    section.row("reading memory", f"{read / 1e9:.1f} GB/s")
    section.row("table's limit", f"{read / BYTES / 1e9:.2f} G synaptic events/s")
    dense(section, peak, quick)
    events(section, adds, read, quick)


if __name__ == "__main__":
    run(__file__, __doc__, measure)
