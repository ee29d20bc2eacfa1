"""nmc compare"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..common import Output, nmc_command

if TYPE_CHECKING:
    from ...runtime.compare.boards import Recorded

AXES = ("samples", "axis 1 (timesteps or frames)")


@nmc_command("compare")
@click.argument("simulated", type=click.Path(path_type=Path))
@click.argument("recorded", type=click.Path(path_type=Path))
def command(out: Output, simulated: Path, recorded: Path) -> None:
    """Hold a board's RECORDED output against the SIMULATED one of `nmc simulate -o`, number for number.

    Nothing is shifted: if a shift in time or over samples would make them equal, it is reported. Exit code 1 if
    anything differs.
    """
    from ...runtime.compare.boards import compare_recorded
    from ...runtime.data import read_arrays
    from ...runtime.program.diagnostics import bad_file

    wanted = read_arrays(simulated)
    if not isinstance(wanted, dict):
        hint = "nmc simulate P.nmc --input X.npz -o Y.npz writes one"
        raise bad_file("NMC-R030", "the simulation's file holds a single array", str(simulated), hint=hint)
    found = compare_recorded(wanted, read_arrays(recorded))
    compared = {entry.name for entry in found}
    left = [n for n in wanted if n.endswith(".int") and not compared & {n, n.removesuffix(".int")}]

    def show() -> None:
        for entry in found:
            for line in _lines(entry):
                click.echo(line)
        for name in left:
            click.echo(f"{name}: not in {recorded}, not compared")

    equal = all(entry.equal for entry in found)
    arrays = [{**asdict(entry), "equal": entry.equal} for entry in found]
    out.result({"ok": equal, "equal": equal, "arrays": arrays, "not_compared": left}, show)
    if not equal:
        sys.exit(1)


def _lines(entry: Recorded) -> list[str]:
    if entry.equal:
        return [f"{entry.name}: equal, shape {entry.shape}"]
    if entry.differing is None:
        lines = [f"{entry.name}: simulated shape {entry.shape}, recorded shape {entry.found_shape}"]
    else:
        assert entry.first is not None
        at, ours, theirs = entry.first
        where = f"the first at {list(at)}: simulated {ours:g}, recorded {theirs:g}"
        lines = [f"{entry.name}: {entry.differing:,} of {math.prod(entry.shape):,} numbers differ, {where}"]
    if entry.shift is not None:
        s = entry.shift
        late = "late" if s.by >= 0 else "early"
        lines.append(f"  equal over {s.overlap} rows if the record is read {abs(s.by)} {late} along {AXES[s.axis]}")
    return lines
