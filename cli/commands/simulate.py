"""nmc simulate"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..choice import Choice
from ..common import Output, nmc_command
from ..engines import device_option, on_device
from ..limits import limit_options
from ..processes import Ran, run_over_processes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...runtime.cost import Meter
    from ...runtime.program import Program

SHOWN_SAMPLES = 5
SHOWN_ELEMENTS = 10


def _meter(program: Program) -> Meter:
    """Counts accesses for the neurons as an export places them; NmcError NMC-X004 for a program with no such memory."""
    from ...backends.cri.image import footprint_of
    from ...backends.cri.placement import place
    from ...runtime.cost import Meter
    from ...runtime.program import CriProgram
    from ...runtime.program.diagnostics import usage

    if not isinstance(program, CriProgram):
        raise usage("NMC-X004", f"a program for target {program.target!r} has no --cost", hint="leave it out")
    return Meter(footprint_of(program, place(program)), program.profile)


def _show_cost(cost: dict[str, Any], timesteps: int) -> None:
    """Means over the timesteps of all samples."""
    words, cycles = cost["hbm_access"] / timesteps, cost["cycles"] / timesteps
    micro, joule = cost["microseconds"] / timesteps, cost["memory_microjoule"] / timesteps
    click.echo(f"per timestep {words:,.1f} memory accesses of 64 bytes")
    click.echo(f"estimated, not calibrated: {cycles:,.0f} cycles, {micro:,.1f} µs, {joule:,.2f} µJ in the memory")


def _show_output(name: str, values: NDArray[np.float32], train: bool, classes: tuple[str, ...]) -> None:
    """The first samples of an output, of one with a timestep on its second axis the sums over them. `classes` are the
    names of its entries, () where they have none."""
    import numpy as np

    click.echo(f"{name}: shape {tuple(values.shape)}{', sums over its timesteps:' if train else ''}")
    for index, sample in enumerate(values[:SHOWN_SAMPLES]):
        shown = sample.sum(axis=0) if train else sample
        row = shown.ravel()
        numbers = " ".join(f"{value:.3f}" for value in row[:SHOWN_ELEMENTS])
        best = int(row.argmax())
        largest = classes[best] if classes else ", ".join(map(str, np.unravel_index(best, shown.shape)))
        click.echo(f"  {index}: {numbers}{' …' if row.size > SHOWN_ELEMENTS else ''}  (largest: {largest})")
    if len(values) > SHOWN_SAMPLES:
        click.echo(f"  … {len(values) - SHOWN_SAMPLES:,} more samples")


def _names(program: Program, output: str, values: NDArray[np.float32], train: bool) -> tuple[str, ...]:
    """The program's class names, if they are those of the entries of a sample of this output."""
    entries = math.prod(values.shape[2 if train else 1 :])
    names = program.task.classes
    return names if len(names) == program.scored[output] == entries else ()


def _show_processes(processes: dict[str, Any]) -> None:
    ranks, neurons = processes["ranks"], processes["neurons"]
    each = f"{min(neurons):,} to {max(neurons):,} neurons in each"
    click.echo(f"{ranks} processes, {each}; {processes['messages']:,} spikes sent to other processes")


def _run(
    out: Output, program: Path, source: Path, engine: str, trace: bool, cost: bool, seed: int | None
) -> Ran | None:
    """The run in this process alone."""
    from ...runtime import Session, load
    from ...runtime.data import read_arrays

    session = Session(load(program), engine, seed)
    arrays = read_arrays(source)
    more: dict[str, Any] = {"meter": _meter(session.program)} if cost else {}
    start = time.perf_counter()
    with out.bar("simulating") as progress:
        result = session.run(arrays, trace=trace, progress=progress, **more)
    return Ran(session.program, result, time.perf_counter() - start)


@nmc_command("simulate")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--input", "source", required=True, type=click.Path(path_type=Path), help="Samples (.npz, .npy, …).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write outputs, integers and counters here (.npz)."
)
@click.option("--engine", type=Choice(["auto", "fast", "reference", "torch", "mpi"]), default="auto", show_default=True)
@device_option
@click.option("--trace", is_flag=True, help="Also keep spike counts and last potentials of every layer.")
@click.option("--cost", is_flag=True, help="cri: also count memory accesses and estimate cycles and energy.")
@click.option("--seed", type=click.IntRange(min=0), help="cri: draw the noise of a program with noise from this seed.")
@limit_options
def command(
    out: Output,
    program: Path,
    source: Path,
    output: Path | None,
    engine: str,
    device: str | None,
    trace: bool,
    cost: bool,
    seed: int | None,
) -> None:
    """Run PROGRAM on samples and print what it answers.

    Started by mpirun, the processes share the neurons of a program for target cri (docs/mpi.md).
    """
    from ...runtime.data import write_result
    from ...runtime.mpi.world import launched

    engine = on_device(engine, device)
    run = run_over_processes if engine == "mpi" or launched() else _run
    ran = run(out, program, source, engine, trace, cost, seed)
    if ran is None:
        return
    whole, result, seconds = ran.program, ran.result, ran.seconds
    if output is not None:
        write_result(output, result)
    counters = result.counters
    if counters["input_clipped"]:
        out.warn([f"{counters['input_clipped']:,} input values lie outside the calibrated range and were clipped"])

    def show() -> None:
        samples = counters["samples"]
        trains = {readout.name for readout in getattr(whole, "readouts", ()) if readout.by_step}
        for name, values in result.outputs.items():
            _show_output(name, values, name in trains, _names(whole, name, values, name in trains))
        each = max(samples, 1)
        length, unit = (counters["steps"], "timesteps") if "steps" in counters else (counters["frames"], "frames")
        names = {"spikes": "spikes", "synaptic_events": "synaptic events", "macs": "MACs"}
        work = ", ".join(f"{counters[key] / each:,.1f} {name}" for key, name in names.items() if key in counters)
        click.echo(f"{samples:,} samples × {length} {unit} in {seconds:.2f} s; per sample {work}")
        if "hardware" in counters:
            _show_cost(counters["hardware"], each * length)
        if ran.processes is not None:
            _show_processes(ran.processes)
        if output is not None:
            click.echo(f"written: {output}")

    data: dict[str, Any] = {"counters": counters, "seconds": seconds, "output": None if output is None else str(output)}
    data |= {} if ran.processes is None else {"processes": ran.processes}
    out.result({**data, "shapes": {name: list(values.shape) for name, values in result.outputs.items()}}, show)
