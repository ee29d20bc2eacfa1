"""What the float neurons `lif`, `threshold` and `li` become on the machine, whose neurons do (with x the sum of a step)

    V ← V − floor(V / 2^k) + x;   fire where V ≥ n;   then V ← 0, or V ← V − n on profiles with soft reset

With u = v − v_reset, divided by the gain, lif is

    u ← decay · u + x + (offset + (decay − 1) · v_reset) / gain;   fire where u ≥ (threshold − v_reset) / gain

so a decay of 1 − 2^−k is the leak k, a decay of 1 none (64), a decay of 0 a neuron without a memory (0). What is only
close to that is written down in `notes`: a decay between two leaks; a leak beside a soft reset (the machine skips the
leak of a neuron that fired); snnTorch's delayed soft reset with a leak, which, seen from the step of the spike, takes
off threshold / decay. A strict compare with soft reset takes off one unit more than the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...compiler.ir import Node, Value
from ...compiler.ir.ops import NO_LEAK, Lif, Threshold
from ...compiler.ir.ops.base import Array
from ...runtime.arith import Ints, round_half_even
from .integerize import NotHeld
from .scales import NOISE

MOST_LEAK = 22  # a decay closer to 1 differs from it by less than float32 resolves


@dataclass(frozen=True)
class Dynamics:
    """A float neuron, with arrays that broadcast to its frame.

    threshold  (threshold − v_reset) / gain, the height in units of x; None for an integrator
    gain       real value of one unit of x in the neuron
    offset     added in every step, in units of x
    leak       exponents, NO_LEAK for none; decay: what the network asks for
    soft       reset by subtraction; strict: fires above the threshold only
    notes      what the machine does not do exactly so, in sentences
    """

    threshold: Array | None
    gain: Array
    offset: Array
    leak: Ints
    decay: Array
    soft: bool = False
    strict: bool = False
    notes: tuple[str, ...] = ()

    @property
    def fine(self) -> bool:
        """Do potentials get rounded, so that small units are better?"""
        return bool(np.any((self.leak > 0) & (self.leak < NO_LEAK))) or (self.soft and self.strict)


def dynamics(node: Node, soft_reset: bool) -> Dynamics:
    """The dynamics of `lif` or `threshold`; NotHeld where the machine has nothing like it.

    soft_reset  can the machine subtract thresholds?
    """
    _check_finite(node)
    if isinstance(node.op, Threshold):
        theta, zero = _number(node.operand("threshold"), 0.0), np.zeros(())
        return Dynamics(theta, np.ones(()), zero, np.zeros((), np.int64), zero, strict=node.op.strict)
    assert isinstance(node.op, Lif)
    return _lif(node, node.op, soft_reset)


def _check_finite(node: Node) -> None:
    """NotHeld for a parameter that is infinite or no number."""
    for name in sorted(node.op.constant_operands):
        value = node.operand(name)
        if value is not None and not np.all(np.isfinite(value.data)):
            raise NotHeld(node.result, f"its {name} is not finite", "a finite number")


def _number(value: Value | None, default: float) -> Array:
    return np.array(default) if value is None else value.data.astype(np.float64)


def integrator(node: Node, steps: int) -> Dynamics:
    """The dynamics of `li`; NotHeld where the machine has nothing like it.

    steps  after how many steps it is read once, 0 where every step is read. What an integrator that does not leak
           starts with is added in equal parts in these steps
    """
    _check_finite(node)
    decay, gain = _number(node.operand("decay"), 1.0), _gain(node)
    leak, notes = _leak(node, decay)
    start, offset = _number(node.operand("start"), 0.0) * decay, _number(node.operand("offset"), 0.0)
    if np.any(start):
        if not steps or np.any(leak < NO_LEAK):
            raise NotHeld(node.result, "its potentials start at another value than 0", "a start at 0")
        offset = offset + start / steps
    return Dynamics(None, gain, offset / gain, leak, decay, notes=notes)


def _lif(node: Node, op: Lif, soft_reset: bool) -> Dynamics:
    decay, gain = _number(node.operand("decay"), 1.0), _gain(node)
    leak, notes = _leak(node, decay)
    memory = bool(np.any(leak > 0))
    soft = op.reset == "subtract" and (memory or op.delayed)
    if soft and not soft_reset:
        raise NotHeld(node.result, "it resets by subtracting the threshold", "profile hw_l6, or a reset to a value")
    if op.reset == "none" and memory:
        raise NotHeld(node.result, "its spikes do not reset it", "a reset to a value")
    if op.delayed and op.reset == "value":
        why = "its reset comes one step late and takes the input of that step with it"
        raise NotHeld(node.result, why, "a reset in the step of the spike (snnTorch: reset_delay=False)")
    if soft and np.any(leak < NO_LEAK):
        notes = (*notes, _soft_and_leaky(op.delayed))
    v_reset = _number(node.operand("v_reset"), 0.0) if op.reset == "value" else np.zeros(())
    start = _number(node.operand("start"), 0.0)
    if np.any((start != v_reset) & (leak > 0)):
        raise NotHeld(node.result, "its potentials start at another value than the reset's", "a start at v_reset")
    offset = _number(node.operand("offset"), 0.0)
    rest = offset + (decay - 1) * v_reset
    rest = np.where(np.abs(rest) <= NOISE * np.abs(offset), 0.0, rest) / gain
    theta = _number(node.operand("threshold"), 1.0) - v_reset
    if memory or soft:
        _check_rest(node, theta, op.strict)
    return Dynamics(theta / gain, gain, rest, leak, decay, soft, op.strict, notes)


def _soft_and_leaky(delayed: bool) -> str:
    late = ", and the late reset takes off the threshold, not threshold / decay" if delayed else ""
    return f"it leaks and resets by subtraction: in the step after a spike the machine does not leak{late}"


def _gain(node: Node) -> Array:
    gain = _number(node.operand("gain"), 1.0)
    if np.any(gain == 0):
        raise NotHeld(node.result, "a gain of 0 cuts it off from its input")
    return gain


def _check_rest(node: Node, theta: Array, strict: bool) -> None:
    """Thresholds lie above the reset value, so that a neuron at rest is silent."""
    if np.any(theta < 0) or (not strict and np.any(theta == 0)):
        raise NotHeld(node.result, "its threshold is not above its reset value: it would fire at rest")


def _leak(node: Node, decay: Array) -> tuple[Ints, tuple[str, ...]]:
    """The leaks whose time constants are nearest (on a logarithmic scale), and a note where one is not exact."""
    if np.any(decay < -NOISE) or np.any(decay > 1 + NOISE):
        raise NotHeld(node.result, "a decay below 0 or above 1 is no leak")
    lost = np.maximum(1 - decay, 2.0**-NO_LEAK)
    exponent = np.clip(round_half_even(-np.log2(np.minimum(lost, 1.0))), 0, MOST_LEAK)
    leak = np.where(lost <= NOISE, NO_LEAK, exponent)
    held = held_decay(leak)
    if np.all(np.abs(held - decay) <= NOISE):
        return leak, ()
    worst = int(np.argmax(np.abs(held - decay)))
    wanted, given = float(decay.flat[worst]), float(held.flat[worst])
    note = f"a decay of {wanted:.6g} is held as {given:.6g}: {_fall(given)} instead of {_fall(wanted)}"
    return leak, (note,)


def held_decay(leak: Ints) -> Array:
    """What a leak multiplies a potential with, but for rounding."""
    return np.where(leak >= NO_LEAK, 1.0, 1 - 2.0**-leak)


def _fall(decay: float) -> str:
    """How long a potential takes to fall to 1/e."""
    return "no memory" if decay <= 0 else f"a time constant of {-1 / math.log(decay):.3g} steps"
