"""What one file comes to: import, `nmc check` for both targets, and the numbers of what was imported."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nmc.compiler import compile_verbose
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.frontends import import_model
from nmc.compiler.ir import Graph, evaluate
from nmc.compiler.target import DeviceTarget, find_target, target_names
from onnx_models import feeds_for, session

BUGS = ("NMC-P002", "NMC-P003", "NMC-X001")  # these codes say that nmc is at fault
LARGEST = 1e30  # numbers beyond are near the end of float32, where orders of sums matter
MOST_ELEMENTS = 10**6
MOST_NODES = 600  # larger networks are imported only: a compilation takes up to 50 ms a layer


@dataclass(frozen=True)
class Verdict:
    """kind: compiled, refused (exit 3), damaged (4), limit (5), usage (2), or a finding: crashed, bug, wrong.

    codes are those of the diagnostics, by stage: import, akida, cri.
    """

    kind: str
    codes: tuple[str, ...] = ()
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        return self.kind in FINDINGS


FINDINGS = ("crashed", "bug", "wrong", "hang", "memory", "died")
KINDS = {Exit.USAGE: "usage", Exit.UNSUPPORTED: "refused", Exit.BAD_FILE: "damaged", Exit.LIMIT: "limit"}


def _ended(error: NmcError) -> Verdict:
    codes = tuple(dict.fromkeys(problem.code for problem in error.diagnostics))
    if not codes or set(codes) & set(BUGS) or error.exit_code not in KINDS:
        return Verdict("bug", codes, str(error))
    return Verdict(KINDS[error.exit_code], codes, str(error))


def _check(graph: Graph, target: str) -> Verdict:
    """As `nmc check` does: compiled with noise, then held against the first device."""
    backend = find_target(target)
    try:
        program = compile_verbose(graph, target).program
        if isinstance(backend, DeviceTarget):
            backend.lint(program, backend.devices[0])
    except NmcError as error:
        return _ended(error)
    return Verdict("compiled")


def _compare(graph: Graph, content: bytes) -> Verdict:
    """The imported graph against onnxruntime, where that takes the file as well."""
    sizes = [int(np.prod(value.type.shape)) for node in graph.nodes for value in (node.result,)]
    if sum(sizes) > MOST_ELEMENTS:
        return Verdict("compiled")
    feeds = feeds_for(graph, samples=1)
    try:
        runtime = session(content)
        zeros = {v.name: np.zeros(v.shape, np.float32) for v in runtime.get_inputs() if v.name not in feeds}
        wanted = runtime.run(list(graph.outputs), zeros | feeds)
    except Exception:  # onnxruntime refuses many files in many ways
        return Verdict("compiled")
    found = evaluate(graph, feeds)
    for name, expected in zip(graph.outputs, wanted, strict=True):
        if why := _difference(np.asarray(found[name]), expected):
            return Verdict("wrong", detail=f"output {name[:80]!r}: {why}")
    return Verdict("compiled")


def _difference(found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> str:
    if found.shape != expected.shape:
        return f"shape {found.shape}, onnxruntime has {expected.shape}"
    scale = max(1e-3, np.abs(expected).max(initial=0))
    if not np.isfinite(expected).all() or scale > LARGEST:
        return ""  # float32 overflows somewhere, which nmc's float64 does not
    worst = np.abs(found - expected).max(initial=0)
    return "" if worst <= 1e-4 * scale else f"differs by {worst:.3g} of {scale:.3g}"


def judge(path: Path, stage: Callable[[str], None], compare: bool = True) -> Verdict:
    """The verdict on a model file; `stage` is told what begins. `compare`: against onnxruntime as well?"""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            stage("import")
            try:
                graph = import_model(path).graph
            except NmcError as error:
                return _ended(error)
            found = Verdict("compiled")
            for target in target_names() if len(graph.nodes) <= MOST_NODES else ():
                stage(target)
                verdict = _check(graph, target)
                if verdict.is_finding:
                    return verdict
                found = Verdict(found.kind, (*found.codes, *(f"{target}:{code}" for code in verdict.codes)))
            if not compare:
                return found
            stage("compare")
            compared = _compare(graph, path.read_bytes())
            return compared if compared.is_finding else found
        except MemoryError:
            return Verdict("memory", detail=traceback.format_exc())
        except Exception:  # whatever it is, it is a bug
            return Verdict("crashed", detail=traceback.format_exc())
