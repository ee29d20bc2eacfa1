"""What a pass is: its options as dataclass fields, plus requires / run / ensures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..diagnostics import unsupported
from ..ir import Graph, Node

if TYPE_CHECKING:
    from ..manager import PassRecord

MAX_SWEEPS = 1000


@dataclass(frozen=True)
class Declined:
    """A rewrite that was considered and not done, and why."""

    pass_name: str
    where: str
    why: str


@dataclass(frozen=True)
class GivenScale:
    """What a quantized model says of a value: real numbers from low to high in steps of scale, float64 each, of shape
    () or with an entry for each element of `axis`. bits: of its codes; zero: the code of real 0, counted from the
    lowest one."""

    scale: np.ndarray[Any, Any]
    low: np.ndarray[Any, Any]
    high: np.ndarray[Any, Any]
    bits: int
    axis: int
    zero: int

    def same(self, other: GivenScale) -> bool:
        """Do they say the same?"""
        pairs = ((self.scale, other.scale), (self.low, other.low), (self.high, other.high))
        return all(np.array_equal(a, b) for a, b in pairs)

    def wider(self, other: GivenScale) -> GivenScale:
        """Of two quantizers of one value the one whose range is wider; of equal ones the one with smaller steps."""
        mine, theirs = (((g.high - g.low).max(), -g.scale.max()) for g in (self, other))
        return self if mine >= theirs else other


@dataclass
class Context:
    """What passes share during one compilation.

    samples   calibration arrays by input name, shape (samples, *sample shape), or None
    declined  rewrites that were not done, with reasons (`nmc explain` shows them)
    warnings  sentences for the user
    reports   what passes measured: records by pass name
    done      what each pass did so far: the manager's records
    scales    scales of a quantized model by value name (take-scales)
    integer_weights  are its weights integers of the model's file, while nothing says what activations are rounded to?
    made_up   the sentence to give where samples decide a range: set if they are noise and the model has scales
    progress  called with (steps done, steps in all) by what takes long
    stage     called with the name of what is done from now on
    """

    samples: Mapping[str, np.ndarray[Any, Any]] | None = None
    declined: list[Declined] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reports: dict[str, list[Any]] = field(default_factory=dict)
    done: list[PassRecord] = field(default_factory=list)
    scales: dict[str, GivenScale] = field(default_factory=dict)
    integer_weights: bool = False
    made_up: str = ""
    progress: Callable[[int, int], object] = lambda done, total: None
    stage: Callable[[str], object] = lambda what: None

    def decline(self, pass_name: str, where: str, why: str) -> None:
        entry = Declined(pass_name, where, why)
        if entry not in self.declined:
            self.declined.append(entry)

    @property
    def quantized(self) -> bool:
        """Does the model bring scales or integers of its own?"""
        return bool(self.scales) or self.integer_weights

    def renamed(self, old: str, new: str) -> None:
        """A value has another name from now on."""
        if old in self.scales:
            self.scales[new] = self.scales.pop(old)


@dataclass(frozen=True)
class Pass:
    """One rewrite of a graph, in place.

    takes      stages it accepts; gives: the stage it leaves the graph in ("" = unchanged)
    preserves  True if the graph's outputs stay equal up to float rounding (checked by --verify-each)
    encodes    True if values of the graph before it are rates of spikes after it
    quantizers  may the graph hold those of a quantized model? If not, take-scales comes before the pass
    """

    name: ClassVar[str] = ""
    takes: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[str] = ""
    preserves: ClassVar[bool] = True
    encodes: ClassVar[bool] = False
    quantizers: ClassVar[bool] = True

    def requires(self, graph: Graph) -> None:
        """Raises NmcError if the pass cannot start from this graph."""
        if graph.stage not in self.takes:
            raise unsupported(
                "NMC-P004",
                f"pass {self.name} takes a graph in stage {' or '.join(self.takes)}, this one is in {graph.stage}",
                hint="`nmc passes` shows what each pass takes and gives",
            )

    def run(self, graph: Graph, context: Context) -> int:
        """Rewrite; returns how many rewrites were made."""
        raise NotImplementedError

    def ensures(self, graph: Graph) -> None:
        """AssertionError if the pass did not reach what it promises."""

    def __str__(self) -> str:
        given = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default]
        return self.name + (f"{{{','.join(given)}}}" if given else "")


Rule = Callable[[Graph, Node, Context], bool]


def apply_rules(graph: Graph, context: Context, rules: tuple[Rule, ...]) -> int:
    """Apply local rules to every node until none changes anything; returns the number of rewrites.

    A rule returns True when it changed the graph. RuntimeError if MAX_SWEEPS sweeps do not reach a fixed point.
    """
    total = 0
    for _ in range(MAX_SWEEPS):
        changes = 0
        for node in list(graph.nodes):
            for rule in rules:
                if not graph.contains(node):
                    break
                changes += rule(graph, node, context)
        changes += remove_dead(graph)
        total += changes
        if not changes:
            return total
    raise RuntimeError(f"rules {[rule.__name__ for rule in rules]} reach no fixed point in {MAX_SWEEPS} sweeps")


def remove_dead(graph: Graph) -> int:
    """Erase nodes that no output depends on."""
    dead = 0
    for node in reversed(list(graph.nodes)):
        if not graph.readers(node.result):
            graph.erase(node)
            dead += 1
    return dead
