"""What a spiking network may ask for that the machine, or one build of it, cannot hold."""

from __future__ import annotations

import numpy as np

from ....compiler.diagnostics import Collector
from ....compiler.ir import Graph, Node
from ....compiler.ir.ops.neuron import NO_LEAK
from ....runtime.program.cri import Profile
from ....runtime.program.timing import Timing
from .neurons import MEMORYLESS, Planned


def check_time(graph: Graph, problems: Collector) -> int:
    """Timesteps of the network. Inputs are trains from step 0 on, or held; outputs have a result for every step, or
    one after the last."""
    steps = max((graph.timing[name].last + 1 for name in graph.outputs), default=1)
    train, end = Timing(0, length=steps, axis=1), Timing(steps - 1)
    kinds = {value.name: (train, Timing(0)) for value in graph.inputs} | dict.fromkeys(graph.outputs, (train, end))
    for name, known in kinds.items():
        if graph.timing[name] not in known:
            why = f"its timing {graph.timing[name]} is neither that of a train of {steps} steps nor of one value"
            problems.add("NMC-C001", f"target 'cri' cannot hold {name!r}", why=why, hint="one frame, one timestep")
    return steps


def loop_problem(nodes: list[Node], problems: Collector) -> None:
    """A loop that takes longer on the machine than in the network."""
    names = " → ".join(f"%{node.result.name}" for node in (*nodes, nodes[0]))
    where = ", ".join(dict.fromkeys(part for node in nodes for part in node.result.origin))
    count = len(nodes)
    problems.add(
        "NMC-C001",
        f"target 'cri' cannot hold the loop {names}",
        where,
        f"a loop through {count} spiking layers takes {count} timesteps, and the network has fewer steps for it",
        "let the recurrence lead from a layer to itself, or delay it by as many steps as it has layers",
    )


def check_neurons(profile: Profile, made: Planned, problems: Collector) -> None:
    """Thresholds, leaks and resets that the profile has no neurons for."""
    where, leak = ", ".join(made.origin), made.of_neurons(made.leak)
    what = f"target 'cri' cannot hold %{made.name} under profile {profile.name!r}"
    if made.soft and not profile.soft_reset:
        why = "its neurons keep V − threshold when they fire (soft reset)"
        problems.add("NMC-C001", what, where, why, "profile hw_l6, or neurons that reset to a value")
    if made.threshold is not None and np.any(made.threshold <= 0):
        why = f"a threshold of {int(made.threshold.min())}: such a neuron fires before its first input arrives"
        problems.add("NMC-C001", what, where, why, "thresholds above 0")
    leaky = (leak != MEMORYLESS) & (leak < NO_LEAK)
    if profile.leak == "logical" and np.any(leaky & (made.reach[1] > 0)):
        why = "a leaky potential may get negative, where this build's leak subtracts about 2^(width − leak)"
        problems.add("NMC-C001", what, where, why, "profile sim or hw2024, or neurons without a leak")
