"""Writing NIR: what each op becomes, byte-identical round trips, what is refused, the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
from click.testing import CliRunner, Result
from nir_files import DT, GOLDEN, chain, full, lif, network, quick, read, run, saved, trains
from test_nir import neurons

from nmc.cli.main import main
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.nir import write_nir
from nmc.compiler.ir import Graph, TensorType, Timing, evaluate
from nmc.compiler.ir.ops import Add, Dense, Lif, MaxPool, Relu
from nmc.runtime import load

pytestmark = pytest.mark.slow

__all__ = ["quick"]


def kinds(path: Path) -> dict[str, str]:
    return {name: type(node).__name__ for name, node in nir.read(path, type_check=False).nodes.items()}


def assert_stable(tmp_path: Path, source: nir.NIRGraph, shape: tuple, **options: object) -> Path:
    """Read, write, read and write: the same spikes, and the two written files are equal. Returns the first."""
    first = read(saved(tmp_path / "a.nir", source), dt=DT, **options)
    write_nir(first.graph, tmp_path / "b.nir", DT)
    second = read(tmp_path / "b.nir")
    x = trains(2, 30, *shape)
    np.testing.assert_allclose(run(first, x), run(second, x), rtol=1e-9, atol=0)  # sums may be in another order
    write_nir(second.graph, tmp_path / "c.nir", second.options["dt"])
    assert (tmp_path / "b.nir").read_bytes() == (tmp_path / "c.nir").read_bytes()
    grouped = any(getattr(node, "groups", 1) != 1 for node in source.nodes.values())
    assert nir.read(tmp_path / "b.nir", type_check=not grouped).outputs
    return tmp_path / "b.nir"


def test_every_neuron_comes_back_as_itself(tmp_path: Path) -> None:
    for name, node in neurons().items():
        path = assert_stable(tmp_path, chain(node, given=(6,), found=(6,)), (6,))
        assert kinds(path) == {"x": "Input", "n0": name, "y": "Output"}
        made = nir.read(path).nodes["n0"]
        for parameter, value in vars(node).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_allclose(getattr(made, parameter), value, rtol=1e-7, err_msg=f"{name}.{parameter}")


def test_every_layer_comes_back_as_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grouped, plain = rng.normal(size=(4, 1, 3, 3)).astype(np.float32), rng.normal(size=(6, 4, 2, 2)).astype(np.float32)
    nodes = (
        nir.Conv2d(None, grouped, (1, 1), (1, 1), (1, 1), 2, np.zeros(4, np.float32)),
        nir.Conv2d(None, plain, (2, 1), "same", (1, 1), 1, np.ones(6, np.float32)),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.AvgPool2d(np.array([2, 1]), np.array([1, 1]), np.array([1, 0])),
        nir.Scale(full(0.5, 6, 4, 3)),
        nir.Flatten(None, 0),
        nir.Affine(rng.normal(size=(5, 72)).astype(np.float32), np.ones(5, np.float32)),
        nir.Linear(rng.normal(size=(4, 5)).astype(np.float32)),
        nir.Delay(full(2 * DT, 4)),
        lif(4),
    )
    nodes[1].stride = (1, 1)
    path = assert_stable(tmp_path, chain(*nodes, given=(2, 6, 6), found=(4,)), (2, 6, 6))
    found = kinds(path)
    assert [found[f"n{i}"] for i in range(len(nodes))] == [type(node).__name__ for node in nodes]


def test_signals_and_batch_norms(tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 2, 3)).astype(np.float32)
    conv = nir.Conv1d(None, kernel, 2, 1, 1, 1, np.zeros(3, np.float32))
    path = assert_stable(tmp_path, chain(conv, nir.Flatten(None, 0), lif(12), given=(2, 8), found=(12,)), (2, 8))
    assert kinds(path)["n0"] == "Conv1d" and nir.read(path).nodes["n0"].input_shape == 8


def loop(affine: nir.NIRNode, *extra: tuple[str, str], **nodes: nir.NIRNode) -> nir.NIRGraph:
    edges = [("x", "n"), ("n", "w"), ("w", "n"), ("n", "y"), *extra]
    neuron = nir.IF(full(1 / DT, 3), full(1.0, 3))
    return network({"n": neuron, "w": affine, **nodes}, edges, (3,), (3,))


def test_loops_come_back_as_loops(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    path = assert_stable(tmp_path, loop(nir.Affine(weight, full(0.25, 3).astype(np.float32))), (3,), compare="ge")
    assert "Delay" not in kinds(path).values()
    assert ("w", "n") in nir.read(path, type_check=False).edges


def test_what_a_loop_of_edges_cannot_say_becomes_a_delay(tmp_path: Path) -> None:
    """A value of the step before that flows forward, and one that meets the value of this step."""
    graph = Graph("net")
    x = graph.add_input("x", TensorType((1, 3), "f32", "NC"))
    before = graph.add_state("s.before", TensorType((1, 3), "f32", "NC"))
    one = graph.constant("one", np.array(1.0, np.float32))
    s = graph.add(Lif(), x, one, one, name="s")
    both = graph.add(Add(), s, before, name="both")
    graph.outputs["y"] = graph.add(Lif(), both, one, one, name="t")
    graph.close(before, s)
    graph.timing = dict.fromkeys(("x", "y"), Timing(0, length=30, axis=1))
    write_nir(graph, tmp_path / "n.nir")
    assert kinds(tmp_path / "n.nir")["s.before"] == "Delay"
    train = trains(2, 30, 3)
    np.testing.assert_array_equal(run(read(tmp_path / "n.nir"), train), evaluate(graph, {"x": train})["y"])


def test_delays_of_elements_and_nested_graphs_are_stable(tmp_path: Path) -> None:
    delay = nir.Delay(np.array([1, 3, 2]) * DT)
    inner = chain(nir.Linear(np.eye(3, dtype=np.float32)), lif(3), given=(3,), found=(3,))
    path = assert_stable(tmp_path, chain(delay, inner, given=(3,), found=(3,)), (3,))
    assert kinds(path)["n1.n1"] == "LIF"


def test_a_current_that_others_read_stays_a_node(tmp_path: Path) -> None:
    nodes = {"i": nir.LI(full(2 * DT, 3), full(1.0, 3), full(0.0, 3)), "n": lif(3), "m": lif(3)}
    edges = [("x", "i"), ("i", "n"), ("i", "m"), ("n", "y"), ("m", "y")]
    assert set(kinds(assert_stable(tmp_path, network(nodes, edges, (3,), (3,)), (3,))).values()) >= {"LI", "LIF"}
    single = chain(nodes["i"], nodes["n"], given=(3,), found=(3,))
    assert "CubaLIF" in kinds(assert_stable(tmp_path, single, (3,))).values()


def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    code = (
        "import sys; from nmc.compiler.frontends import import_model; from nmc.compiler.frontends.nir import write_nir;"
        "write_nir(import_model(sys.argv[1]).graph, sys.argv[2])"
    )
    found = set()
    for seed in ("1", "77"):
        path = tmp_path / f"{seed}.nir"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(GOLDEN / "spikingjelly_image.nir"), str(path)]
        subprocess.run(command, env=environment, check=True, cwd=tmp_path)
        found.add(path.read_bytes())
    assert len(found) == 1


def unwritable() -> Graph:
    """Many things that NIR cannot express, in one graph."""
    graph = Graph("net")
    x = graph.add_input("x", TensorType((1, 2, 4, 4), "f32", "NCHW"))
    one, half = (graph.constant(name, np.array(v, np.float32)) for name, v in (("one", 1.0), ("half", 0.5)))
    pool = MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    y = graph.add(pool, x, name="pooled", origin=("net.pool",))
    y = graph.add(Relu(), graph.add(Add(), y, half, name="biased"), name="act")
    y = graph.add(Lif(reset="subtract"), y, one, one, name="soft", origin=("net.soft",))
    y = graph.add(Lif(strict=True, delayed=True), y, half, one, name="late")
    y = graph.add(Lif(), y, one, one, None, half, name="biased_if")
    y = graph.add(Lif(), y, half, one, None, None, None, half, name="started")
    graph.outputs["y"] = graph.add(Add(), y, y, name="twice")
    graph.timing = dict.fromkeys(("x", "y"), Timing(0, length=4, axis=1))
    return graph


def test_what_nir_cannot_express_is_named_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(NmcError) as caught:
        write_nir(unwritable(), tmp_path / "n.nir")
    assert caught.value.exit_code == 3 and not (tmp_path / "n.nir").exists()
    assert {d.code for d in caught.value.diagnostics} == {"NMC-I044"}
    text = "\n".join(map(str, caught.value.diagnostics))
    for part in (
        "net.pool",
        "sum and average pools only",
        "no constants",
        "linear, or neurons",
        "net.soft",
        "reset 'subtract'",
        "a step late",
        "does not leak",
        "not all 0, nor all v_reset",
        "others at v ≥ threshold",
        "twice",
    ):
        assert part in text, part


def simple(held: bool = False) -> Graph:
    graph = Graph("net")
    x = graph.add_input("x", TensorType((1, 3), "f32", "NC"))
    weight = graph.constant("w", np.eye(3, dtype=np.float32))
    one = graph.constant("one", np.array(1.0, np.float32))
    graph.outputs["y"] = graph.add(Lif(), graph.add(Dense(), x, weight, name="fc"), one, one, name="s")
    graph.timing = {"x": Timing(0) if held else Timing(0, length=4, axis=1), "y": Timing(0, length=4, axis=1)}
    return graph


def test_what_the_file_cannot_say_is_said(tmp_path: Path) -> None:
    assert write_nir(simple(), tmp_path / "n.nir") == ()
    (note,) = write_nir(simple(held=True), tmp_path / "n.nir")
    assert "'x' is the same in every step" in note


@pytest.mark.parametrize("decay", [1e-10, 1.5, -0.5])
def test_decays_without_a_time_constant_are_refused(tmp_path: Path, decay: float) -> None:
    graph = simple()
    node = graph.nodes[-1]
    graph.set_operands(node, (node.x, graph.constant("d", np.array(decay, np.float32)), node.operands[2]))
    with pytest.raises(NmcError, match="decay"):
        write_nir(graph, tmp_path / "n.nir")


def test_other_networks_and_timesteps_are_usage_errors(tmp_path: Path) -> None:
    graph = simple()
    with pytest.raises(NmcError, match="dt must be") as caught:
        write_nir(graph, tmp_path / "n.nir", dt=0.0)
    assert caught.value.exit_code == 2
    graph.timing = {}
    with pytest.raises(NmcError, match="only spiking networks"):
        write_nir(graph, tmp_path / "n.nir")


# --- the command ---


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_export_writes_a_network(tmp_path: Path) -> None:
    source, path = GOLDEN / "spikingjelly_lif_reset.nir", tmp_path / "y.nir"
    done = nmc("export", source, "--format", "nir", "-o", path, "--compare", "ge", "--start", "reset")
    assert done.exit_code == 0, done.output
    with h5py.File(path) as file:
        stored = {name: value[()] for name, value in file["node/metadata"].items()}
    assert stored == {"nmc_dt": 1e-4, "nmc_compare": b"ge", "nmc_start": b"reset"}


def test_class_names_are_kept(tmp_path: Path) -> None:
    first, again = tmp_path / "y.nir", tmp_path / "z.nir"
    write_nir(simple(), first, classes=("left", "right", "übrig"))
    assert read(first).classes == ("left", "right", "übrig")
    assert nmc("export", first, "--format", "nir", "-o", again).exit_code == 0
    assert again.read_bytes() == first.read_bytes() and nir.read(again).outputs
    done = nmc("export", first, "--format", "nir", "-o", again, "--classes", "a,b,c")
    assert done.exit_code == 0, done.output
    assert read(again).classes == ("a", "b", "c")
    assert nmc("compile", again, "--target", "cri", "-o", tmp_path / "p.nmc").exit_code == 0
    assert load(tmp_path / "p.nmc").task.classes == ("a", "b", "c")
    done = nmc("export", first, "--format", "nir", "-o", again, "--classes", "a,b")
    assert done.exit_code == 2 and "NMC-T005" in done.output


@pytest.mark.parametrize("text", ["left,right", "[1, 2, 3]", '{"a": 1}', "[" * 100_000])
def test_class_names_that_are_none_are_damage(tmp_path: Path, text: str) -> None:
    write_nir(simple(), tmp_path / "n.nir", classes=("a", "b", "c"))
    with h5py.File(tmp_path / "n.nir", "r+") as file:
        del file["node/metadata/nmc_classes"]
        file["node/metadata/nmc_classes"] = text
    with pytest.raises(NmcError, match="metadata nmc_classes") as caught:
        read(tmp_path / "n.nir")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("export", "p.nmc", "--format", "nir"), "NMC-X003", 2),
        (("export", "p.nmc", "--format", "hs-api", "--dt", "1"), "NMC-X004", 2),
        (("export", "net.nir", "--format", "nir", "--packets"), "NMC-X004", 2),
        (("export", "p.nmc", "--format", "onnx", "--classes", "a,b"), "NMC-X004", 2),
        (("export", "net.nir", "--format", "nir", "--dt", "-1"), "NMC-I042", 2),
        (("export", "net.onnx", "--format", "nir", "--reset", "value", "--compare", "ge"), "NMC-I042", 2),
        (("compile", "net.nir", "--target", "cri", "--reset", "soft"), "NMC-I042", 2),
        (("compile", "net.onnx", "--target", "cri", "--dt", "1e-3"), "NMC-I042", 2),
        (("check", "net.nir", "--target", "cri"), "NMC-I001", 4),
    ],
)
def test_commands_refuse_what_does_not_fit(tmp_path: Path, monkeypatch, arguments, code: str, exit_code: int) -> None:
    monkeypatch.chdir(tmp_path)
    done = nmc(*arguments)
    assert done.exit_code == exit_code and code in done.output, done.output


def test_compile_and_check_take_nir_files(tmp_path: Path) -> None:
    source = GOLDEN / "spikingjelly_if.nir"
    done = nmc("check", source, "--target", "cri", "--compare", "ge")
    assert done.exit_code == 0, done.output
    done = nmc("compile", source, "--target", "cri", "--compare", "ge", "-o", tmp_path / "p.nmc")
    assert done.exit_code == 0 and (tmp_path / "p.nmc").exists(), done.output


def random_network(seed: int) -> nir.NIRGraph:
    """Linear layers, neurons and delays of three elements, wired at random, with loops."""
    rng = np.random.default_rng(seed)
    weight = [rng.normal(0.2, 0.6, (3, 3)).astype(np.float32) for _ in range(8)]
    kinds = {
        "if": lambda i: nir.IF(full(1 / DT, 3), full(1.0, 3), full(0.0, 3)),
        "lif": lambda i: lif(3, tau=4.0, r=2.0),
        "li": lambda i: nir.LI(full(2 * DT, 3), full(1.0, 3), full(0.0, 3)),
        "fc": lambda i: nir.Affine(weight[i], weight[i][0]),
        "lin": lambda i: nir.Linear(weight[i]),
        "delay": lambda i: nir.Delay(full((1 + i % 3) * DT, 3)),
    }
    names = [f"{rng.choice(list(kinds))}{i}" for i in range(8)]
    nodes = {name: kinds[name[:-1]](i) for i, name in enumerate(names)}
    edges = {(source, target) for source, target in zip(["x", *names], [*names, "y"], strict=True)}
    for _ in range(5):
        source, target = rng.choice(names, 2)
        edges.add((str(source), str(target)))
    return network(nodes, sorted(edges, key=lambda edge: rng.random()), (3,), (3,))


@pytest.mark.parametrize("block", range(4))
def test_random_networks_keep_their_spikes(tmp_path: Path, block: int) -> None:
    written = 0
    for seed in range(25 * block, 25 * (block + 1)):
        try:
            read(saved(tmp_path / "a.nir", random_network(seed)), dt=DT)
        except NmcError as error:
            assert "this loop holds neither" in str(error)
            continue
        assert_stable(tmp_path, random_network(seed), (3,))
        written += 1
    assert written >= 12
