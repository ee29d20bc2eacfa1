"""One CRI network over several processes (MPI).

Strong scaling: the same network on 1, 2 and 4 ranks. Weak scaling: about 151,600 neurons in each rank. `one process` is
the event engine without MPI, one thread. A tenth of the input pixels is active in every timestep; what neurons do comes
of it. A timestep is the median over 40, each that of its slowest rank; `waiting` is what the rank that waits most needs
to send and receive, or waits for. Spikes, events (of synapses) and messages are those of a timestep, all ranks
together. A message is a spike that goes to one other rank. `memory` is what the largest rank holds beside the pages of
the program file, `preparing` everything from the file to the first timestep. All ranks ran on one machine and talked
through its memory. Where there are more of them than cores they took turns: 4 ranks on 2 cores show what that costs,
not what 4 cores give. Every spike of every run is compared with those of one process.
`mpirun -n N python benchmarks/mpi_scaling.py rank PROGRAM` measures one case and prints JSON.
"""

from __future__ import annotations

import hashlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cri_partition
import numpy as np
from page import Section, ms, run

from nmc.runtime import load
from nmc.runtime.mpi import MpiSession
from nmc.runtime.mpi.world import World
from nmc.runtime.program import CriProgram, save

RANKS, STEPS, WARM, ACTIVE = (1, 2, 4), 40, 5, 0.1
WIDTH = 64
"""Input columns of each rank in weak scaling."""
PINGS, LONG = 200, 1 << 18
MPIRUN = Path(sys.executable).with_name("mpirun")


class Timed(World):
    """Counts the seconds that this rank spends on sending and receiving."""

    seconds = 0.0

    def exchange(self, sent: Mapping[int, Any], most: Mapping[int, int]) -> Callable[[], Mapping[int, Any]]:
        start = time.perf_counter()
        wait = super().exchange(sent, most)
        self.seconds += time.perf_counter() - start

        def finish() -> Mapping[int, Any]:
            start = time.perf_counter()
            found = wait()
            self.seconds += time.perf_counter() - start
            return found

        return finish


def own_memory() -> float:
    """2^20 bytes of this process that are no pages of a file."""
    found = re.search(r"RssAnon:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0


def of_rank(path: str) -> None:
    """One rank of one case; rank 0 prints what all of them measured."""
    from nmc.backends.cri.partition import over_ranks
    from nmc.runtime.fast import halves  # noqa: F401 - before memory is counted

    start, comm, before = time.perf_counter(), Timed(), own_memory()
    program = load(path)
    assert isinstance(program, CriProgram)
    owner = over_ranks(program, comm.size).owner if comm.rank == 0 else None
    owner = comm.broadcast(owner, len(program.neuron_model))
    session = MpiSession(program, owner, comm)
    machine, held = session.machine(), own_memory() - before
    prepared, rng, times, waits = time.perf_counter() - start, np.random.default_rng(0), [], []
    spikes, fired = hashlib.sha256(), np.zeros(len(owner), np.bool_)
    for step in range(WARM + STEPS):
        axons = (rng.random((1, program.axons.sources)) < ACTIVE)[:, session.heard]
        if step == WARM:
            first = (machine.spikes, machine.synaptic_events, *session.sent)
        comm.allgather(None)
        comm.seconds, start = 0.0, time.perf_counter()
        own = machine.step(axons)[0]
        times.append(max(comm.allgather(time.perf_counter() - start)))
        waits.append(comm.seconds)
        for rank, part in enumerate(comm.gather(own)):
            fired[owner == rank] = part
        spikes.update(fired.data)
    last = (machine.spikes, machine.synaptic_events, *session.sent)
    done = [(b - a) / STEPS for a, b in zip(first, last, strict=True)]
    every = comm.gather((statistics.median(waits[WARM:]), held, *done))
    if every:
        waiting, memory, *totals = zip(*every, strict=True)
        names = ("spikes", "events", "messages", "packets")
        found = {name: sum(total) for name, total in zip(names, totals, strict=True)}
        found |= {"step": statistics.median(times[WARM:]), "waiting": max(waiting), "memory": max(memory)}
        print(json.dumps(found | {"prepared": prepared, "digest": spikes.hexdigest()}))


def pings() -> None:
    """Seconds of a packet that holds nothing, and of each message in a long one, between two ranks."""
    comm, found = World(), []
    for length in (0, LONG):
        array, times = np.zeros(length, np.int32), []
        for _ in range(PINGS):
            comm.allgather(None)
            start = time.perf_counter()
            comm.exchange({1 - comm.rank: array}, {1 - comm.rank: length})()
            times.append(time.perf_counter() - start)
        found.append(statistics.median(times))
    if comm.rank == 0:
        print(json.dumps({"packet": found[0], "message": (found[1] - found[0]) / LONG}))


def over(ranks: int, *arguments: str) -> dict[str, Any]:
    """What this file prints as so many ranks."""
    command = [str(MPIRUN), "-n", str(ranks), sys.executable, "-W", "ignore", __file__, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def alone(path: str) -> tuple[float, str]:
    """Seconds of a timestep of the event engine without MPI, and a digest of all spikes."""
    from nmc.runtime.fast.cri import Network

    program, spikes = load(path), hashlib.sha256()
    assert isinstance(program, CriProgram)
    machine, rng, times = Network.of_program(program).machine(1, 1), np.random.default_rng(0), []
    for _ in range(WARM + STEPS):
        axons = rng.random((1, program.axons.sources)) < ACTIVE
        start = time.perf_counter()
        fired = machine.step(axons)
        times.append(time.perf_counter() - start)
        spikes.update(fired.data)
    return statistics.median(times[WARM:]), spikes.hexdigest()


def row(section: Section, path: str, ranks: int, neurons: int, digest: str) -> None:
    """Measure one case; its spikes must be those of one process."""
    found = over(ranks, "rank", path)
    assert found["digest"] == digest
    counts = (f"{found['spikes']:,.0f}", f"{found['events'] / 1e6:.2f} M", f"{found['messages']:,.0f}")
    times, name = (ms(found["step"]), ms(found["waiting"])), f"{ranks} rank{'s' * (ranks > 1)}"
    section.row(name, f"{neurons:,}", *times, *counts, f"{found['memory']:.0f} MB", ms(found["prepared"]))


def dvs(quick: bool) -> CriProgram:
    """The network of the HiAER-Spike tutorial with random weights."""
    from dvs_table import compiled

    import network

    model = network.random_weights(network.narrow() if quick else network.dvs_gesture(), seed=0)
    return compiled(model, {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}, {})


def measure(section: Section, quick: bool) -> None:
    columns = ("neurons", "timestep", "waiting", "spikes", "events", "messages", "memory", "preparing")
    ranks = RANKS[:2] if quick else RANKS
    shape = (2, 32, 32) if quick else cri_partition.INPUT
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "network.nmc")
        networks = {"convolutions, strong": cri_partition.network(shape), "DVS128 Gesture, strong": dvs(quick)}
        for name, program in networks.items():
            save(program, path)
            seconds, digest = alone(path)
            section.table(name, *columns)
            section.row("one process", f"{len(program.neuron_model):,}", ms(seconds), *[""] * 6)
            for count in ranks:
                row(section, path, count, len(program.neuron_model), digest)
        section.table("convolutions, weak", *columns)
        for count in ranks:
            program = cri_partition.network((2, shape[1], (16 if quick else WIDTH) * count))
            save(program, path)
            row(section, path, count, len(program.neuron_model), alone(path)[1])
    found = over(2, "pings")
    section.text(
        f"Two ranks exchange an empty packet in {ms(found['packet'])}; each message of a long one takes "
        f"{found['message'] * 1e9:.2f} ns more."
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["rank"]:
        of_rank(sys.argv[2])
    elif sys.argv[1:] == ["pings"]:
        pings()
    else:
        run(__file__, __doc__, measure)
