"""Reads the folder that `write_hs_api` writes: the very program that was exported."""

from __future__ import annotations

from typing import Any

from ....runtime.program import records
from ....runtime.program.budget import take_synapses
from ....runtime.program.container import digest
from ....runtime.program.cri import CriProgram
from ....runtime.program.cri_check import validate
from ....runtime.program.diagnostics import NmcError
from ....runtime.program.strict_json import parse_json
from .hs_api import FORMAT_VERSION, KEYS, VERSION_KEY, outputs_of
from .hs_api_names import names_of
from .hs_api_npz import Array, read_npz
from .hs_api_problems import Refusal, short


def read_folder(description: bytes, npz: bytes) -> CriProgram:
    """The program of the contents of network.json and network.npz.

    Refusal NMC-F030 (malformed), F036 (the two do not belong together, or were changed).
    """
    data = _described(description)
    arrays = read_npz(npz)
    if _stated_digest(arrays) != data["digest"]:
        raise Refusal("F036", "network.json and network.npz belong to different exports")
    try:
        program: CriProgram = records.decode(data["program"], CriProgram, "", arrays)
        synapses = program.axons.synapses + program.neurons.synapses
        validate(program)
    except (records.FieldError, records.ArrayMissing, NmcError) as error:
        raise Refusal("F030", f"the program in the folder is malformed: {str(error)[:500]}") from error
    take_synapses(synapses)
    if arrays:
        raise Refusal("F030", f"network.npz has unknown arrays: {', '.join(map(short, sorted(arrays)))}")
    axons, neurons = names_of(program)
    told = [data[part] for part in ("axons", "neurons", "outputs")]
    if digest(program) != data["digest"] or told != [axons, neurons, outputs_of(program, neurons)]:
        raise Refusal("F036", "the content was changed after it was exported")
    return program


def _described(description: bytes) -> dict[str, Any]:
    try:
        data = parse_json(description)
    except ValueError as error:
        raise Refusal("F030", f"network.json is no JSON: {str(error)[:200]}") from error
    version = data.get(VERSION_KEY) if isinstance(data, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise Refusal("F030", f"network.json has version {short(version)}, this nmc reads version {FORMAT_VERSION}")
    if data.keys() != set(KEYS):
        raise Refusal("F030", f"network.json has keys {short(sorted(data))}, expected {', '.join(KEYS)}")
    return data


def _stated_digest(arrays: dict[str, Array]) -> str | None:
    """The digest that network.npz repeats, taken out of its arrays."""
    entry = arrays.pop("digest", None)
    return str(entry) if entry is not None and entry.shape == () else None
