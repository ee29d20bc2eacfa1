"""A golden case: one TOML file that says which model is compiled how, and what it is run on (docs/golden.md)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..program.diagnostics import Diagnostic, Exit, NmcError, bad_file

KINDS = ("events", "uniform")
RANDOM_KEYS = ("random", "seed", "samples", "timesteps", "rate")
LARGEST = 2**31
MODULE = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[\w.]+")


@dataclass(frozen=True)
class Random:
    """Inputs drawn from a seed (see `draw`).

    kind       "uniform": values from 0 to below 1; "events": 1 with probability `rate`, else 0
    timesteps  T of the trains of a spiking network; 0 for as many as the model says
    """

    kind: str
    seed: int
    samples: int
    timesteps: int = 0
    rate: float = 0.1


@dataclass(frozen=True)
class Case:
    """What one file says. Paths are already those from the working folder, not from the file's own.

    input  None for a case of which the program alone counts
    """

    path: Path
    model: str
    target: str
    input: Path | Random | None
    calibration: Path | Random | None
    state_dict: Path | None
    options: dict[str, Any]
    input_shapes: dict[str, tuple[int, ...]]
    nir: dict[str, Any]
    task: dict[str, Any]


KEYS = tuple(entry.name for entry in fields(Case) if entry.name != "path")


def find_cases(path: Path) -> list[Path]:
    """The case files of a folder in order of their names, or the one file. NmcError NMC-R040 if there is none."""
    if path.is_dir():
        if found := sorted(path.glob("*.toml")):
            return found
        raise bad_file("NMC-R040", "the folder holds no case", str(path), hint="a case is a file NAME.toml")
    if not path.is_file():
        raise bad_file("NMC-R040", "there is no such case or folder of cases", str(path), hint="check the path")
    return [path]


def read_case(path: Path) -> Case:
    """The case of a file. NmcError NMC-R040 (unreadable), R041 (no TOML), R042 (every key that is wrong, at once)."""
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise bad_file("NMC-R040", "cannot read the case", str(path), error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_file("NMC-R041", "the case is no TOML file", str(path), str(error)) from error
    found = _Reader(path, data)
    case = Case(
        path,
        found.model(),
        found.word("target"),
        found.arrays("input"),
        found.arrays("calibration"),
        found.path("state_dict"),
        found.table("options"),
        found.shapes(),
        found.table("nir"),
        found.table("task"),
    )
    if found.problems:
        raise NmcError(found.problems, Exit.BAD_FILE)
    return case


class _Reader:
    """Takes values out of the data of a case and collects what is wrong with them."""

    def __init__(self, path: Path, data: dict[str, Any]):
        self.file, self.data = path, data
        self.problems: list[Diagnostic] = []
        self.known(data, KEYS, "")
        for key in ("model", "target"):
            if key not in data:
                self.wrong(f"the key {key!r} is missing")

    def wrong(self, what: str, hint: str = "") -> None:
        self.problems.append(Diagnostic("NMC-R042", what, str(self.file), hint=hint))

    def known(self, data: Mapping[str, Any], keys: tuple[str, ...], of: str) -> None:
        for key in data:
            if key not in keys:
                close = get_close_matches(key, keys, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"keys: {', '.join(keys)}"
                self.wrong(f"unknown key {key!r}{of}", hint)

    def word(self, key: str) -> str:
        text = self.data.get(key, "")
        if key in self.data and not (isinstance(text, str) and text and "\0" not in text):
            self.wrong(f"{key} must be text, not {text!r}")
            return ""
        return text

    def model(self) -> str:
        text = self.word("model")
        return text if MODULE.fullmatch(text) and ".py:" not in text else str(self.file.parent / text)

    def path(self, key: str) -> Path | None:
        text = self.word(key)
        return self.file.parent / text if text else None

    def table(self, key: str) -> dict[str, Any]:
        table = self.data.get(key, {})
        if isinstance(table, dict):
            return table
        self.wrong(f"{key} must be a table, not {table!r}")
        return {}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        given = self.table("input_shapes")
        for name, shape in given.items():
            if not (isinstance(shape, list) and all(type(size) is int and size > 0 for size in shape)):
                self.wrong(f"input_shapes.{name} must be a list of sizes such as [1, 1, 8, 8], not {shape!r}")
        return {name: tuple(shape) for name, shape in given.items() if isinstance(shape, list)}

    def arrays(self, key: str) -> Path | Random | None:
        given = self.data.get(key)
        if not isinstance(given, dict):
            return self.path(key)
        self.known(given, RANDOM_KEYS, f" in {key}")
        if given.get("random") not in KINDS:
            self.wrong(f"{key}.random must be one of {', '.join(KINDS)}, not {given.get('random')!r}")
        seed, samples = self.number(key, given, "seed", 0, None), self.number(key, given, "samples", 1, None)
        rate = given.get("rate", 0.1)
        if not (type(rate) in (int, float) and 0 <= rate <= 1) or ("rate" in given and given["random"] != "events"):
            self.wrong(f'{key}.rate must be a number from 0 to 1, and goes with random = "events"')
            rate = 0.0
        return Random(str(given.get("random")), seed, samples, self.number(key, given, "timesteps", 1, 0), float(rate))

    def number(self, table: str, given: Mapping[str, Any], key: str, least: int, default: int | None) -> int:
        number = given.get(key, default)
        if key not in given and default is not None:
            return default
        if type(number) is int and least <= number < LARGEST:
            return number
        self.wrong(f"{table}.{key} must be a whole number from {least}, not {number!r}")
        return least
