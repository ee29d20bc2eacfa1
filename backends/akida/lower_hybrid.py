"""From a graph of which the device holds a part to a program of segments.

Each device segment is quantized on its own, on what the float network has at its inputs for the calibration samples;
noise of the segments before it is not part of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...compiler.analysis.products import products
from ...compiler.ir import Graph, trace
from ...compiler.passes.base import Context
from ...compiler.segments import Segment, subgraph
from ...runtime.program.akida import AT_ONCE, AkidaProgram
from ...runtime.program.hybrid import (
    DeviceSegment,
    HostOp,
    HostSegment,
    HostState,
    HybridInput,
    HybridOutput,
    HybridProgram,
    Port,
)
from ..host.write import onnx_model
from .builder import with_time
from .calibrate import MOST_ELEMENTS
from .floats import Array
from .host_fallback import Reasons, device_graph, segment_names, split, stream_length
from .lower import REPORT

Lower = Callable[[Graph, Context, dict[str, Any]], AkidaProgram]


def lower_hybrid(
    graph: Graph, context: Context, provenance: dict[str, Any], lower: Lower
) -> AkidaProgram | HybridProgram:
    """The program of a graph in stage `canonical` or `streaming`, with host segments where the device cannot do it.

    `lower` makes a program of a graph that the device holds; where it holds all of it, that is the whole program.
    NmcError NMC-A003 if the device holds nothing, NMC-X005 if a host cannot do it either.
    """
    segments, host = split(graph, context)
    if not host or any(value.is_constant for value in graph.outputs.values()):  # which is refused
        return lower(graph, context, provenance)
    names = segment_names(segments)
    devices = [segment for segment in segments if not segment.on_host]
    samples = _samples(graph, context, devices)
    made: list[DeviceSegment | HostSegment] = []
    for name, segment in zip(names, segments, strict=True):
        if segment.on_host:
            made.append(_host(graph, name, segment, host))
        else:
            made.append(_device(graph, name, segment, samples, context, lower, devices))
    return HybridProgram("akida", tuple(made), *_border(graph), provenance)


def _samples(graph: Graph, context: Context, devices: list[Segment]) -> dict[str, Array]:
    """What the float network has at the inputs of device segments: (samples, *shape), of frame graphs (samples, frames,
    *frame shape). As many samples as fit into memory."""
    assert context.samples is not None
    wanted = {value.name: value for segment in devices for value in segment.reads}
    frames = stream_length(graph) if graph.timing else 1
    most = max(1, MOST_ELEMENTS // max(1, frames * sum(value.type.elements for value in wanted.values())))
    total = len(next(iter(context.samples.values())))
    if most < total:
        what = f"calibration took the first {most} of {total} samples: more would need too much memory"
        context.warnings.append(what)
    return trace(graph, {name: array[:most] for name, array in context.samples.items()}, wanted.keys())


def _device(
    graph: Graph,
    name: str,
    segment: Segment,
    samples: Mapping[str, Array],
    context: Context,
    lower: Lower,
    devices: list[Segment],
) -> DeviceSegment:
    before, parts = devices.index(segment), len(devices)

    def progress(done: int, total: int) -> None:
        context.progress(before * total + done, parts * total)

    given = {value.name: samples[value.name] for value in segment.reads}
    own = replace(context, samples=given, declined=[], warnings=[], reports={}, progress=progress)
    program = lower(device_graph(graph, segment), own, {})
    context.warnings += [f"{name}: {warning}" for warning in own.warnings]
    reports = [replace(report, name=f"{name}/{report.name}") for report in own.reports.get(REPORT, [])]
    context.reports.setdefault(REPORT, []).extend(reports)
    return DeviceSegment(name, program)


def _host(graph: Graph, name: str, segment: Segment, host: Reasons) -> HostSegment:
    model = onnx_model(subgraph(graph, segment))
    inputs = (Port(p, v.name, shape) for (p, shape), v in zip(model.inputs, segment.reads, strict=True))
    outputs = (Port(p, v.name, shape) for (p, shape), v in zip(model.outputs, segment.gives, strict=True))
    states = (HostState(s.input, s.output, tuple(s.shape), _start(s.start)) for s in model.states)
    ops = (
        HostOp(node.result.name, node.op.mnemonic, host[node], products(node), node.result.origin)
        for node in segment.nodes
    )
    content = np.frombuffer(model.model, np.uint8)
    return HostSegment(name, content, tuple(inputs), tuple(outputs), tuple(states), tuple(ops))


def _start(array: Array) -> Array:
    """A memory before the first frame, flattened; one entry where all are equal."""
    flat = array.ravel()
    return flat[:1] if flat.size and (flat == flat[0]).all() else flat


def _border(graph: Graph) -> tuple[tuple[HybridInput, ...], tuple[HybridOutput, ...]]:
    """How the network's inputs and outputs lie in time."""
    inputs: list[HybridInput] = []
    for value in graph.inputs:
        timing = graph.timing.get(value.name, AT_ONCE)
        inputs.append(HybridInput(value.name, with_time(value.type.shape[1:], timing), timing.axis))
    outputs: list[HybridOutput] = []
    for name, value in graph.outputs.items():
        timing, shape = graph.timing.get(name, AT_ONCE), value.type.shape[1:]
        whole = shape if "T" in value.type.axes else with_time(shape, timing)
        outputs.append(HybridOutput(name, value.name, whole, timing))
    return tuple(inputs), tuple(outputs)
