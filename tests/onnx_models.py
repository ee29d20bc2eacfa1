"""Helpers of the ONNX tests: small models built op by op, and their comparison with onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, NotImplemented

from nmc.compiler.diagnostics import Diagnostic, Exit, NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, evaluate, parse_graph, print_graph
from nmc.compiler.ir.text import constant_bank

Array = np.ndarray[Any, Any]
Shape = Sequence[int | str | None]
TOLERANCE = 1e-5
IR_VERSION = 8


def session(model: bytes | str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # NOTE: its optimizer fuses a Pad of zeros into a MaxPool, which is wrong below zero.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@cache
def newest_opset() -> int:
    """The newest opset that the installed onnxruntime runs."""
    for opset in range(onnx.defs.onnx_opset_version(), 9, -1):
        net = Net(opset)
        net.output(net.op("Relu", net.input("x", (1, 2))))
        try:
            session(net.proto().SerializeToString())
        except (Fail, InvalidGraph, NotImplemented):
            continue
        return opset
    raise AssertionError("onnxruntime runs no opset")


class Net:
    """An ONNX model under construction. Ops that opsets spell differently have a method of their own."""

    def __init__(self, opset: int = 17, seed: int = 0):
        self.opset = opset
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.initializers: list[TensorProto] = []

    def name(self, stem: str) -> str:
        return f"{stem}{len(self.nodes) + len(self.initializers)}"

    def input(self, name: str, shape: Shape | None, dtype: int = TensorProto.FLOAT) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def const(self, data: Any, dtype: Any = None, name: str = "") -> str:
        """An initializer; numbers become float32, whole numbers int64."""
        array = np.asarray(data)
        array = array.astype(dtype or (np.int64 if array.dtype.kind == "i" else array.dtype))
        array = array.astype(np.float32) if dtype is None and array.dtype == np.float64 else array
        name = name or self.name("c")
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape: int, name: str = "", scale: float = 0.5) -> str:
        return self.const((self.rng.normal(size=shape) * scale).astype(np.float32), name=name)

    def op(self, op_type: str, *operands: str, outputs: int = 1, name: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its first output (the others have `.1`, `.2`, … after it)."""
        first = self.name("v")
        results = [first, *(f"{first}.{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(op_type, operands, results, name=name, **attributes))
        return first

    def output(self, value: str, name: str = "") -> str:
        if name:
            self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name or value, TensorProto.FLOAT, None))
        return name or value

    # --- spellings ---

    def _axes(self, op_type: str, x: str, axes: Sequence[int] | None, since: int, **attributes: Any) -> str:
        if axes is None:
            return self.op(op_type, x, **attributes)
        if self.opset < since:
            return self.op(op_type, x, axes=list(axes), **attributes)
        return self.op(op_type, x, self.const(list(axes), np.int64), **attributes)

    def squeeze(self, x: str, axes: Sequence[int] | None) -> str:
        return self._axes("Squeeze", x, axes, 13)

    def unsqueeze(self, x: str, axes: Sequence[int]) -> str:
        return self._axes("Unsqueeze", x, axes, 13)

    def reduce_mean(self, x: str, axes: Sequence[int] | None, **attributes: Any) -> str:
        return self._axes("ReduceMean", x, axes, 18, **attributes)

    def reshape(self, x: str, shape: Sequence[int], **attributes: Any) -> str:
        return self.op("Reshape", x, self.const(list(shape), np.int64), **attributes)

    def clip(self, x: str, low: float | None, high: float | None) -> str:
        bounds = {name: value for name, value in (("min", low), ("max", high)) if value is not None}
        if self.opset < 11:
            return self.op("Clip", x, **bounds)
        operands = ["" if value is None else self.const(np.float32(value)) for value in (low, high)]
        return self.op("Clip", x, *operands)

    def pad(self, x: str, pads: Sequence[int], value: float | None = None, **attributes: Any) -> str:
        if self.opset < 11:
            attributes |= {} if value is None else {"value": value}
            return self.op("Pad", x, pads=list(pads), **attributes)
        fill = "" if value is None else self.const(np.float32(value))
        return self.op("Pad", x, self.const(list(pads), np.int64), fill, **attributes)

    def slice(
        self, x: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int] | None = None, steps: Any = None
    ) -> str:
        if self.opset < 10:
            given = {} if axes is None else {"axes": list(axes)}
            return self.op("Slice", x, starts=list(starts), ends=list(ends), **given)
        operands = [self.const(list(values), np.int64) for values in (starts, ends)]
        if axes is not None or steps is not None:
            operands.append("" if axes is None else self.const(list(axes), np.int64))
        operands += [] if steps is None else [self.const(list(steps), np.int64)]
        return self.op("Slice", x, *operands)

    def resize(
        self,
        x: str,
        scales: Sequence[float] = (),
        sizes: Sequence[int] = (),
        axes: Sequence[int] = (),
        **attributes: Any,
    ) -> str:
        """Upsample in opset 9; no attributes beside `mode` before opset 11."""
        factors = self.const(np.array(scales, np.float32))
        if self.opset < 11:
            return self.op("Upsample" if self.opset < 10 else "Resize", x, factors, **attributes)
        attributes |= {"axes": list(axes)} if axes else {}
        empty = self.const(np.zeros(0, np.float32)) if self.opset < 13 else ""
        operands = [x, empty, factors if len(scales) else empty]
        return self.op("Resize", *operands, *([self.const(list(sizes), np.int64)] if sizes else []), **attributes)

    # --- results ---

    def proto(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.initializers)
        others = sorted({node.domain for node in self.nodes} - {""})
        imports = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(domain, 1) for domain in others)]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)

    def save(self, folder: Path, name: str = "net.onnx") -> Path:
        path = folder / name
        path.write_bytes(self.proto().SerializeToString())
        return path


def feeds_for(graph: Graph, samples: int = 2, seed: int = 1) -> dict[str, Array]:
    """Random samples for every input of a graph."""
    rng = np.random.default_rng(seed)
    return {v.name: rng.normal(size=(samples, *v.type.shape[1:])).astype(np.float32) for v in graph.inputs}


def assert_same(
    graph: Graph, model: bytes | str, feeds: Mapping[str, Array] | None = None, tolerance: float = TOLERANCE
) -> None:
    """The graph computes what onnxruntime computes, sample by sample; and its text form reads back."""
    assert parse_graph(print_graph(graph), constant_bank(graph)) == graph
    feeds = feeds_for(graph) if feeds is None else feeds
    found, runtime = evaluate(graph, feeds), session(model)
    assert list(graph.outputs) == [output.name for output in runtime.get_outputs()]
    for i in range(len(next(iter(feeds.values())))):
        wanted = runtime.run(None, {name: array[i : i + 1] for name, array in feeds.items()})
        for (name, value), expected in zip(graph.outputs.items(), wanted, strict=True):
            got = found[name] if value.is_constant else found[name][i : i + 1]
            assert got.shape == expected.shape
            assert np.abs(got - expected).max(initial=0) <= tolerance * max(1e-3, np.abs(expected).max(initial=0))


def check_import(net: Net, folder: Path, **options: Any) -> Graph:
    graph = import_onnx(net.save(folder), **options)
    assert_same(graph, net.proto().SerializeToString())
    return graph


def refusal(path: Path, exit_code: Exit = Exit.UNSUPPORTED, **options: Any) -> list[Diagnostic]:
    """The diagnostics with which the import of a file ends."""
    with pytest.raises(NmcError) as caught:
        import_onnx(path, **options)
    assert caught.value.exit_code == exit_code, caught.value
    return caught.value.diagnostics


def codes(diagnostics: Sequence[Diagnostic]) -> list[str]:
    return [diagnostic.code for diagnostic in diagnostics]
