"""Programs of quantized models: the model's scales in the place of calibration, its integers as weights."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from quantized_nets import (
    EXAMPLES,
    Array,
    QuantizedNet,
    digits,
    file_weights,
    quantized_by_onnxruntime,
    quantized_digits,
)

from nmc.cli.main import main
from nmc.compiler import Compilation, compile_verbose, transform
from nmc.compiler.analysis.grid import weight_units
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, evaluate, parse_graph
from nmc.compiler.ir.ops import Clip, Relu
from nmc.runtime import Session
from nmc.runtime.program import AkidaProgram, CriProgram, Layer, save

pytestmark = pytest.mark.slow

VARIANTS = ("qdq-uint8-channel", "qdq-symmetric-tensor", "qop-int8-channel")
POINTS = 0.01
SHOWN = 400
NOISE = "uniform noise"


@functools.cache
def compiled(variant: str, target: str) -> Compilation:
    return compile_verbose(quantized_digits(variant), target)


def accuracy(outputs: Array) -> float:
    return float(np.mean(outputs.argmax(axis=1) == digits()[2][:SHOWN]))


@functools.cache
def accuracy_of_model(variant: str) -> float:
    return accuracy(evaluate(import_onnx(quantized_digits(variant)), {"image": digits()[1][:SHOWN]})["logits"])


# --- whole models ---


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("target", ["akida", "cri"])
def test_programs_need_no_calibration_and_are_within_a_point(variant: str, target: str) -> None:
    done = compiled(variant, target)
    assert not any(NOISE in warning for warning in done.warnings)
    assert "scales of the model" in done.warnings[-1]
    found = Session(done.program).run(digits()[1][:SHOWN]).outputs["logits"]
    assert accuracy(found) >= accuracy_of_model(variant) - POINTS


def _neural(program: AkidaProgram) -> list[Layer]:
    """Layers whose weights come from the file: no identities."""
    return [layer for layer in program.layers if "kept_filters" in layer.proof]


@pytest.mark.parametrize("variant", VARIANTS)
def test_akida_weights_are_the_integers_of_the_file(variant: str) -> None:
    program = compiled(variant, "akida").program
    assert isinstance(program, AkidaProgram)
    stored = list(file_weights(quantized_digits(variant)).values())
    layers = _neural(program)
    assert len(layers) == len(stored) == 5
    for layer in layers:
        assert layer.proof["kept_filters"] == layer.proof["filters"]
        made = layer.variables["weights"].astype(np.int64)
        made = made.reshape(-1, made.shape[-1])
        rows = [w.reshape(len(w), -1).astype(np.int64) for w in stored]
        rows += [w.T.reshape(w.shape[-1], -1) for w in rows if w.ndim == 2 and w.shape[-1] == made.shape[-1]]
        # The machine orders the weights of a filter otherwise; each filter holds the same numbers.
        assert any(np.array_equal(np.sort(row, axis=1), np.sort(made.T, axis=1)) for row in rows)


def test_an_image_is_coded_as_the_model_codes_it() -> None:
    for variant, zero in (("qdq-uint8-channel", 0), ("qdq-symmetric-tensor", 128)):
        graph = import_onnx(quantized_digits(variant))
        scale = graph.nodes[0].operands[1]
        assert scale is not None
        for target in ("akida", "cri"):
            (entry,) = compiled(variant, target).program.inputs
            assert (entry.scale, entry.zero_point, entry.bits) == (float(scale.data), zero, 8)


def test_symmetric_scales_are_kept_exactly_and_others_stated() -> None:
    program = compile_verbose(quantized_digits("qdq-symmetric-tensor", "digits"), "akida").program
    assert isinstance(program, AkidaProgram)
    assert [layer.proof.get("step_ratio") for layer in _neural(program)] == [1.0, 1.0, 1.0, None]
    done = compile_verbose(quantized_digits("qdq-uint8-channel", "digits"), "akida")
    assert [layer.proof.get("step_ratio") for layer in _neural(done.program)] == [*[round(255 / 127, 4)] * 3, None]
    assert "3 have fewer levels than the model, steps up to 2.01 times as large" in done.warnings[-1]


def test_unary_weights_are_multiples_of_the_integers_of_the_file() -> None:
    done = compile_verbose(quantized_digits("qdq-uint8-channel", "digits"), "cri")
    assert isinstance(done.program, CriProgram)
    records = done.reports["quantize-cri"]
    assert [(record.range, record.kept == record.filters) for record in records] == [("model", True)] * 3 + [("", True)]
    assert max(record.gain_error for record in records) < 2**-8
    stored = file_weights(quantized_digits("qdq-uint8-channel", "digits"))
    layers = [node for node in done.lowered.nodes if node.op.mnemonic == "conv"]
    for node in layers:
        weight = node.operand("weight")
        assert weight is not None
        (file,) = (w for w in stored.values() if w.shape == weight.data.shape)
        factor = weight.data.reshape(len(file), -1).max(axis=1) / file.reshape(len(file), -1).max(axis=1)
        assert np.array_equal(factor, np.rint(factor)) and factor.min() >= 1
        assert np.array_equal(weight.data, file * factor.reshape(-1, 1, 1, 1))


def test_the_same_file_gives_the_same_program(tmp_path: Path) -> None:
    for number in (1, 2):
        save(compile_verbose(quantized_digits(VARIANTS[0]), "akida").program, tmp_path / f"{number}.nmc")
    assert (tmp_path / "1.nmc").read_bytes() == (tmp_path / "2.nmc").read_bytes()


def test_inspect_and_verify_show_the_scales(tmp_path: Path) -> None:
    model, images = quantized_digits("qdq-uint8-channel"), digits()[1]
    save(compiled("qdq-uint8-channel", "akida").program, tmp_path / "net.nmc")
    np.savez(tmp_path / "x.npz", image=images[:50])
    shown = CliRunner().invoke(main, ["inspect", str(tmp_path / "net.nmc"), "--json"])
    rows = {row["layer"]: row for row in json.loads(shown.stdout)["layers"]}
    assert rows["features.4.0"]["scales"] == "model ×2.008" and rows["features.4.0"]["weights kept"] == "32 of 32"
    assert rows["classifier"]["scales"] == "sums"
    given = [model, tmp_path / "net.nmc", "--input", tmp_path / "x.npz"]
    done = CliRunner().invoke(main, ["verify", *map(str, given)])
    assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_a_quantized_video_network_decides_like_the_model() -> None:
    from test_gestures import data, seen

    path = quantized_by_onnxruntime(EXAMPLES / "gestures" / "gestures.onnx", "clip", "qdq-uint8-channel")
    clips, labels = data.clips("test", 128, 0)
    given = seen("gestures", clips)
    done = compile_verbose(path, "akida")
    assert len(done.warnings) == 1 and "11 of 11 its integer weights" in done.warnings[0]
    decided = Session(done.program).run(given).outputs["logits"][:, -1].argmax(axis=1)
    model = evaluate(import_onnx(path), {"clip": given})["logits"][:, -1].argmax(axis=1)
    assert np.mean(decided == labels) >= np.mean(model == labels) - 2 * POINTS


# --- parts ---


def _net(scales: bool = True, bits: int = 8) -> QuantizedNet:
    """Two convolutions, the first with scales, the second with a quantizer behind it only if `scales`."""
    net = QuantizedNet()
    x = net.input("x", (1, 3, 8, 8))
    x = net.dequantize(net.quantize(x, 0.02, 128), 0.02, 128)
    for number, (inner, outer) in enumerate(((3, 6), (6, 4))):
        top = 2 ** (bits - 1) - 1
        weight = net.rng.integers(-top, top + 1, (outer, inner, 3, 3))
        weight[:, 0, 0, 0] = top
        scale = net.rng.random(outer).astype(np.float32) * 0.1 / top + 0.01 / top
        w = net.dequantize(net.const(weight, np.int8), scale, 0, np.int8, axis=0)
        x = net.op("Relu", net.op("Conv", x, w, pads=[1, 1, 1, 1], name=f"conv{number}"), name=f"relu{number}")
        if scales or number == 0:
            x = net.dequantize(net.quantize(x, 0.01), 0.01)
    net.output(net.op("Gemm", net.reshape(x, [-1, 256]), net.weight(256, 5)), "y")
    return net


@pytest.mark.parametrize("target", ["akida", "cri"])
def test_what_the_model_says_nothing_of_is_calibrated_and_named(target: str, tmp_path: Path) -> None:
    path = _net(scales=False).save(tmp_path)
    done = compile_verbose(path, target)
    assert any("the model has no scales for %" in w and "1" in w.partition(":")[0] for w in done.warnings)
    assert NOISE in done.warnings[-1]
    samples = np.random.default_rng(0).normal(size=(8, 3, 8, 8))
    calibrated = compile_verbose(path, target, calibration=samples)
    assert not any(NOISE in warning for warning in calibrated.warnings)


def test_float_weights_of_a_quantized_model_are_rounded_and_counted(tmp_path: Path) -> None:
    program = compile_verbose(_net().save(tmp_path), "akida").program
    assert [layer.proof["kept_filters"] for layer in _neural(program)] == [6, 4, 0]


def test_weights_of_few_bits_become_weights_of_4_bits(tmp_path: Path) -> None:
    program = compile_verbose(_net(bits=4).save(tmp_path), "akida").program
    kinds = [(layer.kind, layer.parameters["weights_bits"]) for layer in _neural(program)]
    assert kinds == [("InputConv2D", 8), ("Conv2D", 4), ("Dense1D", 8)]
    assert [layer.proof["kept_filters"] for layer in _neural(program)] == [6, 4, 0]
    assert np.abs(program.layers[1].variables["weights"]).max() == 7


def test_weights_of_a_batch_norm_keep_their_integers(tmp_path: Path) -> None:
    net = QuantizedNet()
    x = net.dequantize(net.quantize(net.input("x", (1, 3, 8, 8)), 0.02, 128), 0.02, 128)
    weight = net.rng.integers(-127, 128, (6, 3, 3, 3))
    weight[:, 0, 0, 0] = 127
    w = net.dequantize(net.const(weight, np.int8), np.full(6, 0.004), 0, np.int8, axis=0)
    x = net.op("Conv", x, w)
    norm = [net.const(net.rng.random(6).astype(np.float32) + 0.5) for _ in range(4)]
    x = net.op("Relu", net.op("BatchNormalization", x, *norm))
    net.output(net.op("GlobalAveragePool", net.dequantize(net.quantize(x, 0.02), 0.02)), "y")
    program = compile_verbose(net.save(tmp_path), "akida").program
    (layer,) = (layer for layer in _neural(program) if layer.kind == "InputConv2D")
    assert layer.proof["kept_filters"] == 6
    assert np.array_equal(layer.variables["weights"], weight.transpose(2, 3, 1, 0))


def test_units_of_weights() -> None:
    rng = np.random.default_rng(0)
    integers = rng.integers(-127, 128, (50, 40))
    integers[0] = 127
    scales = rng.random(40).astype(np.float32)
    found = weight_units((integers * scales).astype(np.float32))
    assert np.allclose(found, scales, rtol=1e-6)
    assert np.isnan(weight_units(rng.normal(size=(50, 40)))).all()
    assert np.isnan(weight_units(np.zeros((5, 2)))).all()
    # −128 is in range, 128 is not; a common factor goes.
    rows = np.array([[-128, 128, 126], [127, -127, 4]]) * 0.5
    assert np.array_equal(weight_units(rows), [0.5, np.nan, 1.0], equal_nan=True)


# --- passes ---


def graph_of(*lines: str) -> Graph:
    """A graph of a line for each node, with the constants that they name."""
    head = [
        'graph "g" stage imported',
        "input %x: f32[1,2,4,4]NCHW",
        "const @s: f32[] = [0.5]",
        "const @z: i32[] = [0]",
    ]
    return parse_graph("\n".join([*head, *lines, f'output "y" = {lines[-1].split()[0]}', ""]))


def mnemonics(graph: Graph) -> list[str]:
    return [node.op.mnemonic for node in graph.nodes]


POOL = "max_pool(%q) {kernel=(2, 2), stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
FIRST = "%q = fake_quantize(%x, @s, @z)"


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ((FIRST, "%r = relu(%q)", "%p = fake_quantize(%r, @s, @z)"), ["fake_quantize", "relu"]),
        ((FIRST, f"%r = {POOL}", "%p = fake_quantize(%r, @s, @z)"), ["fake_quantize", "max_pool"]),
        ((FIRST, "%p = fake_quantize(%q, @s, @z) {bits=4}"), ["fake_quantize"]),
        ((FIRST, "%p = fake_quantize(%q, @s, @z) {signed=False}"), ["fake_quantize", "fake_quantize"]),
        ((FIRST, "%r = add(%q, %q)", "%p = fake_quantize(%r, @s, @z)"), ["fake_quantize", "add", "fake_quantize"]),
        (
            (FIRST, "%r = clip(%q) {high=0.7}", "%p = fake_quantize(%r, @s, @z)"),
            ["fake_quantize", "clip", "fake_quantize"],
        ),
    ],
)
def test_quantizers_that_change_nothing_go(lines: tuple[str, ...], left: list[str]) -> None:
    graph = graph_of(*lines)
    made = transform(graph, "canonicalize").graph
    assert mnemonics(made) == left
    x = np.random.default_rng(0).normal(size=(4, 2, 4, 4)) * 20
    assert np.array_equal(evaluate(made, {"x": x})["y"], evaluate(graph, {"x": x})["y"])


def test_taking_scales_leaves_range_and_relu() -> None:
    unsigned = "{signed=False}"
    done = transform(
        graph_of(FIRST, "%m = mul(%q, @s)", f"%p = fake_quantize(%m, @s, @z) {unsigned}"), "canonicalize,take-scales"
    )
    assert [node.op for node in done.graph.nodes][1:] == [Clip(0.0, 127.5)]
    assert {name: (float(s.low), float(s.high)) for name, s in done.context.scales.items()} == {
        "x": (-64.0, 63.5),
        "p": (0.0, 127.5),
    }
    done = transform(graph_of("%r = relu(%x)", "%p = fake_quantize(%r, @s, @z) {bits=4}"), "canonicalize,take-scales")
    assert [node.op for node in done.graph.nodes] == [Clip(0.0, 3.5)] and list(done.context.scales) == ["r"]


def test_taking_scales_of_channels() -> None:
    lines = ("const @c: f32[2]_ = [0.5, 0.25]", "const @n: i32[2]_ = [0, 0]", "%m = mul(%x, @s)")
    graph = graph_of(*lines, "%p = fake_quantize(%m, @c, @n) {signed=False}")
    done = transform(graph, "canonicalize,take-scales")
    assert [node.op for node in done.graph.nodes][1:] == [Relu()]
    assert np.array_equal(done.context.scales["p"].high, [127.5, 63.75])


def _clip_graph(scales: str, axis: int) -> Graph:
    lines = (
        'graph "g" stage imported',
        "input %x: f32[1,4,6,3,3]NCTHW",
        f"const @s: f32[{scales.count(',') + 1}]_ = [{scales}]",
        f"const @z: i32[{scales.count(',') + 1}]_ = [{', '.join('0' * (scales.count(',') + 1))}]",
        "const @t: f32[] = [0.25]",
        "const @n: i32[] = [3]",
        f"%p = fake_quantize(%x, @s, @z) {{axis={axis}}}",
        "%c = avg_pool(%p) {kernel=(2, 1, 1), stride=(1, 1, 1), pads=((1, 0), (0, 0), (0, 0)), dilation=(1, 1, 1), "
        "include_pad=True}",
        "%y = fake_quantize(%c, @t, @n)",
        'output "y" = %y',
    )
    return parse_graph("\n".join([*lines, ""]))


def test_quantizers_of_channels_stream() -> None:
    graph = _clip_graph("0.5, 0.25, 0.125, 1.0", 1)
    made = transform(graph, "canonicalize,make-causal,stream").graph
    assert mnemonics(made).count("fake_quantize") == 2
    x = np.random.default_rng(0).normal(size=(3, 4, 6, 3, 3)) * 9
    assert np.array_equal(evaluate(made, {"x": x})["y"], evaluate(graph, {"x": x})["y"])


def test_scales_of_frames_do_not_stream() -> None:
    with pytest.raises(NmcError) as caught:
        transform(_clip_graph("0.5, 0.25, 0.125, 1.0, 0.5, 0.5", 2), "canonicalize,make-causal")
    (found,) = caught.value.diagnostics
    assert found.code == "NMC-V001" and found.why == "it has another scale for each frame" and found.hint


# --- low bits, tables, inputs ---


def _quant(net: QuantizedNet, x: str, scale: Array | float, bits: int, signed: int) -> str:
    operands = (net.const(np.asarray(scale, np.float32)), net.const(np.float32(0)), net.const(np.float32(bits)))
    more = {"signed": signed, "narrow": signed, "rounding_mode": "ROUND", "domain": "qonnx.custom_op.general"}
    return net.op("Quant", x, *operands, **more)


def _qonnx() -> QuantizedNet:
    """4-bit weights with a scale for each filter, 3-bit activations."""
    net = QuantizedNet()
    x, channels = _quant(net, net.input("x", (1, 3, 8, 8)), 1 / 255, 8, 0), 3
    for filters in (8, 6):
        scale = 0.1 * (1 + np.arange(filters).reshape(-1, 1, 1, 1) / filters)
        weight = _quant(net, net.weight(filters, channels, 3, 3, scale=0.3), scale, 4, 1)
        x = _quant(net, net.op("Relu", net.op("Conv", x, weight, pads=[1, 1, 1, 1])), 0.4, 3, 0)
        channels = filters
    net.output(net.op("Gemm", net.reshape(x, [-1, 384]), _quant(net, net.weight(384, 5), 0.2, 4, 1)), "y")
    return net


@pytest.mark.parametrize("target", ["akida", "cri"])
def test_few_bits_of_qonnx_are_kept(target: str, tmp_path: Path) -> None:
    path = _qonnx().save(tmp_path)
    done = compile_verbose(path, target, **({"timesteps": 7} if target == "cri" else {}))
    assert len(done.warnings) == 1 and "3 of 3" in done.warnings[0]
    if target == "akida":
        bits = [(r.parameters["weights_bits"], r.parameters["output_bits"]) for r in done.program.layers[:2]]
        assert bits == [(8, 4), (4, 4)]
        assert [layer.proof["step_ratio"] for layer in done.program.layers[:2]] == [1.0, 1.0]
    x = np.random.default_rng(0).random((40, 3, 8, 8)).astype(np.float32)
    model, found = evaluate(import_onnx(path), {"x": x})["y"], Session(done.program).run(x).outputs["y"]
    assert np.sqrt(np.mean((found - model) ** 2) / np.mean(model**2)) < 0.05


def test_tables_take_the_ranges_on_both_sides(tmp_path: Path) -> None:
    net = QuantizedNet()
    x = net.dequantize(net.quantize(net.input("x", (1, 3, 8, 8)), 0.02, 128), 0.02, 128)
    weight = net.rng.integers(-127, 128, (8, 3, 3, 3))
    y = net.op("Conv", x, net.dequantize(net.const(weight, np.int8), 0.003, 0, np.int8), pads=[1, 1, 1, 1])
    y = net.op("Sigmoid", net.dequantize(net.quantize(y, 0.05, 128), 0.05, 128))
    net.output(net.op("GlobalAveragePool", net.dequantize(net.quantize(y, 1 / 255), 1 / 255)), "y")
    path = net.save(tmp_path)
    done = compile_verbose(path, "akida")
    assert not any("calibration" in warning for warning in done.warnings)
    x = np.random.default_rng(0).normal(size=(20, 3, 8, 8)).astype(np.float32)
    model, found = evaluate(import_onnx(path), {"x": x})["y"], Session(done.program).run(x).outputs["y"]
    assert np.abs(found - model).max() < 0.01


@pytest.mark.parametrize(
    ("dtype", "scale", "zero", "expected"),
    [(np.int8, 0.03, 0, 0.03), (np.uint8, 0.03, 0, 0.03 * 255 / 127), (np.uint8, 0.03, 100, 0.03 * 155 / 127)],
)
def test_inputs_that_are_no_images(dtype: type, scale: float, zero: int, expected: float, tmp_path: Path) -> None:
    net = QuantizedNet()
    x = net.dequantize(net.quantize(net.input("x", (1, 5, 8, 8)), scale, zero, dtype), scale, zero, dtype)
    net.output(net.op("GlobalAveragePool", net.op("Relu", net.op("Conv", x, net.weight(4, 5, 1, 1)))), "y")
    program = compile_verbose(net.save(tmp_path), "akida").program
    (entry,) = program.inputs
    assert (entry.signed, entry.zero_point) == (True, 0)
    assert entry.scale == pytest.approx(expected, rel=1e-5)
