"""Where integers of 4 bits may be used: not in image layers, temporal and transposed ones, nor into sums."""

from __future__ import annotations

from ...runtime.program.akida_kinds import TEMPORAL, TRANSPOSED
from .floats import FloatLayer, FloatNet

NARROW_KINDS = ("Conv2D", "DepthwiseConv2D", "Dense1D")


def set_widths(net: FloatNet, weight_bits: int, activation_bits: int) -> None:
    """Give every layer its `weights_bits` and `output_bits`.

    Results of 4 bits are unsigned, so only rectified ones become that narrow, and only where all readers take them.
    """
    for layer in net.layers.values():
        if layer.neural and layer.kind in NARROW_KINDS:
            layer.parameters["weights_bits"] = weight_bits
        if activation_bits == 4 and may_be_narrow(net, layer):
            layer.parameters["output_bits"] = 4


def may_be_narrow(net: FloatNet, layer: FloatLayer) -> bool:
    """May its results have 4 bits? Only rectified ones that all readers take so."""
    return layer.neural and layer.activation == "relu" and all(_takes(net, r) for r in net.readers(layer.name))


def _takes(net: FloatNet, reader: FloatLayer) -> bool:
    return reader.neural and reader.kind not in (*TEMPORAL, *TRANSPOSED)
