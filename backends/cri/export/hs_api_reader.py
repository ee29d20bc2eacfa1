"""Reads networks for hs_api in all of their layouts (docs/hs_api.md), whoever wrote them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ....compiler.diagnostics import usage
from ....runtime.program.budget import take_memory
from ....runtime.program.cri import CriProgram
from ....runtime.program.cri_check import MAX_STEPS
from ....runtime.program.diagnostics import NmcError, bad_file
from ....runtime.program.strict_json import parse_json
from ..target import PROFILES
from .hs_api import JSON, NPZ, VERSION_KEY
from .hs_api_arrays import network_of_arrays
from .hs_api_dicts import PARTS, network_of
from .hs_api_folder import read_folder
from .hs_api_network import Network, program_of
from .hs_api_npz import read_npz
from .hs_api_pickle import read_pickle
from .hs_api_problems import HINTS, MAX_BYTES, Findings, Refusal

PICKLES = (".pkl", ".pickle")
SAVED = dict(zip(PARTS, ("axon_dict.pkl", "neuron_dict.pkl", "output_neurons.pkl"), strict=True))
"""The files that the vendor's converter saves a network as."""
JSON_START = re.compile(rb'\s*\{\s*"(axons|connections|outputs|' + VERSION_KEY.encode() + rb')"')


@dataclass(frozen=True)
class Imported:
    """A program, the kind of file it came from, and sentences about what was changed on the way."""

    program: CriProgram
    source: str
    notes: tuple[str, ...]


def recognizes(path: str | os.PathLike[str]) -> bool:
    """Whether a file or folder looks like a network for hs_api, by its kind, its name or its first bytes."""
    return _kind(Path(path)) is not None


def read_hs_api(path: str | os.PathLike[str], profile: str | None = None, steps: int | None = None) -> Imported:
    """The program in a folder that `write_hs_api` wrote, or one that runs the network in a file of another kind.

    profile  build of the machine that a network is for, by default `sim`; an exported folder knows its own
    steps    timesteps of a sample, by default 1; likewise

    NMC-F001, F002: no such file, or unreadable. F030 to F035: what is wrong with it. F036: the parts of a folder do not
    fit together. X004: profile or steps out of range, or for a folder that knows its own.
    """
    where, file = os.fspath(path), Path(path)
    kind = _kind(file)
    found = Findings()
    try:
        if kind == "folder":
            _check_options(profile, steps, where)
            folder = file if file.is_dir() else file.parent
            description = folder / JSON if file.is_dir() or file.name == NPZ else file
            return Imported(read_folder(_content(description), _content(folder / NPZ)), kind, ())
        chosen, length = _options(profile, steps)
        contents = {n: _content(file / n) for n in SAVED.values()} if kind == "saved" else {file.name: _content(file)}
        network = READERS[kind or ""](contents, chosen, found)
        found.stop(where)
    except Refusal as refusal:
        raise bad_file(f"NMC-{refusal.code}", refusal.what, where, hint=HINTS[refusal.code]) from refusal
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    source = {"format": f"hs-api-{kind}", "sha256": sums}
    program, notes = program_of(network, PROFILES[chosen], length, source, where)
    return Imported(program, kind or "", tuple(notes))


def _from_pickle(contents: dict[str, bytes], profile: str, found: Findings) -> Network:
    (content,) = contents.values()
    return network_of(read_pickle(content), len(content), profile, found)


def _from_saved(contents: dict[str, bytes], profile: str, found: Findings) -> Network:
    data = {part: read_pickle(contents[name]) for part, name in SAVED.items()}
    return network_of(data, sum(map(len, contents.values())), profile, found)


def _from_json(contents: dict[str, bytes], profile: str, found: Findings) -> Network:
    (content,) = contents.values()
    try:
        data = parse_json(content)
    except ValueError as error:
        raise Refusal("F030", f"the file is no JSON: {str(error)[:200]}") from error
    return network_of(data, len(content), profile, found)


def _from_npz(contents: dict[str, bytes], profile: str, found: Findings) -> Network:
    (content,) = contents.values()
    return network_of_arrays(read_npz(content), found)


def _unknown(contents: dict[str, bytes], profile: str, found: Findings) -> Network:
    raise Refusal("F030", "neither JSON, arrays nor a pickle of a network")


READERS: dict[str, Callable[[dict[str, bytes], str, Findings], Network]] = {
    "json": _from_json,
    "npz": _from_npz,
    "pickle": _from_pickle,
    "saved": _from_saved,
    "": _unknown,
}


def _kind(path: Path) -> str | None:
    """folder, saved, npz, pickle or json; None for what is no network for hs_api."""
    try:
        if path.is_dir():
            saved = any((path / name).exists() for name in SAVED.values())
            return "folder" if (path / JSON).exists() else "saved" if saved else None
        with path.open("rb") as file:
            start = file.read(4096)
    except (OSError, ValueError):
        return None
    if path.name == NPZ and (path.parent / JSON).exists():
        return "folder"
    suffix = path.suffix.lower()
    if suffix == ".npz" or start.startswith(b"PK\x03\x04"):
        return "npz"
    # A program file starts with a length, which may look like the first bytes of a pickle.
    if suffix in PICKLES or (re.match(rb"\x80[\x02-\x05]", start) and suffix != ".nmc"):
        return "pickle"
    match = JSON_START.match(start)
    return None if match is None else "folder" if match[1] == VERSION_KEY.encode() else "json"


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Refusal("F035", f"{path.name} has more than {MAX_BYTES:,} bytes")
        take_memory(path.stat().st_size, f"the content of {path.name}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise bad_file("NMC-F001", "no such file", os.fspath(path), hint="check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise bad_file("NMC-F002", "cannot read the file", os.fspath(path), str(error), "check the path") from error


def _options(profile: str | None, steps: int | None) -> tuple[str, int]:
    if profile is not None and profile not in PROFILES:
        raise _bad_option("profile", f"unknown profile {profile!r}", hint=f"one of {', '.join(PROFILES)}")
    if steps is not None and not 1 <= steps <= MAX_STEPS:
        raise _bad_option("steps", f"{steps} timesteps", hint=f"1 to {MAX_STEPS:,}")
    return profile or "sim", steps or 1


def _check_options(profile: str | None, steps: int | None, where: str) -> None:
    for name, value in (("profile", profile), ("steps", steps)):
        if value is not None:
            raise _bad_option(name, f"{where} knows its own {name}", hint="leave it out")


def _bad_option(name: str, what: str, hint: str) -> NmcError:
    return usage("NMC-X004", what, name, hint=hint)
