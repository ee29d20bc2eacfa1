"""Stream models, which hand their memories from call to call as inputs and outputs of their own.

A memory that holds the last k frames of a value is a FIFO. It starts at zero, so the window it is part of is the value
with k zero frames in front, and the model is an ordinary causal clip network:

    window = concat(state, x); y = conv(window); next = the last k frames of window    →    y = conv(pad(x, k zeros))

Such pairs are found by their structure. A pair that the user names and that is something else becomes state of a frame
graph, which is interpreted step by step, and which no target takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ....runtime.program.timing import Timing
from ...ir import Graph, TensorType, Value
from ...ir.ops import Pad
from ...ir.session import DEFAULT_STEPS
from .longer import lengthened
from .memories import Memory, Pairs, find_memories

MOST_FRAMES = 64


def take_states(graph: Graph, pairs: Pairs) -> tuple[Graph, tuple[str, ...]]:
    """The graph without its state inputs and outputs, and sentences that say what became of them."""
    memories = find_memories(graph, pairs)
    left = {value.name for value in graph.inputs} - {memory.state.name for memory in memories}
    if not memories or not left:
        return graph, ()
    if all(memory.window is not None for memory in memories):
        made = _as_clip(graph, memories)
        if made is not graph:
            names = ", ".join(f"{m.state.name} (frames: {m.state.type.shape[m.dim]})" for m in memories)
            held = sum(memory.state.type.shape[memory.dim] for memory in memories)
            made = lengthened(made, min(max(held, DEFAULT_STEPS), MOST_FRAMES))
            return made, (f"FIFOs that the model keeps outside itself became causal padding: {names}",)
    made = _as_steps(graph, memories)
    return made, (f"the model runs step by step; its states: {', '.join(m.state.name for m in memories)}",)


def _copied(
    source: Graph, target: Graph, twin: dict[int, Value], instead: Mapping[int, Callable[[], Value]]
) -> Callable[[Value], Value]:
    """Apply the nodes of `source` in `target`, `instead` for some values; returns the map of values."""

    def mapped(value: Value) -> Value:
        if value.is_constant and id(value) not in twin:
            twin[id(value)] = target.constant(value.name, value.data, value.type.axes, value.origin)
        return twin[id(value)]

    for node in source.nodes:
        made = node.result
        if id(made) in instead:
            twin[id(made)] = instead[id(made)]()
        elif all(value is None or value.is_constant or id(value) in twin for value in node.operands):
            operands = [None if value is None else mapped(value) for value in node.operands]
            twin[id(made)] = target.add(node.op, *operands, name=made.name, origin=made.origin)
    return mapped


def _as_clip(source: Graph, memories: list[Memory]) -> Graph:
    """Windows as padded values; `source` itself if an output reads a state that is more than a part of its window."""
    target = Graph(source.name)
    states = {memory.state.name for memory in memories}
    time = {memory.window.type.axes[memory.dim] for memory in memories if memory.window is not None}
    twin = {id(v): target.add_input(v.name, _timed(v.type, time)) for v in source.inputs if v.name not in states}

    def padded(memory: Memory) -> Callable[[], Value]:
        assert memory.window is not None and memory.x is not None
        window, x = memory.window, memory.x
        pads = tuple((memory.state.type.shape[memory.dim] if i == memory.dim else 0, 0) for i in range(x.type.rank))
        return lambda: target.add(Pad(pads), twin[id(x)], name=window.name, origin=window.origin)

    mapped = _copied(source, target, twin, {id(memory.window): padded(memory) for memory in memories})
    gone = {memory.output for memory in memories}
    if any(id(v) not in twin and not v.is_constant for name, v in source.outputs.items() if name not in gone):
        return source
    target.outputs = {name: mapped(value) for name, value in source.outputs.items() if name not in gone}
    _erase_unused(target)
    return target


def _timed(type: TensorType, time: set[str]) -> TensorType:
    """The axis along which frames are remembered is time, whatever it was taken for."""
    if "T" in type.axes or len(time) != 1 or (letter := next(iter(time))) not in type.axes or letter in "NC_":
        return type
    return type.with_shape(type.shape, type.axes.replace(letter, "T"))


def _as_steps(source: Graph, memories: list[Memory]) -> Graph:
    """A frame graph: each step takes the inputs of one call; samples are (steps, *shape of an input)."""
    target = Graph(source.name)
    states = {memory.state.name: memory for memory in memories}
    timing = Timing(0, 1, DEFAULT_STEPS, 1)
    twin: dict[int, Value] = {}
    for value in source.inputs:
        untimed = value.type.with_shape(value.type.shape, value.type.axes.replace("T", "_"))
        if value.name in states:
            twin[id(value)] = target.add_state(value.name, untimed, value.origin)
        else:
            twin[id(value)] = target.add_input(value.name, untimed)
            target.timing[value.name] = timing
    mapped = _copied(source, target, twin, {})
    gone = {memory.output for memory in memories}
    for name, value in source.outputs.items():
        if name not in gone:
            target.outputs[name] = mapped(value)
            target.timing[name] = timing
    for memory in memories:
        target.close(twin[id(memory.state)], mapped(source.outputs[memory.output]))
    _erase_unused(target)
    return target


def _erase_unused(graph: Graph) -> None:
    for node in reversed(list(graph.nodes)):
        if not graph.readers(node.result):
            graph.erase(node)
