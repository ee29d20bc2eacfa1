"""Layers and outputs of a program beside those of the float network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...backends.akida.float_layers import float_layers, float_segments
from ...compiler.ir import Graph, evaluate, stretched, trace
from ...compiler.manager import without_edges
from ...runtime.compare.metrics import Closeness, closeness, fitted_scale
from ...runtime.compare.trains import differing
from ...runtime.program.akida import AkidaProgram
from ...runtime.program.container import Program
from ...runtime.program.cri import CriProgram, Population
from ...runtime.program.diagnostics import bad_file
from ...runtime.program.hybrid import DeviceSegment, HybridProgram
from ...runtime.program.timing import Timing
from ...runtime.result import Result

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Row:
    """A layer (or output) of the program beside the float network's.

    kind        as the program calls it, "output" for an output
    closeness   None where nothing was compared; `note` says why, or what was left out
    unit        where the real value of one integer comes from: "stored" in the program, "spikes" (1), "channel" or
                "layer" (the factor with the least error, fitted for each channel or for all together)
    values      how many numbers were compared; clipped: how many are at an end of the integers' range
    by_step     of spikes, how many differ in each step of the network
    """

    name: str
    kind: str
    origin: tuple[str, ...] = ()
    closeness: Closeness | None = None
    unit: str = ""
    values: int = 0
    clipped: int | None = None
    by_step: list[int] = field(default_factory=list)
    note: str = ""


def output_rows(program: Program, wanted: Mapping[str, Array], result: Result) -> list[Row]:
    """Every output of the program; frames at the edge of a clip, which a stream sees otherwise, are left out."""
    timings = {} if isinstance(program, CriProgram) else {o.name: o.timing for o in program.outputs}
    rows = []
    for name, found in result.outputs.items():
        if name not in wanted or wanted[name].shape != found.shape:
            shape = wanted[name].shape if name in wanted else None
            rows.append(Row(name, "output", note=f"the model's has shape {shape}, the program's {found.shape}"))
            continue
        timing = timings.get(name, Timing(0))
        pair = without_edges(wanted[name], timing), without_edges(found, timing)
        edges = ", ".join(map(str, timing.edges))
        note = f"without edge frames {edges}" if timing.edges else ""
        close = closeness(*pair) if pair[0].size else None
        rows.append(Row(name, "output", closeness=close, unit="stored", values=pair[0].size, note=note))
    return rows


# --- Akida ---


def akida_rows(program: AkidaProgram, graph: Graph, samples: Mapping[str, Array], result: Result) -> list[Row]:
    """Every layer but Dequantizers, over all frames of the stream."""
    return _layer_rows(program, float_layers(graph, samples, program.stream_length), result)


def hybrid_rows(program: HybridProgram, graph: Graph, samples: Mapping[str, Array], result: Result) -> list[Row]:
    """Every layer of device segments but Dequantizers, against the float network from its inputs on, and what host
    segments give."""
    parts, values = float_segments(graph, samples, program.stream_length)
    rows: list[Row] = []
    for segment in program.segments:
        if isinstance(segment, DeviceSegment):
            rows += _layer_rows(segment.program, parts.get(segment.name, {}), result, f"{segment.name}/")
            continue
        kinds = {op.name: op for op in segment.ops}
        for name in segment.gives:
            found, wanted = result.trace[f"{segment.name}/{name}"], values.get(name)
            title, op = f"{segment.name}/{name}", kinds[name]
            if wanted is None or wanted.shape != found.shape:
                rows.append(Row(title, op.op, op.origin, note="no value of that name in the float network"))
                continue
            check_finite(f"value {name!r}", wanted)
            rows.append(Row(title, op.op, op.origin, closeness(wanted, found), "stored", found.size))
    return rows


def _layer_rows(program: AkidaProgram, floats: Mapping[str, Array], result: Result, prefix: str = "") -> list[Row]:
    """`prefix` stands before the layers' names in the result and in the rows."""
    rows: list[Row] = []
    for layer in program.layers:
        name = prefix + layer.name
        if name not in result.trace:
            continue
        if layer.name not in floats:
            rows.append(Row(name, layer.kind, layer.origin, note="no layer of that name in the float network"))
            continue
        found = result.trace[name]
        found = found if program.temporal else found[:, None]
        clipped = sum(result.counters["saturations"][name].values())
        rows.append(_fitted(name, layer.kind, layer.origin, floats[layer.name], found, -1, clipped))
    return rows


def _fitted(
    name: str, kind: str, origin: tuple[str, ...], wanted: Array, found: Array, axis: int, clipped: int | None
) -> Row:
    check_finite(f"layer {name!r}", wanted)
    scale, each = fitted_scale(wanted, found, axis)
    unit = "channel" if each else "layer"
    return Row(name, kind, origin, closeness(wanted, found * scale), unit, found.size, clipped)


# --- CRI ---


def cri_rows(program: CriProgram, floats: Mapping[str, Array], result: Result, steps: int) -> list[Row]:
    """Every population that is no relay or readout, beside its values of `population_floats`: spikes of that many
    steps, or levels or numbers of spikes if steps is 0."""
    rows = []
    for p in program.populations:
        if p.kind in ("readout", "relay"):
            continue
        if p.name not in floats:
            rows.append(Row(p.name, p.kind, p.origin, note="no value of that name and shape in the float network"))
        elif steps:
            rows.append(_spikes(p, floats[p.name], result.trace[p.name]))
        else:
            found = result.trace[p.name]
            most = program.timesteps or p.levels
            top = int(np.count_nonzero(found == most)) if most else None
            rows.append(_fitted(p.name, p.kind, p.origin, floats[p.name], found, 1, top))
    return rows


def population_floats(
    program: CriProgram, graph: Graph, samples: Mapping[str, Array], result: Result
) -> dict[str, Array]:
    """By population, the float values that it stands for: (samples, *shape), of spikes (samples, T, *shape)."""
    names = {p.name for p in program.populations if p.kind not in ("readout", "relay")}
    found = trace(graph, samples, names)
    if graph.stepped:
        found = {name: array[:, : result.trace[name].shape[1]] for name, array in found.items()}
    return {name: array for name, array in found.items() if array.shape == result.trace[name].shape}


def _spikes(p: Population, wanted: Array, found: Array) -> Row:
    return Row(p.name, p.kind, p.origin, closeness(wanted, found), "spikes", found.size, None, differing(wanted, found))


def float_outputs(imported: Graph, samples: Mapping[str, Array], steps: int) -> dict[str, Array]:
    """Outputs of the imported network; of a spiking one for `steps` timesteps. NMC-R024 where they are not finite."""
    if imported.stepped:
        imported = imported.copy()
        imported.timing = stretched(imported, steps)
    outputs = evaluate(imported, samples)
    for name, values in outputs.items():
        check_finite(f"output {name!r}", values)
    return outputs


def check_finite(what: str, values: Array) -> None:
    """NmcError NMC-R024 unless all numbers of a float network's value are finite."""
    if not np.isfinite(values).all():
        raise bad_file("NMC-R024", f"the float network's {what} holds NaN or infinity", hint="smaller inputs")
