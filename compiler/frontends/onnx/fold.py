"""Nodes whose operands are all constants are computed at import, by the onnx package's reference implementation."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto, helper

from ..common.problems import Refusal
from .sizes import BOUNDS
from .tensors import Array, read_tensor

if TYPE_CHECKING:
    from .call import Call

MAX_TOTAL = 1 << 27
IR_VERSION = 8
# Ops that the reference implementation has from this opset on only; what they did before means the same there.
_OLDEST = {"DequantizeLinear": 19}
_PLAIN = {
    AttributeProto.INT,
    AttributeProto.INTS,
    AttributeProto.FLOAT,
    AttributeProto.FLOATS,
    AttributeProto.STRING,
    AttributeProto.TENSOR,
}


class Folder:
    """Computes constants; all those of one import together have at most MAX_TOTAL elements."""

    def __init__(self, opset: int):
        self.opset = opset
        self._left = MAX_TOTAL

    def take(self, size: int) -> None:
        """Take note of a computed constant of so many elements. Refusal if all together are too large."""
        if size > self._left:
            why = f"about {size:.3g} elements, all computed constants together may have {MAX_TOTAL}"
            raise Refusal("NMC-I016", why, "store the result in the model as an initializer")
        self._left -= size

    def fold(self, call: Call) -> list[Array]:
        """The results of a node in `BOUNDS` whose operands are all constants."""
        operands = [operand if isinstance(operand, np.ndarray) else None for operand in call.operands]
        attributes = _plain_attributes(call.proto)
        try:
            size = max(BOUNDS[call.op](operands, attributes), 0)
        except (ArithmeticError, ValueError, IndexError, TypeError) as error:
            raise Refusal("NMC-I012", f"its constant operands do not fit together: {error}") from None
        divisor = operands[1] if call.op in ("Div", "Mod") and len(operands) > 1 else None
        if divisor is not None and divisor.dtype.kind in "iu" and not divisor.all():
            raise Refusal("NMC-I012", "it divides a whole number by zero")
        self.take(size)
        return _evaluate(call.proto, operands, self.opset)


def _plain_attributes(node: NodeProto) -> dict[str, Any]:
    """Attributes as Python values. Refusal of graphs and of tensors in other files, which no foldable op needs."""
    found: dict[str, Any] = {}
    for attribute in node.attribute:
        other_file = attribute.t.data_location == attribute.t.EXTERNAL
        if attribute.type not in _PLAIN or other_file or attribute.ref_attr_name:
            raise Refusal("NMC-I011", f"attribute {attribute.name!r} is not of the kind the operator defines")
        try:
            found[attribute.name] = helper.get_attribute_value(attribute)
        except (ValueError, TypeError) as error:
            raise Refusal("NMC-I011", f"attribute {attribute.name!r} cannot be read: {error}") from None
    return found


def _single_node_model(proto: NodeProto, opset: int) -> ModelProto:
    node = NodeProto()
    node.CopyFrom(proto)
    node.domain = ""
    inputs = [ValueInfoProto(name=name) for name in dict.fromkeys(filter(None, node.input))]
    outputs = [ValueInfoProto(name=name) for name in node.output if name]
    graph = GraphProto(name="fold", node=[node], input=inputs, output=outputs)
    version = max(opset, _OLDEST.get(node.op_type, 0))
    return ModelProto(ir_version=IR_VERSION, graph=graph, opset_import=[OperatorSetIdProto(domain="", version=version)])


def _evaluate(proto: NodeProto, operands: list[Array | None], opset: int) -> list[Array]:
    from onnx.reference import ReferenceEvaluator  # 30 ms, and most models need no folding

    feeds = {name: array for name, array in zip(proto.input, operands, strict=False) if name and array is not None}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ReferenceEvaluator(_single_node_model(proto, opset)).run(None, feeds)
        results = [np.array(result) for result in found]
    except Exception as error:  # numpy and the evaluator raise many kinds, all of them mean the same here
        why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise Refusal("NMC-I012", f"it cannot be computed from its constant operands: {why}") from None
    for result in results:
        if result.dtype.kind not in "fiub" and result.dtype.name not in ("bfloat16", "int4", "uint4"):
            raise Refusal("NMC-I011", f"it computes constants of type {result.dtype}")
        result.setflags(write=False)
    named = iter(results)
    return [next(named) if name else np.zeros(0) for name in proto.output]


_SCALARS = {"value_int": np.int64, "value_ints": np.int64, "value_float": np.float32, "value_floats": np.float32}


def constant_node(node: NodeProto, folder: Path) -> Array:
    """The array of a Constant node. Refusal or TensorProblem if it holds something else."""
    if len(node.attribute) != 1 or len(node.output) != 1:
        raise Refusal("NMC-I011", f"it has {len(node.attribute)} attributes and {len(node.output)} outputs, not one")
    attribute = node.attribute[0]
    if attribute.name == "value" and attribute.type == AttributeProto.TENSOR:
        return read_tensor(attribute.t, folder)
    if attribute.name not in _SCALARS or attribute.ref_attr_name:
        raise Refusal("NMC-I011", f"it gives a constant as attribute {attribute.name!r}: numbers are supported")
    try:
        array = np.array(helper.get_attribute_value(attribute), _SCALARS[attribute.name])
    except (ValueError, TypeError, OverflowError):
        raise Refusal("NMC-I011", f"attribute {attribute.name!r} is not a number") from None
    array.setflags(write=False)
    return array
