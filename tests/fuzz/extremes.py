"""Inputs at the ends of their range, and thresholds and biases out of the usual."""

from __future__ import annotations

from typing import Any

import numpy as np

from nmc.compiler.ir import Graph
from nmc.compiler.ir.ops import Lif, Spike

from .drawn import Array, Drawn

# 0 and below fire without input; 2^30 is the largest that quantization makes, 2^34 beyond the potentials of `sim`.
THRESHOLDS = (0, 1, 2**15, 2**30, 2**34)
FLOATS = (0.0, 1.0, 2.0**-20, 2.0**15, 2.0**30, 1e30)


def with_ends(usual: Array) -> Array:
    """Samples (n, …) and five more: nothing, all highest, all lowest, a single element, ten times the first."""
    zero = np.zeros_like(usual[:1])
    single = zero.copy()
    single.reshape(-1)[single.size // 2] = usual.max()
    ends = [zero, zero + usual.max(), zero + usual.min(), single, 10 * usual[:1]]
    return np.concatenate([usual, *ends]).astype(usual.dtype)


def events(rng: Drawn, *shape: int) -> Array:
    """Spikes (samples, …): none, all, and others with a share of their own."""
    shares = np.linspace(0, 1, shape[0]) ** 2
    return (np.random.Generator.random(rng, shape) < shares.reshape(-1, *(1,) * (len(shape) - 1))).astype(np.float64)


def stretch_thresholds(graph: Graph, rng: Drawn) -> None:
    """Gives some neurons of a spiking network, floats or integers, a threshold out of the usual."""
    for node in list(graph.nodes):
        if isinstance(node.op, Spike | Lif) and rng.random() < 0.2:
            names = [name.rstrip("?") for name in node.op.operands]
            operands: list[Any] = list(node.operands)
            data = np.float32(rng.pick(FLOATS)) if isinstance(node.op, Lif) else np.int64(rng.pick(THRESHOLDS))
            operands[names.index("threshold")] = graph.constant(f"{node.result.name}.far", np.asarray(data))
            graph.rewrite(node, node.op, *operands)
