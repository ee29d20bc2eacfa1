"""Published limits of Akida 2.0 layers, and the devices a program can be held against (docs/akida_devices.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...compiler.diagnostics import usage
from ...compiler.pipeline import nearest
from ...runtime.program.akida_kinds import PARAMETERS


@dataclass(frozen=True)
class Span:
    """Whole numbers from `low` to `high`; None: no upper limit is published."""

    low: int
    high: int | None = None

    def __contains__(self, value: int) -> bool:
        return self.low <= value and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"≥ {self.low}"
        if self.low == self.high:
            return str(self.low)
        return f"≤ {self.high}" if self.low <= 1 else f"{self.low} … {self.high}"


Allowed = Span | tuple[int, ...]
ANY = Span(0)


@dataclass(frozen=True)
class LayerLimits:
    """What a layer of one kind may be. A limit that is not published, or not about this kind, is at its default.

    x, y, channels  of its input; of the flattened input, (1, 1, X·Y·C), where `flattened`
    strides         allowed strides by kernel size
    paddings        "same", "valid"; upper: kernel sizes that allow "sameupper", with stride 2 and without max pooling
    pools           (size, stride) of max pooling
    average         may it have global average pooling (see AVERAGE_X, AVERAGE_CELLS)?
    bits_in, weights, bits_out   widths of what it reads, of its weights, of its result
    fifo, filters   frames it remembers; its output channels
    lut             may its activation be a table? Never together with max pooling.
    inputs          layers it may read
    readers         layers that may read it
    """

    x: Allowed = ANY
    y: Allowed = ANY
    channels: Allowed = ANY
    flattened: bool = False
    strides: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    paddings: tuple[str, ...] = ()
    upper: tuple[int, ...] = ()
    pools: tuple[tuple[int, int], ...] = ()
    average: bool = False
    bits_in: Allowed = ANY
    weights: Allowed = ANY
    bits_out: Allowed = ANY
    fifo: Span = ANY
    filters: Span = ANY
    lut: bool = False
    inputs: Span = ANY
    readers: Span = Span(0, 2)


AVERAGE_X = Span(1, 64)
AVERAGE_CELLS = Span(1, 143)  # published: X·Y < 144

_LINE, _DEEP, _FIFO = Span(1, 4096), Span(1, 2048), Span(2, 10)
_FRAME: dict[str, Any] = {"x": _LINE, "y": _LINE, "channels": _DEEP}
_NARROW: dict[str, Any] = {"bits_in": (4, 8), "weights": (4, 8), "bits_out": (4, 8)}
_WIDE: dict[str, Any] = {"bits_in": (8,), "weights": (8,), "bits_out": (8,)}
_CONV: dict[str, Any] = {"paddings": ("same",), "upper": (3,), "pools": ((2, 1), (2, 2)), "average": True, "lut": True}
_TRANSPOSED: dict[str, Any] = {"strides": {3: (2,), 4: (2,)}, "lut": True}

LIMITS: dict[str, LayerLimits] = {
    **{kind: LayerLimits() for kind in PARAMETERS},
    "InputConv2D": LayerLimits(
        x=Span(5),
        y=Span(5, 384),
        channels=(1, 3),
        strides={3: (1, 2, 3), 4: (1, 2, 3, 4), 5: (1, 2, 3, 4, 5), 7: (1, 2, 3, 4, 5, 6)},
        paddings=("same", "valid"),
        upper=(3, 5, 7),
        pools=((2, 2), (3, 2)),
        bits_in=(8,),
        weights=(8,),
        bits_out=(4, 8),
        lut=True,
        readers=Span(0, 1),
    ),
    "Conv2D": LayerLimits(strides=dict.fromkeys((1, 3, 5, 7), (1, 2)), **_FRAME, **_NARROW, **_CONV),
    # Kernels 5 and 7 with stride 2 exist only split into two layers, so this layer does not have them.
    "DepthwiseConv2D": LayerLimits(strides={1: (1, 2), 3: (1, 2), 5: (1,), 7: (1,)}, **_FRAME, **_NARROW, **_CONV),
    "BufferTempConv": LayerLimits(fifo=_FIFO, filters=_DEEP, **_FRAME, **_WIDE),
    "DepthwiseBufferTempConv": LayerLimits(fifo=_FIFO, **_FRAME, **_WIDE),
    "Dense1D": LayerLimits(x=(1,), y=(1,), channels=_DEEP, flattened=True, **_NARROW),
    "Conv2DTranspose": LayerLimits(**_FRAME, **_WIDE, **_TRANSPOSED),
    "DepthwiseConv2DTranspose": LayerLimits(**_FRAME, **_WIDE, **_TRANSPOSED),
    "Concatenate": LayerLimits(inputs=Span(2, 2)),
    "Dequantizer": LayerLimits(readers=ANY),  # the last of its branch in any program
}
"""Limits by kind of layer. All Akida 2.0 devices share them."""


@dataclass(frozen=True)
class Device:
    """A device by its public name.

    version  "v1", "v2", or "" where it is not known
    nodes    how many it has, None where that is not published; each has `nps` neural processors
    note     what a user should know about it, a sentence
    """

    name: str
    version: str
    nodes: int | None
    nps: int | None
    note: str


_GENERIC = "any Akida 2.0 device: the limits of single layers"
_V1 = "runs Akida 1.0 programs; nmc makes Akida 2.0 programs"
_V2 = "limits of single layers; temporal layers need nodes with TNP units"

DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device("akida2", "v2", None, None, _GENERIC),
        Device("virtual", "v2", None, None, _GENERIC),
        Device("TwoNodesIPv2", "v2", 2, 4, _V2),
        Device("FourNodesIPv2", "v2", 4, 4, _V2),
        Device("SixNodesIPv2", "v2", 6, 4, _V2),
        Device("TwelveNodesIPv2", "v2", 12, 4, _V2),
        Device("AKD1000", "v1", None, None, _V1),
        Device("AKD1500", "v1", None, None, _V1),
        Device("TwoNodesIPv1", "v1", 2, None, _V1),
        Device("PicoIP", "", None, None, "its limits are not published, so nothing can be checked"),
    )
}
"""Devices by name; the first is the default."""


def find_device(name: str) -> Device:
    """The device of that name; NmcError NMC-T003 (usage) if there is none, or nothing is published about it."""
    if name not in DEVICES:
        raise usage("NMC-T003", f"unknown device {name!r}", hint=nearest(name, list(DEVICES)))
    device = DEVICES[name]
    if not device.version:
        raise usage("NMC-T003", f"device {name} cannot be checked", why=device.note, hint="device akida2")
    return device


def not_checked(name: str) -> tuple[str, ...]:
    """What a check for this device leaves out, a sentence each. NmcError NMC-T003 as in `find_device`."""
    device = find_device(name)
    if device.version != "v2":
        return ()
    count = "" if device.nodes is None else f" (it has {device.nodes} nodes of {device.nps} NPs)"
    return (
        "memory: how much weights, frames and FIFOs may take is not published",
        f"nodes: how many a program needs is not published{count}",
        "temporal layers need TNP units: how many a device has is not published",
        "layers without a published table (Add, Concatenate): their sizes and bits",
        "depthwise layers: nothing is published about them, they get the limits of the full layers",
        "frames that are not square: published widths are read as X, heights as Y",
    )
