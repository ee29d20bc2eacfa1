"""Random tables, and memory images read word by word, for the tests of the memory image."""

from __future__ import annotations

from typing import Any

import numpy as np

from nmc.backends.cri.placement import Group, Placement, natural
from nmc.backends.cri.target import PROFILES
from nmc.runtime.program.cri import CriProgram, Input, NeuronModel, Population, Readout, Table
from nmc.runtime.program.cri_image import CriImage

HARDWARE = ("hw2024", "hw_l6", "hw_l6_legacy")


def random_table(rng: np.random.Generator, sources: int, neurons: int, most: int) -> Table:
    """Up to `most` synapses a source, some repeated, some of weight 0, many at the ends of int16."""
    degrees = rng.integers(0, most + 1, sources)
    total = int(degrees.sum())
    weight = rng.choice([-32768, 32767, 0, 1, -1, *rng.integers(-300, 300, 8)], total)
    indptr = np.append(0, np.cumsum(degrees))
    return Table(indptr, rng.integers(0, neurons, total).astype(np.int32), weight.astype(np.int16))


def random_program(
    seed: int, profile: str = "hw2024", axons: int = 20, neurons: int = 50, most: int = 40
) -> CriProgram:
    """Neurons of several models, two of them equal in value; half of the neurons are outputs."""
    rng = np.random.default_rng(seed)
    build = PROFILES[profile]
    models = [
        NeuronModel(
            int(rng.integers(0, 4)),
            int(rng.integers(-50, 3000)),
            int(rng.integers(0, 64)),
            build.noise_off,
            soft=build.soft_reset and bool(rng.integers(0, 2)),
        )
        for _ in range(3)
    ]
    outputs = rng.permutation(neurons)[: neurons // 2].astype(np.int64)
    return CriProgram(
        profile=build,
        models=(*models, models[0]),
        neuron_model=rng.integers(0, 4, neurons).astype(np.uint8),
        axons=random_table(rng, axons, neurons, most),
        neurons=random_table(rng, neurons, neurons, most),
        populations=(Population("neurons", "plain", 0, (neurons,)),),
        inputs=(Input("x", (1, axons), 0, 1, 1.0, 0, every=1),) if axons else (),
        schedule=(),
        readouts=(Readout("y", "count", (len(outputs),), outputs, np.zeros_like(outputs), np.ones(len(outputs))),),
        steps=1,
    )


def random_placement(program: CriProgram, seed: int) -> Placement:
    """Every neuron somewhere in the slots of its model, with more padding than needed."""
    rng, base = np.random.default_rng(seed), natural(program)
    slot, groups, stop = np.empty_like(base.slot), [], 0
    low = 0
    for group in base.groups:
        members = np.flatnonzero((base.slot >= low) & (base.slot < group.stop))
        size = group.stop - low + 32 * int(rng.integers(0, 2))
        slot[members] = stop + rng.permutation(size)[: len(members)]
        low, stop = group.stop, stop + size
        groups.append(Group(group.model, stop))
    return Placement(slot, stop, tuple(groups))


def sums(table: Table) -> dict[tuple[int, int], int]:
    """The summed weight of every pair of source and target that has one."""
    result: dict[tuple[int, int], int] = {}
    for source in range(table.sources):
        for k in range(table.indptr[source], table.indptr[source + 1]):
            pair = source, int(table.target[k])
            result[pair] = result.get(pair, 0) + int(table.weight[k])
    return {pair: weight for pair, weight in result.items() if weight}


def memory(image: CriImage) -> dict[int, int]:
    """HBM rows as numbers of 256 bits by row number: the words of the image, laid out as the document says."""
    layout, rows = image.layout, dict[int, int]()
    for base, words in (
        (layout.axon_base, image.axon_pointers),
        (layout.neuron_base, image.neuron_pointers),
        (layout.synapse_base, image.synapses),
    ):
        for k, row in enumerate(words.reshape(-1, 8).tolist()):
            rows[base + k] = sum(word << (32 * j) for j, word in enumerate(row))
    return rows


def entries_of(rows: dict[int, int], base: int, source: int) -> list[tuple[int, int, int]]:
    """What a core finds for one source: (row from the first on, column, entry) of every entry that is not 0."""
    pointer = (rows[base + source // 8] >> (32 * (source % 8))) & 0xFFFFFFFF
    first, length = pointer & 0x7FFFFF, (pointer >> 23) + 1
    found: list[tuple[int, int, int]] = []
    for k in range(length):
        for place in range(8):  # from the most significant entry on
            entry = (rows[first + k] >> (224 - 32 * place)) & 0xFFFFFFFF
            if entry:
                found.append((k, place + (8 if k % 2 == 0 else 0), entry))
    return found


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def table_of(indptr: Any, target: Any, weight: Any) -> Table:
    return Table(np.array(indptr, np.int64), np.array(target, np.int32), np.array(weight, np.int16))
