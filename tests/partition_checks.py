"""A partition does what the program does: every spike and every potential, one machine beside the cores."""

from __future__ import annotations

import numpy as np
from spiking_integer import NONE, Net, feeds_for

from nmc.backends.cri.partition import Partition, partition
from nmc.backends.cri.partition.synapses import message_cost
from nmc.backends.cri.spiking import SpikingLowering
from nmc.backends.cri.target import PROFILES
from nmc.compiler.ir import Graph
from nmc.runtime import Session
from nmc.runtime.cri_cores import run_cores
from nmc.runtime.program.cri import CriProgram
from nmc.runtime.program.cri_check import validate
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_cores import CoresMachine


def layers(steps: int = 5, side: int = 12) -> Net:
    """Three convolutions, a residual sum, a concatenation, a pool, a dense layer, and a readout."""
    net = Net(steps, 7)
    a = net.spike(net.conv(net.input(2, side, side), 4), 6, name="a")
    b = net.spike(net.conv(a, 4), 9, name="b")
    c = net.spike(net.add(net.conv(b, 4), a), 9, name="c")
    d = net.pool(net.concat(c, a))
    e = net.spike(net.add(net.conv(d, 3, stride=2), np.full((1, 3, 1, 1), 2)), 9, 3, name="e")
    net.output("spikes", e)
    net.output("sums", net.dense(net.flat(e), 5, bias=True), NONE, last=True)
    net.output("early", a, NONE, last=True)
    return net


def lowered(graph: Graph, profile: str = "hw2024") -> CriProgram:
    return SpikingLowering(graph, PROFILES[profile]).run({})


def check_lockstep(program: CriProgram, made: Partition, seed: int = 0, rate: float = 0.4) -> int:
    """Random axons, all of them, inputs and control alike, in every timestep; gives the number of spikes."""
    rng, cores, spikes = np.random.default_rng(seed), made.cores, 0
    whole, parts = CriMachine.of(program, 2), CoresMachine(cores, 2)
    every, late = np.arange(len(program.neuron_model)), cores.latency
    expected: list[tuple[np.ndarray, np.ndarray]] = []
    for step in range(program.steps + late):
        axons = (rng.random((2, program.axons.sources)) < rate) & (step < program.steps)
        expected.append((whole.step(axons), whole.potentials))
        fired = parts.step(axons)
        if step < late:
            assert not fired.any()
            continue
        np.testing.assert_array_equal(fired, expected[step - late][0])
        np.testing.assert_array_equal(parts.read(every), expected[step - late][1])
        spikes += int(fired.sum())
    return spikes


def check_outputs(graph: Graph, program: CriProgram, made: Partition, steps: int, seed: int = 0) -> None:
    """The integers of all outputs, for inputs of `steps` timesteps."""
    feeds = feeds_for(graph, steps, 3, seed)
    expected, found = Session(program, "reference").run(feeds), run_cores(made.cores, feeds, batch=2)
    assert found.integers.keys() == expected.integers.keys()
    for name, integers in expected.integers.items():
        np.testing.assert_array_equal(found.integers[name], integers, err_msg=name)


def check_parts(program: CriProgram, made: Partition) -> None:
    """Every core is a valid program; neurons, synapses and links are where they should be."""
    cores = made.cores
    for core in cores.cores:
        validate(core.program)
    owned = np.concatenate([core.neuron[core.neuron >= 0] for core in cores.cores])
    np.testing.assert_array_equal(np.sort(owned), np.arange(len(program.neuron_model)))
    synapses = sum(core.program.axons.synapses + core.program.neurons.synapses for core in cores.cores)
    assert synapses == program.axons.synapses + program.neurons.synapses + cores.relay_neurons
    for k, core in enumerate(cores.cores):
        own = np.flatnonzero(core.neuron >= 0)
        np.testing.assert_array_equal(cores.core[core.neuron[own]], k)
        np.testing.assert_array_equal(cores.local[core.neuron[own]], own)
        assert not any(need.over for need in made.needs[k])
    fed = np.concatenate([core.links.core * 2**32 + core.links.axon for core in cores.cores])
    relays = [k * 2**32 + a for k, core in enumerate(cores.cores) for a in np.flatnonzero(core.axon < 0).tolist()]
    assert sorted(fed.tolist()) == relays  # each relay axon has one source


def check_cost(program: CriProgram, made: Partition, cores: int, per_fpga: int = 16) -> None:
    """The cost that the search reports is that of what it chose, and no order is cheaper but one that cuts loops."""
    weight = np.ones(len(program.neuron_model), np.int64)
    assert message_cost(program, made.cores.core, cores, weight, per_fpga) == made.search.cost
    assert made.search.cost <= min(one.refined for one in made.search.tried[:-1])
    assert all(one.refined <= one.contiguous for one in made.search.tried)


def check_partition(graph: Graph, program: CriProgram, cores: int, seed: int = 0, per_fpga: int = 16) -> Partition:
    """All of it."""
    made = partition(program, cores, cores_per_fpga=per_fpga)
    check_parts(program, made)
    check_cost(program, made, cores, per_fpga)
    check_lockstep(program, made, seed)
    for steps in {program.timesteps, *((program.timesteps + 2,) if any(e.every for e in program.inputs) else ())}:
        check_outputs(graph, program, made, steps, seed)
    return made
