"""How much each segment of a program with host segments works, and what crosses its border in a frame."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .akida import AkidaProgram
from .akida_shapes import hosted, macs, signals
from .hybrid import DeviceSegment, HostSegment, HybridProgram

FLOAT_BITS = 32


@dataclass(frozen=True)
class Work:
    """Of one segment and one frame: multiplications, and the bytes that the host sends to the device and gets from it.

    A device reads codes (mostly one byte a value) and gives integers, as wide as its last layers make them. Between
    host segments nothing crosses, and what several device segments read is sent to each.
    """

    segment: str
    on_host: bool
    macs: int
    bytes_in: int
    bytes_out: int


def work(program: HybridProgram) -> list[Work]:
    """The work of every segment, in order."""
    return [_device(s) if isinstance(s, DeviceSegment) else _host(s) for s in program.segments]


def _host(segment: HostSegment) -> Work:
    return Work(segment.name, True, sum(op.macs for op in segment.ops), 0, 0)


def _device(segment: DeviceSegment) -> Work:
    program = segment.program
    made = signals(program)
    layers = {layer.name: layer for layer in program.layers}
    products = 0
    for layer in program.layers:
        given = made[layer.inbounds[0]] if layer.inbounds else hosted(layer)
        products += macs(layer, given.shape)
    sent = [hosted(layers[entry.layer]) for entry in program.inputs]
    read = [made[name] for name in sorted(set(_sources(program)))]
    taken, given_back = (sum(prod(s.shape) * _bytes(s.bits) for s in side) for side in (sent, read))
    return Work(segment.name, False, products, taken, given_back)


def _sources(program: AkidaProgram) -> list[str]:
    """The layers whose integers leave the device: the host turns them into floats."""
    layers = {layer.name: layer for layer in program.layers}
    read = [layers[output.layer] for output in program.outputs]
    return [layer.inbounds[0] if layer.kind == "Dequantizer" else layer.name for layer in read]


def _bytes(bits: int) -> int:
    return -(-(bits or FLOAT_BITS) // 8)
