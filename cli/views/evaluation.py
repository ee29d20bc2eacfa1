"""What `nmc evaluate` prints: accuracies by rule of decision and by class, the confusion matrix."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from ...runtime.arith import Floats
from ...runtime.classify import accuracy, class_accuracy, decide, top_accuracy
from ...runtime.classify import confusion as confusion_of
from ...runtime.evaluate import Evaluation
from ...runtime.plot import confusion_matrix
from ..common import print_table
from ..figures import write_figure


def summary(done: Evaluation, smooth: bool, top: int, confusion: bool) -> dict[str, Any]:
    """What is printed about an evaluation, as plain JSON: shares from 0 to 1, differences in points of percent.

    smooth     whether the tables by class and the matrix show the smoothed decision, where there are frames
    top        also count samples whose label is among the `top` classes
    confusion  include the program's confusion matrix
    """
    rule = done.rules[0] if smooth else done.rules[-1]
    sides = {"program": done.program} | ({} if done.model is None else {"model": done.model})
    rules: dict[str, dict[str, Any]] = {}
    for name in done.rules:
        rules[name] = {side: accuracy(done.labels, decide(scores[name])) for side, scores in sides.items()}
        rules[name]["top"] = {side: top_accuracy(done.labels, scores[name], top) for side, scores in sides.items()}
        if done.model is not None:
            rules[name]["points"] = 100 * (rules[name]["program"] - rules[name]["model"])
            rules[name]["agreement"] = done.agreement(name)
    count = done.output.classes
    tables = {side: confusion_of(done.labels, decide(scores[rule]), count) for side, scores in sides.items()}
    shares = {side: _numbers(class_accuracy(table)) for side, table in tables.items()}
    by_class: list[dict[str, Any]] = []
    for i in range(count):
        row: dict[str, Any] = {side: share[i] for side, share in shares.items()}
        if done.model is not None:
            row["points"] = None if row["program"] is None else 100 * (row["program"] - row["model"])
        name = done.names[i] if done.names else None
        by_class.append({"class": i, "name": name, "samples": int(tables["program"][i].sum()), **row})
    return {
        "output": done.output.name,
        "samples": len(done.labels),
        "frames": done.output.timing.length if done.output.timing.axis > 0 else None,
        "edges": list(done.edges),
        "rule": rule,
        "rules": rules,
        "top": min(top, count),
        "by_class": by_class,
        "counters": done.counters,
        **({"confusion": tables["program"].tolist()} if confusion else {}),
    }


def draw_confusion(path: Path, done: Evaluation, smooth: bool) -> None:
    """Write the program's confusion matrix as a plot; `smooth` as in `summary`. NmcError NMC-R070, R076, F014."""
    side = 2.5 + 0.35 * done.output.classes
    rule = done.rules[0] if smooth else done.rules[-1]
    write_figure(path, lambda axes: confusion_matrix(done, rule, axes=axes), (side, side))


def _numbers(shares: Floats) -> list[float | None]:
    return [None if math.isnan(share) else share for share in shares.tolist()]


def show(facts: dict[str, Any]) -> None:
    """Print a summary as tables, shares in percent."""
    by_class, compared = facts["by_class"], facts["model"] is not None
    frames = "" if facts["frames"] is None else f" over {facts['frames']} frames"
    what = f"{facts['program']}, output {facts['output']}"
    click.echo(f"{what}: {facts['samples']:,} samples, {len(by_class)} classes{frames}")
    if facts["edges"]:
        edges = ", ".join(map(str, facts["edges"]))
        click.echo(f"edge frames {edges}: there a stream sees other frames than the zero padding of the clip network")
    if "clips" in facts:
        clips = facts["clips"]
        text = f"clips have {clips['frames']} frames: {clips['sampled']:,} longer ones were sampled at even spaces, "
        click.echo(f"{text}{clips['repeated']:,} shorter ones repeat their last frame")
    if "events" in facts:
        click.echo(_events(facts["events"]))
    sides = (["model"] if compared else []) + ["program"]
    heads = [f"{'float' if side == 'model' else side} %" for side in sides]
    best = f"in top {facts['top']}: " if facts["top"] < len(by_class) else ""
    columns = ["decision", *heads, *(["points", "agree %"] if compared else [])]
    rows = []
    for name, row in facts["rules"].items():
        cells = [name.replace("_", " "), *(_percent(row[side]) for side in sides)]
        cells += [_points(row["points"]), _percent(row["agreement"])] if compared else []
        rows.append(cells + ([_percent(row["top"][side]) for side in sides] if best else []))
    print_table("", columns + [best + head for head in heads if best], rows)
    _show_classes(facts, sides, heads)


BINS = {"count": "with equally many events each", "time": "of equal times"}


def _events(facts: dict[str, Any]) -> str:
    """How recordings became frames, as a sentence."""
    whose = "" if facts["split"] is None else f"{facts['split']} "
    each = BINS.get(facts["bins"]) or f"of {facts['window_us'] / 1000:g} ms from the first event on"
    pixels = "1 where an event fell" if facts["values"] == "binary" else "counts of events"
    size = "" if facts["size"] == facts["sensor"] else f" to {facts['size']} ({facts['resize']})"
    place = f"{facts['sensor']}{size}, channels {facts['polarity']}"
    return f"{whose}recordings ({facts['format']}): {facts['frames']} frames {each}; {pixels}; {place}"


def _show_classes(facts: dict[str, Any], sides: list[str], heads: list[str]) -> None:
    """Accuracy by class, and the confusion matrix if there is one."""
    by_class, rule = facts["by_class"], facts["rule"].replace("_", " ")
    named, compared = by_class[0]["name"] is not None, facts["model"] is not None
    rows = []
    for row in by_class:
        cells = [row["class"], *([row["name"]] if named else []), row["samples"], *(_percent(row[s]) for s in sides)]
        rows.append(cells + ([_points(row["points"])] if compared else []))
    columns = ["class", *(["name"] if named else []), "samples", *heads, *(["points"] if compared else [])]
    click.echo(f"accuracy by class ({rule})")
    print_table("", columns, rows)
    if "confusion" in facts:
        labels = [f"{row['class']} {row['name']}" if named else row["class"] for row in by_class]
        rows = [[label, *counts] for label, counts in zip(labels, facts["confusion"], strict=True)]
        click.echo(f"confusion of the program ({rule}): rows true, columns predicted")
        print_table("", ["", *(str(row["class"]) for row in by_class)], rows)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _points(points: float | None) -> str:
    return "" if points is None else f"{points:.2f}"
