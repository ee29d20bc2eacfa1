"""The text form of graphs. `parse_graph(print_graph(g), constant_bank(g)) == g`.

    graph "digits" stage canonical
    input %image: f32[1,1,8,8]NCHW
    const @conv1.weight: f32[8,1,3,3]____ = sha256:5feceb66…
    const @conv1.bias: f32[2]_ = [0.5, -1.0]
    %conv1 = conv(%image, @conv1.weight, @conv1.bias) {stride=(1, 1), …}: f32[1,8,8,8]NCHW from "net.conv1"
    output "logits" = %conv1

A value of the step before stands as `state %h: f32[1,8]NC`, and `next %h = %y` says which it is.

An output of a stream says at which frames its elements appear: `output "y" = %y at {offset=2, length=8, axis=2}`.

`integer_weights` behind the stage says that the model's file has integers for weights alone.

A constant of at most 16 elements stands in full, a larger one as the digest of its bytes. Attributes at their defaults
are left out, types of results may be; where they stand they are checked.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from ...runtime.program.timing import Timing
from .graph import Graph, Node, Value
from .ops import REGISTRY
from .ops.base import IllegalOp, Op
from .types import DTYPES, TensorType

INLINE_ELEMENTS = 16
_PLAIN = re.compile(r"[\w.]+")
_NAME = r'(?:[\w.]+|"(?:[^"\\]|\\.)*")'
_GRAPH = re.compile(rf"graph ({_NAME}) stage (\S+)( integer_weights)?$")
_INPUT = re.compile(rf"input %({_NAME}): (\S+?)(?: at \{{(.*)\}})?$")
_STATE = re.compile(rf"state %({_NAME}): (\S+)$")
_NEXT = re.compile(rf"next %({_NAME}) = ([%@])({_NAME})$")
_CONST = re.compile(rf"const @({_NAME}): (\S+)(?: = (.+))?$")
_NODE = re.compile(rf"%({_NAME}) = (\w+)\((.*?)\)(?: \{{(.*)\}})?(?:: (\S+))?(?: from (.*))?$")
_OUTPUT = re.compile(rf"output ({_NAME}) = ([%@])({_NAME})(?: at \{{(.*)\}})?$")
_OPERAND = re.compile(rf"\s*(?:([%@])({_NAME})|(none))\s*(?:,|$)")
_TYPE = re.compile(r"(\w+)\[([\d,]*)\](\w*)$")


class TextError(ValueError):
    """The text is not a graph; the message names the line."""


# --- printing ---


def _quote(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name)


def _reference(value: Value | None) -> str:
    if value is None:
        return "none"
    return ("@" if value.is_constant else "%") + _quote(value.name)


def _constant_line(value: Value) -> str:
    if value.type.elements <= INLINE_ELEMENTS:
        content = json.dumps(value.data.ravel().tolist())
    else:
        content = f"sha256:{value.digest()}"
    return f"const {_reference(value)}: {value.type} = {content}"


def _literal(value: Any) -> str:
    """A Python literal; an infinity is written as a number that overflows to it."""
    if isinstance(value, float) and abs(value) == float("inf"):
        return "1e999" if value > 0 else "-1e999"
    return repr(value)


def _attributes(record: Op | Timing) -> str:
    """The record's fields that are not at their defaults, as `name=value, …`."""
    values = {field.name: (getattr(record, field.name), field.default) for field in fields(record)}
    given = {name: value for name, (value, default) in values.items() if default is MISSING or value != default}
    return ", ".join(f"{name}={_literal(value)}" for name, value in given.items())


def _node_line(node: Node) -> str:
    operands = ", ".join(map(_reference, node.operands))
    given = _attributes(node.op)
    braces = f" {{{given}}}" if given else ""
    origin = f" from {', '.join(map(json.dumps, node.result.origin))}" if node.result.origin else ""
    return f"{_reference(node.result)} = {node.op.mnemonic}({operands}){braces}: {node.result.type}{origin}"


def _timing(graph: Graph, name: str) -> str:
    return f" at {{{_attributes(graph.timing[name])}}}" if name in graph.timing else ""


def print_graph(graph: Graph) -> str:
    """The text form; two graphs are equal when their texts are."""
    given = " integer_weights" if graph.integer_weights else ""
    lines = [f"graph {json.dumps(graph.name)} stage {graph.stage}{given}"]
    lines += [f"input {_reference(v)}: {v.type}{_timing(graph, v.name)}" for v in graph.inputs]
    lines += [f"state {_reference(v)}: {v.type}" for v in graph.feedback]
    lines += [_constant_line(value) for value in graph.constants()]
    lines += [_node_line(node) for node in graph.nodes]
    lines += [f"next {_reference(state)} = {_reference(value)}" for state, value in graph.feedback.items()]
    lines += [f"output {json.dumps(n)} = {_reference(v)}{_timing(graph, n)}" for n, v in graph.outputs.items()]
    return "\n".join(lines) + "\n"


def constant_bank(graph: Graph) -> dict[str, np.ndarray]:
    """The arrays that the text form names by digest only, under those digests."""
    return {v.digest(): v.data for v in graph.constants() if v.type.elements > INLINE_ELEMENTS}


# --- parsing ---


def _unquote(name: str) -> str:
    return json.loads(name) if name.startswith('"') else name


def _parse_type(text: str) -> TensorType:
    match = _TYPE.fullmatch(text)
    if not match:
        raise TextError(f"{text!r} is not a type such as f32[1,8]NC")
    shape = tuple(int(size) for size in match[2].split(",") if size)
    return TensorType(shape, match[1], match[3])


def _parse_constant(type: TensorType, name: str, content: str | None, bank: Mapping[str, np.ndarray]) -> np.ndarray:
    if content is not None and content.startswith("["):
        return np.array(json.loads(content), DTYPES[type.dtype]).reshape(type.shape)
    digest = (content or "").removeprefix("sha256:")
    data = bank[digest] if digest in bank else bank.get(name)
    if data is None:
        raise TextError(f"no array for constant @{name}")
    if data.shape != type.shape or data.dtype != DTYPES[type.dtype]:
        raise TextError(f"constant @{name} is declared {type} but the array is {TensorType.of(data)}")
    return data


def _parse_attributes(text: str | None) -> dict[str, Any]:
    call = ast.parse(f"f({text or ''})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


class _Parser:
    def __init__(self, bank: Mapping[str, np.ndarray]):
        self.bank = bank
        self.graph = Graph()
        self.values: dict[str, Value] = {}

    def line(self, line: str) -> None:
        if match := _GRAPH.fullmatch(line):
            self.graph.name, self.graph.stage = _unquote(match[1]), match[2]
            self.graph.integer_weights = match[3] is not None
        elif match := _INPUT.fullmatch(line):
            name = _unquote(match[1])
            self.define("%", name, self.graph.add_input(name, _parse_type(match[2])))
            self.timing(name, match[3])
        elif match := _CONST.fullmatch(line):
            type, name = _parse_type(match[2]), _unquote(match[1])
            data = _parse_constant(type, name, match[3], self.bank)
            self.define("@", name, self.graph.constant(name, data, type.axes))
        elif match := _STATE.fullmatch(line):
            name = _unquote(match[1])
            self.define("%", name, self.graph.add_state(name, _parse_type(match[2])))
        elif match := _NEXT.fullmatch(line):
            self.graph.close(self.use("%", match[1]), self.use(match[2], match[3]))
        elif match := _OUTPUT.fullmatch(line):
            name = _unquote(match[1])
            self.graph.outputs[name] = self.use(match[2], match[3])
            self.timing(name, match[4])
        elif match := _NODE.fullmatch(line):
            self.node(match)
        else:
            raise TextError("not a graph, input, state, const, node, next or output line")

    def timing(self, name: str, given: str | None) -> None:
        if given:
            self.graph.timing[name] = Timing(**_parse_attributes(given))

    def define(self, sigil: str, name: str, value: Value) -> None:
        if value.name != name:
            raise TextError(f"{sigil}{name} is defined twice")
        self.values[sigil + name] = value

    def use(self, sigil: str, name: str) -> Value:
        try:
            return self.values[sigil + _unquote(name)]
        except KeyError:
            raise TextError(f"{sigil}{name} is not defined above") from None

    def operands(self, text: str) -> list[Value | None]:
        found: list[Value | None] = []
        position = 0
        while position < len(text):
            match = _OPERAND.match(text, position)
            if not match:
                raise TextError(f"cannot read the operands {text!r}")
            found.append(None if match[3] else self.use(match[1], match[2]))
            position = match.end()
        return found

    def node(self, match: re.Match[str]) -> None:
        name, mnemonic, operands, given, declared, origin = match.groups()
        if mnemonic not in REGISTRY:
            raise TextError(f"unknown op {mnemonic!r}")
        op = REGISTRY[mnemonic](**_parse_attributes(given))
        names = tuple(json.loads(f"[{origin}]")) if origin else ()
        name = _unquote(name)
        result = self.graph.add(op, *self.operands(operands), name=name, origin=names)
        if declared is not None and _parse_type(declared) != result.type:
            raise TextError(f"{result} is declared {declared}")
        self.define("%", name, result)


def parse_graph(text: str, bank: Mapping[str, np.ndarray] | None = None) -> Graph:
    """Read the text form. `bank` holds constants that are not inline, under their digest or their name.

    TextError names the first line that is wrong.
    """
    parser = _Parser(bank or {})
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            parser.line(stripped)
        except (TextError, IllegalOp, ValueError, TypeError, SyntaxError) as error:
            raise TextError(f"line {number}: {error}: {stripped}") from error
    return parser.graph
