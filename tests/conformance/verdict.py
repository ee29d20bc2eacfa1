"""What becomes of a case in nmc."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import evaluate

from .readings import Reading, readings
from .suite import Case

_CONSTANT = "constant"  # folded at import by the onnx package: no proof of anything
_MEMORY = "memory"  # an input that the importer took for a FIFO, which starts at zero and cannot be fed
_SAMPLES = ("NMC-I004", "NMC-I005", "NMC-I017", _CONSTANT, _MEMORY)  # refusals of how the data is read, not of the node
KINDS = ("equal", "refused", "wrong", "crashed")


@dataclass(frozen=True)
class Verdict:
    """One of KINDS, the code of a refusal, and details in words."""

    kind: str
    code: str = ""
    detail: str = ""


def _differs(found: Any, expected: Any, case: Case) -> str:
    """In what a result differs from the suite's; empty if it does not, within the suite's tolerance."""
    if not isinstance(expected, np.ndarray):
        return "a tensor where the suite has none"
    if found.shape != expected.shape:
        return f"shape {found.shape}, not {expected.shape}"
    if expected.dtype.kind not in "fiub" and expected.dtype.name != "bfloat16":
        return f"numbers, not {expected.dtype}"
    rtol = max(case.rtol, 2**-6) if expected.dtype.name == "bfloat16" else case.rtol  # as the suite's own runner
    with np.errstate(all="ignore"):
        given, want = found.astype(expected.dtype).astype(np.float64), expected.astype(np.float64)
        close = np.allclose(given, want, rtol, case.atol, equal_nan=True)
        return "" if close else f"numbers, by {np.nanmax(np.abs(given - want)):.3g}"


def _judge(case: Case, reading: Reading, folder: Path) -> Verdict:
    path = folder / "case.onnx"
    path.write_bytes(reading.model.SerializeToString())
    try:
        graph = import_onnx(path, reading.shapes)
        if any(value.is_constant for value in graph.outputs.values()):
            return Verdict("refused", _CONSTANT, "an output does not depend on what is fed")
        if len(graph.outputs) < len(reading.model.graph.output):
            return Verdict("refused", _MEMORY, "an input and an output became a memory, which starts at zero")
        needed = {value.name for value in graph.inputs}
        with np.errstate(all="ignore"):
            results = evaluate(graph, {name: array for name, array in reading.feeds.items() if name in needed})
    except NmcError as error:
        return Verdict("refused", error.diagnostics[0].code, str(error))
    except Exception:  # whatever it is, it is a bug
        return Verdict("crashed", detail=traceback.format_exc())
    names = [value.name for value in reading.model.graph.output]
    for name, expected in zip(names, reading.expected, strict=True):
        if why := _differs(results[name], expected, case):
            return Verdict("wrong", detail=f"{reading.how}: output {name!r} differs: {why}")
    return Verdict("equal", detail=reading.how)


def _modern(case: Case) -> Case:
    """Models older than nmc reads are converted, as its message says one should."""
    version = max((o.version for o in case.model.opset_import if o.domain in ("", "ai.onnx")), default=99)
    if version >= 9:
        return case
    try:
        model = onnx.version_converter.convert_version(case.model, 17)
    except Exception:  # the converter is native code; nmc then refuses the model as it is
        return case
    return Case(case.name, case.op, model, case.data_sets, case.rtol, case.atol)


def judge(case: Case, folder: Path) -> Verdict:
    """The first reading that is not refused decides, for every data set; if all are refused, the first one that
    is about the node gives the code."""
    worst = Verdict("equal")
    case = _modern(case)
    for inputs, expected in case.data_sets:
        found = Verdict("refused", "NMC-I017", "no reading")
        for reading in readings(case, inputs, expected):
            verdict = _judge(case, reading, folder)
            if found.code in _SAMPLES or verdict.kind != "refused":
                found = verdict
            if verdict.kind != "refused":
                break
        if KINDS.index(found.kind) > KINDS.index(worst.kind) or not worst.detail:
            worst = found
    return worst
