"""How many timesteps after the input each population answers: longest paths over one timestep a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

INPUT_DEPTH = 0


@dataclass(frozen=True)
class Edge:
    """`reader` sees what `source` sent `states` steps of the network before."""

    source: int
    reader: int
    states: int


def depths(count: int, fixed: Sequence[int], edges: Sequence[Edge]) -> tuple[dict[int, int], list[list[int]]]:
    """The least depths of nodes 0 … count−1, and the loops for which there are none.

    A node in `fixed` (an input) has depth 0. Any other has at least 1, and at least 1 + depth(source) − states for each
    of its edges: a spike takes one timestep to arrive, and what is read some steps later may take that much longer. A
    loop through n nodes and fewer than n states has no solution; of those that share nodes one is named.
    """
    found = {node: INPUT_DEPTH if node in fixed else 1 for node in range(count)}
    before: dict[int, int] = {}
    late: set[int] = set()
    for _ in range(count + 1):
        late = set()
        for edge in edges:
            least = found[edge.source] + 1 - edge.states
            if least > found[edge.reader]:
                found[edge.reader], before[edge.reader] = least, edge.source
                late.add(edge.reader)
        if not late:
            return found, []
    return found, _loops(edges, before)


def _loops(edges: Sequence[Edge], before: dict[int, int]) -> list[list[int]]:
    """Loops of sources that keep pushing one another: cycles of `before`, each from its lowest node on."""
    import networkx as nx

    graph = nx.DiGraph((source, reader) for reader, source in before.items())
    cycles = [list(cycle) for cycle in nx.simple_cycles(graph)]  # one source a node: disjoint cycles
    turned = [cycle[(low := cycle.index(min(cycle))) :] + cycle[:low] for cycle in cycles]
    return sorted(turned)
