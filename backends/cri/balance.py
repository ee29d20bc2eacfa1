"""Thresholds of rate-coded neurons, balanced on calibration samples: one number for a layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...compiler.analysis.ranges import extents, fraction, histograms
from ...compiler.ir import Graph
from ...compiler.ir.ops import Clip, Relu
from ...compiler.ir.ops.base import Array
from ...runtime import arith
from .integerize import channel_axis


def balanced_thresholds(
    graph: Graph, samples: Mapping[str, Array], method: str, percent: float, levels: int
) -> dict[str, float]:
    """The threshold of every relu and clip by name, 1 where it is 0 on all samples.

    method  minmax: the largest activation of the layer; percentile: that many percent of its positive ones are below;
            mse, kl: as ranges of so many levels
    """
    activations = [node.result for node in graph.nodes if isinstance(node.op, Relu | Clip)]
    axes = {value.name: channel_axis(value) for value in activations}
    highs = {name: float(found.high.max(initial=0.0)) for name, found in extents(graph, samples, axes).items()}
    shares = dict.fromkeys(highs, 1.0)
    if method != "minmax":
        reach = {v.name: np.full(v.type.shape[axes[v.name]], highs[v.name]) for v in activations}
        for name, counts in histograms(graph, samples, axes, reach).items():
            shares[name] = float(fraction(counts.sum(axis=0, keepdims=True), method, levels, percent)[0])
    return {name: float(arith.round_mantissa(high * shares[name], 24)) or 1.0 for name, high in highs.items()}
