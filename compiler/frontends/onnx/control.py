"""If: the branch that a constant condition takes."""

from __future__ import annotations

from onnx import AttributeProto, GraphProto

from ...ir import Value
from .call import Call


def chosen_branch(call: Call) -> GraphProto:
    """The graph of the branch taken. Refusal if the condition is not constant or the node is malformed."""
    if isinstance(call.operand(0), Value):
        hint = "export with fixed input shapes, or without control flow that depends on the data"
        call.require(False, "NMC-I013", "its condition depends on the data", hint)
    array = call.constant(0, "condition")
    call.require(array.size == 1, "NMC-I012", f"its condition has {array.size} elements")
    name = "then_branch" if array.reshape(-1)[0] else "else_branch"
    for attribute in call.proto.attribute:
        if attribute.name == name and attribute.type == AttributeProto.GRAPH:
            branch = attribute.g
            fits = len(branch.output) == len(call.proto.output) and not branch.input
            call.require(fits, "NMC-I011", f"its {name} does not make what the node gives")
            return branch
    call.require(False, "NMC-I011", f"it has no {name}")
    raise AssertionError
