"""What notebooks show of programs, graphs and runs: tables with their rows, escaped, short, without colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from akida_programs import random_frames, random_program
from report_pages import DIGITS, EVIL, Page, digits, gated, images

from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, TensorType, parse_graph
from nmc.runtime import Session
from nmc.runtime.program.html_table import SHOWN, closed, html_table, preformatted
from nmc.runtime.program.task import Task


def check_html(text: str) -> Page:
    """Elements that nest, and no colours, which would be wrong in the light or in the dark."""
    assert "color" not in text and "background" not in text
    return Page(text.replace("\0", ""))


def test_a_table_escapes_sorts_numbers_to_the_right_and_is_cut() -> None:
    text = html_table("a < b", ("name", "n"), [(EVIL, 12345), ("x", 1)])
    assert check_html(text).elements["script"] == 0
    assert "a &lt; b" in text and '<td style="text-align:right">12,345</td>' in text
    long = html_table("t", ("n",), [(i,) for i in range(SHOWN + 3)])
    assert (long.count("<tr>"), "… 3 more" in long) == (1 + SHOWN, True)
    assert closed("<", preformatted("<")) == "<details><summary>&lt;</summary><pre>&lt;</pre></details>"
    assert check_html(html_table("none", ("a", "b"), [])).elements["td"] == 0


def test_programs_are_tables_of_layers_inputs_and_outputs() -> None:
    akida, hybrid = random_program(3), gated()
    for program, rows in (
        (akida, len(akida.layers)),
        (digits(), len(digits().populations)),
        (hybrid, len(hybrid.segments)),
    ):
        text = program._repr_html_()
        ends = len(program.inputs) + len(program.readouts if program is digits() else program.outputs)
        found = check_html(text).elements
        assert (found["table"], found["tr"]) == (2, 2 + rows + ends)
        assert all(entry.name in text for entry in program.inputs)
    assert "features.0.0" in digits()._repr_html_()  # where a population came from
    assert "Provenance" in digits()._repr_html_()


def test_names_and_tasks_are_escaped() -> None:
    akida = random_program(3)
    evil = replace(
        akida,
        outputs=(),
        layers=(replace(akida.layers[0], name=EVIL, origin=(EVIL,)),),
        inputs=(),
        provenance={EVIL: EVIL},
        task=Task(("<b>", "c")),
    )
    found = check_html(evil._repr_html_()).elements
    assert (found["script"], found["img"], found["b"], found["pre"]) == (0, 0, 0, 1)


def test_long_programs_are_cut() -> None:
    (population, *_) = digits().populations
    many = replace(digits(), populations=(population,) * (SHOWN + 3))
    assert "3 more" in many._repr_html_()


def test_a_graph_is_a_table_of_nodes_and_its_text() -> None:
    graph = import_onnx(DIGITS)
    text = graph._repr_html_()
    found = check_html(text).elements
    assert (found["table"], found["pre"]) == (2, 1)
    assert found["tr"] == 2 + len(graph.nodes) + len(graph.inputs) + len(graph.outputs)
    assert all(f"%{node.result.name}" in text and node.op.mnemonic in text for node in graph.nodes)
    lines = ("input %x: f32[1,2]NC", "state %h: f32[1,2]NC", "%y = add(%x, %h)", "next %h = %y", 'output "y" = %y')
    assert "%y, a step before" in parse_graph("\n".join(('graph "g" stage imported', *lines)))._repr_html_()


def test_a_large_graph_shows_the_beginning_of_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmc.compiler.ir.notebook.LONGEST", 30)
    graph = Graph("g")
    graph.outputs["y"] = graph.add_input("x", TensorType((1, 2), "f32", "NC"))
    assert f"… {len(str(graph)) - 30} more characters" in graph._repr_html_()


def test_a_run_is_a_table_of_arrays_and_counters() -> None:
    result = Session(digits()).run(images(digits()), trace=True)
    text = result._repr_html_()
    found = check_html(text).elements
    arrays = len(result.outputs) + len(result.trace) + len(result.potentials)
    numbers = [value for value in result.counters.values() if isinstance(value, int | float)]
    assert (found["table"], found["tr"]) == (2, 2 + arrays + len(numbers))
    logits = result.outputs["logits"]
    assert f"{logits.min():.6g}" in text and f"{logits.max():.6g}" in text and "2×10" in text
    program = random_program(1)
    check_html(Session(program).run(random_frames(program, 0))._repr_html_())
    check_html(replace(result, outputs={"empty": np.zeros((0, 3), np.float32)})._repr_html_())
