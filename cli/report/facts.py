"""The data behind a report page: plain JSON, from which the page is made and nothing else."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...backends.cri.limits import CORE
from ...backends.cri.placement.efficiency import SYNAPSE_ROWS
from ...compiler.target import DeviceTarget, find_target
from ...runtime.program import AkidaProgram, CriProgram, Program
from ...runtime.program.akida_shapes import hosted, signals
from ...runtime.program.diagnostics import NmcError
from ...runtime.program.hybrid import HybridProgram
from ..views import view_of
from ..views.hybrid import segment_facts
from .network import MOST, network
from .weights import weights_of

Facts = dict[str, Any]


def facts_of(program: Program, name: str) -> Facts:
    """What the program itself says; `name` is what the page calls it.

    `kind` is cri, akida or hybrid. `network` is None where it has too many layers to draw, `memory` and `device` have
    a reason under `memory_missing` and `device_missing` where they are empty.
    """
    view = view_of(program)
    layers = view.layers()
    connections, weights = weights_of(program)
    drawn = len(layers) <= MOST
    kind = "cri" if isinstance(program, CriProgram) else "hybrid" if isinstance(program, HybridProgram) else "akida"
    return {
        "name": name,
        "kind": kind,
        "summary": view.summary(),
        "inputs": view.inputs(),
        "notes": view.notes(),
        "outputs": view.outputs(),
        "layers": layers,
        "schedule": view.schedule(),
        **segment_facts(program),
        **_memory(program),
        **_device(program),
        "network": network(program, connections) if drawn else None,
        "weights": weights,
        "core": _core(program),
        "task": program.task.facts(),
        "timing": None if isinstance(program, CriProgram) else _timing(program),
        "provenance": program.provenance,
    }


def _memory(program: Program) -> Facts:
    """Rows of memory by source; of a CRI program also those of one core."""
    try:
        return {"memory": view_of(program).memory(), "memory_missing": "", "core_rows": SYNAPSE_ROWS}
    except NmcError as error:
        why = "; ".join(problem.what for problem in error.diagnostics)
        return {"memory": [], "memory_missing": why, "core_rows": SYNAPSE_ROWS}


def _core(program: Program) -> list[Facts]:
    """What a CRI program takes of one core of the machine, beside its rows of memory."""
    if not isinstance(program, CriProgram):
        return []
    taken = (
        ("neurons", len(program.neuron_model), CORE.neurons),
        ("axons", program.axons.sources, CORE.axons),
        ("neuron models", len(program.models), CORE.models),
    )
    return [{"what": what, "taken": count, "of": most} for what, count, most in taken]


def _device(program: Program) -> Facts:
    """What exceeds the device's published limits, if the program was made for one."""
    made_for = program.provenance.get("options", {})
    name = made_for.get("device") if isinstance(made_for, dict) else None
    target = find_target(program.target)
    if not isinstance(target, DeviceTarget):
        return {"device": None, "device_missing": f"target {program.target} has no devices to choose from"}
    if not isinstance(name, str) or name not in target.devices:
        return {"device": None, "device_missing": "the program does not say for which device it was made"}
    found = [problem.to_json() for problem in target.lint(program, name)]
    device = {"name": name, "exceeded": found, "not_checked": list(target.not_checked(name))}
    return {"device": device, "device_missing": ""}


def _timing(program: AkidaProgram | HybridProgram) -> Facts:
    """Frames of a sample and of its stream, when each output comes, and what the FIFOs hold."""
    outputs = [
        {"output": o.name, **asdict(o.timing), "latency": o.timing.latency(program.clip_length)}
        for o in program.outputs
    ]
    parts = (
        [(f"{s.name}/", s.program) for s in program.devices] if isinstance(program, HybridProgram) else [("", program)]
    )
    fifos = [row for prefix, part in parts for row in _fifos(prefix, part)]
    frames = {"temporal": program.temporal, "clip": program.clip_length, "stream": program.stream_length}
    return {**frames, "outputs": outputs, "fifos": fifos}


def _fifos(prefix: str, program: AkidaProgram) -> list[Facts]:
    made = signals(program)
    rows = []
    for layer in program.layers:
        frames = layer.parameters.get("fifo_size", 0)
        if frames:
            x, y, c = (made[layer.inbounds[0]] if layer.inbounds else hosted(layer)).shape
            rows.append(
                {"layer": prefix + layer.name, "frames": frames, "shape": [x, y, c], "bytes": frames * x * y * c}
            )
    return rows
