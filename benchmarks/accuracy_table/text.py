"""The page docs/accuracy.md, from the stored results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .bounds import USUAL, Results, bounds, percent
from .formats import FORMATS, LEVELS, METHODS, RATE_CLIPS, STEPS, Cell, Format
from .networks import CALIBRATION, CONTRAST, NETWORKS, NOISE, Network

HEAD = f"""# Accuracy

How much accuracy the shipped networks keep on both machines. `make accuracy` measures all of it and writes this page;
what has been measured before, of the same sources and data, is not measured again. `python benchmarks/accuracy.py
--check` holds the stored results against the bounds at the end.

Every cell is the share of all test samples that are decided as labelled. Networks with frames have two numbers: from
the scores of the last frame, and from probabilities smoothed over the frames ([how](evaluate.md)). Columns 0, 1 and 2
are those of `--optimize`; 1 is what is done if nothing is said.

- **Akida**: the program in the simulator, which computes the machine's integers.
- **CRI, unary code**: the integer network that the tables equal to the bit; of each cell some samples are run on the
  tables, too, and must give the same integers.
- **CRI, rate code**: the program in the simulator, of clips on the first {RATE_CLIPS}. T is the number of
  timesteps of every train in both codes.
- **onnxruntime**: `quantize_static` on the same calibration samples: QDQ, int8 weights by channel, uint8 activations,
  behind its own `quant_pre_process`, with three ways to find ranges, otherwise as it comes.

The clips of "Gestures" are the published ones, which the network knows too well to lose anything. In "dim and noisy
clips" grey levels are multiplied by {CONTRAST}/256, and two uniform integers from −{NOISE} to {NOISE} are added to each
pixel; calibration clips are treated alike, and the network is the same: it has never been trained on such clips.
"""
SHOWS = """## What this shows

On the published clips, int8 on Akida and the unary code from T = 7 on lose at most one clip of 2,048, 4-bit weights at
most two; 4 bits for weights and activations and T = 3 cost more. The digits and these clips are easy: differences of
one or two samples between formats, levels or tools are chance, also where a format is above its float network. So is
that the best of onnxruntime's three ways is one sample ahead of int8 here on digits and on events, and above the float
network. The dim clips tell more: int8 keeps the float network's accuracy there as well, as does onnxruntime; the unary
code needs T = 31 for that, and loses 1.4 points at T = 7 and 4.1 at T = 3.

Levels matter where bits or steps are few. At T = 3 level 1 brings the gesture networks from 74 to 99.7, from 91 to 98
and from 80 to 92 percent; level 2 adds about a point on events and dim clips, and as much to 4/4 bits there or less.
Where level 1 has left little to gain, level 2 changes a clip or two either way.

Rate coding needs many more steps. On the digits networks (three and four layers of neurons) it comes level with the
unary code at T = 31, and is one digit of 899 ahead at level 2; in the gesture network (ten) most neurons have not fired
once by T = 15, as each has to sum up its input to the threshold, layer after layer. Published conversions take hundreds
of steps for such depths. T is the length of a train in both; a program in the unary code takes about T + 1 timesteps
for every layer, one in the rate code about T in all.

What is not here: networks that are hard to quantize (MobileNets, attention), larger images, other data sets, a device.
"""


def page(stored: Mapping[str, Any]) -> str:
    """The page as markdown; `stored` has the results by cell (`cells`) and `facts`."""
    results: Results = stored["cells"]
    parts = [HEAD, "## At a glance\n", _overview(results), SHOWS]
    for network in NETWORKS:
        parts += [f"## {network.title}\n", _table_of(network, results)]
    parts += ["## Bounds\n", _bounds(results), "## Data and versions\n", _facts(stored["facts"])]
    return "\n".join(filter(None, parts))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _rule(columns: int) -> str:
    return "|---|" + "---:|" * (columns - 1) + "\n"


def _overview(results: Results) -> str:
    """Networks of activations, decided at the last frame, at the usual level."""
    short = ["float", "int8", "4-bit weights", "4/4-bit", "onnxruntime int8", *(f"unary, T = {t}" for t in STEPS)]
    short += [f"rate, T = {t}" for t in STEPS]
    made = _line(["network", *short]) + _rule(len(short) + 1)
    for network in NETWORKS:
        if network.spiking:
            continue
        rows = ["int8", "weights4", "both4"]
        cells = [_best(results, network, ["float"], None)]
        cells += [_best(results, network, [row], USUAL) for row in rows]
        cells.append(_best(results, network, [f"ort-{method}" for method in METHODS], None))
        cells += [_best(results, network, [f"unary-{t}"], USUAL) for t in STEPS]
        cells += [_best(results, network, [f"rate-{reset}-{t}" for reset in ("soft", "hard")], USUAL) for t in STEPS]
        made += _line([network.title, *cells])
    return made + (
        "\nPercent at the last frame, `--optimize 1`; of onnxruntime the best of three, of rates the better of two "
        "resets.\n"
    )


def _best(results: Results, network: Network, rows: Sequence[str], level: int | None) -> str:
    found = [results.get(Cell(network.name, row, level).name, {}) for row in rows]
    known = [percent(one) for one in found if "correct" in one]
    return f"{max(known):.2f}" if known else "–"


def _table_of(network: Network, results: Results) -> str:
    made = _line(["format", *(f"`--optimize {level}`" for level in LEVELS)]) + _rule(len(LEVELS) + 1)
    missing: dict[str, list[str]] = {}
    for row in FORMATS:
        if why := row.why_not(network):
            missing.setdefault(why, []).append(row.title)
            continue
        made += _line([row.title, *_cells(row, network, results)])
    for why, titles in missing.items():
        made += f"\nDoes not apply, as {why}: {'; '.join(titles)}.\n"
    return made


def _cells(row: Format, network: Network, results: Results) -> list[str]:
    if row.target not in ("akida", "cri"):
        return ["", _cell(results.get(Cell(network.name, row.name, None).name)), ""]
    return [_cell(results.get(Cell(network.name, row.name, level).name)) for level in LEVELS]


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    if "refused" in found:
        return f"refused: {found['refused']}"
    smoothed = f" / {percent(found, 'smoothed'):.2f}" if "smoothed" in found else ""
    return f"{percent(found):.2f}{smoothed}"


def _bounds(results: Results) -> str:
    made = _line(["bound", "holds", "numbers"]) + "|---|---|---:|\n"
    found = bounds(results)
    shown = [b for b in found if not b.holds or "loses" in b.text or "onnxruntime" in b.text]
    for bound in shown:
        made += _line([bound.text, "yes" if bound.holds else "**no**", bound.numbers])
    held = sum(b.holds for b in found) - sum(b.holds for b in shown)
    return (
        made
        + f"\n{held} more bounds hold: the unary code is not below rates at any T, level and reset but those above.\n"
    )


def _facts(facts: Mapping[str, Any]) -> str:
    made = _line(["network", "test samples", "calibration samples", "shape", "float, seconds"]) + _rule(5)
    for row in facts["data"]:
        made += _line([row["title"], f"{row['test']:,}", f"{row['typical']:,}", row["shape"], row["seconds"]])
    return (
        made
        + f"\nGestures are calibrated on {CALIBRATION} clips of the training half, digits on the training half, both "
        f"without labels.\nThe spiking network needs no calibration.\n\n{facts['machine']}. Measured {facts['date']} "
        f"with --jobs {facts['processes']}; {facts['cells']} cells took {facts['seconds']:,} s of them in all, "
        f"{facts['compiling']:,} s for compiling and quantizing.\n"
    )
