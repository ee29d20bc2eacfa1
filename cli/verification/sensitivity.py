"""What the rounding of each layer costs: alone in a float network, and what all others cost without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...compiler.diagnostics import unsupported
from ...compiler.ir import Graph
from ...runtime import Session
from ...runtime.arith import Ints
from ...runtime.classify import accuracy, decide, smooth
from ...runtime.compare.metrics import BEST
from ...runtime.program.akida import AkidaProgram
from ...runtime.program.container import Program
from ...runtime.program.cri import CriProgram
from ...runtime.score_output import ScoreOutput, score_output
from .akida_steps import akida_network
from .steps import VALUES, WEIGHTS, Network, Rounding, Step, Values, unary_network

Array = np.ndarray[Any, np.dtype[Any]]
FITTED = 64  # samples on which steps are found
MOST_ELEMENTS = 1 << 23
PARTS = (WEIGHTS, VALUES)


@dataclass
class Score:
    """How close outputs are to those of the float network, and how many samples they decide as labelled.

    sqnr_db over all outputs; accuracy None without labels.
    """

    signal: float = 0.0
    noise: float = 0.0
    right: int = 0
    samples: int = 0
    labelled: bool = False

    @property
    def sqnr_db(self) -> float:
        if not self.noise or not self.signal:
            return BEST if not self.noise else -BEST
        return min(10 * math.log10(self.signal / self.noise), BEST)

    @property
    def accuracy(self) -> float | None:
        return self.right / self.samples if self.labelled and self.samples else None


@dataclass(frozen=True)
class LayerCost:
    """A layer (or input): what its rounding costs.

    alone    it is rounded, all others are floats; weights, values: only those of it (None where it has none)
    without  all others are rounded
    share    of the noise of all layers alone
    clipped  of the noise of its values, how much stems from values beyond the range
    """

    name: str
    kind: str
    alone: Score
    without: Score
    weights: Score | None
    values: Score | None
    weight_bits: int = 0
    levels: int = 0
    clipped: float = 0.0
    share: float = 0.0


@dataclass(frozen=True)
class Sensitivity:
    """All layers, in the order of the network; `whole`: all are rounded; `floats`: none is."""

    layers: list[LayerCost]
    whole: Score
    floats: Score
    skipped: tuple[str, ...] = ()
    rule: str = ""
    samples: int = 0


@dataclass
class _Measuring:
    """Scores of variants, added up batch by batch."""

    network: Network
    output: ScoreOutput | None
    scores: dict[tuple[str, str], Score] = field(default_factory=dict)

    def batch(self, samples: Mapping[str, Array], labels: Ints | None, done: Callable[[], object]) -> None:
        net = self.network
        every = {step.name: step.parts for step in net.steps if step.parts}
        given = net.feed(samples)
        floats = net.run(given, {})
        wanted = net.outputs(floats)
        whole = net.run(given, every)
        self._add(("", "floats"), wanted, wanted, labels)
        self._add(("", "whole"), wanted, net.outputs(whole), labels)
        for name, parts in every.items():
            for label, rounded in (("alone", parts), *((part, (part,)) for part in parts if len(parts) > 1)):
                found = net.run(given, {name: rounded}, floats, (name,))
                self._add((name, label), wanted, net.outputs(found), labels)
            others = {other: more for other, more in every.items() if other != name}
            self._add((name, "without"), wanted, net.outputs(net.run(given, others, whole, (name,))), labels)
            done()

    def _add(self, key: tuple[str, str], wanted: Values, found: Values, labels: Ints | None) -> None:
        score = self.scores.setdefault(key, Score(labelled=labels is not None))
        for name, values in wanted.items():
            score.signal += float(np.square(values).sum())
            score.noise += float(np.square(values - found[name]).sum())
        if labels is not None and self.output is not None:
            scores = self.output.by_frame(found[self.output.name])
            last = smooth(scores)[:, -1] if scores.shape[1] > 1 else scores[:, -1]
            score.right += round(accuracy(labels, decide(last)) * len(labels))
        score.samples += len(next(iter(found.values())))


def sensitivity(
    program: Program,
    graph: Graph,
    samples: Mapping[str, Array],
    labels: Ints | None = None,
    *,
    output: str | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Sensitivity:
    """What each layer's rounding costs on samples (n, *shape) by input name.

    graph     the float graph that the program was quantized from
    labels    class indices (n,): also count decisions, from the largest score, or the largest probability smoothed over
              frames, of `output`
    progress  called with (layers done, layers in all)

    NmcError NMC-R033 for spiking networks and programs of several segments.
    """
    network = _network(program, graph, {name: array[:FITTED] for name, array in samples.items()})
    scores = None if labels is None else score_output(program, output)
    count = len(next(iter(samples.values())))
    size = max(1, MOST_ELEMENTS // max(network.elements, 1))
    starts = range(0, count, size)
    total = sum(bool(step.parts) for step in network.steps) * len(starts)
    number = iter(range(1, total + 1))

    def done() -> None:
        if progress is not None:
            progress(next(number), total)

    found = _Measuring(network, scores)
    for low in starts:
        part = slice(low, low + size)
        batch = {name: array[part] for name, array in samples.items()}
        found.batch(batch, None if labels is None else labels[part], done)
    rule = "" if scores is None else "smoothed" if scores.timing.axis > 0 else "largest"
    layers = _costs(network, found.scores)
    return Sensitivity(layers, found.scores["", "whole"], found.scores["", "floats"], network.skipped, rule, count)


def _network(program: Program, graph: Graph, samples: Mapping[str, Array]) -> Network:
    what, hint = "the cost of single layers is not measured for this program", "leave out --sensitivity"
    if isinstance(program, AkidaProgram):
        return akida_network(program, graph, samples)
    if not isinstance(program, CriProgram):
        raise unsupported("NMC-R033", what, why="it runs in several segments", hint=hint)
    if program.timesteps or graph.stepped:
        why = "its neurons spike, and a spike more or less has no size; the table above counts spikes that differ"
        raise unsupported("NMC-R033", what, why=why, hint=hint)
    return unary_network(program, graph, samples, Session(program).run(samples, trace=True))


def _costs(network: Network, scores: Mapping[tuple[str, str], Score]) -> list[LayerCost]:
    steps = [step for step in network.steps if step.parts]
    noise = sum(scores[step.name, "alone"].noise for step in steps) or 1.0
    return [_cost(step, scores, noise) for step in steps]


def _cost(step: Step, scores: Mapping[tuple[str, str], Score], noise: float) -> LayerCost:
    alone, rounding = scores[step.name, "alone"], step.rounding
    single = {part: scores.get((step.name, part), alone) for part in step.parts}
    known = isinstance(rounding, Rounding)
    return LayerCost(
        step.name,
        step.kind,
        alone,
        scores[step.name, "without"],
        single.get(WEIGHTS),
        single.get(VALUES),
        step.weight_bits,
        rounding.high if known else 0,
        rounding.clipped if known else 0.0,
        alone.noise / noise,
    )
