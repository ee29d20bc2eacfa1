"""Which layers get weights of 4 bits, so that all weights fit a number of bytes: those that the outputs notice least.

Each layer that may have 4 bits gets them alone, in the float network, with the clipping of each filter that leaves the
least error in its weights; what that adds to the outputs on some samples, relative to the outputs, is its noise. Noise
of single layers nearly adds up, so the layers with the least noise for each byte saved are taken, and in the end those
that were not needed after all are given back, the noisiest first. (Sensitivity of single layers: Dong et al., "HAWQ",
2019, who estimate it from second derivatives.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...compiler.diagnostics import limit
from ...runtime import arith
from .calibrate import FloatRun
from .floats import Array, FloatLayer, FloatNet
from .weights import CLIPPED
from .widths import NARROW_KINDS

FRAMES = 128
MANTISSA = 20
NARROW, TOP = 4, 7


def weight_bytes(net: FloatNet) -> int:
    """Of all weights, those of 4 bits as half a byte each."""
    bits = [x.weight.size * x.parameters["weights_bits"] for x in net.layers.values() if x.weight is not None]
    return -(-sum(bits) // 8)


def narrow(net: FloatNet, run: FloatRun, budget: int, progress: Callable[[], object] = lambda: None) -> list[str]:
    """Give as many layers as it takes weights of 4 bits; their names.

    NmcError NMC-A004 (limit) if the weights do not fit `budget` bytes however many have 4 bits.
    """
    may = [layer for layer in net.layers.values() if layer.kind in NARROW_KINDS and not layer.identity]
    over = weight_bytes(net) - budget
    saved = {layer.name: _size(layer) // 2 for layer in may}
    if over > sum(saved.values()):
        what = f"the weights do not fit {budget} bytes"
        why = f"{weight_bytes(net) - sum(saved.values())} are needed with 4 bits wherever the machine takes them"
        raise limit("NMC-A004", what, "", why, "allow more bytes, or make the network smaller")
    if over <= 0:
        return []
    noise = _noises(run, may, progress)
    chosen: list[str] = []
    for name in sorted(saved, key=lambda name: noise[name] / max(saved[name], 1)):
        if over > 0:
            chosen.append(name)
            over -= saved[name]
    for name in sorted(chosen, key=lambda name: -noise[name]):
        if over + saved[name] <= 0:
            chosen.remove(name)
            over += saved[name]
    for name in chosen:
        net.layers[name].parameters["weights_bits"] = NARROW
    return chosen


def _size(layer: FloatLayer) -> int:
    assert layer.weight is not None
    return layer.weight.size


def _noises(run: FloatRun, layers: list[FloatLayer], progress: Callable[[], object]) -> dict[str, float]:
    """What 4 bits in each layer alone do to the outputs: noise over signal, summed over the outputs."""
    entry = run.net.inputs[0]
    frames = entry.shape[entry.axis - 1] if entry.axis > 0 else 1
    few = {name: array[: max(1, FRAMES // frames)] for name, array in run.samples.items()}
    exact, noise = _outputs(run.net, few), dict[str, float]()
    for layer in layers:
        weight = layer.weight
        layer.weight = _rounded(layer)
        try:
            found = _outputs(run.net, few)
        finally:
            layer.weight = weight
        shares = [np.square(found[name] - real).sum() / (np.square(real).sum() or 1.0) for name, real in exact.items()]
        noise[layer.name] = float(arith.round_mantissa(sum(shares), MANTISSA))
        progress()
    return noise


def _outputs(net: FloatNet, samples: dict[str, Array]) -> dict[str, Array]:
    """What the float network gives, by layer."""
    run = FloatRun(net, samples)
    return {layer.name: after.astype(np.float64) for layer, _, after in run.values() if net.is_output(layer.name)}


def _rounded(layer: FloatLayer) -> Array:
    """The weights as 4 bits hold them, each filter clipped so that the squared error is least."""
    assert layer.weight is not None
    rows = layer.weight.reshape(-1, layer.weight.shape[-1])
    peak = np.maximum(np.abs(rows).max(axis=0), np.finfo(np.float32).tiny)
    best, least = rows, np.full(rows.shape[1], np.inf)
    for share in CLIPPED:
        step = share * peak / TOP
        found = np.clip(np.rint(rows / step), -TOP, TOP) * step
        error = np.square(found - rows).sum(axis=0)
        best, least = np.where(error < least, found, best), np.minimum(error, least)
    return best.reshape(layer.weight.shape)
