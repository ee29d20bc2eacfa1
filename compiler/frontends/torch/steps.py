"""A trace over all timesteps becomes a trace of one: each node's frame (see `layout`), and no time axis left.

A model in SpikingJelly's step mode `m` computes with trains (T, N, …). Its layers see (T·N, …), its own code sees the
axis T in front: every operation is given the rule by which it acts on one timestep alone, or is refused because it has
no such meaning. A model in step mode `s` computes with one timestep already; here its neurons are checked alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx
from torch.fx.node import map_arg
from torch.utils import _pytree as pytree

from ...diagnostics import Collector, Exit, unsupported
from ...ir.session import DEFAULT_STEPS
from ..common.problems import Refusal, require
from .handlers import word
from .inputs import check_shapes
from .layout import Layout
from .loops import Loop, neuron_calls
from .over_time import each_step, every_step
from .shapes import FAKE, OP, REFUSAL, STALE, Shapes, fake_of
from .spiking_classes import step_mode
from .step import UNKNOWN, Rewrite, Step
from .step_rules import rule_of
from .trace import Traced

MOST_TRIED = 81  # combinations of what the inputs may be: all of them for four inputs
_HINT = "let `forward` take one timestep, which nmc repeats; or use SpikingJelly's step_mode='m'"


class PerStep:
    """Rewrites a trace node by node; `run` gives the new trace and the number of refusals."""

    def __init__(self, traced: Traced, inputs: Mapping[str, Layout]):
        self.traced, self.inputs = traced, inputs
        self.graph = fx.Graph()
        self.sizes = Shapes(traced.root)
        self.made: dict[fx.Node, fx.Node] = {}
        self.layouts: dict[fx.Node, Layout | None] = {}
        self.constants: dict[str, Tensor] = {}
        self.lengths: set[int] = set()
        self.refusals = self.unknown = 0

    def run(self) -> Traced:
        """The trace of one timestep."""
        names = {node: name for name, node in self.traced.inputs.items()}
        for node in self.traced.graph.nodes:
            if node in names:
                self._input(node, self.inputs[names[node]])
            elif node.name in self.traced.constants:
                self._constant(node)
            elif node.op != "output":
                self._call(node)
        output = self.graph.output(map_arg(self.traced.output, self.made.__getitem__))
        stale = self.traced.graph.output_node().meta.get(STALE)
        if stale:
            output.meta[STALE] = stale
        inputs = {name: self.made[node] for name, node in self.traced.inputs.items()}
        held = {name for name, layout in self.inputs.items() if layout.when == "held"}
        leaves = [leaf for leaf in pytree.tree_leaves(self.traced.output) if isinstance(leaf, fx.Node)]
        when = {self.made[leaf]: layout.when for leaf in leaves if (layout := self.layouts[leaf]) is not None}
        steps = max(self.lengths, default=DEFAULT_STEPS)
        return Traced(self.traced.root, self.graph, inputs, self.constants, output.args[0], steps, held, when)

    def _copied(self, node: fx.Node, layout: Layout | None) -> fx.Node:
        new = self.graph.create_node(node.op, node.target, (), {}, node.name)
        new.meta = {key: value for key, value in node.meta.items() if key != FAKE}
        self.made[node], self.layouts[node] = new, layout
        return new

    def _input(self, node: fx.Node, layout: Layout) -> None:
        shape = tuple(fake_of(node).shape)
        self._count(shape, layout)
        self.sizes.input(self._copied(node, layout), layout.frame(shape))

    def _constant(self, node: fx.Node) -> None:
        tensor = self.traced.constants[node.name]
        new = self._copied(node, None)
        self.constants[new.name] = tensor
        self.sizes.constant(new, tensor)

    def _count(self, shape: Any, layout: Layout) -> None:
        if layout.time is not None and layout.when == "step":
            self.lengths.add(shape[layout.time])

    def _call(self, node: fx.Node) -> None:
        if any(self.layouts[operand] is UNKNOWN for operand in node.all_input_nodes):
            self._refuse(node, None)
            return
        step = Step(self.traced, node, self.layouts, self.made, self._emit)
        try:
            found = rule_of(step)(step)
            if found is None:  # no rule: the importer names it
                self._refuse(node, None)
                return
            self._check(node, found)
            self.made[node], self.layouts[node] = found.node, found.layout
        except Refusal as refusal:
            self._refuse(node, refusal)

    def _check(self, node: fx.Node, found: Rewrite) -> None:
        whole, frame = fake_of(node), fake_of(found.node)
        if isinstance(whole, Tensor) and found.layout is not None:
            self._count(whole.shape, found.layout)
            fits = tuple(frame.shape) == found.layout.frame(whole.shape)
            require(fits, "NMC-I011", f"in one timestep it gives {list(frame.shape)}, of {list(whole.shape)} in all")

    def _refuse(self, node: fx.Node, refusal: Refusal | None) -> None:
        new = self._copied(node, UNKNOWN)
        self.unknown += 1
        new.args, new.kwargs = map_arg((node.args, node.kwargs), self.made.__getitem__)
        new.meta[FAKE] = fake_of(node)
        if refusal is not None:
            new.meta[REFUSAL] = refusal
            self.refusals += 1

    def _emit(self, like: fx.Node, op: str, target: Any, args: Any, kwargs: Any) -> fx.Node:
        """A new node in the place of `like`, run on frames."""
        new = self.graph.create_node(op, target, args, kwargs, like.name)
        new.meta = {key: value for key, value in like.meta.items() if key != FAKE} | {OP: word(like)}
        try:
            self.sizes.run(new)
        except Exception as error:  # torch raises many kinds
            why = f"it cannot be done for one timestep: {str(error).splitlines()[0][:200]}"
            raise Refusal("NMC-I011", why) from None
        return new


def _roll_loops(traced: Traced, calls: Mapping[str, list[fx.Node]]) -> None:
    """Roll up a loop over timesteps. NmcError NMC-I032 if a neuron is called more than once in another way."""
    counts = {path: len(found) for path, found in calls.items()}
    if set(counts.values()) <= {1} or (len(set(counts.values())) == 1 and Loop(traced, calls).roll()):
        return
    names = ", ".join(f"{path!r} {count} times" for path, count in list(counts.items())[:8] if count > 1)
    why = f"one call of it runs the neurons {names}, and not in the same way in every timestep"
    where = type(traced.root).__name__
    raise unsupported("NMC-I032", "`forward` loops over timesteps or shares neurons", where, why, _HINT)


def _over_time(traced: Traced) -> bool:
    """Does it compute with all timesteps at once, in the library's modules that it calls or in a loop?"""
    nodes = list(traced.graph.nodes)
    called = {str(path) for node in nodes for path, _ in (node.meta.get("nn_module_stack") or {}).values()}
    marks = {each_step, every_step}
    whole = any(step_mode(traced.root.get_submodule(path)) == "m" for path in called)
    return whole or any(node.target in marks for node in nodes)


def _check_resets(traced: Traced, calls: Mapping[str, list[fx.Node]]) -> None:
    """NMC-I032 if `forward` resets neurons whose states it does not pass on itself, once for each timestep or more."""
    passed = {path for path, found in calls.items() if len(found[0].args) + len(found[0].kwargs) > 1}
    own = [path for path in traced.resets if path not in passed]
    if own and not _over_time(traced):
        why = f"it resets {', '.join(map(repr, own[:8]))}, which forget all timesteps before"
        hint = "leave the reset to whoever calls the network: nmc starts each run from the reset state"
        where = type(traced.root).__name__
        raise unsupported("NMC-I032", "`forward` resets neurons in every timestep", where, why, hint)


def _layouts(traced: Traced, name: str) -> list[Layout]:
    """What an input may be: a train with its time axis first or second, or a frame that is the same in each step."""
    shape = tuple(fake_of(traced.inputs[name]).shape)
    if not _over_time(traced):
        return [Layout("step")]
    first, second, held = Layout("step", 0), Layout("step", 1), Layout("held")
    if shape[0] != 1:
        return [first]
    later = [second] if len(shape) > 1 else []
    return [*later, held, first] if len(shape) > 1 and shape[1] == 1 else [*later, held]


def per_step(traced: Traced) -> Traced:
    """The trace of one timestep of a spiking network. Which axis of an input holds the timesteps is what fits: the
    neurons take it as axis 0. Nodes that have no meaning in one timestep carry a refusal."""
    calls = neuron_calls(traced)
    _check_resets(traced, calls)
    _roll_loops(traced, calls)
    if not _over_time(traced):
        errors = Collector(Exit.USAGE)
        check_shapes({name: tuple(fake_of(n).shape) for name, n in traced.inputs.items()}, list(traced.inputs), errors)
        errors.raise_if_any()
    choices = [_layouts(traced, name) for name in traced.inputs]
    tried: list[tuple[tuple[int, int], Traced, list[int]]] = []
    for chosen in itertools.islice(itertools.product(*choices), MOST_TRIED):
        rewriting = PerStep(traced, dict(zip(traced.inputs, chosen, strict=True)))
        found = rewriting.run()
        tried.append(((rewriting.refusals, rewriting.unknown), found, sorted(rewriting.lengths)))
        if not rewriting.refusals:
            break
    _, found, lengths = min(tried, key=lambda item: item[0])
    if len(lengths) > 1:
        why = f"its trains have {' and '.join(map(str, lengths))} timesteps"
        raise unsupported("NMC-I012", "`forward` joins trains of different lengths", type(traced.root).__name__, why)
    return found
