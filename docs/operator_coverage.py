"""docs/reference/coverage.md: which operators, in which form, are imported and compile for each target.

Every form is put into a small network, which is imported and compiled; the table says what happened.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from host_forms import HOST_FORMS, HOST_WITHOUT_FORM
from onnx import TensorProto, helper, numpy_helper
from operator_forms import FORMS, WITHOUT_FORM, Form
from quantized_forms import QUANTIZED_FORMS, QUANTIZED_WITHOUT_FORM

from nmc.compiler import compile_verbose
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.frontends.onnx.handlers import HANDLERS
from nmc.compiler.manager import Manager
from nmc.compiler.target import target_names

IR_VERSION = 8
ALL_FORMS = [*FORMS, *HOST_FORMS, *QUANTIZED_FORMS]
WITHOUT = WITHOUT_FORM | HOST_WITHOUT_FORM | QUANTIZED_WITHOUT_FORM
SHAPES = {
    "image": (1, 3, 8, 8),
    "line": (1, 3, 8),
    "clip": (1, 3, 6, 8, 8),
    "vector": (1, 6),
}
CHANNELS = 4
_INTRO = """\
# Operators by form and target
<!-- made by docs/generate.py -->

Each line is a form of an ONNX operator inside a small network: an image, line, clip or vector, a layer, ReLU (not
before activations), the operator, and a dense layer. **yes** means that this network compiles, else the diagnostic is
named ([what they mean](diagnostics.md)), and the last column has its reason. What is imported is held against
onnxruntime in the tests and against the [ONNX backend suite](../conformance.md). Whether a target takes an operator may
depend on what stands beside it: `nmc check` answers for a network.

| operator | form | import | {targets} | why not |
|---|---|---|{rule}---|
"""


@dataclass
class _Net:
    """A model under construction."""

    opset: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def constant(self, given: Any) -> str:
        """An operand: a shape (tuple) of weights, or the numbers themselves (anything else)."""
        if given is None:
            return ""
        array = self.rng.normal(size=given) / 4 if isinstance(given, tuple) else np.asarray(given)
        name = f"c{len(self.weights)}"
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        names = [name, *(f"{name}.{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name, **attributes))
        return name

    def model(self, shape: tuple[int, ...], output: str) -> onnx.ModelProto:
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        y = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        graph = helper.make_graph(self.nodes, "net", [x], [y], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=IR_VERSION)


def _model(form: Form) -> onnx.ModelProto:
    """What stands before the form, the form, and a dense layer."""
    net = _Net(form.opset)
    shape = SHAPES[form.data]
    x = "x"
    if form.before != "nothing":
        x = net.op("Gemm", x, net.constant((shape[1], CHANNELS))) if len(shape) == 2 else _conv(net, x, len(shape) - 2)
    if form.before in ("relu", "pooled"):
        x = net.op("Relu", x)
    if form.before == "pooled":
        x = net.op("GlobalAveragePool", x)
    if form.codes:
        return _finished(net, shape, _quantized(net, form, x))
    operands = [x if operand is Form.X else net.constant(operand) for operand in form.operands]
    y = net.op(form.op, *operands, outputs=form.outputs, **form.attributes)
    return _finished(net, shape, f"{y}.{form.used}" if form.used else y)


def _quantized(net: _Net, form: Form, x: str) -> str:
    """The form between quantizers, as its operands want them."""
    operands = [operand if operand is Form.X else net.constant(operand) for operand in form.operands]
    if "dynamic" in form.codes:
        behind = form.codes.startswith("behind")
        codes = net.op("DynamicQuantizeLinear", x, outputs=3)
        weight = net.constant(np.ones((4, 4, 1, 1), np.int8)) if behind else operands[1]
        kind, attributes = ("ConvInteger", {}) if behind else (form.op, form.attributes)
        product = net.op("Cast", net.op(kind, codes, weight, f"{codes}.2", **attributes), to=TensorProto.FLOAT)
        return net.op("Mul", product, net.op("Mul", f"{codes}.1", net.constant(np.float32(0.004))))
    code = [net.constant(array) for array in (np.float32(0.05), np.uint8(128))]
    if form.codes != "behind":
        own = operands[1:3] if "channels" in form.codes else code
        x = net.op("QuantizeLinear", x, *own, **form.attributes if "channels" in form.codes else {})
    y = net.op(form.op, *(x if operand is Form.X else operand for operand in operands), **form.attributes)
    if form.codes.startswith("before"):
        return y
    return net.op("DequantizeLinear", y, *(operands[1:] if form.codes == "behind" else code))


def _conv(net: _Net, x: str, dims: int) -> str:
    return net.op("Conv", x, net.constant((CHANNELS, 3, *(3,) * dims)), pads=[1] * (2 * dims))


def _finished(net: _Net, shape: tuple[int, ...], y: str) -> onnx.ModelProto:
    """The model with a dense layer behind the form, if onnx can tell its size."""
    inferred = onnx.shape_inference.infer_shapes(net.model(shape, y), data_prop=True).graph.output[0]
    sizes = [dim.dim_value for dim in inferred.type.tensor_type.shape.dim]
    if len(sizes) < 2 or not all(sizes):
        return net.model(shape, y)
    if len(sizes) == 5:  # a clip: no layer reads all its frames at once
        y, sizes[2:] = net.op("GlobalAveragePool", y), [1, 1, 1]
    flat = y if len(sizes) == 2 else net.op("Flatten", y)
    return net.model(shape, net.op("Gemm", flat, net.constant((int(np.prod(sizes[1:])), 2))))


def _tried(form: Form, folder: Path) -> Iterator[tuple[str, str]]:
    """(cell, why not) for the import and every target."""
    path = folder / "net.onnx"
    path.write_bytes(_model(form).SerializeToString())
    try:
        graph = import_onnx(path)
    except NmcError as error:
        yield error.diagnostics[0].code, error.diagnostics[0].why
        return
    yield "yes", ""
    for target in target_names():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", RuntimeWarning
                )  # random inputs are outside the domain of some functions
                compile_verbose(graph, target, manager=Manager(reproducer=folder / "reproducer"))
            yield "yes", ""
        except NmcError as error:
            found = error.diagnostics[0]
            yield found.code, f"{target}: {found.why or found.what}"


def _row(form: Form, folder: Path) -> str:
    tried = list(_tried(form, folder))
    cells = [cell for cell, _ in tried] + [""] * (1 + len(target_names()) - len(tried))
    why = "; ".join(why for _, why in tried if why).replace("|", "\\|")
    return f"| {form.op} | {form.what} | {' | '.join(cells)} | {why} |"


def missing() -> list[str]:
    """Operators that are imported, and their attributes (`Conv.group`), that have no form in the table."""
    found: list[str] = []
    for op in HANDLERS:
        forms = [form for form in ALL_FORMS if form.op == op]
        known = {name for form in forms for name in form.attributes} | WITHOUT.get(op, set())
        found += [] if forms else [op]
        found += [f"{op}.{name}" for name in onnx.defs.get_schema(op).attributes if name not in known]
    return found


def page() -> str:
    """The whole page."""
    targets = target_names()
    head = _INTRO.format(targets=" | ".join(targets), rule="---|" * len(targets))
    with tempfile.TemporaryDirectory() as folder:
        rows = [_row(form, Path(folder)) for form in sorted(ALL_FORMS, key=lambda form: form.op.lower())]
    return head + "\n".join(rows) + "\n"
