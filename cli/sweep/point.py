"""One point of a sweep: the program that its options give, or why there is none."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...runtime.program import CriProgram, HybridProgram, Program
from ...runtime.program.diagnostics import Diagnostic
from ..common import reported


@dataclass(frozen=True)
class Source:
    """The network, and how it is compiled but for the options: the arguments of `compile_verbose`. `calibration` is a
    path; all paths are absolute, for processes that work elsewhere."""

    model: str
    target: str
    input_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    state_dict: str | None = None
    states: dict[str, str] = field(default_factory=dict)
    nir: Any = None
    calibration: str | None = None


@dataclass(frozen=True)
class Compiled:
    """What a point gave. facts: columns of its row; content: the bytes of its program, unless it was written to a file
    at once; without a program there are problems, and the exit code that they stand for."""

    facts: dict[str, Any]
    seconds: float
    content: bytes | None = None
    problems: tuple[Diagnostic, ...] = ()
    exit_code: int = 0


def compile_point(source: Source, options: dict[str, Any], path: str | None) -> Compiled:
    """Compile with these options, in whatever process this is; the program is written to `path`, if there is one."""
    start = time.perf_counter()
    try:
        program = _program(source, options)
        facts, content = _facts(program), _saved(program, path)
    except Exception as error:  # the other points are still to run
        found, seconds = reported(error), time.perf_counter() - start
        return Compiled({}, seconds, None, tuple(found.diagnostics), int(found.exit_code))
    return Compiled(facts, time.perf_counter() - start, content)


def _program(source: Source, options: dict[str, Any]) -> Program:
    from ...compiler import compile_model
    from ...runtime.data import read_arrays

    return compile_model(
        source.model,
        source.target,
        input_shapes=source.input_shapes,
        state_dict=source.state_dict,
        states=source.states,
        nir=source.nir,
        calibration=None if source.calibration is None else read_arrays(source.calibration),
        **options,
    )


def _saved(program: Program, path: str | None) -> bytes | None:
    """The program in a file; its bytes where there is no path for one."""
    from ...runtime.program import save

    if path is not None:
        save(program, path)
        return None
    with TemporaryDirectory() as folder:
        save(program, Path(folder) / "program.nmc")
        return (Path(folder) / "program.nmc").read_bytes()


def _facts(program: Program) -> dict[str, Any]:
    """Columns that follow from the program alone."""
    if isinstance(program, CriProgram):
        synapses = program.axons.synapses + program.neurons.synapses
        return {
            "neurons": len(program.neuron_model),
            "axons": program.axons.sources,
            "synapses": synapses,
            "machine_steps": program.steps,
            "weight_bytes": 2 * synapses,
        }
    devices = [s.program for s in program.devices] if isinstance(program, HybridProgram) else [program]
    layers = [layer for device in devices for layer in device.layers]
    weighted = [layer for layer in layers if "weights" in layer.variables]
    bits = sum(layer.variables["weights"].size * layer.parameters["weights_bits"] for layer in weighted)
    return {
        "layers": len(layers),
        "weights": sum(layer.variables["weights"].size for layer in weighted),
        "weight_bytes": bits // 8,
    }
