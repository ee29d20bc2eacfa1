"""Results of other commands that a report shows: files with what they print with --json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...runtime.program import Program
from ...runtime.program.cri import CriProgram
from ...runtime.program.diagnostics import bad_file
from ...runtime.program.strict_json import parse_json

Facts = dict[str, Any]

_NUMBER = (int, float)
_CLOSENESS = {"sqnr_db": _NUMBER, "cosine": _NUMBER, "max_error": _NUMBER, "peak": _NUMBER}
_ROW = {"name": (str,), "kind": (str,), "note": (str,), "values": (int,), "clipped": (int, type(None))}


def read_verify(path: Path, program: Program) -> Facts:
    """What `nmc verify --json` printed of this program. NmcError NMC-R060."""
    facts = _read(path, "nmc verify MODEL P.nmc --input X --json")
    _need(path, isinstance(facts.get("samples"), int), "there is no number `samples`")
    _need(path, _texts(facts.get("failed")), "`failed` is no list of sentences")
    for part in ("layers", "outputs"):
        _need(path, isinstance(facts.get(part), list), f"there is no list `{part}`")
        for i, row in enumerate(facts[part]):
            _need(path, _is_row(row), f"entry {i} of `{part}` is no layer beside the float network's")
    ours = {r.name for r in program.readouts} if isinstance(program, CriProgram) else {o.name for o in program.outputs}
    theirs = {row["name"] for row in facts["outputs"]}
    _need(path, theirs == ours, f"it has outputs {sorted(theirs)}, the program {sorted(ours)}")
    return facts


def read_compiled(path: Path) -> Facts:
    """What `nmc compile --json` or `nmc explain MODEL --json` printed. NmcError NMC-R060."""
    facts = _read(path, "nmc compile MODEL --target T --json")
    _need(path, _texts(facts.get("warnings")), "`warnings` is no list of sentences")
    for part, keys in (("declined", ("pass", "where", "why")), ("passes", ("pass",))):
        rows = facts.get(part)
        good = isinstance(rows, list) and all(_has(row, dict.fromkeys(keys, (str,))) for row in rows)
        _need(path, good, f"`{part}` is no list of what passes did")
    return facts


def _read(path: Path, command: str) -> Facts:
    try:
        found = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise bad_file("NMC-R060", "cannot read the result", str(path), why, f"{command} > FILE") from error
    _need(path, isinstance(found, dict), "it is no JSON object")
    return found


def _need(path: Path, holds: bool, why: str) -> None:
    if not holds:
        hint = "give the file that the command's --json printed, of this program"
        raise bad_file("NMC-R060", "the file holds no such result of this program", str(path), why, hint)


def _texts(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(item, str) for item in found)


def _has(row: Any, kinds: dict[str, tuple[type, ...]]) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(key), kind) for key, kind in kinds.items())


def _is_row(row: Any) -> bool:
    return _has(row, _ROW) and (row.get("closeness") is None or _has(row["closeness"], _CLOSENESS))
