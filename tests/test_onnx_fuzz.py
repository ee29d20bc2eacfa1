"""Damaged and hostile ONNX files: a small fixed part of `make fuzz-import`, and what it has found before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fuzz_import.cases import files_of, write
from fuzz_import.corpus import corpus
from fuzz_import.hostile import FAULTS, MODEL
from fuzz_import.verdict import Verdict, judge
from fuzz_import.workers import run
from onnx import TensorProto

from nmc.compiler import compile_model
from nmc.compiler.analysis.sign import is_nonnegative
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, TensorType
from nmc.compiler.ir.ops import Add, Relu, Reshape
from nmc.compiler.manager import Manager
from nmc.compiler.passes.base import Context, Pass
from onnx_models import Net, codes, refusal

pytestmark = pytest.mark.slow

# The cases made from the largest model of the corpus take seconds each.
FIXED = [number for number in range(60) if not files_of(number)[0].startswith("gestures")]


def check_ends_well(path: Path) -> Verdict:
    verdict = judge(path, lambda stage: None, compare=False)
    assert not verdict.is_finding, verdict.detail
    return verdict


def test_the_corpus_is_valid(tmp_path: Path) -> None:
    """Every model is imported, the one with a softmax as well; so each damaged file was a good one."""
    for name, content in corpus().items():
        (tmp_path / MODEL).write_bytes(content)
        assert import_onnx(tmp_path / MODEL).outputs, name


def test_cases_are_the_same_every_time() -> None:
    assert [files_of(number) for number in range(50)] == [files_of(number) for number in range(50)]
    names = {files_of(number)[0].split(", ")[1] for number in range(1000)}
    assert names == {"bytes", "fields", *(fault.__name__ for fault in FAULTS)}


@pytest.mark.parametrize("number", FIXED)
def test_fixed_cases_end_well(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_ends_well(write(files_of(number)[1], tmp_path))


@pytest.mark.slow
def test_workers_report_what_their_cases_come_to() -> None:
    verdicts = dict(run(range(6), 1))
    assert sorted(verdicts) == list(range(6))
    assert not [verdict.detail for verdict in verdicts.values() if verdict.is_finding]


# --- found by the campaigns ---


def test_weights_behind_a_link_without_end(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("MatMul", net.input("x", (1, 2)), net.weight(2, 2, name="w")))
    model = net.proto()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="loop")
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    (tmp_path / "loop").symlink_to("loop")
    assert codes(refusal(path, Exit.BAD_FILE)) == ["NMC-I003"]


def test_inputs_that_would_fill_the_memory(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.input("x", (1, 1024, 1024, 64))))
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I011" and "too large" in found.what


def test_values_that_would_fill_the_memory(tmp_path: Path) -> None:
    net = Net()
    net.output(net.pad(net.input("x", (1, 1, 4, 4)), [0, 0, 0, 0, 0, 0, 2**25, 15]))
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I012" and "elements" in found.why


def sums(depth: int) -> Graph:
    """A value added to itself again and again."""
    graph = Graph("sums")
    x = graph.add(Relu(), graph.add_input("x", TensorType((1, 2), "f32", "NC")), name="relu")
    for i in range(depth):
        x = graph.add(Add(), x, x, name=f"s{i}")
    graph.outputs["y"] = x
    return graph


def test_signs_of_deep_networks_and_of_many_ways() -> None:
    graph = sums(60)  # 2⁶⁰ ways from the output to the input
    assert is_nonnegative(graph.outputs["y"])
    deep = Graph("deep")
    x = deep.add_input("x", TensorType((1, 2), "f32", "NC"))
    for i in range(3000):
        x = deep.add(Reshape((1, 2), "NC"), x, name=f"r{i}")
    assert not is_nonnegative(x)


@pytest.mark.parametrize("depth", [12, 200])
def test_layers_without_activation_between_are_refused_beyond_a_limit(depth: int) -> None:
    with pytest.raises(NmcError) as caught:
        compile_model(sums(depth), "cri")
    assert any("have no activation between" in problem.why for problem in caught.value.diagnostics)


def test_weights_that_overflow(tmp_path: Path) -> None:
    """Numbers that float32 holds and whose products it does not."""
    net = Net()
    x = net.input("x", (1, 2))
    for _ in range(3):
        x = net.op("Relu", net.op("MatMul", x, net.const(np.full((2, 2), 3e38, np.float32))))
    net.output(net.op("Gemm", x, net.const(np.eye(2, dtype=np.float32)), net.const(np.ones(2, np.float32))))
    with pytest.raises(NmcError) as caught:
        compile_model(net.save(tmp_path), "akida")
    assert codes(caught.value.diagnostics) == ["NMC-A001"] and "overflow" in caught.value.diagnostics[0].why


def test_a_bias_that_dwarfs_its_weights(tmp_path: Path) -> None:
    net = Net()
    x = net.op("Relu", net.op("MatMul", net.input("x", (1, 2)), net.weight(2, 2)))
    net.output(net.op("Gemm", x, net.weight(2, 2), net.const(np.full(2, 3e38, np.float32))))
    with pytest.raises(NmcError) as caught:
        compile_model(net.save(tmp_path), "cri")
    assert codes(caught.value.diagnostics) == ["NMC-C001"]
    assert "differ too much in size" in caught.value.diagnostics[0].why


def test_an_identity_layer_of_too_many_channels_is_refused(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Sigmoid", net.input("x", (1, 100_000))))
    with pytest.raises(NmcError) as caught:
        compile_model(net.save(tmp_path), "akida")
    assert "100000² weights" in caught.value.diagnostics[0].why


class Hungry(Pass):
    name = "hungry"
    takes = ("imported",)

    def run(self, graph: Graph, context: Context) -> int:
        raise MemoryError


def test_a_pass_without_memory_is_no_bug(tmp_path: Path) -> None:
    """The command line makes a limit of it (NMC-X002), and no reproducer is written."""
    with pytest.raises(MemoryError):
        Manager(reproducer=tmp_path / "none").run(sums(1), [Hungry()], Context())
    assert not (tmp_path / "none").exists()
