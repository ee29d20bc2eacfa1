"""What each layer of a program stands for in floats: the same layer sequence with real weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...compiler.ir import Graph, trace
from ...compiler.passes.base import Context
from .build import build
from .calibrate import FloatRun
from .floats import Array
from .host_fallback import device_graph, segment_names, split


def float_layers(graph: Graph, samples: Mapping[str, Array], frames: int) -> dict[str, Array]:
    """What every layer gives, float32 (samples, frames, X, Y, C) by layer name, for samples (n, *shape) by input name,
    whose frames are followed by zero frames up to `frames`.

    The graph is one that `lower` takes; NmcError NMC-A001 for any other. A program's Dequantizers are not there.
    """
    net = build(graph)
    padded: dict[str, Array] = {}
    for entry in net.inputs:
        values = np.asarray(samples[entry.name], np.float64)
        if entry.axis > 0:
            more = [(0, 0)] * values.ndim
            more[entry.axis] = (0, frames - values.shape[entry.axis])
            values = np.pad(values, more)
        padded[entry.name] = values
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 does not hold becomes infinite
        return {layer.name: after for layer, _, after in FloatRun(net, padded).values()}


def float_segments(
    graph: Graph, samples: Mapping[str, Array], frames: int
) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """Of a graph that is split into segments: by device segment what `float_layers` gives for it, on exact values; and
    by name what host segments give, (samples, *shape), of frame graphs (samples, frames, *frame shape)."""
    segments, _ = split(graph, Context())
    crossing = {value.name for segment in segments for value in (*segment.reads, *segment.gives)}
    values = trace(graph, samples, crossing)
    layers = {
        name: float_layers(device_graph(graph, segment), values, frames)
        for name, segment in zip(segment_names(segments), segments, strict=True)
        if not segment.on_host
    }
    return layers, values
