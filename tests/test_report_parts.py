"""What a report is put together from: elements, histograms, synapses, answers, the drawing; tables for notebooks."""

from __future__ import annotations

import numpy as np
import pytest
from akida_programs import random_program
from report_pages import digits

from nmc.cli.report.answers import answers
from nmc.cli.report.beside import APART, beside
from nmc.cli.report.histograms import BINS, of_floats, of_integers
from nmc.cli.report.layout import HEIGHT, WIDTH, layout
from nmc.cli.report.script import SCRIPT
from nmc.cli.report.tags import Html, join, number, tag
from nmc.cli.report.weights import cri_weights
from nmc.runtime.result import Result as Run

# --- elements ---


def test_elements_escape_text_and_keep_markup() -> None:
    assert tag("b", "a < b", tag("i", '"')) == "<b>a &lt; b<i>&quot;</i></b>"
    assert (
        tag("a", class_="x", aria_label='"&', hidden=True, href=None)
        == '<a class="x" aria-label="&quot;&amp;" hidden></a>'
    )
    assert (tag("br"), join("<", Html("<hr>"), None, 3)) == ("<br>", "&lt;<hr>3")
    assert [number(value) for value in (12345, 1234.56, 0.012345, None, "x", True)] == [
        "12,345", "1,234.6", "0.01235", "", "x", "True",
    ]  # fmt: skip


def test_the_script_holds_no_end_of_itself() -> None:
    assert "</" not in SCRIPT and "<!--" not in SCRIPT


# --- numbers ---


def test_histograms_count_every_integer() -> None:
    rng = np.random.default_rng(0)
    for low, high in ((-8, 7), (0, 255), (-128, 127), (5, 5), (-40_000, 3)):
        values = rng.integers(low, high + 1, 500)
        found = of_integers(values, low, high)
        assert sum(found["bins"]) == found["values"] == 500
        assert len(found["bins"]) == min(high - low + 1, BINS)
        assert (found["least"], found["largest"]) == (values.min(), values.max())
        if high - low < BINS:
            assert found["bins"] == [int((values == n).sum()) for n in range(low, high + 1)]
    assert of_integers(np.array([1, 3]), 0, 3, np.array([5, 2]))["bins"] == [0, 5, 0, 2]
    empty = of_integers(np.zeros(0, np.int64), 0, 3)
    assert (empty["bins"], empty["least"]) == ([0, 0, 0, 0], None)


def test_histograms_of_floats() -> None:
    found = of_floats(np.array([0.0, 0.5, 1.0, np.nan, np.inf]))
    assert (found["bins"][0], found["bins"][BINS // 2], found["bins"][-1]) == (1, 1, 1)
    assert (found["values"], found["not_finite"], found["low"], found["high"]) == (3, 2, 0.0, 1.0)
    assert sum(of_floats(np.full(4, 2.5))["bins"]) == 4
    assert of_floats(np.zeros(0))["values"] == 0


def test_synapses_by_population_are_those_of_the_tables() -> None:
    program = digits()
    connections, histograms = cri_weights(program)
    inputs = sum(entry.axons for entry in program.inputs)
    of_inputs = int(program.axons.indptr[inputs])
    from_inputs = sum(count for (kind, _, _), count in connections.items() if kind == "input")
    from_neurons = sum(count for (kind, _, _), count in connections.items() if kind == "layer")
    assert (from_inputs, from_neurons) == (of_inputs, program.neurons.synapses)
    source = np.repeat(np.arange(program.neurons.sources), np.diff(program.neurons.indptr))
    for p in program.populations:
        for q in program.populations:
            reached = (program.neurons.target >= q.first) & (program.neurons.target < q.stop)
            there = int((reached & (source >= p.first) & (source < p.stop)).sum())
            assert connections.get(("layer", p.name, q.name), 0) == there
    assert sum(row["values"] for row in histograms) == of_inputs + program.neurons.synapses


def test_scores_that_are_probabilities_stay_as_they_are() -> None:
    values = np.array([[0.25, 0.75], [1.0, 0.0]], np.float32)
    for array, how in ((values, "own"), (values * 4, "softmax")):
        (found,) = answers(random_program(0), Run({"y": array}, {}, {}))
        assert (found["probabilities"], found["samples"][0]["entry"]) == (how, [1, 0])
    (found,) = answers(random_program(0), Run({"y": np.array([[np.nan, np.inf, 1]], np.float32)}, {}, {}))
    assert (found["not_finite"], found["samples"]) == (2, [])
    assert answers(random_program(0), Run({"map": np.zeros((1, 3, 3), np.float32)}, {}, {})) == []


# --- drawing ---


def check_layout(count: int, edges: list[tuple[int, int]]) -> None:
    """No two boxes overlap, all lie inside, and an edge that goes forward goes down, past other boxes."""
    found = layout(count, edges)
    for i, (x, y) in enumerate(found.boxes):
        assert WIDTH / 2 <= x <= found.width - WIDTH / 2 and HEIGHT / 2 <= y <= found.height - HEIGHT / 2
        for a, b in found.boxes[:i]:
            assert abs(x - a) >= WIDTH or abs(y - b) >= HEIGHT
    for (a, b), way in zip(edges, found.edges, strict=True):
        assert (way[0], way[-1]) == (found.boxes[a], found.boxes[b])
        heights = [y for _, y in way]
        assert heights == sorted(heights) or len(way) == 2
        for x, y in way[1:-1]:
            assert all(abs(x - left) > WIDTH / 2 for left, top in found.boxes if top == y)


@pytest.mark.parametrize("seed", range(8))
def test_boxes_lie_in_ranks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 25))
    pairs = rng.integers(0, count, (int(rng.integers(0, 40)), 2)).tolist()
    check_layout(count, [(a, b) for a, b in pairs if a < b])
    check_layout(count, [(a, b) for a, b in pairs])  # with loops


@pytest.mark.parametrize("seed", range(8))
def test_networks_side_by_side_keep_their_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 20, 2).tolist()
    alone = [layout(n, [(a, b) for a, b in rng.integers(0, n, (2 * n, 2)).tolist() if a < b]) for n in counts]
    links = [(int(rng.integers(counts[0])), int(rng.integers(counts[1]))) for _ in range(int(rng.integers(0, 25)))]
    both = beside(alone[0], alone[1], links)
    boxes = [box for found in both for box in found.boxes]
    for i, (x, y) in enumerate(boxes):
        assert WIDTH / 2 <= x <= both[0].width - WIDTH / 2 and HEIGHT / 2 <= y <= both[0].height - HEIGHT / 2
        assert all(abs(x - a) >= WIDTH or abs(y - b) >= HEIGHT for a, b in boxes[:i])
    assert max(x for x, _ in both[0].boxes) + APART < min(x for x, _ in both[1].boxes)
    for before, after in zip(alone, both, strict=True):
        down = {old[1]: new[1] for old, new in zip(before.boxes, after.boxes, strict=True)}
        assert sorted(down.values()) == [down[y] for y in sorted(down)]
        assert all(new >= old for old, new in down.items())
        for (first, *_), way in zip(before.edges, after.edges, strict=True):
            assert way[0] == after.boxes[before.boxes.index(first)]
    assert beside(alone[0], alone[1], links) == both


def test_what_is_linked_one_to_one_lies_at_one_height() -> None:
    chain = layout(3, [(0, 1), (1, 2)])
    long = layout(5, [(i, i + 1) for i in range(4)])
    left, right = beside(long, chain, [(0, 0), (2, 1), (4, 2)])
    assert [left.boxes[i][1] for i in (0, 2, 4)] == [y for _, y in right.boxes]
    left, right = beside(chain, long, [(0, 0), (1, 2), (2, 4)])
    assert [right.boxes[i][1] for i in (0, 2, 4)] == [y for _, y in left.boxes]


def test_an_empty_network_is_drawn() -> None:
    beside(layout(0, []), layout(0, []), [])
    check_layout(0, [])
    check_layout(3, [(0, 1), (1, 2), (2, 0), (1, 1), (0, 2)])
