"""Traces by torch.export, which follows some code that fx does not; the graph holds ATen operations."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from .inputs import arguments
from .shapes import Shapes
from .trace import KeepsState, Traced
from .where import quiet


def export(root: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> Traced:
    """Trace by torch.export at these input shapes. KeepsState if the module has a state, else whatever torch raises."""
    args, kwargs = arguments(root, {name: torch.zeros(shape) for name, shape in shapes.items()})
    silence = io.StringIO()  # torch prints the graph where it gives up
    with quiet(), torch.no_grad(), redirect_stdout(silence), redirect_stderr(silence):
        program = torch.export.export(root, args, kwargs, strict=False)
    return from_program(program, root)


def specialize(program: torch.export.ExportedProgram, shapes: Mapping[str, tuple[int, ...]]) -> Traced:
    """The trace of a program that leaves sizes open, at these sizes."""
    examples = [torch.zeros(shape) for shape in shapes.values()]
    with quiet(), torch.no_grad():
        module = program.module()
        fixed = torch.export.export(module, tuple(examples), strict=False)
    return from_program(fixed, module)


def from_program(program: torch.export.ExportedProgram, root: nn.Module) -> Traced:
    """The trace of a program whose shapes are numbers."""
    signature = program.graph_signature
    written = [str(s.target) for s in signature.output_specs if s.kind == OutputKind.BUFFER_MUTATION]
    if written:
        raise KeepsState(written)
    kinds = {spec.arg.name: spec for spec in signature.input_specs}
    sizes = Shapes(root)
    inputs: dict[str, fx.Node] = {}
    constants: dict[str, Tensor] = {}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            spec = kinds[node.name]
            if spec.kind == InputKind.USER_INPUT:
                inputs[node.name] = node
                sizes.input(node, tuple(node.meta["val"].shape))
            else:
                constants[node.name] = tensor = _tensor(program, str(spec.target))
                node.target = str(spec.target)
                sizes.constant(node, tensor)
        elif node.op != "output":
            sizes.run(node)
    if written := sizes.overwritten_constants():
        raise KeepsState(written)
    output = program.graph.output_node()
    sizes.refresh(output)
    results: Any = output.args[0]
    spec = program.call_spec.out_spec
    return Traced(root, program.graph, inputs, constants, pytree.tree_unflatten(results, spec) if spec else results)


def _tensor(program: torch.export.ExportedProgram, name: str) -> Tensor:
    found: Any = program.state_dict.get(name)
    return program.constants[name] if found is None else found  # pyright: ignore[reportReturnType]
