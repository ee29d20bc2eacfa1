"""nmc simulate"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command, progress_bar
from ..limits import limit_options

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


def _show_output(name: str, values: NDArray[np.float32], train: bool) -> None:
    """The first samples of an output, of one with a timestep on its second axis the sums over them."""
    import numpy as np

    click.echo(f"{name}: shape {tuple(values.shape)}{', sums over its timesteps:' if train else ''}")
    for index, sample in enumerate(values[:SHOWN_SAMPLES]):
        shown = sample.sum(axis=0) if train else sample
        row = shown.ravel()
        numbers = " ".join(f"{value:.3f}" for value in row[:SHOWN_ELEMENTS])
        largest = ", ".join(map(str, np.unravel_index(row.argmax(), shown.shape)))
        click.echo(f"  {index}: {numbers}{' …' if row.size > SHOWN_ELEMENTS else ''}  (largest: {largest})")
    if len(values) > SHOWN_SAMPLES:
        click.echo(f"  … {len(values) - SHOWN_SAMPLES:,} more samples")


@nmc_command("simulate")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--input", "source", required=True, type=click.Path(path_type=Path), help="Samples (.npz, .npy, …).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write outputs, integers and counters here (.npz)."
)
@click.option("--engine", type=click.Choice(["auto", "fast", "reference"]), default="auto", show_default=True)
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
    trace: bool,
    cost: bool,
    seed: int | None,
) -> None:
    """Run PROGRAM on samples and print what it answers."""
    from ...runtime import Session, load
    from ...runtime.data import read_arrays, write_result

    session = Session(load(program), engine, seed)
    arrays = read_arrays(source)
    more: dict[str, Any] = {"meter": _meter(session.program)} if cost else {}
    start = time.perf_counter()
    with progress_bar(not (out.quiet or out.as_json), "simulating") as progress:
        result = session.run(arrays, trace=trace, progress=progress, **more)
    seconds = time.perf_counter() - start
    if output is not None:
        write_result(output, result)
    counters = result.counters
    if counters["input_clipped"]:
        out.warn([f"{counters['input_clipped']:,} input values lie outside the calibrated range and were clipped"])

    def show() -> None:
        samples = counters["samples"]
        trains = {readout.name for readout in getattr(session.program, "readouts", ()) if readout.by_step}
        for name, values in result.outputs.items():
            _show_output(name, values, name in trains)
        each = max(samples, 1)
        length, unit = (counters["steps"], "timesteps") if "steps" in counters else (counters["frames"], "frames")
        names = {"spikes": "spikes", "synaptic_events": "synaptic events", "macs": "MACs"}
        work = ", ".join(f"{counters[key] / each:,.1f} {name}" for key, name in names.items() if key in counters)
        click.echo(f"{samples:,} samples × {length} {unit} in {seconds:.2f} s; per sample {work}")
        if "hardware" in counters:
            _show_cost(counters["hardware"], each * length)
        if output is not None:
            click.echo(f"written: {output}")

    data: dict[str, Any] = {"counters": counters, "seconds": seconds, "output": None if output is None else str(output)}
    out.result({**data, "shapes": {name: list(values.shape) for name, values in result.outputs.items()}}, show)
