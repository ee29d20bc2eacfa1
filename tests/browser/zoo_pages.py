"""Report pages of the zoo (tests/golden_zoo) as a user makes them, with everything that a page can show of each."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from nmc.cli.golden import case_inputs, compiled
from nmc.cli.main import main
from nmc.runtime.golden.case import Case, read_case
from nmc.runtime.program import save
from nmc.runtime.program.task import NO_TASK, Task

ZOO = Path(__file__).parents[1] / "golden_zoo"
CASES = tuple(sorted(path.stem for path in ZOO.glob("*.toml")))


def make_page(name: str, folder: Path, task: Task = NO_TASK) -> tuple[Path, dict[str, Any]]:
    """The page of a case and the data behind it, with a verification and a run where the case has samples."""
    case = read_case(ZOO / f"{name}.toml")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done, _ = compiled(case)
        program = folder / f"{name}.nmc"
        save(replace(done.program, task=task), program)
        declined = [{"pass": d.pass_name, "where": d.where, "why": d.why} for d in done.declined]
        passes = [{"pass": record.name} for record in done.records]
        compilation = folder / f"{name}.compiled.json"
        compilation.write_text(json.dumps({"warnings": done.warnings, "passes": passes, "declined": declined}))
        model, words = _model(case), ["--compiled", str(compilation)]
        if case.input is not None:
            samples = folder / f"{name}.npz"
            np.savez(samples, **case_inputs(case.input, done.program, str(case.path)))
            verified = folder / f"{name}.verify.json"
            verified.write_text(nmc("verify", model[0], program, *model[1:], "--input", samples, "--json"))
            words += ["--input", str(samples), "--verify", str(verified)]
        page = folder / f"{name}.html"
        made = nmc("report", program, "--model", *model, *words, "-o", page, "--json")
        program.unlink()
        return page, json.loads(made)


def _model(case: Case) -> list[str]:
    """The model, and the options that it is read with."""
    shapes = [f"{name}={','.join(map(str, shape))}" for name, shape in case.input_shapes.items()]
    return [str(case.model), *(word for shape in shapes for word in ("--input-shape", shape))]


def nmc(*words: object) -> str:
    """What a command prints that succeeds."""
    done = CliRunner().invoke(main, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return done.stdout
