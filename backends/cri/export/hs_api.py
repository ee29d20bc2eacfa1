"""A CRI program as a folder for users of the vendor's Python API (docs/hs_api.md): the writer.

network.json has names, outputs and all records of the program, network.npz its arrays, and load_hs_api.py turns both
into the dictionaries that hs_api takes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from ....runtime.program import records
from ....runtime.program.atomic import atomic_write, make_folder, together
from ....runtime.program.container import digest
from ....runtime.program.cri import CriProgram, Table
from ....runtime.program.cri_check import validate
from ....runtime.program.diagnostics import NmcError, unsupported
from ....runtime.program.npz import write_npz
from ....runtime.program.records import Arrays
from .hs_api_names import Name, names_of

FORMAT_VERSION = 1
VERSION_KEY = "hs_api_network"
KEYS = (VERSION_KEY, "digest", "axons", "neurons", "outputs", "program")
"""The keys of network.json."""
JSON, NPZ, LOADER = "network.json", "network.npz", "load_hs_api.py"
COUNTER, IF = 1, 3


def write_hs_api(program: CriProgram, path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """Write the folder `path`; return the paths of its files. Equal programs are equal bytes.

    NMC-F037 if the program holds what the API has no words for, NMC-F009 to F013 if it is inconsistent, NMC-F014 where
    a file cannot be written.
    """
    validate(program)
    _check(program)
    folder = make_folder(path)
    arrays: Arrays = {}
    fields = records.encode(program, CriProgram, "", arrays)
    made = digest(program)
    axons, neurons = names_of(program)
    described = (FORMAT_VERSION, made, axons, neurons, outputs_of(program, neurons), fields)
    description = dict(zip(KEYS, described, strict=True))
    text = json.dumps(description, indent=1, allow_nan=False) + "\n"
    loader = Path(__file__).with_name(LOADER).read_bytes()

    with together():
        atomic_write(folder / JSON, lambda file: file.write(text.encode()))
        atomic_write(folder / NPZ, lambda file: write_npz(file, {"digest": np.array(made), **arrays}))
        atomic_write(folder / LOADER, lambda file: file.write(loader))
    return folder / JSON, folder / NPZ, folder / LOADER


def outputs_of(program: CriProgram, neurons: list[Name]) -> list[Name]:
    """Names of the neurons that some readout reads, each once, in the readouts' order."""
    read = np.concatenate([np.zeros(0, np.int64), *(readout.neuron for readout in program.readouts)])
    found, first = np.unique(read, return_index=True)
    return [neurons[i] for i in found[np.argsort(first)].tolist()]


def _check(program: CriProgram) -> None:
    if any(model.code == COUNTER for model in program.models):
        raise _inexpressible("it has counter neurons (model code 1)", "the API has no class for them", "")
    if any(model.soft and model.code != IF for model in program.models):
        why = "the API has it for neurons without a leak only (IF_neuron)"
        raise _inexpressible("it has neurons with a leak and soft reset", why, "neurons without a leak, or hard reset")
    if any(model.refractory for model in program.models):
        why = "nmc writes files for branches of the API without them as well"
        raise _inexpressible("it has neurons with a refractory period", why, "refractory periods of 0")
    twice = [
        what for what, table in (("axons", program.axons), ("neurons", program.neurons)) if _repeats(program, table)
    ]
    if twice and program.profile.name == "sim":
        what = f"some {' and '.join(twice)} reach the same neuron twice"
        why = "the API's simulator keeps the last of such synapses, where the program adds them"
        raise _inexpressible(what, why, "add up the weights of such synapses")


def _repeats(program: CriProgram, table: Table) -> bool:
    """Whether a source lists a target more than once."""
    source = np.repeat(np.arange(table.sources), np.diff(table.indptr))
    pair = source * len(program.neuron_model) + table.target
    if np.all(np.diff(pair) > 0):  # so in every compiled program: no need to sort millions of pairs
        return False
    return len(np.unique(pair)) < len(pair)


def _inexpressible(what: str, why: str, hint: str) -> NmcError:
    return unsupported("NMC-F037", f"the network cannot be written for hs_api: {what}", why=why, hint=hint)
