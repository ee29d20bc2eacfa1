"""Integers for spiking networks: neuron for neuron, spike for spike, with integer weights and thresholds.

Each neuron reads constant + Σ scale · layer(train) (`cri-terms`). A unit S of potential is chosen for each layer
(`scales`), weights become round(w / S), thresholds ceil(θ / S) or floor(θ / S) + 1, decays leaks (`dynamics`). One S
holds for a layer where its thresholds and gains do; where they differ, S does so by channel, so that the integer
threshold stays one number and the layer one neuron model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...compiler.diagnostics import usage
from ...compiler.ir import Graph, Node, Value, steps_of, stretched
from ...compiler.ir.ops import (
    Activation,
    Clip,
    Dequantize,
    Li,
    Lif,
    MaxPool,
    Mul,
    Potential,
    Quantize,
    Relu,
    RunningMean,
    Spike,
    Threshold,
)
from ...compiler.ir.ops.base import Array
from ...compiler.passes.base import Context, Pass
from .accumulators import Accumulators, LayerIntegers
from .dynamics import Dynamics, dynamics, integrator
from .event_inputs import MOST_BITS, input_code, lost_counts
from .gates import is_binary, products_as_gates
from .integerize import Integerizer, NotHeld, Scale
from .refusals import Refusals
from .scales import LARGEST_THRESHOLD
from .trains import is_train
from .weights import spike_sources

NAME = "quantize-spiking"
LOST = 1e-3  # an rms error of weights that 16 bits do not leave


@dataclass(frozen=True)
class QuantizeSpiking(Pass):
    """Integer weights, thresholds and leaks for a spiking network.

    weight_bits  2 to 16, with the sign
    input_bits   1 to 8 bits of an input's codes; 0: from the calibration data (1 without)
    leak         nearest (a warning tells what is not exact) or exact (refuse it)
    timesteps    T; 0: as the network has it
    readout      potential, or count: refuse outputs that are no spikes, for boards that do not return potentials
    soft_reset   can the machine's neurons subtract their threshold?
    """

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("terms",)
    gives: ClassVar[str] = "quantized"
    preserves: ClassVar[bool] = False

    weight_bits: int = 16
    input_bits: int = 0
    leak: str = "nearest"
    timesteps: int = 0
    readout: str = "potential"
    soft_reset: bool = False

    def __post_init__(self) -> None:
        if not 2 <= self.weight_bits <= 16:
            raise ValueError(f"weight_bits must be 2 to 16, not {self.weight_bits}")
        if not 0 <= self.input_bits <= MOST_BITS:
            raise ValueError(f"input_bits must be 1 to {MOST_BITS}, not {self.input_bits}")
        if self.leak not in ("nearest", "exact"):
            raise ValueError(f"leak must be nearest or exact, not {self.leak!r}")
        if not 0 <= self.timesteps <= 4096:
            raise ValueError(f"timesteps must be 1 to 4096, not {self.timesteps}")
        if self.readout not in ("potential", "count"):
            raise ValueError(f"readout must be potential or count, not {self.readout!r}")

    def run(self, graph: Graph, context: Context) -> int:
        try:
            graph.timing = stretched(graph, self.timesteps or steps_of(graph))
        except ValueError as error:
            raise usage("NMC-T002", f"timesteps={self.timesteps}: {error}") from None
        made = _Builder(self, graph, context).build()
        if context.integer_weights:
            context.warnings.append("weights of the model: spiking neurons get integers of their own, not the file's")
        graph.adopt(made)
        return len(made.nodes)


class _Builder:
    """One run of the pass: `source` is read, `target` is built."""

    def __init__(self, options: QuantizeSpiking, source: Graph, context: Context):
        self.options, self.source, self.context = options, source, context
        self.target = Graph(source.name, "quantized")
        self.target.timing = dict(source.timing)
        self.integers = Integerizer(self.target)
        self.refusals = Refusals(self.integers)
        self.bits: dict[Value, int] = {}  # of inputs, and of states that hold them
        report: list[LayerIntegers] = context.reports.setdefault(NAME, [])
        self.accumulators = Accumulators(self.integers, self.bits, options.weight_bits, report)
        self.events: set[Value] = set()

    def build(self) -> Graph:
        for value in self.source.inputs:
            self._input(value)
        products_as_gates(self.source, self.events)
        for state in self.source.feedback:
            self.refusals.guard(state, self._state, state)
        for node in self.source.nodes:
            self.refusals.guard(node.result, self._node, node)
        for name, value in self.source.outputs.items():
            self.refusals.guard(value, self._output, name, value)
        self.refusals.raise_if_any()
        for state, value in self.source.feedback.items():
            self.target.close(self.integers.train(state)[0], self.integers.train(value)[0])
        return self.target

    # --- inputs and states ---

    def _input(self, value: Value) -> None:
        samples = None if self.context.samples is None else self.context.samples[value.name]
        code = input_code(samples, self.options.input_bits)
        if samples is None:
            what = "events, 0 or 1" if code.bits == 1 else "counts"
            hint = "give --calibration with typical inputs if it is not"
            self.context.warnings.append(f"no calibration data: input {value.name!r} is taken as {what}; {hint}")
        elif lost_counts(code, samples):
            self.context.warnings.append(f"input {value.name!r}: counts above {2**code.bits - 1} are taken as that")
        source = self.target.add_input(value.name, value.type)
        train = self.target.add(code, source, name=f"{value.name}.code")
        self.integers.trains[id(value)] = train, np.full((1,) * value.type.rank, code.scale)
        self.bits[value] = code.bits
        if code == Quantize(1.0, 0, 1):
            self.events.add(value)

    def _state(self, state: Value) -> None:
        """A train of the step before, in the same units."""
        roots = self._roots(state, set())
        units = {unit for unit, _ in roots}
        if len(units) > 1:
            raise NotHeld(state, "what it carries to the next step has several units", "one input or layer a state")
        train = self.target.add_state(state.name, state.type.with_dtype("i64"), state.origin)
        self.integers.trains[id(state)] = train, np.full((1,) * state.type.rank, units.pop() if units else 1.0)
        bits = max((bits for _, bits in roots), default=0)
        if bits:
            self.bits[state] = bits

    def _roots(self, state: Value, seen: set[Value]) -> set[tuple[float, int]]:
        """Unit and bits of each input that it holds elements of, (1, 0) for neurons."""
        held = self.source.feedback[state]
        if held.is_constant or not is_train(held):
            raise NotHeld(
                state, f"it carries %{held.name} to the next step, which is no train of spikes", "feed spikes"
            )
        found: set[tuple[float, int]] = set()
        for source in spike_sources(held):
            if source in self.source.inputs:
                found.add((float(self.integers.train(source)[1].flat[0]), self.bits[source]))
            elif source not in self.source.feedback:
                found.add((1.0, 0))
            elif source not in seen:
                found |= self._roots(source, seen | {state})
        return found

    # --- neurons ---

    def _node(self, node: Node) -> None:
        op = node.op
        if isinstance(op, Lif | Threshold):
            self._neuron(node)
        elif isinstance(op, Relu | Clip | Activation):
            kind = op.kind if isinstance(op, Activation) else op.mnemonic
            raise NotHeld(node.result, f"{kind} has no place among spikes", "spiking neurons in its place")
        elif isinstance(op, MaxPool) and not is_binary(self.source, node.x, self.events):
            why = "max_pool reads values that are not single spikes"
            raise NotHeld(node.result, why, "put the neurons before the max pool")
        elif isinstance(op, Mul) and not any(v is not None and v.is_constant for v in node.operands):
            raise NotHeld(node.result, "it multiplies values that are not single spikes", "a sum, or neurons before it")
        elif isinstance(op, Li) and node.result.uses:
            why = "it integrates over time in front of other layers: a second state for the neurons that it feeds"
            raise NotHeld(node.result, why, "neurons with one state (no CubaLIF or Synaptic)")
        elif isinstance(op, RunningMean) and node.result.uses:
            raise NotHeld(node.result, "a mean over time is read before time is over", "take it at the output")

    def _neuron(self, node: Node) -> None:
        value = node.result
        found = self._announced(node, dynamics(node, self.options.soft_reset))
        integer, _, threshold = self.accumulators.make(value.name, node.x, found)
        self._warn_of_lost_weights(value, self.accumulators.report[-1])
        constants = (_compact(f"{value.name}.{n}", a, self.target) for n, a in (("n", threshold), ("leak", found.leak)))
        origin = tuple(dict.fromkeys((*node.x.origin, *value.origin)))
        spikes = self.target.add(Spike(found.soft), integer, *constants, name=value.name, origin=origin)
        self.integers.trains[id(value)] = spikes, np.ones((1,) * value.type.rank)

    def _warn_of_lost_weights(self, value: Value, layer: LayerIntegers) -> None:
        """A threshold of 2^30 units is the largest there is, so no weight is finer than 2^-30 of one."""
        none_left = layer.errors.largest >= 1
        if layer.errors.rms > LOST and (none_left or layer.threshold >= LARGEST_THRESHOLD // 2):
            what = "all weights round to 0" if none_left else f"weights are off by {100 * layer.errors.rms:.3g} % (rms)"
            why = "its threshold, 2^30 units at most, is far above its largest weight"
            self.context.warnings.append(f"{_where(value)}: {why}: {what}")

    def _announced(self, node: Node, found: Dynamics) -> Dynamics:
        """The same, with its notes as warnings; NotHeld if nothing but exact will do."""
        if found.notes and self.options.leak == "exact":
            raise NotHeld(node.result, "; ".join(found.notes), "leak=nearest, or a decay of 1 − 2^−k")
        self.context.warnings += [f"{_where(node.result)}: {note}" for note in found.notes]
        return found

    # --- outputs ---

    def _output(self, name: str, value: Value) -> None:
        if value.is_constant:
            raise NotHeld(value, f"output {name!r} does not depend on the input")
        node = value.producer
        mean = node.op if node is not None and isinstance(node.op, RunningMean) else None
        inner = node.x if node is not None and mean is not None else value
        if mean is not None and (mean.start or mean.period > 1):
            raise NotHeld(value, "its mean leaves out timesteps", "a mean over all timesteps")
        if is_train(inner) and not set(spike_sources(inner)) & set(self.bits):
            integer, scale = self.integers.train(inner)
        elif self.options.readout == "count":
            raise NotHeld(
                inner, f"output {name!r} is no train of spikes, and readout=count asks for spikes", "readout=potential"
            )
        else:
            integer, scale = self._potential(name, inner, mean is not None)
        constant = self.target.constant(f"{name}.scale", np.asarray(scale, np.float64))
        result = self.target.add(Dequantize(), integer, constant, name=f"{name}.float", origin=value.origin)
        if mean is not None:
            result = self.target.add(mean, result, name=f"{name}.mean", origin=value.origin)
        self.target.outputs[name] = result

    def _potential(self, name: str, value: Value, mean: bool) -> tuple[Value, Scale]:
        """Neurons that never fire: their potential is the output."""
        node = value.producer
        if node is not None and isinstance(node.op, Li):
            if mean:
                raise NotHeld(
                    value, "the mean of a potential over time is a second sum over time", "the potential itself"
                )
            once = self.source.timing[name].axis < 0
            found, x = self._announced(node, integrator(node, steps_of(self.source) if once else 0)), node.x
        else:
            zero = np.zeros(())
            found, x = Dynamics(None, np.ones(()), zero, np.zeros((), np.int64), zero), value
        integer, scale, _ = self.accumulators.make(name, x, found)
        leak = _compact(f"{name}.leak", found.leak, self.target)
        made = self.target.add(Potential(), integer, leak, name=f"{name}.potential", origin=value.origin)
        return made, scale * found.gain


def _where(value: Value) -> str:
    return f"%{value.name}" + (f" ({', '.join(value.origin)})" if value.origin else "")


def _compact(name: str, array: Array, graph: Graph) -> Value:
    """A constant, one number if all of its entries are the same."""
    same = array.size > 0 and bool(np.all(array == array.flat[0]))
    return graph.constant(name, np.asarray(array.flat[0] if same else array, np.int64))
