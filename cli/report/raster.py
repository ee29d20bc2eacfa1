"""Which neurons of a CRI program fire when, for one sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...runtime.cri_session import CriSession
from ...runtime.encode import codes, step_axons
from ...runtime.program import CriProgram

ROWS = 240
"""Neurons in a raster, of all populations together; ROWS_EACH at most of one."""
ROWS_EACH = 40
STEPS = 256

Facts = dict[str, Any]


def raster(program: CriProgram, sample: Mapping[str, np.ndarray[Any, Any]], seed: int | None) -> Facts:
    """One sample (1, *shape) by input, timestep by timestep.

    `populations`, each {"layer", "neurons", "shown": [neuron …], "spikes": [[timestep, …] of each shown one],
    "by_step": spikes of all neurons in each timestep}, `steps` of the run and `steps_shown`, the first ones of them;
    `left_out`, populations for which there is no row.
    """
    session = CriSession(program, "auto", seed)
    given = {entry.name: codes(entry, sample[entry.name])[0] for entry in program.inputs}
    drawn = [p for p in program.populations if p.size][:ROWS]
    each = min(max(ROWS // max(len(drawn), 1), 1), ROWS_EACH)
    shown = {p.name: p.first + np.arange(min(each, p.size)) * p.size // min(each, p.size) for p in drawn}
    spikes: dict[str, list[list[int]]] = {p.name: [[] for _ in shown[p.name]] for p in drawn}
    by_step: dict[str, list[int]] = {p.name: [] for p in drawn}
    axons = np.zeros((1, program.axons.sources), np.bool_)
    for step in range(program.steps):
        axons[:] = False
        step_axons(program, step, given, axons)
        fired = session.step(axons)[0]
        for p in drawn:
            by_step[p.name].append(int(np.count_nonzero(fired[p.first : p.stop])))
            for row in np.flatnonzero(fired[shown[p.name]]) if step < STEPS else ():
                spikes[p.name][row].append(step)
    rows = [
        {
            "layer": p.name,
            "neurons": p.size,
            "shown": (shown[p.name] - p.first).tolist(),
            "spikes": spikes[p.name],
            "by_step": by_step[p.name],
        }
        for p in drawn
    ]
    left_out = sum(1 for p in program.populations if p.size) - len(drawn)
    return {"steps": program.steps, "steps_shown": min(program.steps, STEPS), "left_out": left_out, "populations": rows}
