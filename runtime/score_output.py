"""The output of a program that has its class scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .arith import Floats
from .program.container import Program
from .program.cri import CriProgram
from .program.diagnostics import usage
from .program.framed import classes_of, without
from .program.timing import Timing


@dataclass(frozen=True)
class ScoreOutput:
    """An output of class scores: its shape for one sample, and its timing. `summed`: the class with the largest sum
    over all timesteps is the answer, as with the spikes of a spiking network."""

    name: str
    shape: tuple[int, ...]
    timing: Timing
    summed: bool = False

    @property
    def classes(self) -> int:
        return math.prod(without(self.shape, self.timing.axis))

    def by_frame(self, values: ArrayLike) -> Floats:
        """Values (n, *shape) as scores (n, frames, classes), one frame where the output has no time axis."""
        array, axis = np.asarray(values, np.float64), self.timing.axis
        moved = np.moveaxis(array, axis, 1) if axis > 0 else array[:, None]
        return moved.reshape(*moved.shape[:2], self.classes)


def score_output(program: Program, name: str | None = None) -> ScoreOutput:
    """The output of that name, or the program's only one; NMC-R023 if it is not clear or has no class scores."""
    if not isinstance(program, CriProgram):
        outputs = {o.name: ScoreOutput(o.name, o.shape, o.timing) for o in program.outputs}
    else:
        outputs = {r.name: ScoreOutput(r.name, r.shape, r.timing, r.by_step) for r in program.readouts}
    names = ", ".join(map(repr, outputs))
    if name is None and len(outputs) != 1:
        raise usage(
            "NMC-R023", f"the program has the outputs {names}", hint="name the one with the class scores: --output"
        )
    found = outputs[name] if name in outputs else None if name is not None else next(iter(outputs.values()))
    if found is None:
        raise usage("NMC-R023", f"the program has no output {name!r}", hint=f"it has {names}")
    if classes_of(found.shape, found.timing.axis) is None:
        what = f"output {found.name!r} of shape {found.shape} is no row of class scores"
        raise usage("NMC-R023", what, why="one axis besides time must count the classes, all others have length 1")
    return found
