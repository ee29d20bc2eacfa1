"""Running golden cases: compile the model anew, run it on the case's input, digest what comes out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.golden.case import Case, Random, read_case
from ..runtime.golden.draw import draw
from ..runtime.golden.recorded import Recorded, record
from ..runtime.program.diagnostics import Diagnostic, Exit, NmcError, bad_file
from .common import internal_error

if TYPE_CHECKING:
    from ..compiler import Compilation
    from ..compiler.ir import Graph
    from ..runtime.program.container import Program


@dataclass(frozen=True)
class Ran:
    """A case that was run: what it gives, or what kept it from running (`exit_code` is DONE without problems)."""

    path: Path
    seconds: float
    recorded: Recorded | None
    problems: tuple[Diagnostic, ...] = ()
    exit_code: Exit = Exit.DONE


def run_cases(paths: Sequence[Path], jobs: int, progress: Callable[[int, int], object] | None = None) -> list[Ran]:
    """Run the cases, `jobs` at a time, in the order of `paths`; several each in a process of its own, so that no case
    sees what the code of another one has imported or seeded."""
    done: list[Ran] = []
    with ThreadPoolExecutor(jobs) as threads:
        for ran in threads.map(_alone, paths) if len(paths) > 1 else map(run_case, paths):
            done.append(ran)
            if progress:
                progress(len(done), len(paths))
    return done


def _alone(path: Path) -> Ran:
    """Run one case in a new process."""
    start = time.perf_counter()
    try:
        # Started anew, not forked: a copy of a process that has run torch may hang.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(run_case, path).result()
    except BrokenProcessPool as error:
        what, hint = "the process of a case was ended from outside", "if memory ran out: fewer --jobs, a smaller case"
        found = Diagnostic("NMC-X002", what, str(path), str(error), hint)
        return Ran(path, time.perf_counter() - start, None, (found,), Exit.LIMIT)


def run_case(path: Path) -> Ran:
    """Run one case; what is wrong with it comes back, too."""
    start = time.perf_counter()
    try:
        recorded = run(read_case(path))
    except NmcError as error:
        return Ran(path, time.perf_counter() - start, None, tuple(error.diagnostics), error.exit_code)
    except MemoryError:
        found = Diagnostic("NMC-X002", "out of memory", str(path), hint="a smaller case, or fewer --jobs")
        return Ran(path, time.perf_counter() - start, None, (found,), Exit.LIMIT)
    except Exception as error:
        # The other cases are still to run, and a report of this one to be written.
        if os.environ.get("NMC_TRACEBACK"):
            raise
        return Ran(path, time.perf_counter() - start, None, (internal_error(error),), Exit.CHECK_FAILED)
    return Ran(path, time.perf_counter() - start, recorded)


def run(case: Case) -> Recorded:
    """Compile the case's model and run the program. NmcError for whatever the compiler or the session refuses."""
    from ..runtime import Session

    done, extra = compiled(case)
    program = done.program
    if case.input is None:
        return record(program, None, {}, **extra)
    inputs = case_inputs(case.input, program, str(case.path))
    return record(program, Session(program).run(inputs, trace=True), inputs, **extra)


def compiled(case: Case) -> tuple[Compilation, dict[str, Any]]:
    """The compilation, and what its provenance does not say of the import."""
    from ..compiler import compile_verbose
    from ..compiler.frontends import import_model
    from ..compiler.target import find_target, make_options
    from ..compiler.task import read_task, take_task

    try:
        make_options(find_target(case.target), case.options)
    except TypeError as error:
        raise bad_file("NMC-R042", "an option is of the wrong type", str(case.path), str(error)) from error
    imported = import_model(case.model, case.input_shapes, case.state_dict, _nir(case))
    calibration = case.calibration
    if isinstance(calibration, Random):
        shapes, trains = _graph_shapes(imported.graph)
        samples = draw(calibration, shapes, trains, str(case.path))
    else:
        samples = _read(calibration)
    task = take_task(read_task(case.task), imported, [])
    made = compile_verbose(imported.graph, case.target, calibration=samples, task=task, **case.options)
    return made, {"import": imported.options} if imported.options else {}


def _nir(case: Case) -> Any:
    from ..compiler.frontends import NirOptions

    try:
        return NirOptions(**case.nir) if case.nir else None
    except (TypeError, ValueError) as error:
        raise bad_file("NMC-R042", "the table nir is not as it should be", str(case.path), str(error)) from error


def _graph_shapes(graph: Graph) -> tuple[dict[str, tuple[int, ...]], frozenset[str]]:
    """One sample of each input as calibration has it, and which inputs are trains."""
    from ..compiler.ir import steps_of

    trains = frozenset(v.name for v in graph.inputs if graph.stepped and graph.timing[v.name].axis >= 0)
    steps = {name: (steps_of(graph),) for name in trains}
    return {v.name: (*steps.get(v.name, ()), *v.type.shape[1:]) for v in graph.inputs}, trains


def case_inputs(given: Path | Random, program: Program, where: str) -> dict[str, Any]:
    """The arrays that the program runs on, by input name."""
    if isinstance(given, Random):
        trains = frozenset(entry.name for entry in program.inputs if getattr(entry, "every", 0))
        return draw(given, {entry.name: entry.shape for entry in program.inputs}, trains, where)
    arrays = _read(given)
    if isinstance(arrays, dict):
        return arrays
    names = [entry.name for entry in program.inputs]
    if len(names) != 1:
        hint = "name each array as the input it is for"
        raise bad_file("NMC-R004", f"one array for the inputs {', '.join(names) or 'none'}", str(given), hint=hint)
    return {names[0]: arrays}


def _read(path: Path | None) -> Any:
    from ..runtime.data import read_arrays

    return None if path is None else read_arrays(path)
