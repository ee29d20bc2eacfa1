"""Models in which only weights are quantized, and what QONNX and Brevitas write: programs hold the file's integers."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from quantized_nets import EXAMPLES, Array, QuantizedNet, digits, file_weights

from nmc.cli.main import main
from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import constant_bank, evaluate, parse_graph, print_graph
from nmc.runtime import Session
from onnx_models import refusal

pytestmark = pytest.mark.slow

DOMAIN = "qonnx.custom_op.general"
SHAPE = (1, 3, 8, 8)
TARGETS = ("akida", "cri")
Weigh = Callable[[QuantizedNet, Array, Array], str]
Activate = Callable[[QuantizedNet, str], str]


def machine_weights(done: Compilation) -> list[Array]:
    """The integers of each weighted layer as (filters, weights of a filter), without a common factor of a filter."""
    if hasattr(done.program, "layers"):
        found = [layer.variables["weights"] for layer in done.program.layers if "kept_filters" in layer.proof]
        rows = [w.reshape(-1, w.shape[-1]).T for w in found]
    else:
        nodes = [node for node in done.lowered.nodes if node.op.mnemonic in ("conv", "dense")]
        named = [w for node in nodes if (w := node.operand("weight")) is not None]
        found = [w.data for w in named if w.name.endswith(".weight")]  # the others are ones, of sums over windows
        rows = [w.reshape(len(w), -1) for w in found]
    return [plain(row.astype(np.int64)) for row in rows]


def plain(rows: Array) -> Array:
    """Rows without a factor common to all numbers of a row, in ascending order: machines order the weights of a filter
    otherwise."""
    common = np.maximum(np.gcd.reduce(rows, axis=1, keepdims=True), 1)
    return np.sort(rows // common, axis=1)


def assert_kept(done: Compilation, integers: list[Array]) -> None:
    found = machine_weights(done)
    assert len(found) == len(integers)
    for made, given in zip(found, integers, strict=True):
        assert np.array_equal(made, plain(given.reshape(len(given), -1).astype(np.int64)))


# --- a network of two convolutions and a dense layer, its weights and activations written in several ways ---


def scales_of(filters: int) -> Array:
    return (0.004 + 0.001 * np.arange(filters)).astype(np.float32)


def network(weigh: Weigh, activate: Activate, top: int) -> tuple[QuantizedNet, list[Array]]:
    """The net and the integers of its weights, from −top to top."""
    net, integers, channels = QuantizedNet(), list[Array](), 3
    y = activate(net, net.input("x", SHAPE))
    for filters in (6, 4):
        integers.append(net.rng.integers(-top, top + 1, (filters, channels, 3, 3)))
        integers[-1][:, 0, 0, 0] = top
        weight = weigh(net, integers[-1], scales_of(filters) * 127 / top)
        bias = net.const(net.rng.normal(size=filters).astype(np.float32) * 0.1)
        y = activate(net, net.op("Relu", net.op("Conv", y, weight, bias, pads=[1, 1, 1, 1])))
        channels = filters
    integers.append(net.rng.integers(-top, top + 1, (5, 256)))
    integers[-1][:, 0] = top
    y = net.op("Gemm", net.reshape(y, [-1, 256]), weigh(net, integers[-1], scales_of(5) * 127 / top), transB=1)
    net.output(y, "y")
    return net, integers


def as_read(net: QuantizedNet, x: str) -> str:
    return x


def signed_codes(net: QuantizedNet, integers: Array, scale: Array) -> str:
    return net.dequantize(net.const(integers, np.int8), scale, 0, np.int8, axis=0)


def unsigned_codes(net: QuantizedNet, integers: Array, scale: Array) -> str:
    return net.dequantize(net.const(integers + 128, np.uint8), scale[0], 128)


def far_from_zero(net: QuantizedNet, integers: Array, scale: Array) -> str:
    return net.dequantize(net.const(integers + 127, np.uint8), scale, 0, np.uint8, axis=0)


def clipped_codes(net: QuantizedNet, integers: Array, scale: Array) -> str:
    """Brevitas: QuantizeLinear, Clip to 4 narrow bits, DequantizeLinear."""
    real = net.const((integers * scale.reshape(-1, *(1,) * (integers.ndim - 1))).astype(np.float32))
    return clipped(net, real, scale, np.int8, (-7, 7), axis=0)


def clipped_integers(net: QuantizedNet, integers: Array, scale: Array) -> str:
    """The same with the integers stored, so that no QuantizeLinear is needed."""
    bounds = (net.const(np.array(bound), np.int8) for bound in (-7, 7))
    return net.dequantize(net.op("Clip", net.const(integers, np.int8), *bounds), scale, 0, np.int8, axis=0)


def clipped(net: QuantizedNet, x: str, scale: Any, dtype: Any, bounds: tuple[int, int], **axis: int) -> str:
    q = net.quantize(x, scale, 0, dtype, **axis)
    q = net.op("Clip", q, *(net.const(np.array(bound), dtype) for bound in bounds))
    return net.dequantize(q, scale, 0, dtype, **axis)


def quant(net: QuantizedNet, x: str, scale: Any, bits: int, **attributes: Any) -> str:
    operands = (net.const(np.asarray(scale, np.float32)), net.const(np.float32(0)), net.const(np.float32(bits)))
    return net.op("Quant", x, *operands, **{"rounding_mode": "ROUND", "domain": DOMAIN} | attributes)


def qonnx(net: QuantizedNet, integers: Array, scale: Array) -> str:
    s = scale.reshape(-1, *(1,) * (integers.ndim - 1))
    return quant(net, net.const((integers * s).astype(np.float32)), s, 4, signed=1, narrow=1)


def three_bits(net: QuantizedNet, x: str) -> str:
    if x == "x":
        return quant(net, x, 1 / 255, 8, signed=0, narrow=0)
    return quant(net, x, 0.25, 3, signed=0, narrow=0)


def three_bits_of_brevitas(net: QuantizedNet, x: str) -> str:
    if x == "x":
        return net.dequantize(net.quantize(x, 1 / 255), 1 / 255)
    return clipped(net, x, 0.25, np.uint8, (0, 7))


@functools.cache
def samples() -> Array:
    return np.random.default_rng(1).random((24, *SHAPE[1:]))


# --- weights alone ---


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("weigh", "top"), [(signed_codes, 127), (unsigned_codes, 127), (clipped_integers, 7), (qonnx, 7)]
)
def test_integers_of_weights_alone_are_kept(weigh: Weigh, top: int, target: str, tmp_path: Path) -> None:
    net, integers = network(weigh, as_read, top)
    done = compile_verbose(net.save(tmp_path), target, calibration=samples())
    assert len(done.warnings) == 1 and "3 of 3 layers keep its integers" in done.warnings[0]
    assert "rounded anew" not in done.warnings[0]
    assert_kept(done, integers)


@pytest.mark.parametrize("target", TARGETS)
def test_integers_that_a_machine_does_not_hold_are_named(target: str, tmp_path: Path) -> None:
    net, _ = network(far_from_zero, as_read, 127)
    path = net.save(tmp_path)
    done = compile_verbose(path, target, calibration=samples())
    (warning,) = done.warnings
    assert "0 of 3 layers keep its integers; rounded anew, where the file has no integers of" in warning
    assert warning.count("%") == 3
    wanted = evaluate(import_onnx(path), {"x": samples()})["y"]
    found = Session(done.program).run(samples()).outputs["y"]
    assert np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2)) < (0.03 if target == "akida" else 0.2)


@pytest.mark.parametrize("target", TARGETS)
def test_one_layer_of_floats_is_named(target: str, tmp_path: Path) -> None:
    def weigh(net: QuantizedNet, integers: Array, scale: Array) -> str:
        return signed_codes(net, integers, scale) if integers.shape[0] != 4 else net.weight(*integers.shape)

    net, integers = network(weigh, as_read, 127)
    done = compile_verbose(net.save(tmp_path), target, calibration=samples())
    assert "2 of 3 layers keep its integers" in done.warnings[0] and done.warnings[0].count("%") == 2
    found = machine_weights(done)
    assert [np.array_equal(a, plain(b.reshape(len(b), -1))) for a, b in zip(found, integers, strict=True)] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(("target", "left_out"), [("akida", None), ("cri", 2)])
def test_weights_of_dynamic_quantization_are_kept(target: str, left_out: int | None, tmp_path: Path) -> None:
    """On cri but for the residual branch, which adds up with another value in one neuron."""
    from onnxruntime.quantization import quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(EXAMPLES / "digits" / "digits_residual.onnx", path)
    seen, images, labels = digits()
    done = compile_verbose(path, target, calibration=seen)
    said = f"{5 - (left_out is not None)} of 5 layers keep its integers"
    assert said in done.warnings[-1] and done.warnings[-1].count("%features.3.activation") == (left_out is not None)
    integers = [w if w.ndim > 2 else w.T for w in file_weights(path).values()]
    found = machine_weights(done)
    for i, (made, given) in enumerate(zip(found, integers, strict=True)):
        assert np.array_equal(made, plain(given.reshape(len(given), -1).astype(np.int64))) == (i != left_out)
    outputs = Session(done.program).run(images[:400]).outputs["logits"]
    assert np.mean(outputs.argmax(axis=1) == labels[:400]) > 0.98


def test_text_and_copies_keep_the_mark(tmp_path: Path) -> None:
    net, integers = network(signed_codes, as_read, 127)
    graph = import_onnx(net.save(tmp_path))
    text = print_graph(graph)
    assert graph.integer_weights and graph.copy().integer_weights and " integer_weights\n" in text
    again = parse_graph(text, constant_bank(graph))
    assert again == graph and again.integer_weights
    assert_kept(compile_verbose(again, "akida", calibration=samples()), integers)


def test_models_with_activations_of_their_own_and_float_models_have_no_mark(tmp_path: Path) -> None:
    net, _ = network(qonnx, three_bits, 7)
    assert not import_onnx(net.save(tmp_path)).integer_weights
    net, _ = network(lambda net, integers, scale: net.weight(*integers.shape), as_read, 7)
    assert not import_onnx(net.save(tmp_path)).integer_weights


@pytest.mark.parametrize(("target", "option"), [("akida", {"optimize": 2}), ("cri", {"optimize": 2})])
def test_searches_leave_the_integers(target: str, option: dict[str, Any], tmp_path: Path) -> None:
    net, integers = network(signed_codes, as_read, 127)
    assert_kept(compile_verbose(net.save(tmp_path), target, calibration=samples(), **option), integers)


def test_neurons_of_the_rate_code_say_that_they_have_weights_of_their_own(tmp_path: Path) -> None:
    net, _ = network(signed_codes, as_read, 127)
    done = compile_verbose(net.save(tmp_path), "cri", calibration=samples(), code="rate")
    assert any("spiking neurons get integers of their own" in warning for warning in done.warnings)


def test_inspect_shows_the_layers(tmp_path: Path) -> None:
    net, _ = network(signed_codes, as_read, 127)
    np.save(tmp_path / "x.npy", samples())
    args = ["compile", net.save(tmp_path), "--target", "akida", "--calibration", tmp_path / "x.npy", "-o"]
    done = CliRunner().invoke(main, [*map(str, args), str(tmp_path / "n.nmc")])
    assert done.exit_code == 0 and "3 of 3 layers keep its integers" in done.output
    shown = CliRunner().invoke(main, ["inspect", str(tmp_path / "n.nmc")])
    assert shown.exit_code == 0 and shown.output.count("6 of 6") == 1


# --- weights and activations of QONNX and Brevitas ---

FORMS = [(qonnx, three_bits), (clipped_codes, three_bits_of_brevitas), (clipped_integers, three_bits_of_brevitas)]


@pytest.mark.parametrize(("weigh", "activate"), FORMS)
def test_akida_has_the_integers_and_steps_of_the_model(weigh: Weigh, activate: Activate, tmp_path: Path) -> None:
    net, integers = network(weigh, activate, 7)
    done = compile_verbose(net.save(tmp_path), "akida")
    assert len(done.warnings) == 1 and "3 of 3 its integer weights" in done.warnings[0]
    assert_kept(done, integers)
    first, second, _ = (layer for layer in done.program.layers if "kept_filters" in layer.proof)
    assert (second.parameters["weights_bits"], second.parameters["output_bits"]) == (4, 4)
    for layer in (first, second):
        assert (layer.proof["model_step"], layer.proof["step_ratio"]) == (0.25, 1.0)
    (entry,) = done.program.inputs
    assert (entry.scale, entry.zero_point) == (float(np.float32(1 / 255)), 0)


@pytest.mark.parametrize(("weigh", "activate"), FORMS)
def test_cri_has_the_integers_and_levels_of_the_model(weigh: Weigh, activate: Activate, tmp_path: Path) -> None:
    net, integers = network(weigh, activate, 7)
    done = compile_verbose(net.save(tmp_path), "cri", timesteps=7)
    assert len(done.warnings) == 1 and "3 of 3 layers its integer weights" in done.warnings[0]
    assert_kept(done, integers)
    assert {node.op.levels for node in done.lowered.nodes if node.op.mnemonic == "unary"} == {7}
    (entry,) = done.program.inputs
    assert (entry.scale, entry.zero_point) == (float(np.float32(1 / 255)), 0)


@pytest.mark.parametrize("target", TARGETS)
def test_a_bias_behind_the_product_leaves_the_integers(target: str, tmp_path: Path) -> None:
    """QuantLinear of Brevitas is MatMul and Add."""
    net = QuantizedNet()
    x = quant(net, net.input("x", (1, 20)), 1 / 255, 8, signed=0, narrow=0)
    integers = net.rng.integers(-7, 8, (20, 6))
    integers[0] = 7
    scale = scales_of(6).reshape(1, 6) * 10
    weight = quant(net, net.const((integers * scale).astype(np.float32)), scale, 4, signed=1, narrow=1)
    y = net.op("Relu", net.op("Add", net.op("MatMul", x, weight), net.weight(6)))
    net.output(net.op("MatMul", quant(net, y, 0.25, 3, signed=0, narrow=0), net.weight(6, 3)), "y")
    found = machine_weights(compile_verbose(net.save(tmp_path), target))
    assert np.array_equal(found[0], plain(integers.T))


ROUNDED = {
    "ROUND": [-2, -1, -2, 0, 0, 2, 2, 1],
    "half_even": [-2, -1, -2, 0, 0, 2, 2, 1],
    "FLOOR": [-2, -2, -2, -1, 0, 1, 2, 0],
    "CEIL": [-2, -1, -1, 0, 1, 2, 2, 1],
    "UP": [-2, -2, -2, -1, 1, 2, 2, 1],
    "DOWN": [-2, -1, -1, 0, 0, 1, 2, 0],
    "HALF_UP": [-2, -1, -2, -1, 1, 2, 2, 1],
    "HALF_DOWN": [-2, -1, -1, 0, 0, 1, 2, 1],
}


@pytest.mark.parametrize("mode", ROUNDED)
def test_rounding_of_weights(mode: str, tmp_path: Path) -> None:
    assert weights_of_quant(2.5, mode, tmp_path, bits=3, narrow=0) == [2.5 * q for q in ROUNDED[mode]]


def weights_of_quant(scale: float, mode: str, folder: Path, bits: int, narrow: int) -> list[float]:
    net = QuantizedNet()
    given = np.array([[-2, -1.25, -1.5, -0.5, 0.5, 1.5, 2, 0.75]]) * scale
    more = {"signed": 1, "narrow": narrow, "rounding_mode": mode}
    weight = quant(net, net.const(given.astype(np.float32)), scale, bits, **more)
    net.output(net.op("Gemm", net.input("x", (1, 8)), weight, transB=1), "y")
    found = import_onnx(net.save(folder)).nodes[0].operand("weight")
    assert found is not None
    return found.data.ravel().tolist()


@pytest.mark.parametrize(
    ("bits", "narrow", "codes"),
    [(1, 0, [-1, -1, -1, -1, 1, 1, 1, 1]), (2, 1, [-1, -1, -1, 0, 0, 1, 1, 1]), (2, 0, [-2, -1, -2, 0, 0, 1, 1, 1])],
)
def test_few_bits_of_weights(bits: int, narrow: int, codes: list[int], tmp_path: Path) -> None:
    assert weights_of_quant(0.5, "ROUND", tmp_path, bits, narrow) == [0.5 * q for q in codes]


@pytest.mark.parametrize(("bits", "mode"), [(1, "ROUND"), (4, "FLOOR"), (4, "HALF_UP")])
def test_activations_of_one_signed_bit_or_rounded_otherwise_are_refused(bits: int, mode: str, tmp_path: Path) -> None:
    net = QuantizedNet()
    net.output(quant(net, net.input("x", SHAPE), 0.5, bits, signed=1, narrow=0, rounding_mode=mode), "y")
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I011" and found.why and found.hint
