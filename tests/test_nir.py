"""Reading NIR: every primitive against its equation, loops, delays, nested graphs, shapes, and all that is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import nir
import numpy as np
import pytest
import torch
from nir_files import DT, chain, full, lif, network, problems, quick, read, run, saved, trains
from torch.nn import functional

from nmc.compiler.diagnostics import NmcError
from nmc.compiler.driver import compile_verbose
from nmc.compiler.frontends import NirOptions, import_model
from nmc.compiler.frontends.nir import hdf5

pytestmark = pytest.mark.slow

__all__ = ["quick"]

STEPS = 40
APART = hdf5.read_apart


# --- layers ---


def image_layers() -> list[tuple[nir.NIRNode, tuple, object]]:
    """(node, output shape, the same in PyTorch) for inputs (2, 7, 6)."""
    rng = np.random.default_rng(1)
    w, b = rng.integers(-4, 5, (4, 2, 3, 3)).astype(np.float32), rng.integers(-4, 5, 4).astype(np.float32)
    grouped = rng.integers(-4, 5, (4, 1, 3, 2)).astype(np.float32)
    tw, tb, tg = map(torch.tensor, (w, b, grouped))
    return [
        (nir.Conv2d(None, w, 1, 0, 1, 1, b), (4, 5, 4), lambda x: functional.conv2d(x, tw, tb)),
        (nir.Conv2d((7, 6), w, 2, 1, 1, 1, b), (4, 4, 3), lambda x: functional.conv2d(x, tw, tb, 2, 1)),
        (nir.Conv2d(None, w, 1, "same", 1, 1, b), (4, 7, 6), lambda x: functional.conv2d(x, tw, tb, 1, "same")),
        (nir.Conv2d(None, w, 1, "valid", 1, 1, b), (4, 5, 4), lambda x: functional.conv2d(x, tw, tb)),
        (
            nir.Conv2d(None, grouped, (1, 2), (2, 1), (2, 1), 2, b),
            (4, 7, 4),
            lambda x: functional.conv2d(x, tg, tb, (1, 2), (2, 1), (2, 1), 2),
        ),
        (
            nir.Conv2d(None, grouped, 1, "same", 1, 2, b),
            (4, 7, 6),
            lambda x: functional.conv2d(functional.pad(x, (0, 1, 1, 1)), tg, tb, groups=2),
        ),
        (
            nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([1, 0])),
            (2, 4, 3),
            lambda x: functional.avg_pool2d(x, 2, 2, (1, 0)),
        ),
        (
            nir.SumPool2d(np.array([3, 2]), np.array([2, 2]), np.array([1, 0])),
            (2, 4, 3),
            lambda x: functional.avg_pool2d(x, (3, 2), 2, (1, 0), divisor_override=1),
        ),
        (nir.Flatten(None, 0, -1), (84,), lambda x: x.flatten(1)),
        (nir.Flatten(None, 1, 2), (2, 42), lambda x: x.flatten(2)),
        (nir.Flatten(None, -3, -2), (14, 6), lambda x: x.flatten(1, 2)),
        (nir.Scale(full(0.5, 2, 7, 6)), (2, 7, 6), lambda x: 0.5 * x),
    ]


@pytest.mark.parametrize("case", range(len(image_layers())))
def test_layers_compute_what_pytorch_computes(tmp_path: Path, case: int) -> None:
    node, shape, reference = image_layers()[case]
    path = saved(tmp_path / "n.nir", chain(node, given=(2, 7, 6), found=shape))
    x = np.random.default_rng(2).integers(-3, 4, (5, 2, 7, 6)).astype(np.float64)
    found = run(read(path), np.repeat(x[:, None], 2, axis=1))
    expected = reference(torch.tensor(x, dtype=torch.float32)).numpy().astype(np.float64)
    np.testing.assert_array_equal(found, np.repeat(expected[:, None], 2, axis=1))


def test_vectors_and_signals(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    kernel, bias = rng.integers(-3, 4, (3, 2, 4)).astype(np.float32), rng.integers(-3, 4, 3).astype(np.float32)
    matrix = rng.integers(-3, 4, (5, 9)).astype(np.float32)
    nodes = (nir.Conv1d(None, kernel, 2, 1, 1, 1, bias), nir.Flatten(None, 0), nir.Linear(matrix))
    path = saved(tmp_path / "n.nir", chain(*nodes, given=(2, 6), found=(5,)))
    x = rng.integers(-3, 4, (4, 3, 2, 6)).astype(np.float64)
    found = run(read(path), x)
    flat = torch.tensor(x.reshape(12, 2, 6), dtype=torch.float32)
    hidden = functional.conv1d(flat, torch.tensor(kernel), torch.tensor(bias), 2, 1).flatten(1)
    expected = functional.linear(hidden, torch.tensor(matrix)).numpy().reshape(4, 3, 5)
    np.testing.assert_array_equal(found, expected)


# --- neurons: plain loops over the equations of docs/nir.md ---


def rate(tau: float, options: dict) -> float:
    return 1 - np.exp(-DT / tau) if options.get("discretization") == "exact" else DT / tau


def simulate(node: nir.NIRNode, x: np.ndarray, **options: object) -> np.ndarray:
    """x (T, n) → what the node gives, step by step; parameters are the same for all neurons."""
    p = {name: float(value.flat[0]) for name, value in vars(node).items() if isinstance(value, np.ndarray)}
    kind = type(node).__name__
    v = np.full(x.shape[1], p.get("v_reset", 0.0) if options.get("start") == "reset" else 0.0)
    i, fired, found = np.zeros(x.shape[1]), np.zeros(x.shape[1]), []
    for step in x:
        drive = step
        if kind.startswith("Cuba"):
            a = rate(p["tau_syn"], options)
            i = i - a * i + (1 if options.get("synapse") == "impulse" else a) * p["w_in"] * step
            drive = i
        if kind in ("I", "IF"):
            new = v + DT * p["r"] * drive
        else:
            new = v + rate(p.get("tau", p.get("tau_mem", 0.0)), options) * (p["v_leak"] - v + p["r"] * drive)
        if "v_threshold" not in p:
            v = new
            found.append(v)
            continue
        if options.get("reset_delay"):
            new = (
                new - fired * p["v_threshold"] if options["reset"] == "subtract" else np.where(fired, p["v_reset"], new)
            )
        fired = new >= p["v_threshold"] if options.get("compare") == "ge" else new > p["v_threshold"]
        v = new
        if not options.get("reset_delay"):
            after = {"value": p["v_reset"], "subtract": new - p["v_threshold"], "none": new}
            v = np.where(fired, after[str(options.get("reset", "value"))], new)
        found.append(fired.astype(np.float64))
    return np.array(found)


def neurons(size: int = 6) -> dict[str, nir.NIRNode]:
    def f(value: float) -> np.ndarray:
        return full(value, size)

    return {
        "I": nir.I(f(2500.0)),
        "IF": nir.IF(f(5000.0), f(1.0), f(-0.25)),
        "LI": nir.LI(f(4 * DT), f(2.0), f(0.5)),
        "LIF": nir.LIF(f(4 * DT), f(2.0), f(0.25), f(0.75), f(-0.5)),
        "CubaLI": nir.CubaLI(f(2 * DT), f(4 * DT), f(1.5), f(0.25), f(2.0)),
        "CubaLIF": nir.CubaLIF(f(2 * DT), f(4 * DT), f(1.5), f(0.25), f(0.75), f(0.0), f(2.0)),
        "Threshold": nir.Threshold(f(0.5)),
    }


CHOICES: list[dict] = [
    {},
    {"compare": "ge"},
    {"reset": "subtract"},
    {"reset": "none"},
    {"reset": "subtract", "reset_delay": True},
    {"reset": "value", "reset_delay": True},
    {"start": "reset"},
    {"synapse": "impulse"},
    {"discretization": "exact"},
    {"discretization": "exact", "synapse": "impulse", "reset": "subtract", "compare": "ge", "start": "reset"},
]


@pytest.mark.parametrize("options", CHOICES, ids=str)
def test_neurons_follow_their_equations(tmp_path: Path, options: dict) -> None:
    x = trains(1, STEPS, 6)
    for name, node in neurons().items():
        path = saved(tmp_path / f"{name}.nir", chain(node, given=(6,), found=(6,)))
        found = run(read(path, dt=DT, **options), x)[0]
        if name == "Threshold":
            expected = (x[0] >= 0.5 if options.get("compare") == "ge" else x[0] > 0.5).astype(np.float64)
        else:
            expected = simulate(node, x[0], **options)
        if name in ("I", "LI", "CubaLI"):
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7, err_msg=name)
        else:
            assert expected.any(), name
            np.testing.assert_array_equal(found, expected, err_msg=name)


def test_parameters_become_as_small_as_they_can(tmp_path: Path) -> None:
    theta = np.broadcast_to(np.arange(1.0, 4.0)[:, None, None], (3, 2, 2)).copy()
    node = nir.IF(full(1 / DT, 3, 2, 2), theta, np.zeros((3, 2, 2)))
    (made,) = read(saved(tmp_path / "n.nir", chain(node, given=(3, 2, 2), found=(3, 2, 2)))).graph.nodes
    assert [None if v is None else v.type.shape for v in made.operands[1:]] == [(), (1, 3, 1, 1)]


# --- the timestep ---


@pytest.mark.parametrize(
    ("node", "options", "dt", "noted"),
    [
        (lif(4), {}, 1e-4, True),
        (lif(4), {"dt": 5e-5}, 5e-5, False),
        (nir.IF(full(1000.0, 4), full(1.0, 4)), {}, 1e-3, True),
        (nir.IF(full(1000.0, 4), full(1.0, 4)), {"dt": 2e-3}, 2e-3, False),
        (nir.IF(np.array([1.0, 2.0, 3.0, 4.0]), full(1.0, 4)), {}, 1e-4, True),
    ],
)
def test_dt_is_asked_for_recovered_or_assumed(tmp_path: Path, node, options, dt: float, noted: bool) -> None:
    found = read(saved(tmp_path / "n.nir", chain(node, given=(4,), found=(4,))), **options)
    assert found.options["dt"] == dt
    assert bool(found.notes) == noted


def test_the_discretization_stands_in_the_provenance(tmp_path: Path) -> None:
    nodes = (nir.Linear(np.eye(4, dtype=np.float32)), lif(4))
    path = saved(tmp_path / "n.nir", chain(*nodes, given=(4,), found=(4,)))
    program = compile_verbose(path, "cri", nir=NirOptions(dt=DT, compare="ge")).program
    assert program.provenance["import"] == {
        "format": "nir",
        "dt": DT,
        "discretization": "euler",
        "reset": "value",
        "reset_delay": False,
        "compare": "ge",
        "start": "zero",
        "synapse": "current",
    }


@pytest.mark.parametrize(
    "options",
    [{"dt": 0.0}, {"dt": float("nan")}, {"dt": -1.0}, {"reset": "soft"}, {"compare": ">"}, {"start": "v_leak"}],
)
def test_values_of_options_are_checked(options: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        NirOptions(**options)


def test_a_discretization_goes_with_nir_files_only() -> None:
    with pytest.raises(NmcError, match="NMC-I042") as caught:
        import_model("net.onnx", nir=NirOptions())
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("tau", "options", "why"),
    [
        (0.5, {}, "shorter than the timestep"),
        (0.0, {"discretization": "exact"}, "must be positive"),
        (-1.0, {}, "must be positive"),
    ],
)
def test_time_constants_that_have_no_meaning_are_refused(tmp_path: Path, tau: float, options: dict, why: str) -> None:
    path = saved(tmp_path / "n.nir", chain(lif(4, tau=tau), given=(4,), found=(4,)))
    code, found = problems(path, dt=DT, **options)
    assert code == 3 and len(found) == 1 and "'n0'" in found[0] and why in found[0]


# --- wiring ---


def identity(n: int) -> nir.Linear:
    return nir.Linear(np.eye(n, dtype=np.float32))


def test_what_flows_into_a_node_is_added(tmp_path: Path) -> None:
    nodes = {"a": identity(3), "b": nir.Affine(2 * np.eye(3, dtype=np.float32), np.ones(3, np.float32))}
    edges = [("x", "a"), ("x", "b"), ("a", "y"), ("b", "y"), ("x", "y")]
    x = trains(2, 5, 3)
    found = run(read(saved(tmp_path / "n.nir", network(nodes, edges, (3,), (3,)))), x)
    np.testing.assert_array_equal(found, 4 * x + 1)


def test_a_recurrent_layer_sees_the_spikes_of_the_step_before(tmp_path: Path) -> None:
    weight = np.array([[0.0, 1.0], [0.5, 0.0]], np.float32)
    bias = np.array([0.25, 0.5], np.float32)
    nodes = {"n": nir.IF(full(1 / DT, 2), full(1.0, 2)), "w": nir.Affine(weight, bias)}
    edges = [("x", "n"), ("n", "w"), ("w", "n"), ("n", "y")]
    x = trains(1, STEPS, 2)
    found = run(read(saved(tmp_path / "n.nir", network(nodes, edges, (2,), (2,))), compare="ge"), x)[0]
    v, s = np.zeros(2), np.zeros(2)
    for step in range(STEPS):
        v = v + x[0, step] + weight @ s + bias  # the bias adds in the first step too
        s = (v >= 1).astype(np.float64)
        v = np.where(s > 0, 0, v)
        np.testing.assert_array_equal(found[step], s)


def test_what_a_loop_hides_is_said(tmp_path: Path) -> None:
    """The recurrent layer fits nothing, so the neuron before it gets no value either."""
    nodes = {"n": lif(3), "w": nir.Linear(np.ones((3, 5), np.float32)), "m": lif(3)}
    edges = [("x", "n"), ("n", "w"), ("w", "m"), ("m", "n"), ("n", "y")]
    code, found = problems(saved(tmp_path / "n.nir", network(nodes, edges, (3,), (3,))))
    assert code == 3 and len(found) == 1 and "'w'" in found[0]


def test_delays_are_whole_steps(tmp_path: Path) -> None:
    x = trains(2, 10, 3)
    for delays in ([0, 0, 0], [1, 1, 1], [3, 3, 3], [1, 0, 4]):
        node = nir.Delay(np.array(delays) * DT)
        path = saved(tmp_path / "n.nir", chain(node, given=(3,), found=(3,)))
        if 0 in delays and any(delays):
            assert problems(path, dt=DT)[0] == 3
            continue
        found = run(read(path, dt=DT), x)
        np.testing.assert_array_equal(found[:, delays[0] :], x[:, : 10 - delays[0]])
        assert not found[:, : delays[0]].any()


def test_elements_have_delays_of_their_own(tmp_path: Path) -> None:
    x, delays = trains(2, 10, 3), (1, 4, 2)
    path = saved(tmp_path / "n.nir", chain(nir.Delay(np.array(delays) * DT), given=(3,), found=(3,)))
    found = run(read(path, dt=DT), x)
    for element, steps in enumerate(delays):
        np.testing.assert_array_equal(found[:, steps:, element], x[:, : 10 - steps, element])
        assert not found[:, :steps, element].any()


@pytest.mark.parametrize(("delay", "why"), [(1.5, "whole number"), (-1.0, "delays by -1"), (5000.0, "delays by 5000")])
def test_other_delays_are_refused(tmp_path: Path, delay: float, why: str) -> None:
    path = saved(tmp_path / "n.nir", chain(nir.Delay(full(delay * DT, 3)), given=(3,), found=(3,)))
    code, found = problems(path, dt=DT)
    assert code == 3 and len(found) == 1 and why in found[0] and "'n0'" in found[0]


def test_a_delay_in_a_loop_is_all_the_delay_there_is(tmp_path: Path) -> None:
    nodes = {"n": nir.IF(full(1 / DT, 2), full(1.0, 2)), "d": nir.Delay(full(2 * DT, 2))}
    edges = [("x", "n"), ("n", "d"), ("d", "n"), ("n", "y")]
    imported = read(saved(tmp_path / "n.nir", network(nodes, edges, (2,), (2,))), dt=DT, compare="ge")
    assert len(imported.graph.feedback) == 2
    x = np.zeros((1, 6, 2))
    x[0, 0] = 1
    np.testing.assert_array_equal(run(imported, x)[0, :, 0], [1, 0, 1, 0, 1, 0])


def test_nested_graphs_become_flat(tmp_path: Path) -> None:
    inner = network({"fc": identity(3), "lif": lif(3)}, [("x", "fc"), ("fc", "lif"), ("lif", "y")], (3,), (3,))
    middle = network(
        {"deep": inner, "s": nir.Scale(full(2.0, 3))}, [("x", "s"), ("s", "deep"), ("deep", "y")], (3,), (3,)
    )
    nested = network({"m": middle}, [("x", "m"), ("m", "y")], (3,), (3,))
    flat = chain(nir.Scale(full(2.0, 3)), identity(3), lif(3), given=(3,), found=(3,))
    x = trains(2, STEPS, 3)
    imported = read(saved(tmp_path / "nested.nir", nested), dt=DT)
    assert [node.result.name for node in imported.graph.nodes] == ["m.s", "m.deep.fc", "m.deep.lif"]
    np.testing.assert_array_equal(run(imported, x), run(read(saved(tmp_path / "flat.nir", flat), dt=DT), x))


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    nodes = {"x2": nir.Input(np.array([3])), "a": identity(3), "b": lif(3), "z": nir.Output(np.array([3]))}
    edges = [("x", "a"), ("x2", "b"), ("a", "y"), ("b", "y"), ("b", "z")]
    graph = read(saved(tmp_path / "n.nir", network(nodes, edges, (3,), (3,)))).graph
    assert {value.name for value in graph.inputs} == {"x", "x2"} and set(graph.outputs) == {"y", "z"}


def test_nodes_without_an_output_are_left_out_and_said(tmp_path: Path) -> None:
    nodes = {"a": identity(3), "spare": identity(3)}
    edges = [("x", "a"), ("a", "y"), ("a", "spare")]
    imported = read(saved(tmp_path / "n.nir", network(nodes, edges, (3,), (3,))))
    assert [node.result.name for node in imported.graph.nodes] == ["a"]
    assert "'spare'" in imported.notes[0]


def test_all_that_is_wrong_with_the_wiring_is_said_at_once(tmp_path: Path) -> None:
    nodes = {
        "a": identity(3),
        "b": identity(3),
        "c": identity(3),
        "lonely": identity(3),
        "out": nir.Output(np.array([3])),
    }
    edges = [("x", "a"), ("x", "a"), ("a", "b"), ("b", "c"), ("c", "b"), ("c", "y"), ("nobody", "y"), ("lonely", "y")]
    code, found = problems(saved(tmp_path / "n.nir", network(nodes, edges, (3,), (3,))))
    assert code == 4
    text = "\n".join(found)
    for part in (
        "'x' → 'a': it is there twice",
        "no node 'nobody'",
        "lonely: no edge leads here",
        "out: no edge leads",
    ):
        assert part in text
    assert "'b' → 'c' → 'b': this loop holds neither a neuron nor a delay" in text
    assert all(line.startswith("NMC-I014") for line in found)


# --- shapes ---


@pytest.mark.parametrize(
    ("said", "given", "frame", "steps"),
    [
        ((4,), None, (1, 4), 16),
        ((4,), (1, 4), (1, 4), 16),
        ((4,), (1, 50, 4), (1, 4), 50),
        ((1, 4), None, (1, 4), 16),
        ((120, 4), (1, 20, 4), (1, 4), 20),
        ((), (1, 4), (1, 4), 16),
        ((), (1, 9, 4), (1, 4), 9),
    ],
)
def test_shapes_come_from_the_file_or_the_user(tmp_path: Path, said, given, frame, steps: int) -> None:
    path = saved(tmp_path / "n.nir", chain(identity(4), lif(4), given=said, found=said))
    graph = read(path, given).graph
    assert graph.inputs[0].type.shape == frame
    assert {(timing.length, timing.axis) for timing in graph.timing.values()} == {(steps, 1)}


@pytest.mark.parametrize(
    ("said", "given", "code"),
    [((), None, "NMC-I004"), ((4,), (2, 4), "NMC-I005"), ((4,), (1, 2, 3, 4), "NMC-I005"), ((4,), (0, 4), "NMC-I005")],
)
def test_shapes_that_do_not_fit_are_refused(tmp_path: Path, said, given, code: str) -> None:
    path = saved(tmp_path / "n.nir", chain(identity(4), lif(4), given=said, found=(4,)))
    exit_code, found = problems(path, given)
    assert exit_code == 2 and found[0].startswith(code)


def test_inputs_that_there_are_not_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "n.nir", chain(identity(4), given=(4,), found=(4,)))
    with pytest.raises(NmcError, match="no input 'other'"):
        import_model(path, {"other": (1, 4)})


def test_shapes_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    nodes = {
        "fc": nir.Linear(np.ones((3, 5), np.float32)),
        "if": nir.IF(full(1.0, 3), full(1.0, 3)),
        "long": identity(6),
        "flat": nir.Flatten(np.array([2, 2]), 0),
    }
    edges = [("x", "fc"), ("x", "if"), ("x", "long"), ("x", "flat")] + [(n, "y") for n in ("fc", "if", "long", "flat")]
    code, found = problems(saved(tmp_path / "n.nir", network(nodes, edges, (4,), (4,))))
    assert code == 3
    assert [line[:8] for line in found] == ["NMC-I012"] * 4
    assert all(any(f"{name!r}" in line for line in found) for name in ("fc", "if", "long", "flat"))


# --- files ---


def test_what_nmc_does_not_know_is_named_all_at_once(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        nodes = file["node/nodes"]
        for name, kind in (("n0", "ALIF"), ("n2", "LIFF")):
            del nodes[name]["type"]
            nodes[name]["type"] = kind
        nodes["n1"]["soft_reset"] = 1

    path = saved(tmp_path / "n.nir", chain(identity(3), lif(3), lif(3), given=(3,), found=(3,)), change)
    code, found = problems(path)
    assert code == 3 and len(found) == 3
    text = "\n".join(found)
    assert "'soft_reset', which NIR 1.0 does not define" in text and text.count("no primitive of NIR 1.0") == 2


def test_damaged_nodes_are_named_all_at_once(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        nodes = file["node/nodes"]
        del nodes["n0"]["weight"]
        nodes["n1"]["tau"][0] = np.nan
        del nodes["n2"]["r"]
        nodes["n2"]["r"] = "much"
        del nodes["n3"]["type"]
        del nodes["n4"]["weight"]
        nodes["n4"]["weight"] = h5py.ExternalLink("other.h5", "/secret")
        nodes["n5"].create_dataset("delay", (1 << 40,), "f8", chunks=(1 << 20,))
        file["node/metadata/nmc_dt"] = -1.0

    nodes = (identity(3), lif(3), lif(3), lif(3), identity(3), nir.Threshold(full(1.0, 3)))
    path = saved(tmp_path / "n.nir", chain(*nodes, given=(3,), found=(3,)), change)
    code, found = problems(path)
    text = "\n".join(found)
    assert code == 4
    for part in (
        "n0 (Linear): it has no parameter 'weight'",
        "tau: 1 of 3 values are NaN",
        "its parameter 'r' is the text 'much'",
        "n3: it does not say which primitive it is",
        "n4/weight: it is a link to somewhere else",
        "n5/delay: it claims 8796093022208 bytes",
        "metadata nmc_dt",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "NMC-I040"), (b"not HDF5", "NMC-I040"), (b"\x89HDF\r\n\x1a\n" + bytes(64), "NMC-I040"), (None, "NMC-I001")],
)
def test_files_that_are_no_nir_files(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "n.nir"
    if content is not None:
        path.write_bytes(content)
    exit_code, found = problems(path)
    assert exit_code == 4 and found[0].startswith(code)


def test_hdf5_files_of_something_else_and_folders(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.nir", "w") as file:
        file["data"] = [1, 2, 3]
    (tmp_path / "folder.nir").mkdir()
    assert problems(tmp_path / "other.nir")[1][0].startswith("NMC-I040")
    assert problems(tmp_path / "folder.nir")[1][0].startswith("NMC-I001")


def test_groups_inside_themselves_end(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["node/nodes/again"] = file["node/nodes"]

    path = saved(tmp_path / "n.nir", chain(identity(3), given=(3,), found=(3,)), change)
    code, found = problems(path)
    assert code == 4 and "inside themselves" in "\n".join(found)


def test_a_file_on_which_the_library_hangs_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "n.nir", chain(identity(3), given=(3,), found=(3,)))
    monkeypatch.setattr(hdf5, "read_apart", APART)
    assert run(read(path), trains(1, 2, 3)).shape == (1, 2, 3)
    monkeypatch.setattr(hdf5, "SECONDS", 0.001)
    assert "is not done after" in problems(path)[1][0]


def test_without_h5py_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(NmcError, match="NMC-I043") as caught:
        import_model(tmp_path / "n.nir")
    assert caught.value.exit_code == 2
