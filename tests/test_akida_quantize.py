"""Compiled Akida programs: the quantizer's integers, proofs, scales, tables, input codes, and what is extreme."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from akida_nets import Clip, Growing, Image

from ir_text import Arrays, graph_of
from nmc.backends.akida.codes import input_code
from nmc.backends.akida.floats import FloatLayer, parameters_of
from nmc.backends.akida.measure import tap_means
from nmc.backends.akida.quantize import LayerReport, Quantizer
from nmc.backends.akida.sums import sums
from nmc.compiler.driver import Compilation, compile_verbose
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, evaluate
from nmc.compiler.ir.ops.activation import KINDS
from nmc.runtime import Session
from nmc.runtime.program import AkidaProgram, Layer, save
from nmc.runtime.program.akida_check import validate
from nmc.runtime.program.akida_kinds import DEPTHWISE

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(7)


@dataclass
class Recorded:
    """What the quantizer computed by itself: the integers of every layer, and what one step of them stands for."""

    codes: dict[str, Array] = field(default_factory=dict)
    scales: dict[str, Array] = field(default_factory=dict)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    found, report = Recorded(), Quantizer._report

    def record(self: Quantizer, layer: Any, after: Array) -> None:
        found.codes[layer.name] = self._codes[layer.name].copy()
        found.scales[layer.name] = self.scales[layer.name]
        report(self, layer, after)

    monkeypatch.setattr(Quantizer, "_report", record)
    yield found


# --- helpers ---


def weights(*shape: int, scale: float = 0.5) -> Array:
    return (RNG.normal(size=shape) * scale).astype(np.float32)


def compiled(graph: Graph, samples: Array | Arrays, **options: Any) -> Compilation:
    return compile_verbose(graph, "akida", calibration=samples, **options)


def net(body: str, constants: Arrays, given: str = "1,4,6,6", axes: str = "NCHW") -> Graph:
    last = body.splitlines()[-1].split(" = ")[0]
    end = "" if 'output "' in body else f'\noutput "y" = {last}'
    return graph_of(f"input %x: f32[{given}]{axes}\n{body}{end}", constants)


def conv(x: str, w: str, bias: str = "", kernel: int = 3) -> str:
    operands = f"%{x}, @{w}" + (f", @{bias}" if bias else "")
    both = f"(({kernel // 2}, {kernel // 2}), ({kernel // 2}, {kernel // 2}))"
    return f"conv({operands}) {{stride=(1, 1), pads={both}, dilation=(1, 1)}}"


def layer(program: AkidaProgram, name: str) -> Layer:
    return next(entry for entry in program.layers if entry.name == name)


def reports(found: Compilation) -> dict[str, LayerReport]:
    return {report.name: report for report in found.reports["quantize-akida"]}


def snr(real: Array, found: Array) -> float:
    """In dB; infinite without noise."""
    noise = np.square(real - found).sum()
    return float(10 * np.log10(np.square(real).sum() / noise)) if noise else float("inf")


def check_integers(program: AkidaProgram, samples: Arrays, recorded: Recorded) -> None:
    """The simulator gives the quantizer's integers, every layer and frame, and nothing leaves a buffer."""
    result = Session(program).run(samples, trace=True)
    assert result.counters["out_of_range"] == 0
    assert result.trace.keys() == recorded.codes.keys()
    for name, codes in recorded.codes.items():
        found = result.trace[name] if program.temporal else result.trace[name][:, None]
        np.testing.assert_array_equal(found[:, : codes.shape[1]], codes, err_msg=name)


def check_net(seed: int, kind: type[Growing], folder: Path, recorded: Recorded, **options: Any) -> Compilation:
    grown = kind(seed)
    samples = grown.samples(4)
    recorded.codes.clear()
    found = compiled(import_onnx(grown.net.save(folder)), samples, **options)
    check_integers(found.program, samples, recorded)
    check_extremes(found.program, seed)
    return found


def check_extremes(program: AkidaProgram, seed: int) -> None:
    """No input makes a sum leave its buffer, and no sum that is seen exceeds the layer's proof."""
    rng = np.random.default_rng(seed)
    far: dict[str, Array] = {}
    for entry in program.inputs:
        signs = rng.choice([-1e9, 1e9], (4, *entry.shape))
        signs[:2] = np.array([-1e9, 1e9]).reshape(2, *[1] * len(entry.shape))
        far[entry.name] = signs.astype(np.float32)
    result = Session(program).run(far, trace=True)
    assert result.counters["out_of_range"] == 0
    for entry in program.layers:
        assert entry.proof.get("accumulator", 0) <= entry.proof.get("limit", 0)
        raw = entry.parameters.get("output_bits", 8) == entry.parameters.get("buffer_bits")
        if raw and entry.parameters["activation"] == "none" and entry.parameters.get("pool_type") != "avg":
            assert np.abs(result.trace[entry.name]).max() <= entry.proof["accumulator"]


# --- the quantizer and the simulator ---


@pytest.mark.parametrize("kind", [Image, Clip])
@pytest.mark.parametrize("seed", range(8))
def test_the_simulator_gives_the_integers_of_the_quantizer(
    seed: int, kind: type[Growing], tmp_path: Path, recorded: Recorded
) -> None:
    found = check_net(seed, kind, tmp_path, recorded)
    assert len(found.program.layers) > 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Image, Clip])
@pytest.mark.parametrize(
    "options",
    [
        {"ranges": "minmax", "equalize": "off", "bias_correction": "off"},
        {"ranges": "percentile", "activation_bits": 4},
        {"weight_bits": 4},
    ],
)
def test_the_simulator_gives_the_integers_with_other_options(
    kind: type[Growing], options: dict[str, Any], tmp_path: Path, recorded: Recorded
) -> None:
    for seed in range(20, 32):
        assert check_net(seed, kind, tmp_path, recorded, **options).program.outputs


def test_reports_say_what_the_simulator_shows(tmp_path: Path) -> None:
    grown = Image(3)
    samples = grown.samples(4)
    graph = import_onnx(grown.net.save(tmp_path))
    found = compiled(graph, samples)
    result = Session(found.program).run(samples)
    for name, real in evaluate(graph, samples).items():
        (output,) = (o for o in found.program.outputs if o.name == name)
        source = layer(found.program, output.layer).inbounds[0]
        assert reports(found)[source].snr == pytest.approx(snr(real, result.outputs[name]), abs=0.1)


# --- proofs ---


def test_the_proof_is_tight() -> None:
    """For a dense layer there is an input that gives the very sum that the proof says."""
    w = weights(5, 12)
    graph = net("%y = dense(%x, @w, @b)", {"w": w, "b": weights(5)}, "1,12", "NC")
    program = compiled(graph, RNG.normal(size=(16, 12))).program
    entry = layer(program, "y")
    signs = np.sign(entry.variables["weights"].T.astype(np.float32)) * 1e9
    result = Session(program).run(np.concatenate([signs, -signs]), trace=True)
    assert np.abs(result.trace["y"]).max() == entry.proof["accumulator"]


def test_wide_layers_get_coarser_weights_instead_of_overflows(recorded: Recorded) -> None:
    """All weights alike, 16,384 of them: at full precision their sums could exceed 28 bits."""
    w = np.ones((2, 16384), np.float32)
    samples = {"x": RNG.normal(size=(3, 16384)).astype(np.float32)}
    program = compiled(net("%y = dense(%x, @w)", {"w": w}, "1,16384", "NC"), samples).program
    check_integers(program, samples, recorded)
    check_extremes(program, 0)
    assert layer(program, "y").variables["weights"].max() < 127


def test_the_sums_of_an_average_fit_the_output(recorded: Recorded) -> None:
    w = np.abs(weights(3, 64, 3, 3)) + 1
    samples = {"x": RNG.random((2, 64, 12, 12)).astype(np.float32)}
    graph = net(f"%c = {conv('x', 'w')}\n%y = mean(%c) {{dims=(2, 3)}}", {"w": w}, "1,64,12,12")
    program = compiled(graph, samples).program
    check_integers(program, samples, recorded)
    result = Session(program).run(np.full((1, 64, 12, 12), 1e9, np.float32), trace=True)
    assert result.counters["saturations"]["c"] == {"buffer": 0, "scale": 0, "output": 0}
    assert snr(evaluate(graph, samples)["y"], Session(program).run(samples).outputs["y"]) > 35


# --- what biases are corrected with ---

LAYERS = {
    "convolution": ("Conv2D", {"filters": 3, "kernel_size": 3, "kernel_stride": 2}, (3, 3, 2, 3)),
    "depthwise": ("DepthwiseConv2D", {"kernel_size": 5}, (5, 5, 2)),
    "temporal": ("BufferTempConv", {"filters": 3, "fifo_size": 4}, (4, 2, 3)),
    "temporal depthwise": ("DepthwiseBufferTempConv", {"fifo_size": 7}, (7, 2)),
    "dense": ("Dense1D", {"units": 3}, (60, 3)),
    "transposed 3": ("Conv2DTranspose", {"filters": 3, "kernel_size": 3}, (3, 3, 2, 3)),
    "transposed 4": ("Conv2DTranspose", {"filters": 3, "kernel_size": 4}, (4, 4, 2, 3)),
    "transposed depthwise": ("DepthwiseConv2DTranspose", {"kernel_size": 4}, (4, 4, 2)),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYERS)
def test_means_of_what_weights_meet_give_the_mean_of_sums(case: str) -> None:
    kind, given, shape = LAYERS[case]
    entry = FloatLayer("y", kind, ("x",), parameters_of(kind, **given), weights(*shape), np.zeros(shape[-1]))
    entry.place({"x": (6, 5, 2)})
    x = RNG.integers(-20, 100, (3, 5, 6, 5, 2)).astype(np.float64)
    assert entry.weight is not None
    means = tap_means(entry, x, 0.0)
    products = means * entry.weight if kind in DEPTHWISE else means[..., None] * entry.weight
    axes = tuple(range(products.ndim - 1))
    found = sums(entry, entry.weight, x).mean(axis=(0, 1, 2, 3))
    np.testing.assert_allclose(products.sum(axis=axes), found, rtol=1e-5)


# --- scales ---

RESIDUAL = f"%c = {conv('x', 'w', 'b')}\n%a = add(%c, %x)\n%r = relu(%a)\n%d = {conv('r', 'v')}"


def residual(scale: float = 0.5) -> Graph:
    return net(
        RESIDUAL, {"w": weights(4, 4, 3, 3, scale=scale), "b": weights(4, scale=scale), "v": weights(4, 4, 3, 3)}
    )


def test_an_identity_layer_changes_nothing_but_what_it_rectifies() -> None:
    samples = RNG.normal(size=(8, 4, 6, 6))
    trace = Session(compiled(residual(), samples).program).run(samples, trace=True).trace
    np.testing.assert_array_equal(trace["r.identity"], np.maximum(trace["a"], 0))
    assert trace["a"].min() < 0


def test_a_bound_far_below_what_an_identity_layer_reads(recorded: Recorded) -> None:
    """relu6 of sums up to several hundreds: 6 has to be among the results."""
    body = f"%c = {conv('x', 'w')}\n%a = add(%c, %x)\n%r = clip(%a) {{low=0.0, high=6.0}}\n%y = {conv('r', 'v')}"
    graph = net(body, {"w": weights(4, 4, 3, 3, scale=100), "v": weights(4, 4, 3, 3)})
    samples = {"x": RNG.normal(size=(8, 4, 6, 6)).astype(np.float32)}
    check_integers(compiled(graph, samples).program, samples, recorded)
    found = recorded.codes["r.identity"] * recorded.scales["r.identity"]
    np.testing.assert_allclose(found, np.clip(recorded.codes["a"] * recorded.scales["a"], 0, 6), atol=0.02)


def test_copies_are_exact(recorded: Recorded) -> None:
    body = "\n".join([f"%c = {conv('x', 'w')}", *(f"%d{i} = {conv('c', 'w')}" for i in range(4))])
    body += "\n%s0 = add(%d0, %d1)\n%s1 = add(%d2, %d3)\n%y = add(%s0, %s1)"
    samples = {"x": RNG.normal(size=(4, 4, 6, 6)).astype(np.float32)}
    program = compiled(net(body, {"w": weights(4, 4, 3, 3)}), samples).program
    check_integers(program, samples, recorded)
    for name in ("c.copy1", "c.copy2"):
        np.testing.assert_array_equal(recorded.codes[name], recorded.codes["c"])


def shifts(program: AkidaProgram, name: str) -> tuple[Array, Array, Array]:
    v = layer(program, name).variables
    return v["a_shift"], v["b_shift"], v["output_shift"]


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 0.05, 0.5, 30.0, 1e6])
def test_scales_around_a_sum_are_powers_of_two_apart(scale: float, recorded: Recorded) -> None:
    samples = {"x": RNG.normal(size=(8, 4, 6, 6)).astype(np.float32)}
    graph = residual(scale)
    found = compiled(graph, samples)
    check_integers(found.program, samples, recorded)
    check_extremes(found.program, 0)
    steps = recorded.scales
    a, b, out = shifts(found.program, "a")
    unit = np.minimum(steps["c"], steps["x.data"])
    np.testing.assert_array_equal(steps["c"], unit * 2.0**a)
    np.testing.assert_array_equal(steps["x.data"], unit * 2.0**b)
    np.testing.assert_array_equal(steps["a"], unit * 2.0**-out)
    assert snr(evaluate(graph, samples)["y"], Session(found.program).run(samples).outputs["y"]) > 25


def test_a_sum_that_cancels(recorded: Recorded) -> None:
    """x − x: the result's range is unknown, its operands' is not."""
    body = f"%c = {conv('x', 'w')}\n%n = {conv('x', 'minus')}\n%y = add(%c, %n)"
    w = weights(4, 4, 3, 3, scale=1e-6)
    samples = {"x": RNG.normal(size=(4, 4, 6, 6)).astype(np.float32)}
    program = compiled(net(body, {"w": w, "minus": -w}), samples).program
    check_integers(program, samples, recorded)
    check_extremes(program, 0)
    assert np.abs(Session(program).run(samples).outputs["y"]).max() < 1e-6


def test_quiet_channels_get_scales_of_their_own() -> None:
    w = weights(4, 4, 3, 3) * np.array([1, 0.2, 0.05, 0.05], np.float32).reshape(4, 1, 1, 1)
    v = weights(4, 4, 3, 3) / np.array([1, 0.2, 0.05, 0.05], np.float32).reshape(1, 4, 1, 1)
    graph = net(f"%c = {conv('x', 'w')}\n%y = {conv('c', 'v')}", {"w": w, "v": v})
    samples = RNG.normal(size=(8, 4, 6, 6))
    real = evaluate(graph, {"x": samples})["y"]
    found = {
        s: Session(compiled(graph, samples, equalize=s).program).run(samples).outputs["y"] for s in ("auto", "off")
    }
    assert snr(real, found["auto"]) > snr(real, found["off"]) + 6


def test_biases_make_up_for_mean_errors() -> None:
    graph = net(
        f"%c = {conv('x', 'w')}\n%r = relu(%c)\n%y = {conv('r', 'v')}",
        {"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3)},
    )
    samples = RNG.random(size=(8, 4, 6, 6))
    real = evaluate(graph, {"x": samples})["y"]

    def mean_error(switch: str) -> float:
        found = Session(compiled(graph, samples, bias_correction=switch, weight_bits=4).program).run(samples)
        return float(np.abs((found.outputs["y"] - real).mean(axis=(0, 2, 3))).max())

    assert mean_error("auto") < mean_error("off") / 3


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_methods_of_ranges(method: str, recorded: Recorded) -> None:
    graph = residual()
    samples = {"x": RNG.normal(size=(8, 4, 6, 6)).astype(np.float32)}
    found = compiled(graph, samples, ranges=method)
    check_integers(found.program, samples, recorded)
    assert snr(evaluate(graph, samples)["y"], Session(found.program).run(samples).outputs["y"]) > 30
    clipped = [report.clipped for report in found.reports["quantize-akida"]]
    assert max(clipped) < (0.01 if method == "minmax" else 0.05)


# --- 4 bits ---


def test_four_bits(recorded: Recorded) -> None:
    body = f"%i = {conv('x', 'rgb')}\n%r = relu(%i)\n%c = {conv('r', 'w')}\n%s = relu(%c)\n%d = {conv('s', 'w')}\n"
    body += f"%a = add(%d, %s)\n%t = relu(%a)\n%y = {conv('t', 'w')}"
    graph = net(body, {"rgb": weights(4, 3, 3, 3), "w": weights(4, 4, 3, 3)}, "1,3,6,6")
    samples = {"x": RNG.random((8, 3, 6, 6)).astype(np.float32)}
    program = compiled(graph, samples, weight_bits=4, activation_bits=4).program
    check_integers(program, samples, recorded)
    check_extremes(program, 0)
    kinds = {e.name: (e.parameters.get("weights_bits"), e.parameters.get("output_bits")) for e in program.layers}
    assert kinds == {
        "i": (8, 4),
        "c": (4, 8),  # read by the sum
        "d": (4, 8),
        "a": (None, 8),
        "t.identity": (4, 4),
        "y": (4, 28),
        "y.float": (None, None),
    }
    assert all(np.abs(layer(program, name).variables["weights"]).max() <= 7 for name in ("c", "d", "y", "t.identity"))
    for name in ("i", "t.identity"):
        assert (recorded.codes[name].min(), recorded.codes[name].max()) == (0, 15)
    assert snr(evaluate(graph, samples)["y"], Session(program).run(samples).outputs["y"]) > 12


# --- the same every time ---


def digest(folder: Path) -> str:
    grown = Clip(5)
    program = compiled(import_onnx(grown.net.save(folder)), grown.samples(4)).program
    save(program, folder / "net.nmc")
    return hashlib.sha256((folder / "net.nmc").read_bytes()).hexdigest()


def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    assert digest(tmp_path) == digest(tmp_path)


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from test_akida_quantize import digest; print(digest(Path(sys.argv[1])))"
    )
    found = set()
    for seed in ("0", "1", "77"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed[0] if seed != "0" else "2"}
        command = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(command, env=env, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1


# --- activations ---


def table_net(op: str) -> Graph:
    """Integers from −127 to 127 times 0.05, then the activation."""
    w = np.full((1, 1, 1, 1), 0.05, np.float32)
    return net(f"%c = {conv('x', 'w', kernel=1)}\n%y = {op}", {"w": w}, "1,1,1,255")


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("last", [True, False])
def test_tables(kind: str, last: bool, recorded: Recorded) -> None:
    """Within 1 % of the largest result as an output with all bits; within one of 127 steps more in 8 bits."""
    graph = table_net(f"activation(%c) {{kind='{kind}', alpha=0.7}}")
    samples = {"x": np.arange(-127, 128, dtype=np.float32).reshape(1, 1, 1, 255)}
    real = evaluate(graph, samples)["y"]
    if not last:
        graph = net(
            f"%c = {conv('x', 'w', kernel=1)}\n%y = activation(%c) {{kind='{kind}', alpha=0.7}}\n"
            f"%o = {conv('y', 'one', kernel=1)}",
            {"w": np.full((1, 1, 1, 1), 0.05, np.float32), "one": np.ones((1, 1, 1, 1), np.float32)},
            "1,1,1,255",
        )
    program = compiled(graph, samples, ranges="minmax").program
    check_integers(program, samples, recorded)
    assert layer(program, "c").parameters["activation"] == "lut"
    found = next(iter(Session(program).run(samples).outputs.values()))
    error = np.abs(found - real).max() / np.abs(real).max()
    assert error < (0.01 if last else 0.01 + 1 / 127)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.5, 4.0), (-3.0, -1.0)])
def test_clips(low: float, high: float, recorded: Recorded) -> None:
    graph = table_net(f"clip(%c) {{low={low}, high={high}}}")
    samples = {"x": np.arange(-127, 128, dtype=np.float32).reshape(1, 1, 1, 255)}
    program = compiled(graph, samples).program
    check_integers(program, samples, recorded)
    found = Session(program).run(samples).outputs["y"]
    assert np.abs(found - evaluate(graph, samples)["y"]).max() < 0.03


def relu6_mean(scale: float) -> Graph:
    body = f"%c = {conv('x', 'w')}\n%r = clip(%c) {{low=0.0, high=6.0}}\n%m = mean(%r) {{dims=(2, 3)}}\n"
    body += f"%y = {conv('m', 'v', kernel=1)}"
    return net(body, {"w": weights(4, 4, 3, 3, scale=scale), "v": weights(4, 4, 1, 1)})


@pytest.mark.parametrize("scale", [1e-12, 0.01, 1.0, 100.0])
def test_relu6_in_front_of_a_mean_is_bounded_before_the_mean(scale: float, recorded: Recorded) -> None:
    graph = relu6_mean(scale)
    samples = {"x": RNG.normal(size=(8, 4, 6, 6)).astype(np.float32)}
    program = compiled(graph, samples).program
    check_integers(program, samples, recorded)
    check_extremes(program, 0)
    entry = layer(program, "c")
    assert (entry.parameters["activation"], entry.parameters["pool_type"]) == ("relu", "avg")
    real = evaluate(graph, samples)["y"]
    assert snr(real, Session(program).run(samples).outputs["y"]) > 30


@pytest.mark.parametrize("pooled", [True, False])
def test_relu6_as_output(pooled: bool, recorded: Recorded) -> None:
    """Its sums are the output, so the bound cannot be the output's range."""
    body = f"%c = {conv('x', 'w')}\n%y = clip(%c) {{low=0.0, high=6.0}}" + (
        "\n%m = mean(%y) {dims=(2, 3)}" if pooled else ""
    )
    for scale in (1e-12, 1e-3, 3.0):
        recorded.codes.clear()
        graph = net(body, {"w": weights(4, 4, 3, 3, scale=scale)})
        samples = {"x": RNG.normal(size=(8, 4, 6, 6)).astype(np.float32)}
        program = compiled(graph, samples).program
        check_integers(program, samples, recorded)
        (found,) = Session(program).run(samples).outputs.values()
        (real,) = evaluate(graph, samples).values()
        assert snr(real, found) > 35
        assert found.max() <= 6.03


# --- inputs ---


@pytest.mark.parametrize("levels", [255, 1])
def test_grey_levels_are_exact(levels: int) -> None:
    values = np.arange(256) / levels
    code = input_code(values, image=True)
    assert code.zero_point == 0
    np.testing.assert_array_equal(code.encode(values), np.arange(256))
    stored = input_code(values.astype(np.float32).astype(np.float64), image=True)
    np.testing.assert_array_equal(stored.encode(values), np.arange(256))


def test_black_and_white_samples_leave_room_for_grey() -> None:
    code = input_code(np.array([0.0, 1.0]), image=True)
    np.testing.assert_array_equal(code.encode(np.arange(256) / 255), np.arange(256))


@pytest.mark.parametrize("image", [True, False])
def test_small_integers_are_exact(image: bool) -> None:
    values = np.arange(0 if image else -5, 6).astype(float)
    code = input_code(values, image)
    np.testing.assert_array_equal((code.encode(values) - code.zero_point) * code.scale, values)


@pytest.mark.parametrize(
    ("low", "high"), [(-1.0, 1.0), (-2.1, 2.6), (0.2, 0.9), (-3.0, -1.0), (0.0, 1e6), (-1e-6, 1e-6)]
)
@pytest.mark.parametrize("image", [True, False])
def test_other_inputs_are_covered(low: float, high: float, image: bool) -> None:
    """Zero has a code of its own, and no value is off by more than half a step (at the ends a whole one)."""
    values = np.linspace(low, high, 1001)
    code = input_code(values, image)
    assert code.signed is not image
    assert 0 <= code.zero_point <= 255
    np.testing.assert_array_equal(code.encode(np.zeros(1)), code.zero_point)
    real = (code.encode(values) - code.zero_point) * code.scale
    assert np.abs(real - values).max() <= code.scale * 1.001
    reach = max(high, 0) - min(low, 0) if image else 2 * max(high, -low)
    assert code.scale <= reach / 253


def test_images_around_zero_are_padded_with_zeros(recorded: Recorded) -> None:
    graph = net(f"%y = {conv('x', 'w', 'b')}", {"w": weights(4, 3, 3, 3), "b": weights(4)}, "1,3,6,6")
    samples = {"x": (RNG.random((8, 3, 6, 6)) * 4 - 1.3).astype(np.float32)}
    program = compiled(graph, samples).program
    check_integers(program, samples, recorded)
    (entry,) = program.inputs
    assert entry.zero_point == round(-samples["x"].min() / entry.scale)
    assert (layer(program, "y").variables["padding_value"] == entry.zero_point).all()
    assert snr(evaluate(graph, samples)["y"], Session(program).run(samples).outputs["y"]) > 35


# --- edges ---

THREE = np.array([1, 0, 1, 1], np.float32).reshape(4, 1, 1, 1)
EDGES: dict[str, tuple[Array, dict[str, Any]]] = {
    "one sample": (RNG.random((1, 3, 6, 6)), {}),
    "zeros": (np.zeros((2, 3, 6, 6)), {}),
    "a constant": (np.full((2, 3, 6, 6), 0.7), {}),
    "negative": (-RNG.random((2, 3, 6, 6)), {}),
    "dead channel": (RNG.random((4, 3, 6, 6)), {"b": np.array([0.1, -100.0, 0.2, 0.3], np.float32)}),
    "all channels dead": (RNG.random((4, 3, 6, 6)), {"b": np.full(4, -100.0, np.float32)}),
    "no weights": (RNG.random((4, 3, 6, 6)), {"w": np.zeros((4, 3, 3, 3), np.float32)}),
    "no weights behind": (RNG.random((4, 3, 6, 6)), {"v": np.zeros((4, 4, 3, 3), np.float32)}),
    "one filter without weights": (RNG.random((4, 3, 6, 6)), {"w": weights(4, 3, 3, 3) * THREE}),
    "huge": (RNG.random((4, 3, 6, 6)), {"w": weights(4, 3, 3, 3, scale=1e6), "b": weights(4, scale=1e6)}),
    "tiny": (RNG.random((4, 3, 6, 6)), {"w": weights(4, 3, 3, 3, scale=1e-6), "b": weights(4, scale=1e-6)}),
    "tiny biases, huge weights": (RNG.random((4, 3, 6, 6)), {"w": weights(4, 3, 3, 3, scale=1e6)}),
    "huge biases, tiny weights": (RNG.random((4, 3, 6, 6)), {"w": weights(4, 3, 3, 3, scale=1e-6)}),
    "huge inputs": (RNG.random((4, 3, 6, 6)) * 1e8, {}),
    "tiny inputs": (RNG.random((4, 3, 6, 6)) * 1e-8, {}),
}  # fmt: skip


@pytest.mark.parametrize("activation", ["relu(%c)", "activation(%c) {kind='tanh'}", "clip(%c) {low=0.0, high=6.0}"])
@pytest.mark.parametrize("case", EDGES)
def test_edges(case: str, activation: str, recorded: Recorded) -> None:
    values, given = EDGES[case]
    constants = {"w": weights(4, 3, 3, 3), "b": np.full(4, 0.1, np.float32), "v": weights(4, 4, 3, 3)} | given
    graph = net(f"%c = {conv('x', 'w', 'b')}\n%r = {activation}\n%y = {conv('r', 'v')}", constants, "1,3,6,6")
    samples = {"x": values.astype(np.float32)}
    program = compiled(graph, samples).program
    validate(program)
    check_integers(program, samples, recorded)
    check_extremes(program, 0)
    real, found = evaluate(graph, samples)["y"], Session(program).run(samples).outputs["y"]
    assert np.isfinite(found).all()
    errors = np.abs(found - real) / (np.abs(real).max() or 1.0)
    # Huge sums are only ever at one end of a bounded activation or at the other: a wrong sign is a large error.
    assert (errors.mean() if case.startswith("huge") and "relu" not in activation else errors.max()) <= 0.06


def test_a_layer_of_the_user_may_be_called_like_a_dequantizer() -> None:
    graph = net(f"%y.float = {conv('x', 'w')}\n%y = {conv('y.float', 'w')}", {"w": weights(4, 4, 3, 3)})
    program = compiled(graph, RNG.normal(size=(2, 4, 6, 6))).program
    assert [entry.name for entry in program.layers] == ["x.data", "y.float", "y", "y.float_"]
