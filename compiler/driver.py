"""Compilation from a model file to a program: front end, pipeline, lowering."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..runtime.program.task import NO_TASK, Task
from .calibration import check_samples, synthetic_events, synthetic_samples
from .diagnostics import Exit, NmcError
from .frontends import NirOptions, Shapes, import_model
from .ir import Graph, print_graph
from .levels import stored
from .manager import Manager, PassRecord
from .passes.base import Context, Declined
from .passes.take_scales import has_quantizers
from .pipeline import parse_pipeline, print_pipeline
from .target import DeviceTarget, find_target, make_options, pipeline_of
from .task import take_task

if TYPE_CHECKING:
    from torch import nn

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Compilation:
    """A program and how it came about.

    imported  the graph as the front end read it; lowered: the last graph, which the program equals bit for bit
    records   what each pass did; declined: rewrites not done and why; warnings: sentences for the user
    reports   what passes and the lowering measured, by name
    """

    program: Any
    imported: Graph
    lowered: Graph
    records: tuple[PassRecord, ...]
    declined: tuple[Declined, ...]
    warnings: tuple[str, ...]
    reports: dict[str, list[Any]]


@dataclass(frozen=True)
class Transformed:
    """A graph after a pipeline, what each pass did, and what the passes had to say (reports, declined rewrites)."""

    graph: Graph
    records: tuple[PassRecord, ...]
    context: Context


def transform(
    model: str | Path | Graph | nn.Module,
    passes: str,
    *,
    input_shapes: Shapes | None = None,
    state_dict: str | Path | None = None,
    nir: NirOptions | None = None,
    states: Mapping[str, str] | None = None,
    calibration: Arrays | np.ndarray[Any, Any] | None = None,
    manager: Manager | None = None,
) -> Transformed:
    """Run a pipeline on a model without lowering it to a target.

    passes  for example "canonicalize,fold-batch-norm,make-causal,stream", which makes a clip network a frame graph that
            `nmc.compiler.ir.FrameSession` runs frame by frame

    The other arguments are those of `compile_model`; without calibration, passes that measure have nothing to measure.
    """
    imported = import_model(model, input_shapes, state_dict, nir, states)
    graph = imported.graph.copy()
    context = Context(samples=None if calibration is None else check_samples(graph, calibration))
    context.warnings += imported.notes
    context.integer_weights = graph.integer_weights
    records = (manager or Manager()).run(graph, parse_pipeline(passes), context)
    return Transformed(graph, tuple(records), context)


def _sha256(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _calibration(given: bool, context: Context) -> str:
    if context.samples is None:
        return "none"
    return _samples_digest(context.samples) if given else "synthetic"


def _samples_digest(samples: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(samples):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(samples[name], np.float64).data)  # not as bytes, which would be a copy
    return digest.hexdigest()


def compile_verbose(
    model: str | Path | Graph | nn.Module,
    target: str,
    *,
    input_shapes: Shapes | None = None,
    state_dict: str | Path | None = None,
    nir: NirOptions | None = None,
    states: Mapping[str, str] | None = None,
    calibration: Arrays | np.ndarray[Any, Any] | None = None,
    passes: str | None = None,
    manager: Manager | None = None,
    progress: Callable[[int, int], object] | None = None,
    context: Context | None = None,
    task: Task = NO_TASK,
    **options: Any,
) -> Compilation:
    """Compile `model` for a target; see `compile_model` for the arguments.

    `manager` carries the debugging switches (verify_each, dump_ir, print_after); `progress` is called with (steps done,
    steps in all) while calibration samples run. A `context` of the caller's holds what the passes did and declined also
    where the compilation fails.
    """
    backend = find_target(target)
    settings = make_options(backend, options)
    context = context or Context()
    if progress is not None:
        context.progress = progress
    context.stage("importing")
    source = import_model(model, input_shapes, state_dict, nir, states)
    imported = source.graph
    if passes is None:
        pipeline = pipeline_of(backend, settings, imported)
    else:
        pipeline = parse_pipeline(passes, backend.passes)
    graph = imported.copy()
    context.warnings += source.notes
    context.integer_weights = graph.integer_weights
    task = take_task(task, source, context.warnings)
    if calibration is not None:
        context.samples = check_samples(graph, calibration)
    elif not graph.stepped:
        context.samples, warning = synthetic_samples(graph)
        if has_quantizers(graph):
            context.made_up = warning
        else:
            context.warnings.append(warning)
    manager = replace(manager or Manager(), target=target)
    if manager.verify_each and manager.inputs is None:
        manager = replace(manager, inputs=context.samples or synthetic_events(graph))
    records = manager.run(graph, pipeline, context)
    provenance = {
        "nmc": version("nmc"),
        "numpy": version("numpy"),
        "onnx": version("onnx"),
        "model": {"name": imported.name, "sha256": _sha256(print_graph(imported).encode())},
        "options": stored(settings),
        "pipeline": print_pipeline(pipeline),
        "calibration": _calibration(calibration is not None, context),
        **({"import": source.options} if source.options else {}),
    }
    context.stage("lowering")
    program = backend.lower(graph, settings, context, provenance)
    if task != NO_TASK:
        program = replace(program, task=task)
    if isinstance(backend, DeviceTarget) and (found := backend.lint(program, settings.device)):
        if "device" in options:
            raise NmcError(found, Exit.LIMIT)
        context.warnings.append(f"{len(found)} limits of device {settings.device} are exceeded: `nmc check` lists them")
    return Compilation(
        program,
        imported,
        graph,
        tuple(records),
        tuple(context.declined),
        tuple(context.warnings),
        context.reports,
    )


def compile_model(
    model: str | Path | Graph | nn.Module,
    target: str = "cri",
    *,
    input_shapes: Shapes | None = None,
    state_dict: str | Path | None = None,
    nir: NirOptions | None = None,
    states: Mapping[str, str] | None = None,
    calibration: Arrays | np.ndarray[Any, Any] | None = None,
    passes: str | None = None,
    task: Task = NO_TASK,
    **options: Any,
) -> Any:
    """Compile a network to a program for `target`.

    model         path of an ONNX file (or of a `.pt2`, `.nir` or `.ir` file), PyTorch code as "file.py:factory" or
                  "package.module:factory" (which is run), a torch.nn.Module, or an imported graph
    input_shapes  shapes by input name where the file leaves dimensions open, and for PyTorch code and modules, whose
                  inputs are called as the parameters of `forward`, e.g. {"image": (1, 1, 8, 8)}
    state_dict    file of weights (.pt or .safetensors) for PyTorch code
    nir           discretization of a NIR file (`nmc.compiler.frontends.NirOptions`)
    states        memories that an ONNX model takes and gives, input name to output name; FIFOs are found without it
    calibration   typical inputs, shape (samples, *sample shape), by input name or as one array; without it ranges come
                  from synthetic noise and the result is only good for trying out
    passes        a pipeline as text instead of the target's own
    task          class names, smoothing and pixel scaling, which the program keeps for those who run it
    options       the target's options, for cri: profile, timesteps, readout, ranges, … (see `nmc targets`)

    Returns the program (`nmc.runtime.program.save` writes it). Raises NmcError with every problem found.
    """
    return compile_verbose(
        model,
        target,
        input_shapes=input_shapes,
        state_dict=state_dict,
        nir=nir,
        states=states,
        calibration=calibration,
        passes=passes,
        task=task,
        **options,
    ).program
