"""The integer sums that neurons see: one unit of potential for each layer, weights and thresholds in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...compiler.ir import Value
from ...compiler.ir.ops import Add
from ...compiler.ir.ops.base import Array
from ...runtime import arith
from ...runtime.arith import Ints
from .dynamics import Dynamics, held_decay
from .integerize import Integerizer, NotHeld, NotUniform, Scale
from .scales import Errors, Numbers, choose_scale, integer_threshold, rounding_errors
from .weights import Weights


@dataclass(frozen=True)
class LayerIntegers:
    """What quantization did to one layer of neurons (or to one output).

    scale      real value of one unit of potential, the largest of the layer
    threshold  the largest integer threshold, 0 where nothing fires
    errors     of its weights and constants
    decay      what the network asks for, held: what the leak does; of several the one that is off most
    """

    name: str
    scale: float
    threshold: int
    errors: Errors
    decay: float
    held: float


@dataclass(frozen=True)
class Accumulators:
    """Makes them in the graph that `integers` builds, and adds one record a layer to the report.

    bits  of the inputs' codes: a weight is sent once for each bit plane
    """

    integers: Integerizer
    bits: Mapping[Value, int]
    weight_bits: int
    report: list[LayerIntegers]

    def make(self, name: str, x: Value, found: Dynamics) -> tuple[Value, Scale, Ints]:
        """(V, S, n): what arrives in a step as an integer, x ≈ S · V, and the integer threshold (0 for integrators).

        A neuron without a memory whose threshold is not above 0 gets a constant more on both sides, so that it is
        silent before the first step. NotHeld or NotUniform where there is no such V.
        """
        if x.is_constant:
            raise NotHeld(x, f"%{name} does not depend on the input")
        base, weights = self._weights(x, found)
        constants = [*weights.constants, found.offset / base]
        numbers = Numbers.of(weights.weights, constants, weights.synapse, self.weight_bits)
        ratio = None if found.threshold is None else found.threshold / base
        height = None if ratio is None else float(ratio.max())
        unit = choose_scale(numbers, height, found.fine, found.soft)
        threshold = np.zeros((), np.int64) if ratio is None else integer_threshold(ratio / unit, found.strict)
        if found.soft and np.any(threshold != threshold.flat[0]):
            raise NotHeld(x, f"the thresholds that %{name} subtracts differ within a channel")
        largest = float(unit * np.abs(base * found.gain).max())
        errors = rounding_errors(numbers, unit, height)
        self.report.append(LayerIntegers(name, largest, int(threshold.max()), errors, *_worst_decay(found)))
        lift = np.maximum(1 - threshold, 0) if ratio is not None else np.zeros((), np.int64)
        offset = arith.round_half_even(found.offset / (unit * base)) + lift
        return self._emit(name, x, offset, unit * base), unit * base, threshold + lift

    def _weights(self, x: Value, found: Dynamics) -> tuple[Scale, Weights]:
        """Units up to a factor, and the numbers on the way into x in those units."""
        plain = np.sign(found.gain).reshape((1,) * (x.type.rank - found.gain.ndim) + found.gain.shape)
        if found.threshold is not None:
            common = _common_threshold(found.threshold, plain)
            try:
                return common, Weights(self.integers, x, common, self.bits)
            except NotUniform:
                pass
        return plain, Weights(self.integers, x, plain, self.bits)

    def _emit(self, name: str, x: Value, offset: Ints, scale: Scale) -> Value:
        target = self.integers.target
        total = self.integers.emit(x, scale)
        if not np.any(offset):
            return total
        data = np.broadcast_to(offset, x.type.shape)
        constant = target.constant(f"{name}.offset", data, x.type.axes)
        return target.add(Add(), total, constant, name=f"{name}.sum", origin=x.origin)


def _common_threshold(threshold: Array, plain: Array) -> Array:
    """Units by channel for which all thresholds are the same number, or `plain` if they are anyway or not above 0."""
    full = threshold.reshape((1,) * (plain.ndim - threshold.ndim) + threshold.shape)
    height = float(np.abs(full).max())
    alike = bool(np.all(np.abs(full) == height)) or bool(np.any(full * plain <= 0))
    return np.broadcast_to(plain, np.broadcast_shapes(plain.shape, full.shape)) if alike else full / height


def _worst_decay(found: Dynamics) -> tuple[float, float]:
    """The decay that is farthest from what holds it, and that."""
    held = held_decay(found.leak)
    worst = int(np.argmax(np.abs(held - found.decay)))
    return float(found.decay.flat[worst]), float(held.flat[worst])
