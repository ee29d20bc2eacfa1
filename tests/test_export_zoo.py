"""The zoo of exported networks: a few of them through nmc, and what the page says. `make conformance` runs them all."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from export_zoo import nets
from export_zoo.cases import CASES, EXPORTERS
from export_zoo.exports import make
from export_zoo.judge import Verdict, difference, feeds, judge
from export_zoo.page import PAGE, is_for_installed, table
from export_zoo.written import WRITTEN

from ir_text import graph_of
from nmc.compiler import compile_verbose
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph
from nmc.compiler.ir.ops import Relu

QUICK = ("repvgg, branches", "shufflenet v2", "vit, spelled out", "timesformer")


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_some_networks_are_equal_from_both_exporters(name: str) -> None:
    for path in make(name):
        assert difference(path, import_onnx(path)) <= 1e-4


@pytest.mark.parametrize("name", WRITTEN)
def test_models_written_as_tf2onnx_does(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    WRITTEN[name](path)
    onnx.checker.check_model(onnx.load(path))
    assert difference(path, import_onnx(path)) <= 1e-4


def test_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    WRITTEN["tf flatten"](path)
    verdict = judge(path)
    assert (verdict.imported, verdict.targets, verdict.bugs) == ("equal", {"akida": "yes", "cri": "yes"}, [])


def test_a_wrong_import_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.onnx"
    WRITTEN["tf flatten"](path)
    monkeypatch.setattr(Relu, "evaluate", lambda self, x: x)
    assert judge(path).bugs == ["wrong"]


def test_a_bug_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    path = tmp_path / "m.onnx"
    WRITTEN["tf flatten"](path)
    monkeypatch.setattr("export_zoo.judge.compile_verbose", broken)
    assert judge(path).bugs == ["akida crashed", "cri crashed"]
    monkeypatch.setattr("export_zoo.judge.evaluate", broken)
    assert judge(path).bugs == ["crashed"]


def test_networks_use_torch_alone() -> None:
    folder = Path(nets.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert all(name.split(".")[0] in {"torch", "__future__", "itertools", "typing", "math"} for name in names)


def test_the_recorded_page_has_every_file_and_no_wrong_one() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) == len(EXPORTERS) * len(CASES) + len(WRITTEN)
    assert all("wrong" not in cell and "crashed" not in cell for row in rows for cell in row)
    if is_for_installed(page):
        assert {row[0].strip("| ") for row in rows} == {*CASES, *WRITTEN}


def test_the_table_shows_codes_and_segments() -> None:
    codes = {"akida": Counter({"NMC-A001": 2}), "cri": Counter({"NMC-C001": 1})}
    fits = Verdict("equal", {"akida": "with host segments: 3", "cri": "refused"}, codes, {})
    refused = Verdict("refused", {}, {"import": Counter({"NMC-I010": 2})}, {})
    lines = table([("a", "dynamo", fits), ("b", "legacy", refused)]).splitlines()
    assert lines[0] == "| a | dynamo | equal | with host segments: 3 (2 × NMC-A001) | 1 × NMC-C001 |"
    assert lines[1] == "| b | legacy | 2 × NMC-I010 |  |  |"


# --- the list of what a target cannot hold is complete ---

SHAPE = "f32[1,4,6,6]NCHW"
CONV = "{stride=(1, 1), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
RNG = np.random.default_rng(0)
WEIGHTS = {"w": RNG.normal(size=(4, 4, 1, 1)).astype(np.float32)}


def refused(graph: Graph, target: str) -> set[str]:
    """Names of the values that the diagnostics are about."""
    try:
        compile_verbose(graph, target, calibration=feeds(graph))
    except NmcError as error:
        return {diagnostic.what.split("%")[1].split(" ")[0] for diagnostic in error.diagnostics}
    return set()


def chain(ops: list[str]) -> str:
    """Convolutions with one of these ops behind each, as text; `{0}` stands for what the convolution gives."""
    lines, last = [f"input %x: {SHAPE}"], "x"
    for i, op in enumerate(ops):
        lines += [f"%c{i} = conv(%{last}, @w) {CONV}", f"%r{i} = relu(%c{i})", f"%y{i} = {op.format(f'%r{i}')}"]
        last = f"y{i}"
    return "\n".join([*lines, f"%end = conv(%{last}, @w) {CONV}", 'output "end" = %end'])


OPS = {
    "akida": ["mul({0}, {0})", "softmax({0}) {{axis=2}}", "normalize({0}) {{axes=(1,)}}", "relu({0})"],
    "cri": ["mul({0}, {0})", 'activation({0}) {{kind="sigmoid"}}', "normalize({0}) {{axes=(1,)}}", "relu({0})"],
}


@pytest.mark.parametrize("target", OPS)
def test_every_op_that_a_target_cannot_hold_is_listed_at_once(target: str) -> None:
    """And once the listed ones are replaced, none is left."""
    ops = OPS[target] + OPS[target]
    bad = {i for i, op in enumerate(ops) if not op.startswith("relu")}
    assert refused(graph_of(chain(ops), WEIGHTS), target) == {f"y{i}" for i in bad}
    for left in bad:
        some = ["relu({0})" if i in bad and i != left else op for i, op in enumerate(ops)]
        assert refused(graph_of(chain(some), WEIGHTS), target) == {f"y{left}"}
    assert not refused(graph_of(chain(["relu({0})" for _ in ops]), WEIGHTS), target)


def test_every_gate_over_a_whole_clip_is_listed_at_once() -> None:
    lines, last = ["input %x: f32[1,4,8,6,6]NCTHW"], "x"
    for i in range(3):
        lines += [f"%m{i} = mean(%{last}) {{dims=(2, 3, 4)}}", f"%g{i} = mul(%{last}, %m{i})", f"%y{i} = relu(%g{i})"]
        last = f"y{i}"
    graph = graph_of("\n".join([*lines, f'output "y" = %{last}']))
    assert refused(graph, "akida") == {"g0", "g1", "g2"}
