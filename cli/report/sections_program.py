"""Sections of the page that need nothing but the program."""

from __future__ import annotations

from typing import Any

from .charts import bars, cells, gauges, histogram, svg
from .tables import items, pairs, row_ids, table
from .tags import Html, join, none, number, tag

SHOWN_FRAMES = 64

Facts = dict[str, Any]


def summary(facts: Facts) -> Html:
    """Cards with the counts, then inputs and notes."""
    cards = [
        tag("div", tag("dt", name), tag("dd", number(value)))
        for name, value in facts["summary"].items()
        if value is not None
    ]
    return join(tag("dl", *cards, class_="cards"), items([*facts["inputs"], *facts["notes"]]))


def layers(facts: Facts) -> Html:
    """The layer table."""
    if not facts["layers"]:
        return none("The program has no layers on the device.")
    return table("Layers in the order in which they run", facts["layers"], list(row_ids(facts).values()))


def segments(facts: Facts) -> Html:
    """What runs on the device, and what on the host and why."""
    operations = facts["host operations"]
    where = table("Segments", facts["segments"])
    return join(
        where, table("Operations on the host", operations) if operations else none("No operation is on the host.")
    )


def memory(facts: Facts) -> Html:
    """What a program takes of a core and how synapses fill its memory; or what the layers store, and which limits of a
    device they exceed."""
    if facts["kind"] == "cri":
        return join(_core(facts), _rows(facts))
    stored = [(row["layer"], row["parameters"] + row["FIFO B"]) for row in facts["layers"]]
    chart = bars("Values stored by layer", [(name, count, number(count), False) for name, count in stored if count])
    total = sum(count for _, count in stored)
    text = f"Stored values by layer, {total:,} in all: weights and biases, and one byte for each value in a FIFO."
    return join(tag("p", text), chart, *_macs(facts), _device(facts))


def _core(facts: Facts) -> Html:
    """What the program takes of one core, as shares."""
    rows = [(row["what"], row["taken"], row["of"]) for row in facts["core"]]
    placed = next((row["placed"] for row in facts["memory"] if row["sources"] == "all"), None)
    rows += [] if placed is None else [("rows of synapses, placed", placed, facts["core_rows"])]
    drawn = [(what, taken / of, f"{taken / of:.1%}: {taken:,} of {of:,}") for what, taken, of in rows]
    return join(tag("p", "What the program takes of one core:"), gauges("Share of one core", drawn))


def _rows(facts: Facts) -> Html:
    """Rows of memory by source."""
    if not facts["memory"]:
        return none(f"Rows of memory: not available: {facts['memory_missing'] or 'the program has no synapses.'}")
    rows = [row for row in facts["memory"] if isinstance(row["placed"], int)]
    chart = bars(
        "Rows of memory by source, placed",
        [(r["sources"], r["placed"], number(r["placed"]), False) for r in rows if r["sources"] != "all"],
    )
    title = "Rows of a core's memory: in the program's order, placed, and the least possible"
    return join(table(title, facts["memory"]), tag("h3", "Rows of memory by source, placed"), chart)


def _macs(facts: Facts) -> list[Html]:
    """Products of one frame by layer."""
    rows = [(row["layer"], row["MACs"], number(row["MACs"]), False) for row in facts["layers"] if row["MACs"]]
    total = sum(count for _, count, _, _ in rows)
    title = tag("p", f"Products (MACs) of one frame by layer, {total:,} in all.")
    return [title, bars("Products of one frame by layer", rows)] if rows else []


def _device(facts: Facts) -> Html:
    device = facts["device"]
    if device is None:
        return none(f"Limits of a device were not checked: {facts['device_missing']}.")
    found = [f"[{d['code']}] {d['what']}" + (f" (at {d['where']})" if d["where"] else "") for d in device["exceeded"]]
    says = f"Device {device['name']}: " + (f"{len(found)} limits are exceeded." if found else "no limit is exceeded.")
    return join(tag("p", says), items(found), *_unknown(device["not_checked"]))


def _unknown(sentences: list[str]) -> list[Html]:
    return [tag("p", "Not known of the device, so not checked:"), items(sentences)] if sentences else []


def weights(facts: Facts) -> Html:
    """A histogram for every layer with weights."""
    if not facts["weights"]:
        return none("The program has no weights.")
    figures = []
    for row in facts["weights"]:
        share = row["at_end"] / row["values"] if row["values"] else 0.0
        text = f"{row['values']:,} weights from {number(row['least'])} to {number(row['largest'])}; "
        text += f"{row['at_end']:,} ({share:.2%})" if row["at_end"] else "none"
        text += f" at ±{row['end']:,} or beyond"
        marks = row["high"] == row["end"]
        chart = histogram(f"Weights of {row['layer']}", row, marks)
        figures.append(tag("figure", tag("figcaption", tag("b", row["layer"]), tag("br"), text), chart))
    note = "Columns are as high as the square root of their counts. Marked columns hold the ends of the range."
    if facts["kind"] == "cri":
        note += " Weights are those that arrive at a population; those of control axons are left out."
    return join(tag("p", note), tag("div", *figures, class_="figures"))


def timing(facts: Facts) -> Html:
    """When outputs come, and how long the FIFOs are."""
    found = facts["timing"]
    if not found["temporal"]:
        return none("The network has no time axis: each sample is one frame, and the answer comes with it.")
    rows = [
        {"output": o["output"], "latency in frames": o["latency"], "first frame": o["offset"], "every": o["stride"],
         "elements": o["length"], "edge elements": ", ".join(map(str, o["edges"]))}
        for o in found["outputs"]
    ]  # fmt: skip
    text = f"A sample has {found['clip']} frames; its stream has {found['stream']} until every output has come."
    parts = [tag("p", text), _frames(found), table("Outputs in time", rows)]
    if not found["fifos"]:
        return join(*parts, none("No layer has a FIFO."))
    each = [
        (f["layer"], f["frames"], f"{f['frames']} × {'×'.join(map(str, f['shape']))}: {f['bytes']:,} B")
        for f in found["fifos"]
    ]
    total = sum(f["bytes"] for f in found["fifos"])
    text = f"FIFOs, {total:,} bytes in all: a cell for each frame that a layer keeps, the newest frame included."
    return join(*parts, tag("h3", "FIFOs"), tag("p", text), cells("Frames in each FIFO", each))


def _frames(found: Facts) -> Html:
    """A row of input frames, and below it one for each output: its elements at the frames at which they come."""
    shown, left, size = min(found["stream"], SHOWN_FRAMES), 160.0, 22.0
    step = min(size, (720.0 - left) / shown)
    rows = [("input", range(found["clip"]), set[int]())]
    for o in found["outputs"]:
        frames = range(o["offset"], o["offset"] + o["stride"] * o["length"], o["stride"])
        rows.append((o["output"], frames, {frames[j] for j in o["edges"]}))
    parts = []
    for i, (name, frames, edges) in enumerate(rows):
        y = i * 26.0
        parts.append(tag("text", name[:22], tag("title", name), x=f"{left - 8:g}", y=f"{y + 15:g}", class_="end"))
        for frame in range(shown):
            kind = "mark" if frame in edges else "bar" if frame in frames else "area"
            x = left + frame * step
            parts.append(tag("rect", x=f"{x:.1f}", y=f"{y + 2:g}", width=f"{step - 2:.1f}", height="18", class_=kind))
    chart = svg(
        720.0, len(rows) * 26.0, "Frames of the stream: input frames, and when elements of outputs come", *parts
    )
    cut = f" The first {shown} of {found['stream']} frames are drawn." if shown < found["stream"] else ""
    note = (
        "Filled: a frame that goes in, an element that comes out. Marked: an edge element, which may differ from the "
    )
    return join(chart, tag("p", note + "model's, as a clip ends where a stream goes on." + cut))


def provenance(facts: Facts) -> Html:
    """Where the program came from."""
    return pairs("Provenance", facts["provenance"]) if facts["provenance"] else none("The program does not say.")
