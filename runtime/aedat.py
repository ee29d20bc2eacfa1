"""Reads the polarity events of AEDAT 3.1 files, the format of the DVS128 Gesture recordings. Needs numpy only.

A file is a header of text lines that end with CR LF, from `#!AER-DAT3.1` to `#!END-HEADER`, then packets. A packet is a
header of 28 bytes (`PACKET`) and `capacity` events of `size` bytes, of which the first `number` are used. All integers
are little-endian. A polarity event is a word (bit 0 valid, bit 1 brighter, bits 2 to 16 y, bits 17 to 31 x) and the low
31 bits of its time in microseconds; `overflow` of its packet holds the bits above.
https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VERSION = b"#!AER-DAT3.1\r\n"
END = b"#!END-HEADER\r\n"
LONGEST_HEADER = 1 << 20  # bytes that are searched for its end
POLARITY = 1
TYPES = 14  # of events, 0 to 13
PACKET = np.dtype(
    [
        ("type", "<i2"),
        ("source", "<i2"),
        ("size", "<i4"),
        ("time_offset", "<i4"),
        ("overflow", "<i4"),
        ("capacity", "<i4"),
        ("number", "<i4"),
        ("valid", "<i4"),
    ]
)


class AedatError(ValueError):
    """The file is not AEDAT 3.1 or is damaged; the message names the file, the byte and the reason."""


@dataclass(frozen=True)
class Events:
    """Polarity events in the order of the file: times in microseconds, pixel columns and rows, brighter or darker.

    Arrays of one length: t int64; x, y int16, (0, 0) is the upper left pixel; on bool.
    """

    t: NDArray[np.int64]
    x: NDArray[np.int16]
    y: NDArray[np.int16]
    on: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.t)

    def between(self, start: int, stop: int) -> Events:
        """Those with start ≤ t < stop."""
        return self.at((self.t >= start) & (self.t < stop))

    def at(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Events:
        """Those with these indices, or where the mask is true."""
        return Events(self.t[chosen], self.x[chosen], self.y[chosen], self.on[chosen])


def _start(data: NDArray[np.uint8], path: Path) -> int:
    """Where the packets begin."""
    head = data[:LONGEST_HEADER].tobytes()
    if not head.startswith(VERSION):
        raise AedatError(f"{path}: not an AEDAT 3.1 file, it starts with {head[:16]!r}")
    stop = head.find(END)
    if stop < 0:
        raise AedatError(f"{path}: the header has no end, {END.strip().decode()} is missing")
    lines = head[:stop].split(b"\r\n")[:-1]
    for number, line in enumerate(lines, 1):
        if not line.startswith(b"#"):
            raise AedatError(f"{path}: line {number} of the header does not start with #")
    return stop + len(END)


def _wrong(header: np.void, room: int) -> str:
    """What is wrong with a packet header; `room` is the number of bytes that follow it."""
    if not 0 <= header["type"] < TYPES:
        return f"there is no event type {header['type']}"
    if header["size"] < 1 or not 0 <= header["number"] <= header["capacity"] or header["overflow"] < 0:
        return (
            f"impossible packet: {header['number']} of {header['capacity']} events of {header['size']} bytes, "
            f"overflow {header['overflow']}"
        )
    wanted = int(header["capacity"]) * int(header["size"])
    if wanted > room:
        return f"the file is cut off: a packet of {wanted} bytes, {room} are left"
    if header["type"] == POLARITY and (header["size"], header["time_offset"]) != (8, 4):
        return f"polarity events of {header['size']} bytes with the time at byte {header['time_offset']}, not 8 and 4"
    return ""


def _packets(data: NDArray[np.uint8], path: Path) -> Iterator[tuple[np.void, int]]:
    """Packet headers, and where the events of each begin."""
    at = _start(data, path)
    while at < len(data):
        room = len(data) - at - PACKET.itemsize
        if room < 0:
            raise AedatError(f"{path}, byte {at}: the file is cut off inside a packet header")
        header = data[at : at + PACKET.itemsize].view(PACKET)[0]
        if why := _wrong(header, room):
            raise AedatError(f"{path}, byte {at}: {why}")
        at += PACKET.itemsize
        yield header, at
        at += int(header["capacity"]) * int(header["size"])


def read_events(path: Path) -> Events:
    """All valid polarity events of a file, which is read through a memory map; events of other types are passed over.

    The valid mark of each event counts, not the number of valid events in its packet's header. AedatError if the file
    is damaged, OSError if it cannot be opened.
    """
    if path.stat().st_size == 0:
        raise AedatError(f"{path}: the file is empty")
    data = np.memmap(path, np.uint8, "r")
    words, times = [np.empty(0, np.uint32)], [np.empty(0, np.int64)]
    for header, at in _packets(data, path):
        if header["type"] != POLARITY:
            continue
        word, low = data[at : at + 8 * int(header["number"])].view("<u4").reshape(-1, 2).T
        if (low >> 31).any():
            raise AedatError(f"{path}, byte {at}: negative times of events")
        valid = (word & 1).astype(bool)
        words.append(word[valid])
        times.append((int(header["overflow"]) << 31) + low[valid].astype(np.int64))
    word = np.concatenate(words)
    x, y = (word >> 17).astype(np.int16), (word >> 2 & 0x7FFF).astype(np.int16)
    return Events(np.concatenate(times), x, y, (word >> 1 & 1).astype(bool))
