"""Plots of runs, verifications and evaluations, for notebooks and papers; they need matplotlib (nmc[report]).

Every function draws into `axes`, or into new ones, and returns them:

    result = Session(program).run(clips, trace=True)
    raster(result, "features.2").figure.savefig("raster.png")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .classify import TOP, confusion, decide, softmax, top
from .classify import smooth as smoothed
from .compare.metrics import Closeness
from .evaluate import Evaluation, decay_of
from .program.container import Program
from .program.diagnostics import usage
from .result import Result
from .score_output import score_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 48
MARK = "tab:red"
MOST_DOTS = 24


class Row(Protocol):
    """A layer or output beside the float network's."""

    @property
    def name(self) -> str: ...
    @property
    def closeness(self) -> Closeness | None: ...


class Verified(Protocol):
    """What `nmc.cli.verification.report.verify` gives."""

    @property
    def rows(self) -> Sequence[Row]: ...


def raster(result: Result, layer: str, sample: int = 0, *, axes: Axes | None = None) -> Axes:
    """Which neurons of a population of a spiking network fire in which of its timesteps.

    result, layer, sample  a run with a trace, whose spikes (n, T, *shape) of that population are drawn of one sample

    ValueError where the run has no such trace, no such sample, or numbers other than spikes.
    """
    trains = _traced(result, layer)
    if trains.ndim < 3 or not np.isin(trains, (0, 1)).all():
        raise ValueError(f"the trace of {layer!r}, of shape {trains.shape}, holds no spikes (samples, timesteps, …)")
    train = _sample(trains, sample)
    steps, neurons = np.nonzero(train.reshape(len(train), -1))
    drawn = _axes(axes)
    drawn.scatter(steps, neurons, s=6, marker="|", linewidths=1)
    drawn.set(xlabel="timestep", ylabel="neuron", title=f"{layer}, sample {sample}")
    drawn.set_xlim(-0.5, len(train) - 0.5)
    drawn.set_ylim(-0.5, train[0].size - 0.5)
    return drawn


def sqnr(verification: Verified, threshold: float | None = None, *, axes: Axes | None = None) -> Axes:
    """The signal-to-noise ratio of every compared layer and output, in dB, the first at the top; those below
    `threshold` are marked."""
    rows = [(row.name, row.closeness.sqnr_db) for row in verification.rows if row.closeness is not None]
    marked = [threshold is not None and db < threshold for _, db in rows]
    drawn, places = _axes(axes), np.arange(len(rows))
    drawn.barh(places, [db for _, db in rows], color=[MARK if mark else "tab:blue" for mark in marked])
    drawn.set_yticks(places, [name for name, _ in rows])
    drawn.invert_yaxis()
    if threshold is not None:
        drawn.axvline(threshold, color=MARK, linestyle="--")
    drawn.set(xlabel="SQNR in dB", title="Noise by layer")
    return drawn


def histogram(result: Result, layer: str, limits: tuple[int, int] | None = None, *, axes: Axes | None = None) -> Axes:
    """How often a layer gave which integers, over all samples; counts on a logarithmic axis.

    result, layer  a run with a trace
    limits         (low, high), the range of the layer's integers: what lies at an end of it is marked

    ValueError where the run has no such trace.
    """
    values = _traced(result, layer).ravel()
    low, high = limits or (int(values.min(initial=0)), int(values.max(initial=0)))
    bins = min(high - low + 1, BINS)
    edges = (low + (high - low + 1) * np.arange(bins + 1) / bins - 0.5).tolist()
    drawn = _axes(axes)
    drawn.hist(values, edges)
    if limits is not None:
        ends = values[(values <= low) | (values >= high)]
        drawn.hist(ends, edges, color=MARK, label=f"{len(ends):,} at an end")
        drawn.legend()
    drawn.set(xlabel="integer", ylabel="count", yscale="symlog", title=f"{layer}, {values.size:,} values")
    return drawn


def confusion_matrix(evaluation: Evaluation, rule: str | None = None, *, axes: Axes | None = None) -> Axes:
    """How many samples of each class (rows) were decided to be which (columns).

    rule  the rule of decision, one of `evaluation.rules`; by default the first. ValueError for another one.
    """
    chosen = evaluation.rules[0] if rule is None else rule
    if chosen not in evaluation.rules:
        raise ValueError(f"there is no rule {chosen!r}, but {', '.join(evaluation.rules)}")
    scores = evaluation.program[chosen]
    counts = confusion(evaluation.labels, decide(scores), scores.shape[1])
    drawn, places = _axes(axes), np.arange(len(counts))
    drawn.imshow(counts, cmap="Blues")
    names = [evaluation.names[i] if i < len(evaluation.names) else str(i) for i in places]
    drawn.set_xticks(places, names, rotation=45, ha="right")
    drawn.set_yticks(places, names)
    half = counts.max(initial=0) / 2
    for (i, j), count in np.ndenumerate(counts):
        drawn.text(j, i, str(count), ha="center", va="center", color="white" if count > half else "black")
    drawn.set(xlabel="decided", ylabel="label", title=f"{len(evaluation.labels):,} samples, {chosen}")
    return drawn


def probabilities(
    program: Program,
    result: Result,
    output: str | None = None,
    sample: int = 0,
    *,
    smooth: bool = True,
    most: int = TOP,
    axes: Axes | None = None,
) -> Axes:
    """The likeliest classes of one sample over its frames; of a spiking network over its timesteps, by the sums so far.

    program, result  the program and a run of it; names of the classes and the decay are those that the program has
    output           the output with the class scores, needed where there are several
    smooth           smooth the softmax over the frames (`classify.Smoother`); sums are not smoothed
    most             how many classes are drawn: those with the largest probability in any frame

    NmcError NMC-R023 where the output is not clear or holds no scores; ValueError where there is no such sample.
    """
    scored = score_output(program, output)
    scores = _sample(scored.by_frame(result.outputs[scored.name]), sample)
    if scored.summed:
        chances = softmax(np.cumsum(scores, axis=0))
    else:
        chances = smoothed(scores, decay_of(program)) if smooth else softmax(scores)
    names = program.task.classes if len(program.task.classes) == scored.classes else ()
    drawn = _axes(axes)
    for index in np.sort(top(chances.max(axis=0), most)[0]):
        drawn.plot(chances[:, index], marker=".", label=names[index] if names else f"class {index}")
    drawn.set(xlabel="timestep" if scored.summed else "frame", ylabel="probability", ylim=(0, 1))
    drawn.set_title(f"{scored.name}, sample {sample}")
    drawn.legend()
    return drawn


def tradeoff(rows: Sequence[Mapping[str, Any]], cost: str, options: Sequence[str], *, axes: Axes | None = None) -> Axes:
    """Accuracy against a cost, a dot for each row of a sweep that has both.

    rows     of a results table of `nmc sweep`, by column name
    cost     the column of the cost, e.g. "spikes"
    options  columns that tell the dots apart; each dot has a number, and the legend its options (of more than
             `MOST_DOTS` dots only those on the line)

    The line joins the dots that no other one beats in both; the dashed one is the float model. The accuracy is the
    first one of a row. ValueError where no row has both.
    """
    shown = [
        (row, accuracy) for row in rows if (accuracy := first_accuracy(row)) is not None and _is_number(row.get(cost))
    ]
    if not shown:
        raise ValueError(f"no row has both an accuracy and the cost {cost!r}")
    dots = [(float(row[cost]), 100 * accuracy) for row, accuracy in shown]
    best, drawn = front(dots), _axes(axes)
    for share in sorted({v for row, _ in shown for k, v in row.items() if k.startswith("float_") and _is_number(v)}):
        drawn.axhline(100 * share, color="grey", linestyle="--", linewidth=1, label="float model")
    drawn.plot([dots[i][0] for i in best], [dots[i][1] for i in best], linewidth=1, label="best for their cost")
    drawn.scatter([x for x, _ in dots], [y for _, y in dots])
    for number, i in enumerate(range(len(dots)) if len(dots) <= MOST_DOTS else best, 1):
        drawn.annotate(str(number), dots[i], xytext=(4, 4), textcoords="offset points", fontsize=8)
        values = ", ".join(f"{option}={shown[i][0][option]}" for option in options)
        drawn.plot([], [], " ", label=f"{number}  {values}")
    drawn.set(xlabel=cost.replace("_", " "), ylabel="accuracy, %")
    drawn.legend(loc="upper left", bbox_to_anchor=(1.02, 1), fontsize=8, frameon=False, handlelength=1)
    return drawn


def front(dots: Sequence[tuple[float, float]]) -> list[int]:
    """Which of (cost, accuracy) no other one beats: by growing cost, each more accurate than all that cost less."""
    found: list[int] = []
    for i in sorted(range(len(dots)), key=lambda i: (dots[i][0], -dots[i][1])):
        if not found or dots[i][1] > dots[found[-1]][1]:
            found.append(i)
    return found


def first_accuracy(row: Mapping[str, Any]) -> float | None:
    """The accuracy of a sweep's row by the usual rule; None where the point has no program."""
    return next((value for name, value in row.items() if name.startswith("accuracy_") and value is not None), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _traced(result: Result, layer: str) -> np.ndarray[Any, np.dtype[Any]]:
    if layer not in result.trace:
        has = ", ".join(map(repr, result.trace)) or "none: run with trace=True"
        raise ValueError(f"the run has no trace of {layer!r}; it has {has}")
    return result.trace[layer]


def _sample(values: np.ndarray[Any, np.dtype[Any]], sample: int) -> np.ndarray[Any, np.dtype[Any]]:
    if not 0 <= sample < len(values):
        raise ValueError(f"there is no sample {sample}: the run has {len(values)}")
    return values[sample]


def _axes(axes: Axes | None) -> Axes:
    """Those axes, or new ones. NmcError NMC-R070 (usage) without matplotlib."""
    if axes is not None:
        return axes
    try:
        from matplotlib import pyplot
    except ImportError as error:
        hint = "pip install 'nmc[report]'"
        raise usage("NMC-R070", "plots need the package matplotlib", why=str(error), hint=hint) from error
    return pyplot.subplots(layout="constrained")[1]
