"""A network as hs_api's users write it, with numbers for names, and the program that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....runtime.program.budget import take_synapses
from ....runtime.program.cri import CriProgram, Input, IntArray, NeuronModel, Population, Profile, Readout, Table
from ....runtime.program.cri_check import validate
from ....runtime.program.diagnostics import NmcError
from ....runtime.program.raw_synapses import read_synapses
from ..limits import check_limits
from .hs_api_names import KEY, Name
from .hs_api_problems import Findings

SIMULATOR = "sim"


@dataclass(frozen=True)
class Synapses:
    """Synapses in the order they were given: source s has target[indptr[s]:indptr[s+1]]; int16 weights."""

    indptr: IntArray
    target: NDArray[np.int32]
    weight: NDArray[np.int16]


@dataclass(frozen=True)
class Network:
    """The raw network. `names` are those of axons and neurons, None where the file has none."""

    names: tuple[list[Name], list[Name]] | None
    axons: Synapses
    neurons: Synapses
    models: tuple[NeuronModel, ...]
    neuron_model: IntArray
    outputs: IntArray


def program_of(
    network: Network, profile: Profile, steps: int, source: dict[str, Any], where: str
) -> tuple[CriProgram, list[str]]:
    """The program that runs `steps` timesteps of a network, and sentences about what was changed on the way.

    The input `axons` is a train, (steps, axons): 1 makes an axon fire in a timestep. The outputs `spikes` and
    `potentials` are the spike counts and the last potentials of the network's outputs. Under profile `sim` the last of
    several synapses between the same two counts, on hardware they add. NMC-F031 for models that the profile does not
    have, NMC-C004 and C005 if the network exceeds one core.
    """
    notes: list[str] = []
    provenance: dict[str, Any] = {"nmc": version("nmc"), "pipeline": "import", "source": source}
    if network.names is not None:
        provenance[KEY] = {"axons": network.names[0], "neurons": network.names[1]}
    axons, neurons = len(network.axons.indptr) - 1, len(network.neuron_model)
    window = (0, steps - 1)
    program = CriProgram(
        profile=profile,
        models=network.models,
        neuron_model=network.neuron_model.astype(np.uint8),
        axons=_table(network.axons, "axons", profile, notes),
        neurons=_table(network.neurons, "neurons", profile, notes),
        populations=(Population("neurons", "plain", 0, (neurons,), window=window),) if neurons else (),
        inputs=(Input("axons", (steps, axons), 0, 1, 1.0, 0, every=1),) if axons else (),
        schedule=(),
        readouts=_readouts(network.outputs),
        steps=steps,
        provenance=provenance,
    )
    _validate(program, where)
    check_limits(program)
    used = network.models
    noisy = sum(model.shift != profile.noise_off for model in used)
    if noisy:
        off = f"under profile {profile.name} only shift {profile.noise_off} is off"
        notes.append(f"{noisy:,} of {len(used):,} neuron models have noise, which is simulated with a seed: {off}")
    return program, notes


def _table(given: Synapses, what: str, profile: Profile, notes: list[str]) -> Table:
    take_synapses(len(given.target))
    if profile.name != SIMULATOR:
        return Table(given.indptr, given.target, given.weight)
    read = read_synapses(given.indptr, given.target, given.weight)
    if read.replaced:
        notes.append(f"{read.replaced:,} synapses of {what} are replaced by later ones between the same two")
    return read.table


def _readouts(outputs: IntArray) -> tuple[Readout, ...]:
    count = len(outputs)
    zero, one = np.zeros(count, np.int64), np.ones(count)
    kinds = {"spikes": "count", "potentials": "potential"}
    return tuple(Readout(name, kind, (count,), outputs, zero, one) for name, kind in kinds.items()) if count else ()


def _validate(program: CriProgram, where: str) -> None:
    found = Findings()
    try:
        validate(program)
    except NmcError as error:
        for problem in error.diagnostics:
            found.add("F031", f"{problem.what} (profile {program.profile.name}; --profile chooses another)")
    found.stop(where)
