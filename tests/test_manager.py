"""The pass manager: pipelines as text, evidence, and what happens when a pass is wrong."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ir_text import graph_of
from nmc.cli.main import main
from nmc.compiler import transform
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends import read_model
from nmc.compiler.ir import Graph, parse_graph
from nmc.compiler.ir.ops import Clip, Relu
from nmc.compiler.manager import Manager, write_graph
from nmc.compiler.passes import PASSES
from nmc.compiler.passes.base import Context, Pass, apply_rules
from nmc.compiler.passes.canonicalize import Canonicalize
from nmc.compiler.pipeline import load_class, parse_pipeline, print_pipeline
from nmc.compiler.target import find_target, target_names

BODY = """
input %x: f32[1,20]NC
%a = add(%x, @c)
%b = relu(%a)
%d = relu(%b)
output "y" = %d
"""
C = {"c": np.arange(20, dtype=np.float32)[None]}


@dataclass(frozen=True)
class Wrong(Pass):
    """Clips where it should not; how="illegal" leaves an op that the stage does not allow."""

    name: ClassVar[str] = "wrong"
    takes: ClassVar[tuple[str, ...]] = ("canonical",)
    how: str = "numbers"

    def run(self, graph: Graph, context: Context) -> int:
        node = graph.nodes[-1]
        if self.how == "raises":
            raise KeyError("lost")
        if self.how == "illegal":
            graph.nodes.reverse()
            return 1
        graph.rewrite(node, Clip(0.0, 0.5), node.x)
        return 1


def test_registered_names_are_the_classes_own() -> None:
    known = dict(PASSES)
    for name in target_names():
        known |= find_target(name).passes
    assert {"canonicalize", "fold-batch-norm", "quantize-cri"} <= known.keys()
    assert {name: load_class(path).name for name, path in known.items()} == {name: name for name in known}


@given(st.integers(1, 4096), st.sampled_from(["minmax", "percentile", "mse"]), st.floats(0.5, 100.0))
def test_pipelines_round_trip(levels: int, ranges: str, percent: float) -> None:
    target = find_target("cri")
    text = f"canonicalize, quantize-cri{{levels={levels},ranges={ranges},percent={percent}}}"
    passes = parse_pipeline(text, target.passes)
    assert parse_pipeline(print_pipeline(passes), target.passes) == passes
    assert (passes[1].levels, passes[1].ranges, passes[1].percent) == (levels, ranges, percent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("canonicalise", "did you mean 'canonicalize'"),
        ("quantize-cri{level=3}", "did you mean 'levels'"),
        ("quantize-cri{levels=many}", "must be of type int"),
        ("quantize-cri{levels=0}", "levels must be 1 to 4096"),
        ("canonicalize{", "cannot read the pipeline"),
    ],
)
def test_pipeline_errors_help(text: str, message: str) -> None:
    with pytest.raises(NmcError, match=message) as caught:
        parse_pipeline(text, find_target("cri").passes)
    assert caught.value.exit_code == 2
    assert {d.code for d in caught.value.diagnostics} == {"NMC-P001"}


def test_records_dumps_and_prints(tmp_path: Path) -> None:
    graph, shown = graph_of(BODY, C), []
    manager = Manager(True, {"x": np.ones((3, 20))}, tmp_path / "ir", "canonicalize", shown.append)
    (record,) = manager.run(graph, [Canonicalize()], Context())
    assert (record.name, record.nodes, record.change) == ("canonicalize", 2, 0.0)
    assert shown[0].startswith("# after canonicalize\ngraph")
    assert sorted(p.name for p in (tmp_path / "ir").glob("*.ir")) == ["00-imported.ir", "01-canonicalize.ir"]
    assert read_model(tmp_path / "ir" / "01-canonicalize.ir") == graph


def test_a_pass_needs_its_stage() -> None:
    with pytest.raises(NmcError, match="NMC-P004"):
        Manager().run(graph_of(BODY, C), [Wrong()], Context())


def test_verify_each_catches_wrong_numbers(tmp_path: Path) -> None:
    graph = graph_of(BODY, C, "canonical")
    Manager(reproducer=tmp_path / "r").run(graph.copy(), [Wrong()], Context())
    with pytest.raises(NmcError, match="NMC-P003"):
        Manager(True, {"x": np.ones((3, 20))}, reproducer=tmp_path / "r").run(graph, [Wrong()], Context())


@pytest.mark.parametrize("how", ["raises", "illegal"])
def test_a_failing_pass_leaves_a_reproducer(tmp_path: Path, how: str) -> None:
    graph = graph_of(BODY, C)
    context = Context(samples={"x": np.ones((2, 20))})
    with pytest.raises(NmcError, match="NMC-P002") as caught:
        Manager(reproducer=tmp_path / "r", target="cri").run(graph, [Canonicalize(), Wrong(how)], context)
    command = (tmp_path / "r" / "replay.sh").read_text()
    assert command.strip() in str(caught.value)
    words = shlex.split(command)
    assert words[words.index("--passes") + 1] == f"wrong{{how={how}}}"
    replayed = read_model(Path(words[2]))
    assert replayed.stage == "canonical"
    assert [n.op.mnemonic for n in replayed.nodes] == ["add", "relu"]
    assert Path(words[words.index("--calibration") + 1]).exists()


def test_the_command_of_a_reproducer_replays_the_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PASSES, "wrong", "test_manager:Wrong")
    write_graph(graph_of(BODY, C), Path("model.ir"))
    passes = "canonicalize,wrong{how=raises}"
    first = CliRunner().invoke(main, ["compile", "model.ir", "--target", "cri", "--passes", passes])
    assert first.exit_code == 3 and "KeyError: 'lost'" in first.output
    words = shlex.split(Path("nmc-reproducer/replay.sh").read_text())
    again = CliRunner().invoke(main, words[1:])
    assert again.exit_code == 3 and "KeyError: 'lost'" in again.output
    with pytest.raises(NmcError, match="NMC-P002"):
        transform("model.ir", passes)
    assert "transform('nmc-reproducer/input.ir', 'wrong{how=raises}')" in Path("nmc-reproducer/replay.sh").read_text()


def test_a_damaged_graph_file_is_a_diagnostic(tmp_path: Path) -> None:
    (tmp_path / "x.ir").write_text("graph nonsense")
    with pytest.raises(NmcError, match="NMC-I002"):
        read_model(tmp_path / "x.ir")
    with pytest.raises(NmcError, match="NMC-I001"):
        read_model(tmp_path / "missing.ir")
    with pytest.raises(NmcError, match="NMC-I020"):
        read_model(tmp_path / "model.h5")


def test_rules_without_a_fixed_point_are_stopped() -> None:
    def flip(graph: Graph, node, context) -> bool:
        graph.rewrite(node, Clip(0.0) if isinstance(node.op, Relu) else Relu(), node.x)
        return True

    graph = parse_graph('graph "t" stage imported\ninput %x: f32[1,2]NC\n%y = relu(%x)\noutput "y" = %y')
    with pytest.raises(RuntimeError, match="no fixed point"):
        apply_rules(graph, Context(), (flip,))


def test_a_pass_to_print_after_must_be_in_the_pipeline() -> None:
    with pytest.raises(NmcError) as caught:
        Manager(print_after="canonicalise").run(Graph(), parse_pipeline("canonicalize"), Context())
    (problem,) = caught.value.diagnostics
    assert problem.code == "NMC-P001" and "'canonicalize'" in problem.hint
