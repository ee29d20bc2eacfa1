"""Tracing with torch.fx at fixed shapes: sizes are numbers, so only code that looks at the data cannot be followed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from .containers import followed
from .inputs import arguments
from .shapes import Shapes, fake_of, holds_tensors
from .spiking_classes import Unreadable, is_neuron, sealed


@dataclass
class Traced:
    """A trace: nodes that know what they give (`shapes.fake_of`), and the leaves.

    graph      placeholders, get_attr (constants) and calls, in execution order
    inputs     placeholders by public name
    constants  tensors by the name of their node
    output     what the model returns: nodes in tuples, lists and dicts
    steps      timesteps of a spiking network, whose trace is that of one; 0 for other networks
    held       names of its inputs that are the same in each step
    when       what an output is: "step" (another in each), "held" (the same in all), "last" (at the end)
    resets     paths of neurons that `forward` resets
    """

    root: nn.Module
    graph: fx.Graph
    inputs: dict[str, fx.Node]
    constants: dict[str, Tensor]
    output: Any
    steps: int = 0
    held: set[str] = field(default_factory=set)
    when: dict[fx.Node, str] = field(default_factory=dict)
    resets: list[str] = field(default_factory=list)


class KeepsState(Exception):
    """`forward` writes to tensors of the module; these."""

    def __init__(self, names: list[str]):
        super().__init__(f"it writes to {', '.join(map(repr, names[:5]))}")


class Sized(fx.Proxy):
    """A traced tensor. What does not depend on its elements (shape, dtype, dim(), …) is known; where code asks whether
    it is a tensor, it is one."""

    @property
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Tensor

    def part(self, index: Any) -> Any:
        """self[index]."""
        return self.tracer.create_proxy("call_function", operator.getitem, (self, index), {})

    def __getattr__(self, name: str) -> Any:
        found = getattr(fake_of(self.node), name)
        if isinstance(found, Tensor):
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return super().__getattr__(name) if callable(found) else found

    def __len__(self) -> int:
        return len(fake_of(self.node))

    def __iter__(self) -> Any:
        return iter([self.part(i) for i in range(len(self))])


class Tracer(fx.Tracer):
    """Follows a module's `forward` into every module but those of the table of leaves."""

    def __init__(self, leaves: Callable[[nn.Module], bool], shapes: Mapping[str, tuple[int, ...]]):
        super().__init__()
        self._is_leaf, self._input_shapes = leaves, shapes
        self.inputs: dict[str, fx.Node] = {}
        self.constants: dict[str, Tensor] = {}
        self._constant_nodes: dict[tuple[int, int], tuple[fx.Node, Tensor]] = {}
        self._running = False

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return self._is_leaf(m)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Parameters are themselves, so code may compute with them; they become constants where a value meets them."""
        return attr_val

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        """One placeholder for each input that has a shape; other parameters of `forward` keep their defaults."""
        self.sizes = Shapes(self.root)
        proxies: dict[str, Sized] = {}
        for name, shape in self._input_shapes.items():
            node = self.inputs[name] = self.create_node("placeholder", name, (), {})
            self.sizes.input(node, shape)
            proxies[name] = Sized(node, self)

        args, kwargs = arguments(self.root, proxies)

        def call(module: nn.Module) -> Any:  # not its forward, so that its hooks run
            return module(*args, **kwargs)

        return call, [self.root]

    def path_of_module(self, mod: nn.Module) -> str:
        """The path; empty for one that `forward` gets at without its being registered, e.g. from a list."""
        try:
            return super().path_of_module(mod)
        except NameError:
            if self._is_leaf(mod):
                raise
            return ""

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, fx.Proxy):
            return a.node
        if isinstance(a, Unreadable):
            raise TypeError(f"it reads {a!r}")
        return self._constant(a) if isinstance(a, Tensor) else super().create_arg(a)

    def _constant(self, tensor: Tensor) -> fx.Node:
        """The node of a tensor that is known now: one of the module's, or (a copy of) one that `forward` made."""
        key = (id(tensor), tensor._version)
        if key not in self._constant_nodes:
            names = {id(t): name for name, t in (*self.root.named_parameters(), *self.root.named_buffers())}
            name = names.get(id(tensor))
            node = self.create_node("get_attr", name or f"constant_{len(self.constants)}", (), {})
            self.constants[node.name] = tensor if name else tensor.detach().clone()
            self.sizes.constant(node, tensor, owned=name is not None)
            self._constant_nodes[key] = (node, tensor)  # holds on to the tensor, so its id stays its own
        return self._constant_nodes[key][0]

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *more: Any, **settings: Any) -> Any:
        """A proxy for the result; its parts where it is a tuple; or the result itself where it holds no tensor."""
        proxy = super().create_proxy(kind, target, args, kwargs, *more, **settings)
        found = self._run(proxy.node)
        if not holds_tensors(found):
            return found
        if isinstance(found, tuple | list):
            return type(found)([Sized(proxy.node, self).part(i) for i in range(len(found))])
        return Sized(proxy.node, self)

    def _run(self, node: fx.Node) -> Any:
        self._running = True
        try:
            return self.sizes.run(node)
        finally:
            self._running = False

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if self._running:
            return forward(*args, **kwargs)
        return super().call_module(m, followed(m, forward), args, kwargs)


def _stores(module: nn.Module) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where a module holds things: its attributes, and the dicts among them (parameters, buffers, memories)."""
    yield "", vars(module)
    yield from ((name, value) for name, value in vars(module).items() if isinstance(value, dict))


def _state(root: nn.Module) -> dict[tuple[str, str], tuple[Tensor, int]]:
    """Every tensor that a module holds, by (path of the module and name, where), and its version. Those of neurons do
    not count: their states are known."""
    found = {}
    for path, module in root.named_modules():
        for store, held in _stores(module) if not is_neuron(module) else ():
            for name, value in held.items():
                if isinstance(value, Tensor):  # which a proxy says it is
                    version = -1 if isinstance(value, fx.Proxy) else value._version
                    found[f"{path}.{name}".lstrip("."), store] = (value, version)
    return found


def _same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a, b)


def _changed(root: nn.Module, before: Mapping[Any, tuple[Tensor, int]]) -> list[str]:
    """Names of the tensors that `forward` stored in a module or changed."""
    changed = []
    for (path, store), (value, version) in _state(root).items():
        old = before.get((path, store))
        if old is not None and old[0] is value and old[1] == version:
            continue
        if isinstance(value, fx.Proxy) or old is None or old[0] is value or not _same(old[0], value):
            changed.append(path)  # else it is torch.nn.utils.weight_norm, say, that puts the same weight there again
    return changed


@contextmanager
def _put_back(root: nn.Module) -> Iterator[None]:
    """Whatever the modules hold afterwards, they hold what they held before."""
    saved = [(held, dict(held)) for module in root.modules() for _, held in _stores(module)]
    try:
        yield
    finally:
        for held, old in saved:
            if held.keys() != old.keys() or any(held[name] is not value for name, value in old.items()):
                held.clear()
                held.update(old)


def trace(root: nn.Module, shapes: Mapping[str, tuple[int, ...]], is_leaf: Callable[[nn.Module], bool]) -> Traced:
    """Trace `root` at these input shapes. KeepsState if it has a state other than that of neurons; else whatever
    `forward` raises, which is fx.proxy.TraceError or a TypeError where it looks at elements of a tensor."""
    tracer = Tracer(is_leaf, shapes)
    with torch.no_grad(), _put_back(root), sealed(root) as resets:
        before = _state(root)
        graph = tracer.trace(root)
        changed = _changed(root, before)
    changed += tracer.sizes.overwritten_constants()
    if changed:
        raise KeepsState(changed)
    output = graph.output_node()
    tracer.sizes.refresh(output)
    return Traced(root, graph, tracer.inputs, tracer.constants, output.args[0], resets=resets)
