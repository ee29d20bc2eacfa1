"""Every trace table of docs/neurons.md is what the IR's ops compute.

A ```neuron block holds lines `name = op(sum of names, parameter=value, …) {attributes}`. The table below it has a
column for each name that is given or computed, and `v` for the potential of the last op after the step.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmc.compiler.ir.ops import REGISTRY
from nmc.compiler.ir.ops.temporal import Stateful

PAGE = (Path(__file__).parent.parent / "docs" / "neurons.md").read_text()
SECTIONS = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.S | re.M)
TRACES = [
    (f"{title}-{number}", block, table)
    for title, body in SECTIONS
    for number, (block, table) in enumerate(re.findall(r"```neuron\n(.*?)```\n\n((?:\|[^\n]*\n)+)", body, re.S), 1)
]
LINE = re.compile(r"(\w+) = (\w+)\((.*?)\)(?: \{(.*)\})?")


def literals(text: str | None) -> dict[str, Any]:
    call = ast.parse(f"f({text or ''})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


class Neuron:
    """One line of a block."""

    def __init__(self, line: str):
        match = LINE.fullmatch(line)
        assert match, line
        self.name, mnemonic, arguments, attributes = match.groups()
        self.terms, _, parameters = arguments.partition(",")
        kind, given = REGISTRY[mnemonic], literals(parameters)
        self.op = kind(**literals(attributes))
        names = [operand.rstrip("?") for operand in kind.operands[1:]]
        assert given.keys() <= set(names), line
        self.constants = [None if name not in given else np.array([given[name]]) for name in names]
        self.state: Any = None

    def step(self, frame: int, live: dict[str, float]) -> float:
        words = self.terms.split()
        signs = [1, *(1 if word == "+" else -1 for word in words[1::2])]
        integer = self.op.mnemonic in ("spike", "potential")
        x = np.array([sum(s * live[w] for s, w in zip(signs, words[::2], strict=True))], np.int64 if integer else float)
        if not isinstance(self.op, Stateful):
            return float(self.op.evaluate(x, *self.constants)[0])
        result, self.state = self.op.advance(self.state, frame, x, *self.constants)
        return float(result[0])

    @property
    def v(self) -> float:
        return float((self.state[0] if isinstance(self.state, tuple) else self.state)[0])


def recomputed(block: str, columns: list[str], given: list[dict[str, float]]) -> list[list[float]]:
    neurons = [Neuron(line) for line in block.strip().splitlines()]
    rows = []
    for frame, row in enumerate(given):
        live = {name: row[name] for name in columns if name not in {"step", "v", *(n.name for n in neurons)}}
        for neuron in neurons:
            live[neuron.name] = neuron.step(frame, live)
        rows.append([float(frame) if c == "step" else neurons[-1].v if c == "v" else live[c] for c in columns])
    return rows


@pytest.mark.parametrize(("block", "table"), [trace[1:] for trace in TRACES], ids=[trace[0] for trace in TRACES])
def test_traces_are_what_the_ops_compute(block: str, table: str) -> None:
    head, _, *body = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
    rows = [[float(cell) for cell in line] for line in body]
    assert len(rows) == 6 and head[0] == "step"
    assert recomputed(block, head, [dict(zip(head, row, strict=True)) for row in rows]) == rows


def test_every_neuron_of_the_page_has_a_trace() -> None:
    assert len(TRACES) >= 14
    assert [title for title, body in SECTIONS if "```neuron" not in body] == ["Where frameworks differ"]
