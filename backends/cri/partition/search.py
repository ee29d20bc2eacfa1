"""The search for a partition: contiguous orders first, each improved by moves, the cheapest taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ....runtime.program.cri import CriProgram, IntArray
from .blocks import Blocks, make_blocks
from .capacity import ROW, Capacity
from .delays import extra_steps
from .reach import collect
from .refine import Cut, refine
from .seeds import program_order, seeds
from .synapses import incoming, message_cost, population_of, population_pairs

SLACK = 10
"""No move takes a core more than 1/SLACK above the average."""
PROGRAM_ORDER = "program order"


@dataclass(frozen=True)
class Tried:
    """A contiguous order: what it costs as it is, and after moves; that of the program gets no moves."""

    name: str
    contiguous: int
    refined: int


@dataclass(frozen=True)
class Found:
    """A partition: core of each neuron, extra timesteps of each neuron, its cost; and all that was tried."""

    core: IntArray
    extra: IntArray
    chosen: str
    cost: int
    tried: tuple[Tried, ...]

    @property
    def kept(self) -> bool:
        """Was the chosen order kept as it was, because no move made it cheaper?"""
        return any(one.name == self.chosen and one.refined == one.contiguous for one in self.tried)


def search(
    program: CriProgram, cores: int, capacity: Capacity, weight: IntArray, cores_per_fpga: int
) -> Iterator[Found]:
    """Partitions from the cheapest on, by `message_cost`; the same on every machine. NmcError NMC-C030."""
    blocks = make_blocks(program, cores, capacity.slots)
    loads, binding, most = _loads(program, blocks, cores, capacity)
    reach = collect(program, blocks, weight)
    found: list[tuple[Tried, IntArray]] = []
    for order, start in seeds(blocks, loads[:, binding], cores).items():
        cut = Cut(reach, start, cores, cores_per_fpga)
        contiguous = cut.cost()
        refine(cut, loads, most)
        found.append((Tried(order, contiguous, cut.cost()), cut.core[blocks.of]))
    plain = program_order(len(program.neuron_model), cores)
    cost = message_cost(program, plain, cores, weight, cores_per_fpga)
    found.append((Tried(PROGRAM_ORDER, cost, cost), plain))
    tried = tuple(one for one, _ in found)
    for one, core in sorted(found, key=lambda pair: pair[0].refined):
        extra = _extra(program, core)
        if extra is not None:  # only the order of the program may cut a recurrent part
            cost = message_cost(program, core, cores, weight, cores_per_fpga)
            yield Found(core, extra, one.name, cost, tried)


def _extra(program: CriProgram, core: IntArray) -> IntArray | None:
    sizes = np.array([p.size for p in program.populations], np.int64)
    extra = extra_steps(*population_pairs(program, core), sizes)
    return None if extra is None else extra[population_of(program)]


def _loads(program: CriProgram, blocks: Blocks, cores: int, capacity: Capacity) -> tuple[IntArray, int, IntArray]:
    """Neurons and synapses of each block, int64 [blocks, 2]; which of them fills the cores more; the most of each that
    a core may get by moves."""
    neurons = len(program.neuron_model)
    loads = np.column_stack([blocks.sums(np.ones(neurons, np.int64)), blocks.sums(incoming(program))])
    held = np.array([capacity.slots, ROW * capacity.rows])
    total = loads.sum(axis=0)
    binding = int((total / held).argmax())
    most = held.copy()
    average = -(-total[binding] // cores)
    most[binding] = min(held[binding], average + -(-average // SLACK))
    return loads, binding, most
