"""One neuron of a CRI program, timestep by timestep: its potential, what reaches it, and through how many synapses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arith import Ints
from ..encode import Array, Bools, codes, step_axons
from ..program.cri import CriProgram, NeuronModel, Table
from ..reference.cri import CriMachine
from ..reference.neuron import Parameters, start


@dataclass(frozen=True)
class NeuronHistory:
    """What a neuron does in a run of one sample; arrays have one entry a timestep.

    tested        the potential that is held against the threshold
    fired         whether it fires then
    given         the input that arrives in the timestep, after the test
    events        how often a synapse carries a spike to it; one of bit b of an input counts 2^b times
    out_of_range  potentials of the whole program that have left their width so far
    model         its parameters
    """

    tested: Ints
    fired: Bools
    given: Ints
    events: Ints
    out_of_range: Ints
    model: NeuronModel


def watch(program: CriProgram, sample: dict[str, Array], neuron: int) -> NeuronHistory:
    """Run one sample, arrays (1, *shape) by input name, and watch one neuron."""
    machine, one = CriMachine.of(program, 1), np.array([neuron])
    parameters, model = parameters_of(program, neuron), program.models[program.neuron_model[neuron]]
    given = {entry.name: codes(entry, sample[entry.name])[0] for entry in program.inputs}
    axons = np.zeros((1, program.axons.sources), np.bool_)
    planes, sources = _plane_weights(program), _sources(program.neurons, neuron)
    from_axons = _sources(program.axons, neuron)
    rows: list[tuple[int, bool, int, int, int]] = []
    for step in range(program.steps):
        axons[:] = False
        step_axons(program, step, given, axons)
        before, waiting = machine.read(one), None if machine.waiting is None else machine.waiting[:, one]
        fired = machine.step(axons)
        own = fired[:, one]
        arrived = machine.read(one) - start(before, waiting, parameters, program.profile).v
        events = planes[from_axons][axons[0, from_axons]].sum() + np.count_nonzero(fired[0, sources])
        rows.append((int(before[0, 0]), bool(own[0, 0]), int(arrived[0, 0]), int(events), machine.out_of_range))
    tested, spikes, inputs, carried, lost = (np.array(column) for column in zip(*rows, strict=True))
    return NeuronHistory(tested, spikes, inputs, carried, lost, model)


def parameters_of(program: CriProgram, neuron: int) -> Parameters:
    """The parameters of one neuron."""
    return Parameters.of_models(program.models, program.neuron_model[[neuron]])


def _sources(table: Table, neuron: int) -> Ints:
    """The sources with a synapse to the neuron."""
    return np.searchsorted(table.indptr, np.flatnonzero(table.target == neuron), side="right") - 1


def _plane_weights(program: CriProgram) -> Ints:
    """2^bit for the axons of inputs, 1 for control axons."""
    weights = np.ones(program.axons.sources, np.int64)
    for entry in program.inputs:
        weights[entry.first : entry.first + entry.axons] = 1 << (np.arange(entry.axons) % entry.bits)
    return weights
