"""What has to hold for a program to have a memory image. All that does not is told at once, with numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....compiler.diagnostics import Collector, Exit, unsupported
from ....runtime.program.cri import CriProgram, IntArray, NeuronModel, Profile
from ....runtime.program.cri_image import COLUMNS, HBM_ROWS, MAX_PAIRS, Layout, field_range
from ..limits import CORE
from ..placement.types import BLOCK, Placement

LAYOUTS: dict[str, Layout] = {"hw2024": Layout(), "hw_l6": Layout(), "hw_l6_legacy": Layout()}
"""The memory layout of each build, by profile; a profile without one is no hardware."""
COUNT_BITS = 17
"""Width of the numbers of axons and neurons in the network parameters."""
MAX_SLOTS = ((1 << COUNT_BITS) - 1) // BLOCK * BLOCK
PARAMETERS = ("code", "threshold", "leak", "shift", "soft", "refractory")
POINTERS = 8


def layout_of(profile: Profile) -> Layout:
    """The layout of a build; NMC-C020 for a profile that is no hardware."""
    if profile.name in LAYOUTS:
        return LAYOUTS[profile.name]
    raise unsupported(
        "NMC-C020",
        f"profile {profile.name!r} has no memory image",
        why="it is no build of the hardware",
        hint=f"compile the model with --profile {', '.join(LAYOUTS)}",
    )


def check_fit(
    program: CriProgram, placement: Placement, layout: Layout, pairs: tuple[IntArray, IntArray], rows: int
) -> None:
    """NmcError (exit code 5) with every limit of one core that is exceeded.

    pairs   row pairs of each axon and of each neuron
    rows    HBM rows of all synapses
    """
    problems = Collector(Exit.LIMIT)
    most_axons = min((1 << COUNT_BITS) - 1, POINTERS * (layout.neuron_base - layout.axon_base))
    most_slots = min(MAX_SLOTS, POINTERS * (layout.synapse_base - layout.neuron_base))
    sizes = (
        ("axons", program.axons.sources, most_axons, "drop axons that reach no neuron, or a smaller input"),
        ("neurons with padding", placement.padded, most_slots, "a smaller network, or fewer different thresholds"),
        ("neuron models", len(placement.groups), CORE.models, "share thresholds and leaks between layers"),
        (
            "HBM rows of synapses",
            rows,
            HBM_ROWS - layout.synapse_base,
            "spread the targets of each source more evenly over the columns, or a smaller network",
        ),
    )
    for what, count, most, hint in sizes:
        if count > most:
            why = f"{count - most:,} too many"
            problems.add("NMC-C005", f"the network needs {count:,} {what}, a core holds {most:,}", why=why, hint=hint)
    for what, needed in zip(("axon", "neuron"), pairs, strict=True):
        over = np.flatnonzero(needed > MAX_PAIRS)
        if len(over):
            worst = int(needed.argmax())
            problems.add(
                "NMC-C004",
                f"{len(over):,} {what}s have more than {2 * MAX_PAIRS} rows of synapses",
                where=f"{what} {worst}",
                why=f"its fullest of {COLUMNS} columns takes {2 * int(needed[worst]):,} rows",
                hint="fewer output channels in the layers that read it, or a placement that spreads them",
            )
    for number, group in enumerate(placement.groups):
        for what in _misfits(group.model):
            problems.add("NMC-C021", what, where=f"parameter slot {number}", hint="no field of hardware holds it")
    problems.raise_if_any()


def _misfits(model: NeuronModel) -> Iterator[str]:
    for name in PARAMETERS:
        value, held = int(getattr(model, name)), field_range(name)
        if value not in held:
            yield f"the {name} {value} of a neuron model is outside {held.start} to {held.stop - 1}"
