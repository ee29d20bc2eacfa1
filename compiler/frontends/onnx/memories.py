"""Which inputs of a stream model are memories, and which outputs hold their next values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...diagnostics import Collector, Exit
from ...ir import Graph, Value
from ...ir.ops import Concat, Slice

Pairs = Mapping[str, str]
Frames = list[tuple[int, int]]  # which frame of which value (by id)


@dataclass(frozen=True)
class Memory:
    """A state input and the output that holds its next value; of a FIFO also the window it is part of, the value
    whose frames it holds, and the axis of time."""

    state: Value
    output: str
    window: Value | None = None
    x: Value | None = None
    dim: int = 0


def _frames(value: Value, dim: int) -> Frames:
    """The value's frames along an axis, looked up through slices and concats along it."""
    node = value.producer
    if node is not None and isinstance(node.op, Slice):
        whole = [(0, size, 1) for size in node.x.type.shape]
        if all(r == w for i, (r, w) in enumerate(zip(node.op.ranges, whole, strict=True)) if i != dim):
            before = _frames(node.x, dim)
            return [before[i] for i in range(*node.op.ranges[dim])]
    if node is not None and isinstance(node.op, Concat) and node.op.dim == dim:
        return [frame for operand in node.operands if operand is not None for frame in _frames(operand, dim)]
    return [(id(value), i) for i in range(value.type.shape[dim])]


def _window(state: Value) -> tuple[Value, Value, int] | None:
    """The concat of the state and the frames after it, those frames, and the axis."""
    for node, index in state.uses:
        if isinstance(node.op, Concat) and index == 0 and len(node.operands) == 2:
            later = node.operands[1]
            if later is not None and not later.is_constant and later is not state:
                return node.result, later, node.op.dim
    return None


def _fifo(graph: Graph, state: Value, output: str) -> Memory | None:
    """The pair as a FIFO, None if it is none."""
    found, after = _window(state), graph.outputs[output]
    if found is None or after.is_constant or after.type.shape != state.type.shape:
        return None
    window, x, dim = found
    if dim == 0 or _frames(after, dim) != _frames(window, dim)[-state.type.shape[dim] :]:
        return None
    return Memory(state, output, window, x, dim)


def find_memories(graph: Graph, pairs: Pairs) -> list[Memory]:
    """The pairs that the user names, and those that are FIFOs by their structure. NmcError (usage) for wrong names."""
    _check(graph, pairs)
    inputs = {value.name: value for value in graph.inputs}
    found = [_fifo(graph, inputs[i], o) or Memory(inputs[i], o) for i, o in pairs.items()]
    taken = set(pairs.values())
    for name, state in inputs.items():
        if name in pairs or _window(state) is None:
            continue
        for output in graph.outputs:
            if output not in taken and (memory := _fifo(graph, state, output)) is not None:
                found.append(memory)
                taken.add(output)
                break
    return found


def _check(graph: Graph, pairs: Pairs) -> None:
    errors = Collector(Exit.USAGE)
    inputs = {value.name: value.type.shape for value in graph.inputs}
    outputs = {name: value.type.shape for name, value in graph.outputs.items()}
    for name, output in pairs.items():
        for kind, wanted, known in (("input", name, inputs), ("output", output, outputs)):
            if wanted not in known:
                hint = f"its {kind}s are {', '.join(map(repr, known))}"
                errors.add("NMC-I050", f"the model has no {kind} {wanted!r} that a state could be", hint=hint)
        if name in inputs and output in outputs and inputs[name] != outputs[output]:
            why = f"{list(inputs[name])} and {list(outputs[output])}"
            errors.add("NMC-I050", f"state input {name!r} and output {output!r} have different shapes", why=why)
    twice = {output for output in pairs.values() if list(pairs.values()).count(output) > 1}
    for output in sorted(twice):
        errors.add("NMC-I050", f"output {output!r} is named as the next value of two states")
    if pairs and not errors.diagnostics and len(pairs) == len(inputs):
        errors.add("NMC-I050", "every input is named as a state, so nothing is left to feed")
    errors.raise_if_any()
