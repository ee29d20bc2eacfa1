"""Sections of the page that show other commands' results and a run."""

from __future__ import annotations

from typing import Any

from . import charts
from .tables import items, table
from .tags import Html, join, none, number, tag

MOST_DB = 80.0
NO_RUN = "Not available: give samples with --input."

Facts = dict[str, Any]


def sqnr(facts: Facts) -> Html:
    """Noise by layer, from a verification."""
    found = facts["verify"]
    if found is None:
        return none("Not available: give what `nmc verify MODEL P.nmc --input X --json` printed with --verify.")
    rows = [*found["layers"], *found["outputs"]]
    threshold = found.get("threshold")
    least = threshold if isinstance(threshold, int | float) else None
    compared = [(r, r["closeness"]["sqnr_db"]) for r in rows if r["closeness"] is not None]
    drawn = [(row["name"], min(db, MOST_DB), f"{db:.1f} dB", least is not None and db < least) for row, db in compared]
    text = f"Signal-to-noise ratio of the program against the float network, {found['samples']:,} samples. "
    text += f"Bars end at {MOST_DB:g} dB; equal numbers have 200 dB."
    text += "" if least is None else f" Marked: below {least:g} dB."
    missing = [f"{row['name']}: {row['note'] or 'not compared'}" for row in rows if row["closeness"] is None]
    failed = found["failed"]
    says = [f"Failed: {sentence}" for sentence in failed] or ["All checks of that command passed."]
    parts = [
        tag("p", text),
        charts.bars("SQNR by layer", drawn),
        items(says),
        table("Layers and outputs", _compared(rows)),
    ]
    return join(*parts, *([tag("p", "Not compared:"), items(missing)] if missing else []))


def _compared(rows: list[Facts]) -> list[Facts]:
    made = []
    for row in rows:
        close = row["closeness"] or {}
        numbers = {"SQNR dB": close.get("sqnr_db"), "cosine": close.get("cosine"), "max error": close.get("max_error")}
        whole = {"of": close.get("peak"), "clipped": row["clipped"], "note": row["note"]}
        made.append({"layer": row["name"], "kind": row["kind"], **numbers, **whole})
    return made


def activations(facts: Facts) -> Html:
    """What the layers gave in the run."""
    run = facts["run"]
    if run is None:
        return none(NO_RUN)
    rows = [{k: v for k, v in row.items() if k != "histogram"} for row in run["activations"]]
    figures = []
    for row in run["activations"]:
        found = row["histogram"]
        if found is None:
            continue
        clipped = row.get("clipped", found.get("at_end"))
        text = f"{found['values']:,} values from {number(found['least'])} to {number(found['largest'])}"
        text += "" if clipped is None else f"; {clipped:,} {'clipped' if 'clipped' in row else 'at every level'}"
        text += f"; {found['not_finite']:,} not finite" if found.get("not_finite") else ""
        chart = charts.histogram(f"Values of {row['layer']}", found, clipped is not None)
        figures.append(tag("figure", tag("figcaption", tag("b", row["layer"]), tag("br"), text), chart))
    what = (
        "How often each neuron fired in a sample." if facts["kind"] == "cri" else "The integers that each layer gave."
    )
    note = f"{what} {_samples(run)} Columns are as high as the square root of their counts; marked ones are at an end."
    return join(tag("p", note), table("Layers in the run", rows), tag("div", *figures, class_="figures"))


def spikes(facts: Facts) -> Html:
    """Spike raster and firing rates."""
    run = facts["run"]
    if run is None:
        return none(NO_RUN)
    found = run["raster"]
    if found is None or not found["populations"]:
        return none("Not available: there was no sample, or the program has no neurons.")
    rates = [(row["layer"], row["rate"], f"{row['rate']:.4f}", False) for row in run["activations"] if row["neurons"]]
    note = f"The first sample, {found['steps']:,} timesteps. Of each population neurons at even distances are drawn."
    if found["steps_shown"] < found["steps"]:
        note += f" The first {found['steps_shown']} timesteps are drawn."
    if found["left_out"]:
        note += f" {found['left_out']:,} more populations are not drawn."
    parts = [tag("p", note), charts.raster("Spike raster of the first sample", found)]
    total = [sum(counts) for counts in zip(*(p["by_step"] for p in found["populations"]), strict=True)]
    parts += [tag("h3", "Spikes in each timestep"), charts.columns("Spikes in each timestep", total, "timestep")]
    parts += [tag("h3", "Firing rates"), tag("p", f"Spikes a neuron and timestep. {_samples(run)}")]
    return join(*parts, charts.bars("Firing rate by population", rates))


def cost(facts: Facts) -> Html:
    """Memory accesses of every timestep."""
    run = facts["run"]
    if run is None:
        return none(NO_RUN)
    found = run["cost"]
    if found is None:
        return none(f"Not available: {run['cost_missing']}")
    samples = max(run["samples"], 1)
    each = [step["hbm_access"] / samples for step in found["by_step"]]
    layers = [(name, count / samples, number(count / samples), False) for name, count in found["by_layer"].items()]
    steps = max(len(each) * samples, 1)
    text = f"Accesses of 64 bytes, mean over the samples. {_samples(run)} Estimated, not calibrated: "
    text += f"{found['cycles'] / steps:,.0f} cycles and {found['microseconds'] / steps:,.1f} µs a timestep, "
    text += f"{found['memory_microjoule'] / samples:,.2f} µJ a sample in the memory."
    parts = [tag("p", text), charts.columns("Memory accesses in each timestep", each, "timestep")]
    return join(*parts, tag("h3", "Row pairs of synapses read, by source"), charts.bars("Row pairs by source", layers))


def answers(facts: Facts) -> Html:
    """Class scores of each sample."""
    run = facts["run"]
    if run is None:
        return none(NO_RUN)
    parts = []
    for found in run["answers"]:
        if "not_finite" in found:
            parts.append(_not_finite(found))
            continue
        rows = []
        for i, sample in enumerate(found["samples"]):
            best = zip(sample["entry"], sample["value"], sample["probability"], strict=True)
            text = ", ".join(f"{_entry(found, at)} ({value:.4g}; {chance:.1%})" for at, value, chance in best)
            largest = _entry(found, sample["entry"][0])
            rows.append({"sample": i, "largest": largest, "entries (value; probability)": text})
        parts.append(table(f"Output {found['output']}: {_how(found)}, {found['entries']:,} entries", rows))
    if parts:
        return join(tag("p", _samples(run)), *parts)
    where = "; those of every frame are in the next section." if run["frames"] else "."
    return none(f"No output is one vector of numbers for each sample{where}")


def frames(facts: Facts) -> Html:
    """Class probabilities of a clip, frame by frame or timestep by timestep."""
    run = facts["run"]
    if run is None:
        return none(NO_RUN)
    if not run["frames"]:
        return none("Not available: there was no sample, or no output gives a class's probability in every frame.")
    return join(*(_not_finite(found) if "not_finite" in found else _over_time(found) for found in run["frames"]))


def _over_time(found: Facts) -> Html:
    """Lines of one output, raw and smoothed."""
    names, unit = [_entry(found, index) for index in found["shown"]], found["unit"]
    marks = sorted({found["first"], found["last"]})
    note = f"The first sample, {_how(found)}. The answer comes from {unit} {found['first']} to {found['last']}."
    note += " In each timestep it is what the output would be if it were read then." if unit == "timestep" else ""
    label = f"Probabilities of output {found['output']} in every {unit}"
    raw = charts.lines(label, list(zip(names, found["raw"], strict=True)), marks, unit)
    parts = [tag("h3", f"Output {found['output']}"), tag("p", note), raw]
    if found["smoothed"] is not None:
        parts.append(tag("p", f"Smoothed, a frame's vote fading by {found['decay']} a frame:"))
        smoothed = list(zip(names, found["smoothed"], strict=True))
        parts.append(charts.lines(f"{label}, smoothed", smoothed, marks, unit))
    return join(*parts)


def messages(facts: Facts) -> Html:
    """Warnings and declined rewrites."""
    found = facts["compiled"]
    if found is None:
        why = (
            "A program does not keep them: give what `nmc compile … --json` or `nmc explain MODEL --json` printed with "
        )
        return none(why + "--compiled.")
    declined = [{key: row[key] for key in ("pass", "where", "why")} for row in found["declined"]]
    parts = [tag("h3", "Warnings"), items(found["warnings"]) if found["warnings"] else none("There were none.")]
    parts.append(tag("h3", "Rewrites that were declined"))
    parts.append(table("Declined rewrites", declined) if declined else none("No rewrite was declined."))
    return join(*parts)


def _samples(run: Facts) -> str:
    """Which samples ran."""
    shown, given = run["samples"], run["given"]
    cut = f"; {given - shown:,} more were given, --limit takes them" if given > shown else ""
    clipped = run["counters"]["input_clipped"]
    return f"Samples: {shown:,}{cut}." + (f" {clipped:,} input values were clipped." if clipped else "")


def _not_finite(found: Facts) -> Html:
    return none(f"Output {found['output']} holds NaN or infinity, {found['not_finite']:,} times: no probabilities.")


def _entry(found: Facts, index: int) -> str:
    """What an entry of an output is called."""
    return found["names"][index] if found["names"] else f"entry {index}"


def _how(found: Facts) -> str:
    if found["probabilities"] == "own":
        return "the network's own probabilities"
    return "as the softmax of its numbers, which says something where they are class scores"
