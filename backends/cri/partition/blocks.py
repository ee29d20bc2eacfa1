"""Neurons in blocks, which a partition moves as a whole: tiles of feature maps, runs of other populations."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from ....compiler.diagnostics import Collector, Exit
from ....runtime.program.cri import CriProgram, IntArray, Population
from .synapses import population_of, population_pairs, synapse_blocks

GRAIN = 64
"""Blocks for each core, about."""
SCALE = 1 << 20
"""Positions run from 0 to SCALE in every feature map."""


@dataclass(frozen=True)
class Blocks:
    """Blocks are numbered layer after layer.

    of    int64 [neurons], the block of each neuron
    y, x  int64 [blocks], where the block lies in its feature map, 0 to SCALE; SCALE // 2 for one without a place
    """

    of: IntArray
    y: IntArray
    x: IntArray

    @property
    def count(self) -> int:
        return len(self.y)

    def sums(self, values: IntArray) -> IntArray:
        """The sum of a number of each neuron over every block."""
        return np.bincount(self.of, weights=values, minlength=self.count).astype(np.int64)


def make_blocks(program: CriProgram, cores: int, most: int) -> Blocks:
    """Blocks for so many cores. NmcError NMC-C030 (exit code 5) where a block that cannot be divided, because its
    neurons reach one another again, has more than `most` neurons."""
    return _numbered(_with_loops(program, tiles(program, cores), most))


def tiles(program: CriProgram, cores: int) -> Blocks:
    """Blocks for so many cores, whatever reaches what."""
    neurons, parts, ys, xs, first = len(program.neuron_model), [], [], [], 0
    for p in program.populations:
        tile, y, x = _tiles(p, max(1, p.size * GRAIN * cores // max(neurons, 1)))
        parts.append(tile + first)
        ys.append(y)
        xs.append(x)
        first += len(y)
    nothing = np.zeros(0, np.int64)
    return Blocks(*(np.concatenate([nothing, *part]) for part in (parts, ys, xs)))


def _tiles(p: Population, wanted: int) -> tuple[IntArray, IntArray, IntArray]:
    """The tile of each neuron, and the places of the tiles. A shape is channels, then up to two axes of space."""
    h, w = (max(size, 1) for size in (*p.shape[1:][-2:], 1, 1)[:2])
    channels = max(p.size // (h * w), 1)
    rows = min(h, _power(isqrt(wanted * h // w)))
    columns = min(w, _power(wanted // rows))
    depth = min(channels, max(1, wanted // (rows * columns)))
    c, place = np.divmod(np.arange(p.size), h * w)
    y, x = np.divmod(place, w)
    tile = (c * depth // channels * rows + y * rows // h) * columns + x * columns // w
    number = np.arange(depth * rows * columns)
    return tile, _middle(number // columns % rows, rows), _middle(number % columns, columns)


def _power(number: int) -> int:
    """The next power of 2, so that tiles of all feature maps have borders at the same places."""
    return 1 << max(number - 1, 0).bit_length()


def _middle(number: IntArray, count: int) -> IntArray:
    return (2 * number + 1) * SCALE // (2 * count)


def _with_loops(program: CriProgram, blocks: Blocks, most: int) -> Blocks:
    """Blocks joined where neurons of populations that reach one another again are connected."""
    import networkx as nx

    every, _ = population_pairs(program)
    graph = nx.from_numpy_array(every, create_using=nx.DiGraph)
    loop = np.full(len(every), -1)
    for number, found in enumerate(nx.strongly_connected_components(graph)):
        members = sorted(found)
        if len(members) > 1 or every[members[0], members[0]]:
            loop[members] = number
    if not np.any(loop >= 0):
        return blocks
    owner, joined = loop[population_of(program)], nx.Graph()
    for _, source, target in synapse_blocks(program.neurons):
        inside = (owner[source] >= 0) & (owner[source] == owner[target])
        pairs = np.unique(blocks.of[source[inside]] * blocks.count + blocks.of[target[inside]])
        joined.add_edges_from(zip((pairs // blocks.count).tolist(), (pairs % blocks.count).tolist(), strict=True))
    first = np.arange(blocks.count)
    for found in nx.connected_components(joined):
        first[list(found)] = min(found)
    _check_loops(program, first[blocks.of], most)
    return Blocks(first[blocks.of], blocks.y, blocks.x)


def _check_loops(program: CriProgram, block: IntArray, most: int) -> None:
    problems, owner = Collector(Exit.LIMIT), population_of(program)
    sizes = np.bincount(block)
    for large in np.flatnonzero(sizes > most):
        inside = np.unique(owner[block == large]).tolist()
        names = ", ".join(f"%{program.populations[p].name}" for p in inside)
        problems.add(
            "NMC-C030",
            f"the recurrent part {names} has {sizes[large]:,} neurons, a core holds {most:,}",
            ", ".join(dict.fromkeys(name for p in inside for name in program.populations[p].origin)),
            "a spike takes a timestep more to another core, and a loop has no time for it",
            _hint(program, inside),
        )
    problems.raise_if_any()


def _hint(program: CriProgram, populations: list[int]) -> str:
    if any(program.populations[p].kind == "plain" for p in populations):
        return "a table without layers is one part: compile the model instead of importing its table"
    return "fewer neurons in the recurrent layers, or recurrence within groups of channels"


def _numbered(blocks: Blocks) -> Blocks:
    """Without numbers that no neuron has."""
    used, of = np.unique(blocks.of, return_inverse=True)
    return Blocks(of.reshape(-1).astype(np.int64), blocks.y[used], blocks.x[used])
