"""Quantized ONNX models for tests: made by onnxruntime's quantizer, or node by node; and when two results must agree.

Both onnxruntime and the interpreter round x / scale to whole numbers. They compute x in float32 and float64, so where
it lies within TIE of the middle between two codes they may decide differently, and what follows may differ too. All
other samples must give the same codes.
"""

from __future__ import annotations

import functools
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, constant_bank, parse_graph, print_graph, trace
from nmc.compiler.ir.ops import FakeQuantize
from onnx_models import IR_VERSION, Net, session

EXAMPLES = Path(__file__).parents[1] / "examples"
sys.path.append(str(EXAMPLES / "digits"))

from data import load_split  # noqa: E402

Array = np.ndarray[Any, Any]
TIE = 1e-4
DOMAINS = ("com.microsoft", "qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
# Form, sign of activations, symmetric or not, per channel or per tensor.
VARIANTS = (
    "qdq-uint8-tensor",
    "qdq-int8-channel",
    "qdq-symmetric-channel",
    "qop-uint8-channel",
    "qop-symmetric-tensor",
)


class QuantizedNet(Net):
    """A net with operators of other domains."""

    def proto(self) -> onnx.ModelProto:
        model = super().proto()
        model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in DOMAINS)
        model.ir_version = max(IR_VERSION, 10 if self.opset > 20 else IR_VERSION)
        return model

    def quantize(self, x: str, scale: float | Array, zero: int | Array = 0, dtype: Any = np.uint8, **more: Any) -> str:
        return self.op("QuantizeLinear", x, *self.code(scale, zero, dtype), **more)

    def dequantize(
        self, x: str, scale: float | Array, zero: int | Array = 0, dtype: Any = np.uint8, **more: Any
    ) -> str:
        return self.op("DequantizeLinear", x, *self.code(scale, zero, dtype), **more)

    def code(self, scale: float | Array, zero: int | Array = 0, dtype: Any = np.uint8) -> tuple[str, str]:
        """Operands: scale and zero point."""
        s = np.asarray(scale, np.float32)
        return self.const(s), self.const(np.broadcast_to(np.asarray(zero), s.shape), dtype)

    def microsoft(self, op: str, *operands: str, **attributes: Any) -> str:
        return self.op(op, *operands, domain="com.microsoft", **attributes)


def digits() -> tuple[Array, Array, Array]:
    """Images to calibrate with, test images, and the labels of those."""
    seen, _, given, labels = load_split()
    return seen[:64], given, labels


class _Reader:
    def __init__(self, name: str, samples: Array):
        self._feeds: Iterator[dict[str, Array]] = iter([{name: sample[None]} for sample in samples])

    def get_next(self) -> dict[str, Array] | None:
        return next(self._feeds, None)


@functools.cache
def quantized_by_onnxruntime(model: Path, name: str, variant: str, samples: int = 64) -> Path:
    """A network of the examples, quantized by onnxruntime on digits (or what `calibrating` gives); a file that is left
    until the tests end."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static  # slow to import

    form, kind, each = variant.split("-")
    folder = Path(_folder().name)
    path = folder / f"{model.stem}-{variant}.onnx"
    logging.getLogger().setLevel(logging.ERROR)
    quantize_static(
        model,
        path,
        _Reader(name, calibrating(name)[:samples]),  # pyright: ignore[reportArgumentType]
        quant_format=QuantFormat.QDQ if form == "qdq" else QuantFormat.QOperator,
        per_channel=each == "channel",
        activation_type=QuantType.QUInt8 if kind == "uint8" else QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": kind == "symmetric"},
    )
    return path


def calibrating(name: str) -> Array:
    """Samples for the input of that name: digits, or gesture clips."""
    if name == "image":
        return digits()[0]
    from test_gestures import data, seen

    return seen("gestures", data.clips("train", 16, 0)[0])


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def quantized_digits(variant: str, model: str = "digits_residual") -> Path:
    return quantized_by_onnxruntime(EXAMPLES / "digits" / f"{model}.onnx", "image", variant)


def file_weights(path: Path) -> dict[str, Array]:
    """The integer weights of a model file, by name."""
    tensors = onnx.load(path).graph.initializer
    found = {t.name: onnx.numpy_helper.to_array(t) for t in tensors}
    return {name: array for name, array in found.items() if array.dtype == np.int8 and array.ndim > 1}


def near_ties(graph: Graph, feeds: Mapping[str, Array]) -> Array:
    """For each sample: does a quantizer of the graph read something within TIE of the middle between two codes? What
    reads an input is not asked: there both divide the same two float32 numbers."""
    nodes = [n for n in graph.nodes if isinstance(n.op, FakeQuantize) and n.x.producer is not None]
    if not nodes:
        return np.zeros(len(next(iter(feeds.values()))), bool)
    values = trace(graph, feeds, {node.x.name for node in nodes})
    near = np.zeros(len(next(iter(feeds.values()))), bool)
    for node in nodes:
        op, (_, scale, _) = node.op, node.operands
        assert isinstance(op, FakeQuantize) and scale is not None
        steps = values[node.x.name] / op._placed(scale.data, node.x.type.rank)
        off = np.abs(np.abs(steps - np.floor(steps)) - 0.5)
        near |= (off < TIE).reshape(len(off), -1).any(axis=1)
    return near


def assert_same_codes(path: Path, feeds: Mapping[str, Array], least: float = 0.3) -> Graph:
    """The imported graph gives the codes that onnxruntime gives, for all samples without a tie, which must be that
    share of them at least. The outputs end in quantizers."""
    graph, runtime = import_onnx(path), session(str(path))
    assert parse_graph(print_graph(graph), constant_bank(graph)) == graph
    found = trace(graph, feeds, {value.name for value in graph.outputs.values()})
    count = len(next(iter(feeds.values())))
    each = [runtime.run(None, {n: a[i : i + 1] for n, a in feeds.items()}) for i in range(count)]
    decided = ~near_ties(graph, feeds)
    assert decided.mean() >= least
    for (_, value), wanted in zip(graph.outputs.items(), zip(*each, strict=True), strict=True):
        step = _last_step(graph, value.name)
        ours, theirs = (np.rint(a / step) for a in (found[value.name], np.concatenate(wanted)))
        assert np.array_equal(ours[decided], theirs[decided])
    return graph


def _last_step(graph: Graph, name: str) -> Array:
    """The step of the quantizer that an output comes from, through moves."""
    value = next(node.result for node in graph.nodes if node.result.name == name)
    while value.producer is not None and not isinstance(value.producer.op, FakeQuantize):
        value = value.producer.x
    assert value.producer is not None
    op, scale = value.producer.op, value.producer.operands[1]
    assert isinstance(op, FakeQuantize) and scale is not None
    return op._placed(scale.data, value.type.rank)
