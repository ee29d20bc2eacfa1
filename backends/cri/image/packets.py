"""What the host sends a core, in packets of 512 bits (docs/cri_image.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....runtime.program.cri_image import CriImage, Layout, Words

PACKET_BYTES = 64
AXONS, HBM, NETWORK, PARAMETERS = 1, 2, 4, 8
OPCODE_SHIFT = 504
HBM_WRITE = 1 << 23
"""Bit 279 of a packet, seen from bit 256: write the row whose number stands below it."""
CHUNK = 1 << 14
Packets = NDArray[np.uint8]


def load_packets(image: CriImage) -> Iterator[Packets]:
    """The packets that load an image, in order: parameter slots, network parameters, HBM rows. uint8 [some, 64]."""
    yield _of([PARAMETERS << OPCODE_SHIFT | word for word in image.parameters])
    yield _of([NETWORK << OPCODE_SHIFT | image.slots << 17 | image.inputs])
    layout = image.layout
    for base, words in (
        (layout.axon_base, image.axon_pointers),
        (layout.neuron_base, image.neuron_pointers),
        (layout.synapse_base, image.synapses),
    ):
        rows = words.reshape(-1, 8)
        for low in range(0, len(rows), CHUNK):
            yield _rows(rows[low : low + CHUNK], base + low)


def count_packets(image: CriImage) -> int:
    """How many packets these are."""
    words = image.axon_pointers.size + image.neuron_pointers.size + image.synapses.size
    return len(image.parameters) + 1 + words // 8


def axon_packets(active: NDArray[np.bool_], layout: Layout) -> Packets:
    """The packets that switch on axons for the next timestep: the command, then `axons_per_packet` axons each."""
    size = layout.axons_per_packet
    whole = np.zeros(-(-len(active) // size) * size, np.bool_)
    whole[: len(active)] = active
    bits = [sum(1 << int(k) for k in np.flatnonzero(part)) for part in whole.reshape(-1, size)]
    return _of([AXONS << OPCODE_SHIFT, *bits])


def as_text(some: Packets) -> bytes:
    """One line of 128 hexadecimal digits for each packet, the most significant first."""
    return (some.tobytes().hex("\n", PACKET_BYTES) + "\n").encode() if len(some) else b""


def _of(numbers: list[int]) -> Packets:
    joined = b"".join(number.to_bytes(PACKET_BYTES, "big") for number in numbers)
    return np.frombuffer(joined, np.uint8).reshape(-1, PACKET_BYTES)


def _rows(rows: Words, first: int) -> Packets:
    """Writes of HBM rows `first`, first + 1, …"""
    made: NDArray[Any] = np.zeros((len(rows), PACKET_BYTES // 4), ">u4")  # from the most significant word on
    made[:, 0] = HBM << (OPCODE_SHIFT - 480)
    made[:, 7] = HBM_WRITE | (first + np.arange(len(rows)))
    made[:, 8:] = rows[:, ::-1]
    return made.view(np.uint8)
