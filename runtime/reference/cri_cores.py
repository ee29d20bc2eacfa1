"""Several CRI cores that run one program together: a machine each, and spikes that travel between them.

A spike that leaves a core is written to the axons of the next timestep of the core it goes to, its own included, so a
link takes one timestep. The neurons of a core may run later than in the program (`Cores.extra`); the axons that the
host feeds are delayed alike, and what is read here is put back in step.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ..arith import Ints
from ..program.cri_cores import Core, Cores
from .cri import CriMachine
from .neuron import Bools


class CoresMachine:
    """`batch` independent copies of a program on its cores, advanced together; the interface of `CriMachine`.

    messages    spikes sent to other cores so far, each once for every core that it went to, all copies together
    """

    def __init__(self, cores: Cores, batch: int = 1):
        """NmcError NMC-R008 (unsupported) where a neuron's noise is not switched off."""
        self.cores, self.batch = cores, batch
        self._machines = [CriMachine.of(core.program, batch) for core in cores.cores]
        self._wait = cores.latency - cores.extra  # until the latest neurons have done the same timestep
        self.messages = 0
        self.reset()

    def reset(self) -> None:
        """Clear potentials, and spikes on their way."""
        late = self.cores.latency + 1
        for machine in self._machines:
            machine.reset()
        self._relayed = [np.zeros((self.batch, len(core.axon)), np.bool_) for core in self.cores.cores]
        axons, neurons = self.cores.program.axons.sources, len(self.cores.extra)
        self._axons = deque([np.zeros((self.batch, axons), np.bool_)] * late, late)
        self._fired = deque([np.zeros((self.batch, neurons), np.bool_)] * late, late)
        self._v = deque([np.zeros((self.batch, neurons), np.int64)] * late, late)

    @property
    def synaptic_events(self) -> int:
        return sum(machine.synaptic_events for machine in self._machines)

    @property
    def out_of_range(self) -> int:
        return sum(machine.out_of_range for machine in self._machines)

    def step(self, axons: Bools) -> Bools:
        """One timestep: axons of the program that are active in its timestep t, bool [batch, axons]. Returns which of
        its neurons fired in timestep t − latency, bool [batch, neurons]; none before timestep 0."""
        self._axons.appendleft(axons.copy())
        fired, v = np.zeros_like(self._fired[0]), np.zeros_like(self._v[0])
        sent = [np.zeros_like(relayed) for relayed in self._relayed]
        for number, (core, machine) in enumerate(zip(self.cores.cores, self._machines, strict=True)):
            here, own = machine.step(self._active(number, core)), core.neuron >= 0
            fired[:, core.neuron[own]], v[:, core.neuron[own]] = here[:, own], machine.potentials[:, own]
            for target in np.unique(core.links.core).tolist():
                link = core.links.core == target
                going = here[:, core.links.source[link]]
                sent[target][:, core.links.axon[link]] = going
                self.messages += int(np.count_nonzero(going)) if target != number else 0
        self._relayed = sent
        self._fired.appendleft(fired)
        self._v.appendleft(v)
        return self._aligned(self._fired)

    def _active(self, number: int, core: Core) -> Bools:
        """The axons of a core that are active in this timestep."""
        active = self._relayed[number].copy()
        for late in np.unique(core.delay[core.axon >= 0]).tolist():
            fed = (core.axon >= 0) & (core.delay == late)
            active[:, fed] = self._axons[late][:, core.axon[fed]]
        return active

    def _aligned(self, past: deque[Bools] | deque[Ints]) -> np.ndarray:
        """What every neuron did, or held, in the same timestep of the program: [batch, neurons]."""
        whole = past[0].copy()
        for wait in np.unique(self._wait).tolist():
            whole[:, self._wait == wait] = past[wait][:, self._wait == wait]
        return whole

    def read(self, neurons: Ints) -> Ints:
        """V of some neurons of the program after timestep t − latency, int64 [batch, len(neurons)]."""
        return self._aligned(self._v)[:, neurons]
