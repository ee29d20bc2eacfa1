"""What is recorded of a case: digests of the program, its parts and its layers, outputs, counters; and their file."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..program import atomic_write, digest, records
from ..program.container import Program
from ..program.diagnostics import bad_file
from ..program.strict_json import parse_json
from ..result import Result
from .parts import Part, parts

FORMAT = 1
KEPT_LAYER = 256  # arrays of at most as many integers are kept whole
KEPT_OUTPUT = 4096
HOST_UNIT = 2.0**-16  # the last bits of float32 sums may differ between processors
VERSIONS = ("nmc", "numpy", "onnx")  # of the provenance: they alone are no change
SPREAD = re.compile(r"\[\n([\s\d,-]*)\n *\]")  # a list of numbers over several lines: texts have no line breaks
RECORD_AGAIN = "`nmc golden record` writes it again"

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Kept:
    """Integers of a layer or output.

    sha256   over name, dtype, shape and the little-endian bytes in C order
    values   the integers themselves if there are few: one text for each row (the last axis); else empty
    floats   of an output: its float32 values, the first of them if there are many; compared, never digested
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    least: int
    largest: int
    total: int
    nonzero: int
    values: tuple[str, ...]
    floats: tuple[str, ...]

    def integers(self) -> Array | None:
        """int64 of `shape`, None if they were not kept. ValueError, OverflowError for texts that are no integers."""
        if not self.values:
            return None
        flat = [int(number) for row in self.values for number in row.split()]
        return np.array(flat, np.int64).reshape(self.shape)


@dataclass(frozen=True)
class Recorded:
    """All that is recorded of a case.

    made_from  what the program was made from (model, options, pipeline, calibration, input): names causes, is no check
    program    digest of the program without its provenance; `parts` are those of its parts
    layers     in the order of the network; with the outputs and counters empty where the case has no input
    """

    format: int
    made_from: dict[str, Any]
    program: str
    parts: tuple[Part, ...]
    layers: tuple[Kept, ...]
    outputs: tuple[Kept, ...]
    counters: dict[str, Any]


def record(program: Program, result: Result | None, inputs: Mapping[str, Array], **made_from: Any) -> Recorded:
    """What a program is and what it gave on these inputs; `made_from` adds to what its provenance says."""
    known = {key: value for key, value in program.provenance.items() if key not in VERSIONS}
    if inputs:
        known["input"] = {name: _sha256(name, array) for name, array in inputs.items()}
    layers = [] if result is None else _layers(result)
    return Recorded(
        FORMAT,
        json.loads(json.dumps({**known, **made_from})),
        digest(replace(program, provenance={})),
        parts(program),
        tuple(_keep(name, values, KEPT_LAYER) for name, values in layers),
        () if result is None else tuple(_output(result, name) for name in result.outputs),
        {} if result is None else json.loads(json.dumps(result.counters)),
    )


def _layers(result: Result) -> list[tuple[str, Array]]:
    found: list[tuple[str, Array]] = []
    for name in result.potentials or result.trace:
        if name in result.trace and result.trace[name].dtype.kind != "f":  # floats of a host are no check
            found.append((name, result.trace[name]))
        if name in result.potentials:
            found.append((f"{name}.potential", result.potentials[name]))
    return found


def _output(result: Result, name: str) -> Kept:
    """An output's integers; of a host segment's, which has none, its values in units of HOST_UNIT."""
    integers = result.integers.get(name)
    if integers is None:
        integers = np.rint(result.outputs[name].astype(np.float64) / HOST_UNIT).astype(np.int64)
    floats = result.outputs[name].reshape(-1)[:KEPT_OUTPUT]
    width = result.outputs[name].shape[-1]
    return replace(_keep(name, integers, KEPT_OUTPUT), floats=_rows(floats, width, lambda v: f"{v:.9g}"))


def _keep(name: str, integers: Array, limit: int) -> Kept:
    size = integers.size
    least, largest = (int(integers.min()), int(integers.max())) if size else (0, 0)
    counts = int(integers.sum(dtype=np.int64)), int(np.count_nonzero(integers))
    values = _rows(integers.reshape(-1), integers.shape[-1], str) if 0 < size <= limit else ()
    return Kept(name, integers.shape, _sha256(name, integers), least, largest, *counts, values, ())


def _rows(flat: Array, width: int, text: Any) -> tuple[str, ...]:
    numbers = [text(number) for number in flat.tolist()]
    return tuple(" ".join(numbers[low : low + width]) for low in range(0, len(numbers), max(width, 1)))


def _sha256(name: str, array: Array) -> str:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    head = f"{name} {little.dtype.str} {list(array.shape)}\n"
    return hashlib.sha256(head.encode() + little.tobytes()).hexdigest()


# --- the file ---


def expected_file(case: Path) -> Path:
    """Where the recorded values of a case are: beside it."""
    return case.with_suffix(".expected.json")


def write_recorded(recorded: Recorded, path: Path) -> None:
    """Write the file, all of it or nothing. NmcError NMC-F014."""
    data = records.encode(recorded, Recorded, "", {})
    spread = json.dumps(data, indent=1, sort_keys=True)
    text = SPREAD.sub(lambda found: f"[{' '.join(found[1].split())}]", spread) + "\n"
    atomic_write(path, lambda file: file.write(text.encode()))


def read_recorded(path: Path) -> Recorded:
    """NmcError NMC-R043 (nothing was recorded yet), R044 (unreadable, damaged, of another version, changed by hand)."""
    try:
        data = parse_json(path.read_bytes())
        if isinstance(data, dict) and data.get("format") != FORMAT:
            raise ValueError(f"its format is {data.get('format')!r}, this nmc reads {FORMAT}")
        recorded = records.decode(data, Recorded, "expected", {})
        for kept in (*recorded.layers, *recorded.outputs):
            _check(kept)
    except FileNotFoundError as error:
        hint = "`nmc golden record` writes it"
        raise bad_file("NMC-R043", "nothing was recorded for the case yet", str(path), hint=hint) from error
    except (OSError, ValueError, OverflowError) as error:
        what = "the recorded values are damaged or cannot be read"
        raise bad_file("NMC-R044", what, str(path), str(error), RECORD_AGAIN) from error
    return recorded


def _check(kept: Kept) -> None:
    integers = kept.integers()
    if integers is not None and _sha256(kept.name, integers) != kept.sha256:
        raise ValueError(f"the values of {kept.name} do not have the digest beside them")
    if not all(math.isfinite(float(number)) for row in kept.floats for number in row.split()):
        raise ValueError(f"the floats of {kept.name} are not finite")
