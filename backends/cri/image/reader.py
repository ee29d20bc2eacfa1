"""Reads the folder that `write_image` writes: the network in a memory image, as a program."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ....compiler.diagnostics import usage
from ....runtime.program import records
from ....runtime.program.budget import take_memory
from ....runtime.program.cri import CriProgram
from ....runtime.program.cri_check import MAX_STEPS
from ....runtime.program.cri_image import COLUMNS, PAIR_BYTES, CriImage
from ....runtime.program.diagnostics import bad_file
from ....runtime.program.problems import Problems
from ....runtime.program.strict_json import parse_json
from ..export.hs_api_network import program_of
from .decode import decode_image
from .folder import BINARY, MAP
from .header import FORMAT_VERSION, KEYS, VERSION_KEY, Header, check

MOST_BYTES = 1 << 26  # an image.json of a full core, every neuron in a run of its own, has a tenth of it


def recognizes_image(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder with a memory image, or one of its two main files."""
    given = Path(path)
    folder = given.parent if given.name in (BINARY, MAP) else given
    return (folder / MAP).is_file() and (folder / BINARY).is_file()


def read_image(path: str | os.PathLike[str], steps: int = 1) -> tuple[CriProgram, list[str]]:
    """The program of an image folder, and sentences about what was changed on the way.

    It is a bare table: the input `axons` is a train of `steps` timesteps, (steps, axons); the outputs `spikes` and
    `potentials` are those of the neurons that report. Neurons have the order they had when the image was made.

    What `load_image` and `decode_image` refuse; NMC-X004 for steps out of range.
    """
    if not 1 <= steps <= MAX_STEPS:
        raise usage("NMC-X004", f"{steps} timesteps", "steps", hint=f"1 to {MAX_STEPS:,}")
    image, head, sums = load_image(path)
    network = decode_image(image, head.slot)
    return program_of(network, image.profile, steps, {"format": "hbm", "sha256": sums}, os.fspath(path))


def load_image(path: str | os.PathLike[str]) -> tuple[CriImage, Header, dict[str, str]]:
    """The image in a folder, its header, and sha256 by file name.

    NMC-F001, F002: a file is missing, or unreadable. F040: one is malformed. F042: they do not belong together.
    """
    given = Path(path)
    folder = given.parent if given.name in (BINARY, MAP) else given
    text = _content(folder / MAP, MOST_BYTES)
    data = _described(text)
    problems = Problems()
    try:
        head: Header = records.decode(data["image"], Header, "image", {})
    except records.FieldError as error:
        raise _malformed(folder / MAP, str(error)[:500]) from error
    check(head, data, problems)
    problems.stop()
    size = PAIR_BYTES * sum(head.sizes)
    binary = _content(folder / BINARY, size)
    if len(binary) != size:
        raise _malformed(folder / BINARY, f"it has {len(binary):,} bytes, image.json tells of {size:,}")
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in ((BINARY, binary), (MAP, text))}
    problems.need(sums[BINARY] == data["sha256"], "F042", BINARY, "is not the one that image.json tells of")
    problems.stop()
    axons, neurons, synapses = np.split(
        np.frombuffer(binary, "<u4").astype(np.uint32, copy=False).reshape(-1, COLUMNS), np.cumsum(head.sizes)[:2]
    )
    words = tuple(int(word, 16) for word in head.parameters)
    pointers = axons.reshape(-1), neurons.reshape(-1)
    return CriImage(head.profile, head.layout, head.inputs, head.slots, words, *pointers, synapses), head, sums


def _described(text: bytes) -> dict[str, Any]:
    try:
        data = parse_json(text)
    except ValueError as error:
        raise _malformed(MAP, f"no JSON: {str(error)[:200]}") from error
    version = data.get(VERSION_KEY) if isinstance(data, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise _malformed(MAP, f"version {repr(version)[:40]}, this nmc reads version {FORMAT_VERSION}")
    if data.keys() != set(KEYS):
        raise _malformed(MAP, f"keys {repr(sorted(data))[:80]}, expected {', '.join(KEYS)}")
    return data


def _content(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise _malformed(path, f"it has {path.stat().st_size:,} bytes, at most {most:,} are expected")
        take_memory(path.stat().st_size, f"the content of {path.name}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise bad_file("NMC-F001", "no such file", os.fspath(path), hint="check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise bad_file("NMC-F002", "cannot read the file", os.fspath(path), str(error), "check the path") from error


def _malformed(path: Path | str, why: str) -> Exception:
    return bad_file("NMC-F040", "the files hold no memory image", os.fspath(path), why, "export the program again")
