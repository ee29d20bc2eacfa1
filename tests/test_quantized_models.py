"""Quantized models are imported with the numbers that onnxruntime gives them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from quantized_nets import (
    EXAMPLES,
    VARIANTS,
    QuantizedNet,
    assert_same_codes,
    digits,
    quantized_by_onnxruntime,
    quantized_digits,
)

from nmc.compiler import compile_verbose
from nmc.compiler.frontends.onnx import import_onnx, import_with_notes
from nmc.compiler.ir import evaluate
from nmc.compiler.ir.ops import Conv, FakeQuantize
from onnx_models import codes, refusal, session

IMAGE = (1, 3, 6, 6)
Build = Callable[[QuantizedNet, str], str]


@pytest.mark.parametrize("variant", VARIANTS)
def test_models_of_the_quantizer_give_the_same_codes(variant: str) -> None:
    _, images, _ = digits()
    graph = assert_same_codes(quantized_digits(variant), {"image": images[:80]})
    assert sum(isinstance(node.op, FakeQuantize) for node in graph.nodes) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["qdq-uint8-channel", "qop-symmetric-channel"])
def test_a_quantized_video_network_gives_the_same_codes(variant: str) -> None:
    from test_gestures import data, seen

    path = quantized_by_onnxruntime(EXAMPLES / "gestures" / "gestures.onnx", "clip", variant, 8)
    clips = seen("gestures", data.clips("test", 4, 0)[0])
    graph = import_onnx(path)
    wanted = np.concatenate([session(str(path)).run(None, {"clip": clip[None]})[0] for clip in clips])
    found = evaluate(graph, {"clip": clips})["logits"]
    step = next(n.operands[1] for n in reversed(graph.nodes) if isinstance(n.op, FakeQuantize))
    assert step is not None
    apart = np.abs(np.rint(found / step.data) - np.rint(wanted / step.data))  # each clip has ties somewhere
    assert apart.max() <= 2 and np.mean(apart > 0) < 0.02


# --- single operators: QuantizeLinear, the operator on codes, DequantizeLinear ---


def _weights(net: QuantizedNet, *shape: int, dtype: Any = np.int8) -> str:
    low = 0 if np.dtype(dtype).kind == "u" else -128
    return net.const(net.rng.integers(low, low + 256, shape), dtype)


def _conv(each: bool = False, **attributes: Any) -> Build:
    def build(net: QuantizedNet, x: str) -> str:
        groups = attributes.get("group", 1)
        scale = net.rng.random(4).astype(np.float32) * 0.01 + 0.001 if each else 0.004
        weight = _weights(net, 4, 3 // groups if groups < 3 else 1, 3, 3) if groups != 3 else _weights(net, 3, 1, 3, 3)
        scale = scale[:3] if groups == 3 and each else scale
        bias = net.const(net.rng.integers(-2000, 2000, 3 if groups == 3 else 4), np.int32)
        q = net.quantize(x, 0.02, 128)
        operands = (*net.code(0.02, 128), weight, *net.code(scale, 0, np.int8), *net.code(0.05, 100))
        return net.dequantize(net.op("QLinearConv", q, *operands, bias, **attributes), 0.05, 100)

    return build


def _matmul(net: QuantizedNet, x: str) -> str:
    q = net.quantize(x, 0.02, 125)
    weights = (_weights(net, 6, 5), *net.code(np.full(5, 0.01) + np.arange(5) * 0.001, 0, np.int8))
    made = net.op("QLinearMatMul", q, *net.code(0.02, 125), *weights, *net.code(0.04, 131))
    return net.dequantize(made, 0.04, 131)


def _gemm(net: QuantizedNet, x: str) -> str:
    q = net.quantize(net.reshape(x, [-1, 108]), 0.02, 120)
    weights = (_weights(net, 5, 108), *net.code(np.arange(1, 6) * 0.002, 0, np.int8))
    bias = net.const(net.rng.integers(-900, 900, 5), np.int32)
    made = net.microsoft("QGemm", q, *net.code(0.02, 120), *weights, bias, *net.code(0.3, 128), transB=1)
    return net.dequantize(made, 0.3, 128)


def _binary(op: str) -> Build:
    def build(net: QuantizedNet, x: str) -> str:
        a, b = net.quantize(x, 0.02, 128), net.quantize(net.op("Neg", x), 0.03, 100)
        made = net.microsoft(op, a, *net.code(0.02, 128), b, *net.code(0.03, 100), *net.code(0.017, 131))
        return net.dequantize(made, 0.017, 131)

    return build


def _with_constant(net: QuantizedNet, x: str) -> str:
    constant = net.const(net.rng.integers(0, 255, (1, 3, 1, 1)), np.uint8)
    operands = (constant, *net.code(0.01, 90), net.quantize(x, 0.02, 128), *net.code(0.02, 128), *net.code(0.03, 128))
    return net.dequantize(net.microsoft("QLinearAdd", *operands), 0.03, 128)


def _one(op: str, **attributes: Any) -> Build:
    def build(net: QuantizedNet, x: str) -> str:
        q = net.quantize(x, 0.023, 128)
        made = net.microsoft(op, q, *net.code(0.023, 128), *net.code(0.0131, 77), **attributes)
        return net.dequantize(made, 0.0131, 77)

    return build


def _concat(net: QuantizedNet, x: str) -> str:
    a, b = net.quantize(x, 0.02, 128), net.quantize(net.op("Neg", x), 0.03, 100)
    parts = (*net.code(0.021, 110), a, *net.code(0.02, 128), b, *net.code(0.03, 100))
    return net.dequantize(net.microsoft("QLinearConcat", *parts, axis=1), 0.021, 110)


def _moves(net: QuantizedNet, x: str) -> str:
    q = net.op("MaxPool", net.quantize(x, 0.03, 7, np.int8), kernel_shape=[2, 2], strides=[2, 2])
    q = net.op("Concat", q, net.op("Transpose", q, perm=[0, 1, 3, 2]), axis=1)
    q = net.op("Identity", net.slice(q, [1], [5], [1]))
    return net.dequantize(net.reshape(q, [-1, 36]), 0.03, 7, np.int8)


def _rectified(net: QuantizedNet, x: str) -> str:
    return net.dequantize(net.op("Relu", net.quantize(x, 0.03, 0, np.int8)), 0.03, 0, np.int8)


def _clipped(low: int, high: int, dtype: Any) -> Build:
    def build(net: QuantizedNet, x: str) -> str:
        bounds = net.const(np.array(low), dtype), net.const(np.array(high), dtype)
        return net.dequantize(net.op("Clip", net.quantize(x, 0.2, 0, dtype), *bounds), 0.2, 0, dtype)

    return build


def _channels(net: QuantizedNet, x: str) -> str:
    scale, zero = np.array([0.01, 0.02, 0.04]), np.array([3, 128, 200])
    return net.dequantize(net.quantize(x, scale, zero, axis=1), scale, zero, axis=-3)


def _plain(dtype: Any, zero: int, opset: int) -> Build:
    def build(net: QuantizedNet, x: str) -> str:
        return net.dequantize(net.quantize(x, 0.03, zero, dtype), 0.03, zero, dtype)

    return build


def _without_zero_point(net: QuantizedNet, x: str) -> str:
    scale = net.const(np.float32(0.02))
    return net.op("DequantizeLinear", net.op("QuantizeLinear", x, scale), scale)


def _four_bits(net: QuantizedNet, x: str) -> str:
    net.initializers.append(helper.make_tensor("w", TensorProto.INT4, [4, 3, 1, 1], list(range(-6, 6))))
    net.initializers.append(helper.make_tensor("z", TensorProto.INT4, [4], [0, 0, 0, 0]))
    scale = net.const(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    made = net.op("Conv", x, net.op("DequantizeLinear", "w", scale, "z", axis=0))
    net.initializers.append(helper.make_tensor("zero", TensorProto.INT4, [], [1]))
    half = net.const(np.float32(0.5))
    return net.op("DequantizeLinear", net.op("QuantizeLinear", made, half, "zero"), half, "zero")


def _stated_type(net: QuantizedNet, x: str) -> str:
    scale = net.const(np.float32(0.02))
    q = net.op("QuantizeLinear", x, scale, output_dtype=TensorProto.INT8)
    return net.op("DequantizeLinear", q, *net.code(0.02, 0, np.int8))


def _through_identity(net: QuantizedNet, x: str) -> str:
    scale, zero = (net.op("Identity", operand) for operand in net.code(0.02, 9))
    return net.op("DequantizeLinear", net.op("QuantizeLinear", x, scale, zero), scale, zero)


SINGLE: dict[str, tuple[int, tuple[int, ...], Build]] = {
    "conv": (17, IMAGE, _conv()),
    "conv, channels": (17, IMAGE, _conv(each=True, pads=[1, 1, 1, 1], strides=[2, 2])),
    "conv, depthwise": (17, IMAGE, _conv(each=True, group=3)),
    "conv, opset 10": (10, IMAGE, _conv(kernel_shape=[3, 3])),
    "matmul": (17, (1, 6), _matmul),
    "gemm": (17, IMAGE, _gemm),
    "add": (17, IMAGE, _binary("QLinearAdd")),
    "add, constant": (17, IMAGE, _with_constant),
    "mul": (17, IMAGE, _binary("QLinearMul")),
    "global average pool": (17, IMAGE, _one("QLinearGlobalAveragePool", channels_last=0)),
    "average pool": (17, IMAGE, _one("QLinearAveragePool", kernel_shape=[3, 3], strides=[3, 3])),
    "leaky relu": (17, IMAGE, _one("QLinearLeakyRelu", alpha=0.2)),
    "sigmoid": (17, IMAGE, _one("QLinearSigmoid")),
    "concat": (17, IMAGE, _concat),
    "moves": (17, IMAGE, _moves),
    "relu": (17, IMAGE, _rectified),
    "clip to 4 bits": (17, IMAGE, _clipped(-8, 7, np.int8)),
    "clip to narrow 3 bits": (17, IMAGE, _clipped(-3, 3, np.int8)),
    "clip to unsigned 2 bits": (17, IMAGE, _clipped(0, 3, np.uint8)),
    "channels": (17, IMAGE, _channels),
    "int16": (21, IMAGE, _plain(np.int16, -3, 21)),
    "uint16": (21, IMAGE, _plain(np.uint16, 300, 21)),
    "int4": (21, IMAGE, _four_bits),
    "opset 10": (10, IMAGE, _plain(np.uint8, 3, 10)),
    "opset 13": (13, IMAGE, _plain(np.int8, 3, 13)),
    "no zero point": (17, IMAGE, _without_zero_point),
    "stated type": (21, IMAGE, _stated_type),
    "identity": (17, IMAGE, _through_identity),
}


@pytest.mark.parametrize("case", SINGLE)
def test_operators_give_the_same_codes(case: str, tmp_path: Path) -> None:
    opset, shape, build = SINGLE[case]
    net = QuantizedNet(opset)
    net.output(build(net, net.input("x", ("n", *shape[1:]))), "y")
    feeds = {"x": np.random.default_rng(1).normal(size=(40, *shape[1:])).astype(np.float32)}
    assert_same_codes(net.save(tmp_path), feeds)


def test_an_input_of_codes(tmp_path: Path) -> None:
    net = QuantizedNet()
    x = net.dequantize(net.input("x", (1, 2, 4, 4), TensorProto.UINT8), 0.1, 30)
    net.output(net.op("Relu", x), "y")
    values = np.random.default_rng(0).integers(0, 256, (5, 2, 4, 4)).astype(np.uint8)
    graph = import_onnx(net.save(tmp_path))
    wanted = np.concatenate([session(net.proto().SerializeToString()).run(None, {"x": v[None]})[0] for v in values])
    assert np.array_equal(evaluate(graph, {"x": values})["y"].astype(np.float32), wanted)


def test_dynamic_quantization_keeps_weights_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)
    path = tmp_path / "dynamic.onnx"
    quantize_dynamic(EXAMPLES / "digits" / "digits_residual.onnx", path)
    imported = import_with_notes(path)
    assert len(imported.notes) == 5 and all("DynamicQuantizeLinear" in note for note in imported.notes)
    for node in imported.graph.nodes:
        weight = node.operand("weight") if isinstance(node.op, Conv) else None
        if weight is not None:
            assert np.array_equal(weight.data, np.rint(weight.data))
    seen, images, labels = digits()
    found = evaluate(imported.graph, {"image": images})["logits"]
    assert np.mean(found.argmax(axis=1) == labels) > 0.99
    assert imported.notes[0] in compile_verbose(path, "akida", calibration=seen).warnings


# --- QONNX ---


def _quant_net(bits: float = 4, **attributes: Any) -> tuple[QuantizedNet, str]:
    net = QuantizedNet()
    x = net.input("x", (1, 3, 5, 5))
    weight = net.weight(4, 3, 3, 3, name="w")
    scale = net.const(np.array([0.1, 0.2, 0.3, 0.4], np.float32).reshape(4, 1, 1, 1))
    zero = net.const(np.float32(0))
    more = {"signed": 1, "narrow": 1, "rounding_mode": "ROUND"} | attributes
    quant = net.op("Quant", "w", scale, zero, net.const(np.float32(bits)), domain=DOMAIN, **more)
    y = net.op("Relu", net.op("Conv", x, quant or weight))
    step, width = net.const(np.float32(0.25)), net.const(np.float32(3))
    net.output(net.op("Quant", y, step, zero, width, domain=DOMAIN, signed=0, narrow=0, rounding_mode="ROUND"), "y")
    return net, "w"


DOMAIN = "qonnx.custom_op.general"


def test_quant_of_qonnx_computes_what_its_definition_says(tmp_path: Path) -> None:
    net, _ = _quant_net()
    graph = import_onnx(net.save(tmp_path))
    original = next(t for t in net.initializers if t.name == "w")
    real = np.frombuffer(original.raw_data, np.float32).reshape(4, 3, 3, 3)
    steps = np.array([0.1, 0.2, 0.3, 0.4], np.float32).reshape(4, 1, 1, 1)
    weight = graph.nodes[0].operand("weight")
    assert weight is not None
    assert np.array_equal(np.rint(weight.data / steps), np.clip(np.rint(real / steps), -7, 7))
    x = np.random.default_rng(0).normal(size=(8, 3, 5, 5))
    plain = Conv.plain(2).evaluate(x, weight.data)
    wanted = np.clip(np.rint(np.maximum(plain, 0) / 0.25), 0, 7) * 0.25
    assert np.array_equal(evaluate(graph, {"x": x})["y"], wanted)


def test_bipolar_weights(tmp_path: Path) -> None:
    net = QuantizedNet()
    w = net.op("BipolarQuant", net.weight(4, 3, name="w"), net.const(np.float32(0.5)), domain=DOMAIN)
    net.output(net.op("Gemm", net.input("x", (1, 3)), w, transB=1), "y")
    weight = import_onnx(net.save(tmp_path)).nodes[0].operand("weight")
    assert weight is not None and set(np.unique(weight.data)) == {-0.5, 0.5}


# --- refusals ---


def _refuse(build: Build, opset: int = 21) -> tuple[int, Build]:
    return opset, build


def _quant(**more: Any) -> Build:
    def build(net: QuantizedNet, x: str) -> str:
        given = {"scale": np.float32(0.1), "zero": np.float32(0), "bits": np.float32(4), "x": x} | more
        operands = [net.const(np.asarray(given[name], np.float32)) for name in ("scale", "zero", "bits")]
        attributes = {n: v for n, v in given.items() if n in ("rounding_mode", "signed")}
        return net.op("Quant", given["x"], *operands, domain=DOMAIN, **attributes)

    return build


def _other(op: str, count: int) -> Build:
    return lambda net, x: net.op(op, x, *(net.const(np.float32(1)) for _ in range(count)), domain=DOMAIN)


def _computed_on(op: str) -> Build:
    return lambda net, x: net.op(op, net.quantize(x, 0.1, 3))


def _blocked(net: QuantizedNet, x: str) -> str:
    scale = np.full((1, 3, 2, 6), 0.1)
    return net.dequantize(net.quantize(x, scale, 0, axis=2, block_size=3), scale, 0, axis=2, block_size=3)


def _other_scale(net: QuantizedNet, x: str) -> str:
    return net.dequantize(net.quantize(x, 0.1, 3), 0.2, 3)


def _computed_scale(net: QuantizedNet, x: str) -> str:
    return net.op("QuantizeLinear", x, net.op("GlobalMaxPool", x))


def _half_scale(net: QuantizedNet, x: str) -> str:
    return net.op("QuantizeLinear", x, net.const(np.float16(0.5), np.float16))


def _float8(net: QuantizedNet, x: str) -> str:
    return net.op("QuantizeLinear", x, net.const(np.float32(0.5)), output_dtype=TensorProto.FLOAT8E4M3FN)


def _negative(net: QuantizedNet, x: str) -> str:
    return net.dequantize(net.quantize(x, -0.1), -0.1)


def _not_dynamic(net: QuantizedNet, x: str) -> str:
    return net.op("ConvInteger", net.quantize(x, 0.1), _weights(net, 2, 3, 3, 3))


def _other_zero_point(net: QuantizedNet, x: str) -> str:
    codes = net.op("DynamicQuantizeLinear", x, outputs=3)
    y = net.op("ConvInteger", codes, _weights(net, 2, 3, 3, 3), net.const(np.array(0), np.uint8))
    return net.op("Mul", net.op("Cast", y, to=TensorProto.FLOAT), f"{codes}.1")


def _unread_scale(net: QuantizedNet, x: str) -> str:
    codes = net.op("DynamicQuantizeLinear", x, outputs=3)
    y = net.op("ConvInteger", codes, _weights(net, 2, 3, 3, 3), f"{codes}.2")
    return net.op("Cast", y, to=TensorProto.FLOAT)


def _not_codes(net: QuantizedNet, x: str) -> str:
    made = net.op("Relu", x)
    return net.microsoft("QLinearSigmoid", made, *net.code(0.1), *net.code(0.1))


def _moved_channels(net: QuantizedNet, x: str) -> str:
    scale = np.array([0.1, 0.2, 0.3])
    return net.op("Transpose", net.quantize(x, scale, 0, axis=1), perm=[0, 2, 1, 3])


def _mixed(net: QuantizedNet, x: str) -> str:
    return net.op("Concat", net.quantize(x, 0.1), net.quantize(x, 0.2), axis=1)


def _odd_clip(net: QuantizedNet, x: str) -> str:
    return net.op("Clip", net.quantize(x, 0.1), net.const(np.array(3), np.uint8), net.const(np.array(9), np.uint8))


def _rectified_codes(net: QuantizedNet, x: str) -> str:
    return net.op("Relu", net.quantize(x, 0.1, 3, np.int8))


REFUSED: dict[str, Build] = {
    "blocks": _blocked,
    "another scale": _other_scale,
    "a computed scale": _computed_scale,
    "scale in half precision": _half_scale,
    "float8": _float8,
    "negative scale": _negative,
    "codes as an output": _computed_on("Identity"),
    "arithmetic on codes": _computed_on("Neg"),
    "cast of codes": lambda net, x: net.op("Cast", net.quantize(x, 0.1), to=TensorProto.FLOAT),
    "relu with a zero point": _rectified_codes,
    "moved channels": _moved_channels,
    "mixed codes": _mixed,
    "odd clip": _odd_clip,
    "integer conv of static codes": _not_dynamic,
    "another zero point": _other_zero_point,
    "a dynamic scale that nothing reads": _unread_scale,
    "no codes": _not_codes,
    "channels last": _one("QLinearGlobalAveragePool", channels_last=1),
    "rounding mode": _quant(rounding_mode="FLOOR"),
    "fractional bits": _quant(bits=3.5),
    "fractional zero point": _quant(zero=0.5),
    "blocks of Quant": _quant(scale=np.full((1, 3, 6, 1), 0.1)),
    "negative scale of Quant": _quant(scale=-0.1),
    "binary activations": _other("BipolarQuant", 1),
    "trunc": _other("Trunc", 4),
    "float quant": _other("FloatQuant", 6),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_reason_and_a_hint(case: str, tmp_path: Path) -> None:
    net = QuantizedNet(21)
    net.output(REFUSED[case](net, net.input("x", IMAGE)), "y")
    found = refusal(net.save(tmp_path))
    assert codes(found)[0] in ("NMC-I011", "NMC-I013", "NMC-I015")
    assert found[0].why and found[0].hint, found[0]
