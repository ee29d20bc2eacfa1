"""Ranges and widths for target akida: relative entropy, the search in the integer network, mixed 4 and 8 bits."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from akida_nets import Clip, Growing, Image
from click.testing import CliRunner
from quantized_nets import digits, quantized_digits
from test_akida_quantize import check_net, conv, net, recorded  # noqa: F401

from nmc.backends.akida.floats import FloatLayer, parameters_of
from nmc.backends.akida.scales import squared_weights
from nmc.backends.akida.target import AkidaOptions
from nmc.cli.main import main
from nmc.compiler.analysis.entropy import kl_shares
from nmc.compiler.analysis.ranges import activation_ranges
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.driver import Compilation, compile_verbose
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph
from nmc.runtime.program import AkidaProgram

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]
MIXED: tuple[str, ...] = ("Conv2D", "DepthwiseConv2D", "Dense1D")


def divergence(counts: Array, covered: int, levels: int) -> float:
    """As the docstring of the module says it, bin by bin."""
    wanted = [float(n) for n in counts[:covered]]
    wanted[-1] += float(counts[covered:].sum())
    merged = [1e-4] * covered
    for level in range(levels):
        members = [i for i in range(covered) if i * levels // covered == level]
        filled = [i for i in members if counts[i] > 0]
        for i in filled:
            merged[i] = sum(float(counts[j]) for j in members) / len(filled)
    p, q = ([value / sum(values) for value in values] for values in (wanted, merged))
    return sum(a * float(np.log(a / b)) for a, b in zip(p, q, strict=True) if a > 0)


@pytest.mark.parametrize("levels", [3, 7, 15])
def test_relative_entropy_is_least(levels: int) -> None:
    rng = np.random.default_rng(levels)
    counts = np.bincount((rng.exponential(size=3000) * 6).astype(int).clip(0, 63), minlength=64)[None]
    shares = np.array([0.25, 0.5, 0.75, 1.0])
    (found,) = kl_shares(counts, levels, shares)
    losses = {share: divergence(counts[0], round(share * 64), levels) for share in shares}
    assert found == min(losses, key=lambda share: losses[share])


def test_an_empty_histogram_keeps_its_whole_range() -> None:
    assert kl_shares(np.zeros((2, 64), np.int64), 7, np.array([0.5, 1.0])).tolist() == [1, 1]


def test_entropy_leaves_outliers_out_for_both_targets() -> None:
    rng = np.random.default_rng(0)
    samples = np.abs(rng.normal(size=(64, 4, 6, 6))).astype(np.float32)
    samples[0, :, 0, 0] = 30
    graph = net("%r = relu(%x)\n%y = " + conv("r", "w"), {"w": rng.normal(size=(4, 4, 3, 3)).astype(np.float32)})
    ranges = {
        method: activation_ranges(graph, {"x": samples}, {"r": 1}, method, 15)["r"].max() for method in ("minmax", "kl")
    }
    assert ranges["kl"] < ranges["minmax"] / 2
    for target in ("akida", "cri"):
        program = compile_verbose(graph, target, calibration=samples, ranges="kl").program
        assert program.provenance["options"]["ranges"] == "kl"


OPTIONS: list[dict[str, Any]] = [
    {"ranges": "kl", "activation_bits": 4},
    {"range_search": "auto"},
    {"range_search": "auto", "activation_bits": 4},
    {"bias_correction": "analytic", "weight_bits": 4},
]


@pytest.mark.parametrize("kind", [Image, Clip])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_programs_equal_the_integer_network(
    kind: type[Growing],
    options: dict[str, Any],
    tmp_path: Path,
    recorded: Any,  # noqa: F811
) -> None:
    for seed in (70, 71):
        assert check_net(seed, kind, tmp_path, recorded, **options).program.outputs


def graph_and_samples() -> tuple[Graph, Array]:
    rng = np.random.default_rng(3)
    body = f"%c = {conv('x', 'w')}\n%r = relu(%c)\n%d = {conv('r', 'v')}\n%s = relu(%d)\n%e = {conv('s', 'u')}"
    shapes = {"w": (8, 4, 3, 3), "v": (8, 8, 3, 3), "u": (3, 8, 3, 3)}
    graph = net(body, {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})
    return graph, rng.normal(size=(64, 4, 6, 6)).cumsum(axis=3).astype(np.float32)


def signal_to_noise(**options: Any) -> tuple[float, Compilation]:
    graph, samples = graph_and_samples()
    found = compile_verbose(graph, "akida", calibration=samples, **options)
    return next(r.snr for r in found.reports["quantize-akida"] if r.name == "e"), found


def test_the_search_finds_ranges_for_the_layers_that_read_them() -> None:
    plain, wide = signal_to_noise(activation_bits=4, ranges="minmax")
    better, searched = signal_to_noise(activation_bits=4, ranges="minmax", range_search="auto")
    assert better > plain
    names = [entry.name for entry in searched.program.layers]
    assert names == [entry.name for entry in wide.program.layers]


def test_biases_for_rounded_weights_are_not_those_of_the_integer_network() -> None:
    biases = []
    for correction in ("off", "analytic", "auto"):
        _, found = signal_to_noise(weight_bits=4, bias_correction=correction)
        entry = next(entry for entry in found.program.layers if entry.name == "d")
        biases.append((entry.variables["bias"].astype(int) << entry.variables["bias_shift"]).tolist())
    assert all(a != b for a, b in itertools.combinations(biases, 2))


@pytest.mark.parametrize(("bits", "top"), [(8, 127), (4, 7)])
def test_scales_of_channels_are_weighed_with_the_bits_of_the_weights_they_go_into(bits: int, top: int) -> None:
    weight = np.array([[1.0, 0.5], [0.5, 0.25]])
    reader = FloatLayer("y", "Conv2D", ("x",), parameters_of("Conv2D", filters=2, kernel_size=1, weights_bits=bits))
    reader.weight = weight[None, None]
    reader.place({"x": (3, 3, 2)})
    squares, peaks, cells, found = squared_weights(reader, 0, 2, bits=True)
    assert (found, cells) == (top, 1)
    assert squared_weights(reader, 0, 2, bits=False)[3] == 127
    assert np.array_equal(squares, weight**2)
    assert np.array_equal(peaks, weight)


def weight_bytes(program: AkidaProgram) -> float:
    return sum(
        x.variables["weights"].size * x.parameters["weights_bits"] / 8
        for x in program.layers
        if x.variables.get("weights") is not None
    )


@pytest.mark.parametrize("budget", [1080, 1000, 900, 800, 700, 540])
def test_weights_fit_their_size_budget(budget: int) -> None:
    _, found = signal_to_noise(size_budget=budget)
    bits = {x.name: x.parameters["weights_bits"] for x in found.program.layers if x.kind in MIXED}
    size = weight_bytes(found.program)
    assert size <= budget
    for name, width in bits.items():
        entry = next(x for x in found.program.layers if x.name == name)
        assert width == 8 or size + entry.variables["weights"].size / 2 > budget  # none has 4 bits for nothing
    assert set(bits.values()) == ({8} if budget == 1080 else {4} if budget == 540 else {4, 8})
    assert found.program.provenance["options"]["size_budget"] == budget


def test_a_size_budget_that_no_choice_meets(tmp_path: Path) -> None:
    with pytest.raises(NmcError) as caught:
        signal_to_noise(size_budget=539)
    (found,) = caught.value.diagnostics
    assert (found.code, int(caught.value.exit_code)) == ("NMC-A004", 5)
    assert "540 are needed" in found.why
    path = import_path(tmp_path)
    done = CliRunner().invoke(main, ["compile", str(path), "--target", "akida", "--size-budget", "1"])
    assert done.exit_code == 5, done.output
    assert "NMC-A004" in done.output


def import_path(folder: Path) -> Path:
    return Path(Image(2).net.save(folder))


@pytest.mark.parametrize(
    "values",
    [{"size_budget": 0}, {"size_budget": 9, "weight_bits": 4}, {"size_budget": 9, "host_fallback": True}],
    ids=str,
)
def test_size_budgets_that_make_no_sense(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="size_budget"):
        AkidaOptions(**values)


def test_what_a_quantized_model_keeps_is_declined() -> None:
    _, images, _ = digits()
    graph = import_onnx(quantized_digits("qdq-uint8-channel"))
    found = compile_verbose(
        graph, "akida", calibration={"image": images[:80]}, range_search="auto", rounding="layer", size_budget=1
    )
    declined = {entry.where: entry.why for entry in found.declined if entry.pass_name == "quantize-akida"}
    assert declined.keys() >= {"weights", "ranges", "size_budget"}
    assert all("scales of its own" in why for why in declined.values())
