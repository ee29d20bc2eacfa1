"""image.json: what an image.bin holds, and where."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ....runtime.program import records
from ....runtime.program.cri import IntArray, Profile
from ....runtime.program.cri_image import (
    HBM_ROWS,
    PAIR_BYTES,
    PARAMETER_BITS,
    CriImage,
    Layout,
    parameter_slot,
    pointer_words,
)
from ....runtime.program.problems import Problems
from ..limits import CORE
from ..placement.types import BLOCK, Placement
from .fit import COUNT_BITS, LAYOUTS, MAX_SLOTS, POINTERS

FORMAT_VERSION = 1
VERSION_KEY = "cri_image"
KEYS = (VERSION_KEY, "sha256", "image", "regions", "models", "network")
"""The keys of image.json."""


@dataclass(frozen=True)
class Run:
    """Neurons neuron, neuron + 1, … stand in slots slot, slot + 1, …, `count` of them."""

    neuron: int
    slot: int
    count: int


@dataclass(frozen=True)
class Header:
    """What a reader needs beside the words: the fields of a `CriImage`, sizes in place of arrays.

    pairs       row pairs in the synapse region
    parameters  84-bit words in hexadecimal
    placed      the slot of every neuron of the program; all other slots are padding
    """

    profile: Profile
    layout: Layout
    inputs: int
    slots: int
    pairs: int
    parameters: tuple[str, ...]
    placed: tuple[Run, ...]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Row pairs of the three regions: axon pointers, neuron pointers, synapses."""
        return pointer_words(self.inputs), pointer_words(self.slots), self.pairs

    @property
    def slot(self) -> IntArray:
        """The slot of each neuron, int64 [neurons]."""
        return np.concatenate([np.zeros(0, np.int64), *(run.slot + np.arange(run.count) for run in self.placed)])


def header(image: CriImage, placement: Placement) -> Header:
    slot = placement.slot
    starts = np.flatnonzero(np.diff(slot, prepend=-2) != 1)
    counts = np.diff(np.append(starts, len(slot)))
    runs = (Run(int(n), int(slot[n]), int(count)) for n, count in zip(starts, counts, strict=True))
    words = tuple(f"{word:021x}" for word in image.parameters)
    return Header(image.profile, image.layout, image.inputs, image.slots, len(image.synapses), words, tuple(runs))


def regions(head: Header) -> list[dict[str, Any]]:
    """Where each region lies: first HBM row, rows, first byte in image.bin."""
    bases = head.layout.axon_base, head.layout.neuron_base, head.layout.synapse_base
    names = "axon pointers", "neuron pointers", "synapses"
    offsets = np.append(0, np.cumsum(head.sizes)).tolist()
    return [
        {"name": name, "row": base, "rows": 2 * size, "offset": PAIR_BYTES * offset}
        for name, base, size, offset in zip(names, bases, head.sizes, offsets, strict=False)
    ]


def models(head: Header) -> list[dict[str, Any]]:
    """The parameter words in numbers."""
    return [asdict(parameter_slot(int(word, 16))) for word in head.parameters]


def to_json(head: Header, digest: str, network: dict[str, Any]) -> str:
    """The text of image.json; `network` is for people."""
    fields = records.encode(head, Header, "", {})
    parts = (FORMAT_VERSION, digest, fields, regions(head), models(head), network)
    lines = (f" {json.dumps(key)}: {json.dumps(part, allow_nan=False)}" for key, part in zip(KEYS, parts, strict=True))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def check(head: Header, data: dict[str, Any], problems: Problems) -> None:
    """The header makes sense in itself (NMC-F040), and what is derived from it says the same (NMC-F042)."""
    problems.need(head.profile.name in LAYOUTS, "F040", "profile", f"{head.profile.name!r} is no build of hardware")
    layout = head.layout
    bases = (layout.axon_base, layout.neuron_base, layout.synapse_base, HBM_ROWS)
    ordered = layout.axon_base >= 0 and all(low < high for low, high in pairwise(bases))
    even = all(base % 2 == 0 for base in bases)
    problems.need(ordered and even, "F040", "layout", f"base rows {bases[:3]} must be even and rise below {HBM_ROWS}")
    problems.need(layout.axons_per_packet > 0, "F040", "layout/axons_per_packet", "must be above 0")
    room = [(high - low) * POINTERS for low, high in pairwise(bases)]
    for name, count, least, most in (
        ("inputs", head.inputs, 0, min((1 << COUNT_BITS) - 1, room[0])),
        ("slots", head.slots, 0, min(MAX_SLOTS, room[1])),
        ("pairs", head.pairs, 1, room[2] // 2 // POINTERS),
    ):
        problems.need(least <= count <= most, "F040", name, f"must be {least} to {most}, not {count}")
    problems.need(head.slots % BLOCK == 0, "F040", "slots", f"must be a multiple of {BLOCK}, not {head.slots}")
    most = CORE.models
    problems.need(len(head.parameters) <= most, "F040", "parameters", f"there are at most {most} words")
    for i, word in enumerate(head.parameters):
        digits = all(digit in "0123456789abcdef" for digit in word)
        fits = digits and len(word) == PARAMETER_BITS // 4
        problems.need(fits, "F040", f"parameters/{i}", f"must be {PARAMETER_BITS // 4} hexadecimal digits: {word[:40]}")
    _check_placed(head, problems)
    problems.stop()
    for key, derived in (("regions", regions(head)), ("models", models(head))):
        problems.need(data[key] == derived, "F042", key, "does not say the same as `image`")


def _check_placed(head: Header, problems: Problems) -> None:
    stop, ordered = 0, True
    for run in head.placed:
        ordered &= run.neuron == stop and run.count > 0 and 0 <= run.slot <= head.slots - run.count
        stop += run.count
    if problems.need(ordered, "F040", "placed", f"runs must count neurons from 0 on and lie within {head.slots} slots"):
        slot = head.slot if stop <= head.slots else np.zeros(2)
        problems.need(len(np.unique(slot)) == len(slot), "F040", "placed", "several neurons have the same slot")
