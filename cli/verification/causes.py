"""Why the first spike differs between a float network and its integers.

At the first difference (`first_departure`) all spikes that the neuron reads are still the same in both, so it is the
neuron's own arithmetic, or the host's side of an input. The candidates are put to the test one after the other: the
float network is run on the inputs as they are coded; the neuron's integer input is added up in real numbers, without
the floor of the leak, and then with the float network's decay. The first change with which both decide alike is the
cause. What is left is the rounding of weights, constants and threshold, at most half a unit for each synapse that was
active since the last reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...compiler.analysis.float_layers import FloatNeuron, float_neuron
from ...compiler.ir import Graph
from ...compiler.ir.ops.neuron import NO_LEAK
from ...runtime.compare.neuron import NeuronHistory, watch
from ...runtime.compare.trains import Departure
from ...runtime.encode import Array, codes
from ...runtime.program.cri import CriProgram, Population
from ...runtime.reference.neuron import ANN, LIF

TIE = 1e-6


@dataclass(frozen=True)
class Cause:
    """What made the first spike differ.

    kind   input (coding), range (width), leak (floor), decay (held otherwise), tie (float potential on the threshold),
           rounding (weights, constants, threshold), unexplained
    text   a sentence for the user
    potential, threshold        integers of the program, threshold for a compare with ≥; None if not known
    float_potential, float_threshold  of the float network
    distance, bound             |float potential − threshold| in integer units, and how much rounding may make of it
    """

    kind: str
    text: str
    potential: int | None = None
    threshold: int | None = None
    float_potential: float | None = None
    float_threshold: float | None = None
    distance: float | None = None
    bound: float | None = None


def explain(program: CriProgram, graph: Graph, samples: Mapping[str, Array], at: Departure) -> Cause:
    """The cause of a departure of the program's spikes from those of the float graph, for the samples of that run.

    `program` and `graph` are made for the samples' timesteps.
    """
    sample = {name: array[at.sample : at.sample + 1] for name, array in samples.items()}
    p = next(p for p in program.populations if p.name == at.layer)
    real = float_neuron(graph, sample, at.layer, at.element)
    if real is None:
        return Cause("unexplained", "no neuron of the float network has this name")
    history = watch(program, sample, p.first + int(np.ravel_multi_index(at.element, p.shape)))
    return _Neuron(program, graph, sample, at, p, history, real).cause()


@dataclass(frozen=True)
class _Neuron:
    program: CriProgram
    graph: Graph
    sample: dict[str, Array]
    at: Departure
    population: Population
    history: NeuronHistory
    real: FloatNeuron

    @property
    def timestep(self) -> int:
        return self.population.window[0] + self.at.step

    @property
    def threshold(self) -> int:
        """For a compare with ≥."""
        return self.history.model.threshold + (self.program.profile.compare == ">")

    def cause(self) -> Cause:
        model = self.history.model
        leaky = model.code == LIF and 0 < model.leak < NO_LEAK
        held = 1 - 2.0**-model.leak if leaky else 0.0 if (model.code, model.leak) == (ANN, 0) else 1.0
        coded = self._on_codes()
        if int(coded.fired[self.at.step]) == self.at.found:
            return self._made("input", "values of the input are clipped or rounded to its codes")
        if self.timestep and self.history.out_of_range[self.timestep - 1]:
            return self._made("range", "a potential has left the width that the profile has for it")
        if leaky and self._fires_with(held, model.soft) == self.at.wanted:
            return self._made("leak", f"the leak V − floor(V / 2^{model.leak}) rounds potentials to whole numbers")
        if abs(held - self.real.decay) > TIE and self._fires_with(self.real.decay, False) == self.at.wanted:
            return self._made("decay", f"a decay of {self.real.decay:.6g} is held as {held:.6g}")
        return self._rounding(float(coded.tested[self.at.step]), leaky)

    def _on_codes(self) -> FloatNeuron:
        """The float network's neuron where the inputs are what their codes stand for."""
        coded = {}
        for entry in self.program.inputs:
            code = codes(entry, self.sample[entry.name])[0]
            coded[entry.name] = (code - entry.zero_point) * entry.scale
        if all(np.allclose(coded[name], self.sample[name], rtol=TIE, atol=0) for name in coded):
            return self.real
        return float_neuron(self.graph, coded, self.at.layer, self.at.element) or self.real

    def _fires_with(self, decay: float, skips: bool) -> int:
        """What the neuron does there if its integer input is added up in real numbers; `skips`: without a decay in the
        timestep of a spike that subtracts."""
        v, model = 0.0, self.history.model
        for step in range(self.timestep):
            if not self.history.fired[step]:
                v = v * decay
            elif model.soft:
                v = (v if skips else v * decay) - model.threshold
            else:
                v = 0.0
            v += float(self.history.given[step])
        return int(v >= self.threshold)

    def _rounding(self, potential: float, leaky: bool) -> Cause:
        """What is left, `potential` being the float network's on the coded inputs."""
        height = self.real.threshold - self.real.rest
        if height <= 0:
            return self._made("rounding", "weights, constants and the threshold are rounded")
        part = (potential - self.real.rest) / height
        distance = (part - 1) * self.threshold
        error = abs(int(self.history.tested[self.timestep]) - self.threshold - distance)
        bound = self._bound(leaky) + abs(part)
        kind = "unexplained" if error > bound else "tie" if abs(part - 1) <= TIE else "rounding"
        text = {
            "tie": "the float potential is the threshold itself, up to its own rounding",
            "rounding": "weights, constants and the threshold are rounded",
            "unexplained": f"the potentials are {error:.3g} units apart, more than rounding makes",
        }[kind]
        return self._made(kind, text, abs(distance), bound)

    def _bound(self, leaky: bool) -> float:
        """How many units rounding makes: half a one an active synapse since the last reset, one for the threshold,
        with a leak up to one a step. With a soft reset all steps count, and each spike takes off a rounded threshold.

        (A unit is known as height / threshold, which is rounded too: the caller adds the potential's share of that.)
        """
        first, spikes = 0, 0
        before = np.flatnonzero(self.history.fired[: self.timestep])
        if len(before) and self.history.model.soft:
            spikes = len(before)
        elif len(before):
            first = int(before[-1])
        steps = self.timestep - first
        return 0.5 * float(self.history.events[first : self.timestep].sum()) + 1 + spikes + (steps if leaky else 0)

    def _made(self, kind: str, text: str, distance: float | None = None, bound: float | None = None) -> Cause:
        return Cause(
            kind,
            text,
            int(self.history.tested[self.timestep]),
            self.threshold,
            float(self.real.tested[self.at.step]),
            self.real.threshold,
            distance,
            bound,
        )
