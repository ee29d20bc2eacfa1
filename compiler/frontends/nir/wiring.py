"""Nested graphs made flat, edges checked, loops cut, nodes in execution order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter

from ..common.problems import Report
from .records import NEURONS, THROUGH, Record

Edge = tuple[str, str]


@dataclass
class Network:
    """A flat graph: nodes by path, edges, and in `late` those edges that carry the value of the step before."""

    nodes: dict[str, Record]
    edges: list[Edge]
    late: frozenset[Edge] = frozenset()

    def sources(self) -> dict[str, list[str]]:
        """The nodes that each node reads, in the order of the edges."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            found[target].append(source)
        return found

    def targets(self) -> dict[str, list[str]]:
        """The nodes that read each node, in the order of the edges."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            found[source].append(target)
        return found

    def named(self, kind: str) -> list[str]:
        return [name for name, record in self.nodes.items() if record.kind == kind]


def flatten(graph: Record, report: Report, path: str = "") -> Network:
    """The graph with nested ones put in place. A nested node goes by `graph.node`; the Input and Output nodes of nested
    graphs hand on what they get. Edges that do not fit are reported and left out."""
    flat = Network({}, [])
    ends: dict[str, tuple[list[str], list[str]]] = {}
    for name, record in graph.nodes.items():
        place = f"{path}.{name}" if path else name
        if record.kind != "NIRGraph":
            through = path and record.kind in ("Input", "Output")
            flat.nodes[place] = Record(THROUGH) if through else record
            ends[name] = ([place], [place])
            continue
        inner = flatten(record, report, place)
        flat.nodes |= inner.nodes
        flat.edges += inner.edges
        kinds = {f"{place}.{n}": r.kind for n, r in record.nodes.items()}
        ends[name] = ([n for n in kinds if kinds[n] == "Input"], [n for n in kinds if kinds[n] == "Output"])
    seen: set[Edge] = set()
    for edge in graph.edges:
        why = _fault(edge, ends, seen)
        seen.add(edge)
        if why:
            _broken(report, f"edge {edge[0]!r} → {edge[1]!r}" + (f" in {path!r}" if path else ""), why)
        else:
            flat.edges.append((ends[edge[0]][1][0], ends[edge[1]][0][0]))
    return flat


def _fault(edge: Edge, ends: dict[str, tuple[list[str], list[str]]], seen: set[Edge]) -> str:
    """What keeps an edge from being used, empty if nothing does."""
    for name in edge:
        if name not in ends:
            return f"there is no node {name!r}"
    if edge in seen:
        return "it is there twice"
    counts = (len(ends[edge[0]][1]), len(ends[edge[1]][0]))
    for name, count, what in zip(edge, counts, ("Output", "Input"), strict=True):
        if count != 1:
            return f"the nested graph {name!r} has {count} {what} nodes, so it is open which one is meant"
    return ""


def _broken(report: Report, where: str, why: str) -> None:
    report.damaged("NMC-I014", "the wiring of the NIR graph is broken", where, why)


def check_wiring(network: Network, report: Report) -> None:
    """Report nodes that get or give nothing, and a graph without Input or Output."""
    for kind in ("Input", "Output"):
        if not network.named(kind):
            _broken(report, "the graph", f"it has no {kind} node")
    sources, targets = network.sources(), network.targets()
    reached = _reached(network.named("Input"), targets)
    for name, record in network.nodes.items():
        if record.kind == "Input":
            if sources[name]:
                _broken(report, name, "an edge leads into this Input")
        elif not sources[name]:
            _broken(report, name, "no edge leads here")
        elif name not in reached:
            _broken(report, name, "no path from an Input leads here")
        if record.kind == "Output" and targets[name]:
            _broken(report, name, "an edge leads out of this Output")


def _reached(starts: Iterable[str], targets: dict[str, list[str]]) -> set[str]:
    """The nodes on paths from `starts`."""
    queue = list(starts)
    found = set(queue)
    for name in queue:  # grows while it is walked
        new = [target for target in targets[name] if target not in found]
        found.update(new)
        queue += new
    return found


def keep_needed(network: Network) -> list[str]:
    """Drop the nodes that lead to no Output; returns their names."""
    needed = _reached(network.named("Output"), network.sources())
    unused = [name for name in network.nodes if name not in needed]
    for name in unused:
        del network.nodes[name]
    network.edges = [edge for edge in network.edges if edge[0] in needed and edge[1] in needed]
    return unused


def cut_loops(network: Network, remembers: Callable[[str], bool], report: Report) -> None:
    """Find `late`: the edges that carry the value of the step before.

    Depth-first from the Inputs, in the order of the edges, an edge back to a node on the way closes a loop. From there
    the cut moves upstream to the output of the neuron: past nodes without memory that read one node and serve this loop
    only, so that a recurrent layer with a bias adds it in the first step too. Nodes that `remembers` names (delays)
    give what they got in earlier steps, so they close no loop. A loop without a neuron or a delay is reported.
    """
    sources, targets = network.sources(), network.targets()
    edges = [edge for edge in network.edges if not remembers(edge[1])]
    ahead = Network(network.nodes, edges).targets()
    starts = [*network.named("Input"), *(name for name in network.nodes if remembers(name)), *network.nodes]
    late: set[Edge] = set()
    for edge, loop in _backward(starts, ahead):
        if not any(network.nodes[name].kind in NEURONS for name in loop):
            names = " → ".join(repr(name) for name in [*loop, loop[0]])
            _broken(report, names, "this loop holds neither a neuron nor a delay, so its value is not defined")
        source, target = edge
        for _ in loop:
            if network.nodes[source].kind in NEURONS or targets[source] != [target] or len(sources[source]) != 1:
                break
            source, target = sources[source][0], source
        late.add((source, target))
    network.late = frozenset(late)


def _backward(starts: list[str], targets: dict[str, list[str]]) -> Iterable[tuple[Edge, list[str]]]:
    """Every edge back to a node on the way of a depth-first walk, with the loop that it closes."""
    done: set[str] = set()
    way: dict[str, int] = {}  # the nodes on the way, in order
    for start in starts:
        if start in done:
            continue
        stack = [(start, iter(targets[start]))]
        way[start] = 0
        while stack:
            name, rest = stack[-1]
            target = next(rest, None)
            if target is None:
                stack.pop()
                way.pop(name)
                done.add(name)
            elif target in way:
                yield (name, target), list(way)[way[target] :]
            elif target not in done:
                way[target] = len(way)
                stack.append((target, iter(targets[target])))


def execution_order(network: Network, remembers: Callable[[str], bool]) -> list[str]:
    """The nodes, each after those that it reads in the same step."""
    sources = network.sources()
    waits = {
        name: [source for source in sources[name] if (source, name) not in network.late] if not remembers(name) else []
        for name in network.nodes
    }
    return list(TopologicalSorter(waits).static_order())
