"""The model that a program was made from: read again, as floats or compiled once more."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ...compiler import Compilation, compile_verbose
from ...compiler.analysis.float_layers import before_integers
from ...compiler.diagnostics import usage
from ...compiler.frontends import NirOptions, import_model
from ...compiler.ir import Graph, print_graph
from ...compiler.pipeline import print_pipeline
from ...compiler.target import find_target, pipeline_of
from ...runtime.compare.programs import diff_programs
from ...runtime.data import read_arrays
from ...runtime.program.container import Program
from ...runtime.program.diagnostics import bad_file

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Source:
    """A model, with what it takes to read it: shapes by input name, and a file of weights for PyTorch code."""

    model: Path
    shapes: Mapping[str, tuple[int, ...]]
    state_dict: Path | None = None

    def read(self, program: Program) -> Graph:
        """The imported graph; a NIR file is read with the discretization that the program was made with."""
        return import_model(self.model, self.shapes, self.state_dict, self._nir(program)).graph

    def run_code(self, samples: Mapping[str, Array]) -> dict[str, Array]:
        """What the module of PyTorch code computes."""
        from ...compiler.frontends.torch.run import run_source  # torch is imported only where it is used

        return run_source(str(self.model), self.state_dict, samples)

    def _nir(self, program: Program) -> NirOptions | None:
        if self.model.suffix.lower() != ".nir":
            return None
        stored = program.provenance.get("import", {})
        return NirOptions(**{f.name: stored[f.name] for f in fields(NirOptions) if f.name in stored})

    def compile(self, program: Program, calibration: Path | None) -> Compilation:
        """Compile the model as the program was; NmcError NMC-R031 unless that gives the same program again."""
        made, given = program.provenance, None if calibration is None else read_arrays(calibration)
        missing = [name for name in ("options", "pipeline", "calibration") if name not in made]
        if missing:
            what = f"the program does not say how it was made: no {', '.join(missing)}"
            raise bad_file("NMC-R031", what, hint="compile the model with nmc")
        stored = made["calibration"] not in ("none", "synthetic")
        if stored and given is None:
            hint = "give the samples it was compiled with: --calibration"
            raise usage("NMC-R031", "the program was calibrated, and its integers depend on the samples", hint=hint)
        compiled = compile_verbose(
            self.model,
            program.target,
            input_shapes=self.shapes,
            state_dict=self.state_dict,
            nir=self._nir(program),
            calibration=given,
            passes=made["pipeline"],
            **made["options"],
        )
        differences = [d for d in diff_programs(program, compiled.program) if d.part not in ("provenance", "task")]
        if differences:
            d = differences[0]
            where = " ".join(filter(None, (d.part, d.name, d.field)))
            raise bad_file(
                "NMC-R031",
                "compiling the model again gives another program",
                str(self.model),
                f"{len(differences)} parts differ; the first is {where}: {d.first} became {d.second}",
                "give the model, --input-shape, --state-dict and --calibration that the program was compiled with",
            )
        return compiled


def is_source(program: Program, imported: Graph) -> bool:
    """Was the program made from this graph?"""
    return (
        program.provenance.get("model", {}).get("sha256") == hashlib.sha256(print_graph(imported).encode()).hexdigest()
    )


def float_graph(program: Program, imported: Graph, samples: Mapping[str, Array], steps: int) -> Graph:
    """The graph with the names of the program's layers; those of the target's own pipeline if it does not say
    how it was made."""
    target = find_target(program.target)
    usual = print_pipeline(pipeline_of(target, target.options(), imported))
    pipeline = program.provenance.get("pipeline", usual)
    return before_integers(imported, pipeline, target.passes, samples, steps)
