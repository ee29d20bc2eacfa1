"""Everything that `nmc verify` finds out about one program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...backends.cri.profiles import lower_for_profiles
from ...backends.cri.target import PROFILES, CriOptions
from ...compiler import Compilation
from ...compiler.diagnostics import usage
from ...compiler.ir import Graph
from ...compiler.manager import output_change
from ...runtime import Session
from ...runtime.arith import Ints
from ...runtime.compare.engines import EngineResult, compare_engines
from ...runtime.compare.profiles import ProfileResult, compare_profiles
from ...runtime.compare.trains import Departure, first_departure
from ...runtime.cri_session import timed
from ...runtime.encode import check_inputs
from ...runtime.evaluate import Evaluation, evaluate
from ...runtime.float_model import FloatModel
from ...runtime.labelled import LabelledArrays
from ...runtime.program.akida import AkidaProgram
from ...runtime.program.container import Program
from ...runtime.program.cri import CriProgram
from ...runtime.program.diagnostics import bad_file
from ...runtime.program.hybrid import HybridProgram
from .causes import Cause, explain
from .layers import (
    Row,
    akida_rows,
    check_finite,
    cri_rows,
    float_outputs,
    hybrid_rows,
    output_rows,
    population_floats,
)
from .sensitivity import Sensitivity, sensitivity
from .source import Source, float_graph, is_source

Array = np.ndarray[Any, np.dtype[Any]]
# The interpreter computes in float64, other runtimes in float32: they agree to this share of the largest output.
FLOAT32 = 1e-4


@dataclass
class Verification:
    """A program beside its float network.

    rows        layers and outputs, in the order of the network
    counters    those of the run (`Session.run`)
    same_model  was the program made from this model?
    first       where spikes begin to differ, and its cause; None where they do not, or there are none
    runtime     onnxruntime or torch, and the largest difference between it and the imported network, as a share of the
                largest output; None where neither runs the model
    evaluation  decisions, where there are labels
    profiles    the network under other builds of the machine, where that was asked for
    equal       whether the program's outputs are those of its integer network; None where that was not made again
    engines     the engines of the simulator beside the reference, where that was asked for
    costs       what the rounding of each layer costs, where that was asked for
    """

    rows: list[Row]
    counters: dict[str, Any]
    same_model: bool = True
    first: tuple[Departure, Cause] | None = None
    runtime: tuple[str, float] | None = None
    evaluation: Evaluation | None = None
    profiles: list[ProfileResult] = field(default_factory=list)
    equal: bool | None = None
    engines: list[EngineResult] = field(default_factory=list)
    costs: Sensitivity | None = None

    def first_below(self, threshold: float) -> Row | None:
        """The first layer or output whose signal-to-noise ratio is below a number of dB."""
        return next((r for r in self.rows if r.closeness is not None and r.closeness.sqnr_db < threshold), None)


def verify(
    source: Source,
    program: Program,
    arrays: Mapping[str, Array],
    labels: Ints | None = None,
    *,
    output: str | None = None,
    profiles: Sequence[str] = (),
    calibration: Path | None = None,
    engines: bool = False,
    costs: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Verification:
    """Run model and program on samples (n, *shape) by input name and compare them.

    labels       class indices (n,): also compare decisions, of the output with class scores
    profiles     names of builds ("all" for all): also compare the network under each of them, for which the model is
                 compiled again, with the samples in the file `calibration` if the program was made with some
    engines      also compare the engines of the simulator
    costs        also measure what the rounding of each layer costs; `progress` is called with (done, in all)

    NmcError NMC-R031 where the model does not give the program again, and those of reading and running models.
    """
    names, imported = _profile_names(program, profiles), source.read(program)
    run = timed(program, arrays) if isinstance(program, CriProgram) else program
    arrays = check_inputs(run.inputs, arrays)
    _check_model(run, imported)
    found = _of_cri(run, imported, arrays) if isinstance(run, CriProgram) else _of_akida(run, imported, arrays)
    if names:
        compiled = source.compile(program, calibration)
        assert isinstance(run, CriProgram)
        found.equal = equals_integers(compiled.lowered, run, arrays)
        found.profiles = profiles_of(compiled, names, arrays)
    if engines:
        found.engines = compare_engines(run, arrays)
    if costs:
        steps = run.timesteps if isinstance(run, CriProgram) else 0
        graph = float_graph(program, imported, arrays, steps)
        found.costs = sensitivity(run, graph, arrays, labels, output=output, progress=progress)
    found.same_model = is_source(program, imported)
    found.runtime = _other_runtime(source, imported, arrays)
    if labels is not None:
        steps = run.timesteps if isinstance(run, CriProgram) else 0
        data = LabelledArrays(arrays, labels)
        found.evaluation = evaluate(run, data, output=output, model=lambda part: float_outputs(imported, part, steps))
    return found


def _check_model(program: Program, imported: Graph) -> None:
    """NmcError NMC-R024 unless the model takes the program's inputs: of trains, one timestep of them."""
    trains = {value.name for value in imported.inputs if imported.stepped and imported.timing[value.name].axis >= 0}
    takes = {value.name: value.type.shape[1:] for value in imported.inputs}
    gets = {entry.name: entry.shape[1:] if entry.name in trains else entry.shape for entry in program.inputs}
    if takes != gets:
        what, why = f"the model takes inputs of shapes {takes}", f"the program takes {gets}"
        raise bad_file("NMC-R024", what, why=why, hint="is it the model that the program was made from?")


def _of_cri(program: CriProgram, imported: Graph, arrays: Mapping[str, Array]) -> Verification:
    """A program that is made for as many timesteps as the samples have."""
    result, steps = Session(program).run(arrays, trace=True), program.timesteps
    graph = float_graph(program, imported, arrays, steps)
    if steps and not graph.stepped:  # the rate of its spikes stands for an activation
        steps, result = 0, replace(result, trace={name: train.sum(axis=1) for name, train in result.trace.items()})
    floats = population_floats(program, graph, arrays, result)
    rows = cri_rows(program, floats, result, steps) + output_rows(
        program, float_outputs(imported, arrays, steps), result
    )
    found = Verification(rows, result.counters)
    if steps:
        at = first_departure(floats, {name: result.trace[name] for name in floats})
        found.first = None if at is None else (at, explain(program, graph, arrays, at))
    return found


def _of_akida(program: AkidaProgram | HybridProgram, imported: Graph, arrays: Mapping[str, Array]) -> Verification:
    result = Session(program).run(arrays, trace=True)
    graph = float_graph(program, imported, arrays, 0)
    if isinstance(program, HybridProgram):
        rows = hybrid_rows(program, graph, arrays, result)
    else:
        rows = akida_rows(program, graph, arrays, result)
    return Verification(rows + output_rows(program, float_outputs(imported, arrays, 0), result), result.counters)


def _other_runtime(source: Source, imported: Graph, arrays: Mapping[str, Array]) -> tuple[str, float] | None:
    """The runtime that the model was written for, and the largest difference from the network as it was imported."""
    if source.model.suffix.lower() == ".onnx":
        name, outputs = "onnxruntime", FloatModel(source.model)(arrays)
    elif ":" in source.model.name and not imported.stepped:
        name, outputs = "torch", source.run_code(arrays)
    else:
        return None
    ours = float_outputs(imported, arrays, 0)
    if outputs.keys() != ours.keys():
        what = f"{name} gives the outputs {', '.join(map(repr, outputs))}"
        raise bad_file("NMC-R024", what, why=f"the imported network gives {', '.join(map(repr, ours))}")
    for output, values in outputs.items():
        check_finite(f"output {output!r} in {name}", values)
    return name, output_change(outputs, ours, {})


# --- profiles ---


def _profile_names(program: Program, wanted: Sequence[str]) -> list[str]:
    if not wanted:
        return []
    if not isinstance(program, CriProgram):
        raise usage("NMC-R032", f"target {program.target} has no profiles", hint="leave out --profile")
    unknown = [name for name in wanted if name not in (*PROFILES, "all")]
    if unknown:
        raise usage("NMC-R032", f"unknown profile {unknown[0]!r}", hint=f"all, {', '.join(PROFILES)}")
    return list(PROFILES) if "all" in wanted else list(wanted)


def profiles_of(compiled: Compilation, names: Sequence[str], arrays: Mapping[str, Array]) -> list[ProfileResult]:
    """The integer network of a compilation for target cri under its own profile and those named."""
    provenance = compiled.program.provenance
    options = CriOptions(**provenance["options"])
    return compare_profiles(lower_for_profiles(compiled.lowered, options, provenance, names), arrays)


def equals_integers(graph: Graph, program: CriProgram, arrays: Mapping[str, Array]) -> bool:
    """Do the integers that a program answers equal those of its integer graph?"""
    result, wanted = Session(program).run(arrays), float_outputs(graph, arrays, program.timesteps)
    for readout in program.readouts:
        units = wanted[readout.name] / readout.scale.reshape(readout.row_shape) * (readout.rows if readout.mean else 1)
        if not np.array_equal(np.rint(units), result.integers[readout.name]):
            return False
    return True
