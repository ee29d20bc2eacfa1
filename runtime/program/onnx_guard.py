"""What the ONNX model of a host segment may be, read without the onnx package.

A program may come from anywhere, so its models are held against a list of what a model may contain before onnxruntime
sees them: standard operators and tensors inside the file. Other domains, functions, subgraphs (and with them loops) and
data in other files are not on it. Field numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

STANDARD = (b"", b"ai.onnx")
# Fields that may be there, by message: how they are read.
PLAIN, TEXT = "plain", "text"
MODEL: Mapping[int, str] = {1: PLAIN, 2: TEXT, 3: TEXT, 4: TEXT, 5: PLAIN, 6: TEXT, 7: "graph", 8: "opset", 14: TEXT}
GRAPH: Mapping[int, str] = {1: "node", 2: TEXT, 5: "tensor", 10: TEXT, 11: "input", 12: "output", 13: TEXT}
NODE: Mapping[int, str] = {1: TEXT, 2: TEXT, 3: TEXT, 4: TEXT, 5: "attribute", 6: TEXT, 7: "domain"}
ATTRIBUTE: Mapping[int, str] = {**dict.fromkeys((2, 3, 7, 8, 20), PLAIN), **dict.fromkeys((1, 4, 9), TEXT), 5: "tensor"}
TENSOR: Mapping[int, str] = {
    **dict.fromkeys((1, 2, 4, 5, 7, 10, 11), PLAIN),
    **dict.fromkeys((6, 8, 9, 12), TEXT),
}
OPSET: Mapping[int, str] = {1: "domain", 2: PLAIN}
VALUE: Mapping[int, str] = {1: "name", 2: TEXT, 3: TEXT}
MESSAGES = {"graph": GRAPH, "node": NODE, "tensor": TENSOR, "attribute": ATTRIBUTE, "opset": OPSET}
LENGTHS = {1: 8, 5: 4}


class Refused(ValueError):
    """The bytes are no ONNX model, or hold something that is not allowed; the text says what."""


@dataclass
class Interface:
    """Names of a model's inputs and outputs, in their order."""

    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def interface(model: bytes) -> Interface:
    """The inputs and outputs of an ONNX model. Refused unless it is one and holds nothing but what is allowed."""
    found = Interface()
    graphs = _read(memoryview(model), "model", MODEL, found)
    if graphs != 1:
        raise Refused(f"it has {graphs} graphs")
    return found


def _read(data: memoryview, what: str, known: Mapping[int, str], found: Interface) -> int:
    """Look through a message; returns how many graphs it holds."""
    graphs = 0
    for number, wire, value in _fields(data):
        kind = known.get(number)
        if kind is None:
            raise Refused(f"field {number} of a {what} is not allowed{_meaning(what, number)}")
        if kind != PLAIN and wire != 2:
            raise Refused(f"field {number} of a {what} is damaged")
        graphs += kind == "graph"
        if kind == "domain" and bytes(value) not in STANDARD:
            raise Refused(f"operators of domain {bytes(value)[:40]!r}")
        if kind in MESSAGES:
            _read(value, kind, MESSAGES[kind], found)
        elif kind in ("input", "output"):
            (found.inputs if kind == "input" else found.outputs).append(_name(value))
    return graphs


def _meaning(what: str, number: int) -> str:
    known = {
        ("tensor", 13): "data in another file",
        ("tensor", 14): "data in another file",
        ("attribute", 6): "a subgraph",
        ("attribute", 11): "subgraphs",
        ("model", 25): "a function",
    }
    return f" ({known[what, number]})" if (what, number) in known else ""


def _name(data: memoryview) -> str:
    """The name of an input or output."""
    for number, wire, value in _fields(data):
        if number not in VALUE or (wire != 2):
            raise Refused(f"field {number} of an input or output is not allowed")
        if VALUE[number] == "name":
            try:
                return str(bytes(value), "utf-8")
            except UnicodeDecodeError:
                raise Refused("the name of an input or output is no UTF-8") from None
    raise Refused("an input or output has no name")


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """The fields of a message: number, wire type, bytes (of a length-delimited field its content)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            start = at
            _, at = _varint(data, at)
        elif wire == 2:
            length, start = _varint(data, at)
            at = start + length
        elif wire in LENGTHS:
            start = at
            at += LENGTHS[wire]
        else:
            raise Refused(f"it is no message of Protocol Buffers: wire type {wire}")
        if at > len(data) or number == 0:
            raise Refused("it is cut short or damaged")
        yield number, wire, data[start:at]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        number |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return number, at
    raise Refused("it is cut short or damaged")
