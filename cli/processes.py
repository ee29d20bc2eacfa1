"""`nmc simulate` as one of several processes that an MPI launcher started."""

from __future__ import annotations

import os
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import Output, progress_bar, reported

if TYPE_CHECKING:
    from ..runtime.mpi.exchange import Comm
    from ..runtime.program import CriProgram, Program
    from ..runtime.result import Result


@dataclass(frozen=True)
class Ran:
    """A run, its seconds, and of one over processes what they are and what they sent."""

    program: Program
    result: Result
    seconds: float
    processes: dict[str, Any] | None = None


def run_over_processes(
    out: Output, program: Path, source: Path, engine: str, trace: bool, cost: bool, seed: int | None
) -> Ran | None:
    """The run in the process that prints and writes, rank 0; None in the others.

    An error is printed once, and ends all of them with its exit code.
    """
    from ..runtime.mpi import LostError
    from ..runtime.mpi.exchange import FailedElsewhereError
    from ..runtime.mpi.world import World, launched_rank
    from ..runtime.program.diagnostics import Exit, NmcError

    try:
        world = World()
    except NmcError:
        if launched_rank() == 0:
            raise
        sys.exit(int(Exit.USAGE))
    try:
        return _run(world, out, program, source, engine, trace, cost, seed)
    except FailedElsewhereError as error:
        sys.exit(error.exit_code)
    except LostError as error:
        cause = error.__cause__
        assert isinstance(cause, Exception)
        if os.environ.get("NMC_TRACEBACK"):
            traceback.print_exception(cause)
        found = reported(cause)
        out.fail(found)
        world.abort(int(found.exit_code))


def _run(
    comm: Comm, out: Output, path: Path, source: Path, engine: str, trace: bool, cost: bool, seed: int | None
) -> Ran | None:
    from ..runtime.data import read_arrays
    from ..runtime.mpi import MpiSession
    from ..runtime.mpi.exchange import agreed

    first = comm.rank == 0
    program, arrays = agreed(comm, lambda: (_loaded(path, cost), read_arrays(source)))
    owner = agreed(comm, lambda: _owner(program, comm.size) if first else None)
    owner = comm.broadcast(owner, len(program.neuron_model))
    named = "auto" if engine == "mpi" else engine
    session = agreed(comm, lambda: MpiSession(program, owner, comm, named, seed))
    start = time.perf_counter()
    with progress_bar(first and not (out.quiet or out.as_json), "simulating") as progress:
        result = session.run(arrays, trace=trace, progress=progress)
    seconds = time.perf_counter() - start
    facts = comm.gather((session.neurons, *session.sent))
    if result is None:
        return None
    neurons, messages, packets = zip(*facts, strict=True)
    sent = {"messages": sum(messages), "packets": sum(packets)}
    return Ran(program, result, seconds, {"ranks": comm.size, "neurons": list(neurons), **sent})


def _loaded(path: Path, cost: bool) -> CriProgram:
    from ..runtime import load
    from ..runtime.program import CriProgram
    from ..runtime.program.diagnostics import usage

    program, hint = load(path), "start one process, without mpirun"
    if not isinstance(program, CriProgram):
        what = f"a program for target {program.target!r} is not simulated over several processes"
        raise usage("NMC-R011", what, str(path), "only synapse tables are cut", hint)
    if cost:
        raise usage("NMC-R011", "--cost is not counted over several processes", hint=hint)
    return program


def _owner(program: CriProgram, ranks: int) -> Any:
    from ..backends.cri.partition import over_ranks

    return over_ranks(program, ranks).owner
