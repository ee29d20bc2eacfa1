"""Spiking neurons: one timestep a frame, one neuron an element, a spike is 1 and no spike 0.

Parameters are constants that broadcast to a frame (1, C, …): one number, one a channel, or one a neuron.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ....runtime import arith
from ..types import TensorType
from .base import Array, Op, register, require, working
from .temporal import Stateful

RESETS = ("value", "subtract", "none")
NO_LEAK = 64


def _check_parameters(x: TensorType, parameters: tuple[TensorType | None, ...]) -> None:
    require(x.batched and "T" not in x.axes, f"neurons take a frame with samples, got {x}")
    for parameter in parameters:
        if parameter is not None:
            full = (1,) * (x.rank - parameter.rank) + parameter.shape
            fits = len(full) == x.rank and all(a in (1, b) for a, b in zip(full, x.shape, strict=True))
            require(fits, f"a parameter {parameter} does not broadcast to {x}")


def _start(state: Any, x: Array, start: Array | None) -> Array:
    """The potentials before this step."""
    return np.broadcast_to(0.0 if start is None else start, x.shape) if state is None else state


@register
@dataclass(frozen=True)
class Li(Stateful):
    """Leaky integrators, whose potential is the output: v ← decay · v + gain · x + offset; y = v.

    v is `start` before the first step. gain is 1 and offset and start are 0 where they are absent.
    Example: %v = li(%x, @decay)
    """

    mnemonic: ClassVar[str] = "li"
    operands: ClassVar[tuple[str, ...]] = ("x", "decay", "gain?", "offset?", "start?")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"decay", "gain", "offset", "start"})

    def infer(self, x: TensorType, *parameters: TensorType | None) -> TensorType:
        require(x.is_float, f"li takes floats, got {x}")
        _check_parameters(x, parameters)
        return x

    def advance(self, state: Any, frame: int, x: Array, *constants: Array | None) -> tuple[Array, Any]:
        decay, gain, offset, start = (*constants, None, None, None)[:4]
        v = _integrated(_start(state, x, start), x, decay, gain, offset)
        return v, v


def _integrated(v: Array, x: Array, decay: Array | None, gain: Array | None, offset: Array | None) -> Array:
    """decay · v + gain · x + offset"""
    assert decay is not None
    y = decay * v + (x if gain is None else gain * x)
    return y if offset is None else y + offset


@register
@dataclass(frozen=True)
class Lif(Stateful):
    """Leaky integrate-and-fire neurons; integrate-and-fire ones (IF) have a decay of 1. In every step

        v ← decay · v + gain · x + offset
        s = 1 where v ≥ threshold (strict: v > threshold), else 0
        where s is 1: v ← v_reset (reset="value"), v ← v − threshold ("subtract"), or v stays ("none")

    delayed=True puts the reset off to the next step (snnTorch): "subtract" takes the threshold off after decay and
    input, "value" puts v_reset in the place of both. v is `start` before the first step. gain is 1 and offset, v_reset
    and start are 0 where they are absent. Example: %s = lif(%x, @decay, @threshold) {reset='subtract'}
    """

    mnemonic: ClassVar[str] = "lif"
    operands: ClassVar[tuple[str, ...]] = ("x", "decay", "threshold", "gain?", "offset?", "v_reset?", "start?")
    constant_operands: ClassVar[frozenset[str]] = frozenset(
        {"decay", "threshold", "gain", "offset", "v_reset", "start"}
    )
    reset: str = "value"
    strict: bool = False
    delayed: bool = False

    def infer(self, x: TensorType, *parameters: TensorType | None) -> TensorType:
        require(x.is_float, f"lif takes floats, got {x}")
        require(self.reset in RESETS, f"reset must be one of {', '.join(RESETS)}, not {self.reset!r}")
        _check_parameters(x, parameters)
        return x

    def advance(self, state: Any, frame: int, x: Array, *constants: Array | None) -> tuple[Array, Any]:
        decay, threshold, gain, offset, v_reset, start = (*constants, None, None, None, None)[:6]
        assert threshold is not None
        before, fired = (_start(None, x, start), np.zeros(x.shape)) if state is None else state
        v = _integrated(before, x, decay, gain, offset)
        if self.delayed:
            v = self._after_reset(v, fired, threshold, v_reset)
        s = (v > threshold if self.strict else v >= threshold).astype(np.float64)
        return s, (v if self.delayed else self._after_reset(v, s, threshold, v_reset), s)

    def _after_reset(self, v: Array, s: Array, threshold: Array, v_reset: Array | None) -> Array:
        if self.reset == "subtract":
            return v - threshold * s
        return v if self.reset == "none" else np.where(s > 0, 0.0 if v_reset is None else v_reset, v)


@register
@dataclass(frozen=True)
class Threshold(Op):
    """Neurons without a memory: s = 1 where x ≥ threshold (strict: x > threshold), else 0.
    Example: %s = threshold(%x, @theta) {strict=True}"""

    mnemonic: ClassVar[str] = "threshold"
    operands: ClassVar[tuple[str, ...]] = ("x", "threshold")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"threshold"})
    strict: bool = False

    def infer(self, x: TensorType, threshold: TensorType) -> TensorType:
        require(x.is_float, f"threshold takes floats, got {x}")
        _check_parameters(x, (threshold,))
        return x

    def evaluate(self, x: Array, threshold: Array) -> Array:
        return (working(x) > threshold if self.strict else working(x) >= threshold).astype(np.float64)


def _leaked(v: Array, leak: Array) -> Array:
    """V − floor(V / 2^leak), and V itself where leak is NO_LEAK."""
    return np.where(leak >= NO_LEAK, v, v - arith.arithmetic_shift(v, leak))


@register
@dataclass(frozen=True)
class Potential(Stateful):
    """Integer potentials that nothing resets, an output of the CRI machine: V ← V − floor(V / 2^leak) + x; y = V.

    leak 64 (none) gives the sum over all steps so far, leak 0 the sum of this step. Example: %v = potential(%x, @leak)
    """

    mnemonic: ClassVar[str] = "potential"
    operands: ClassVar[tuple[str, ...]] = ("x", "leak")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"leak"})

    def infer(self, x: TensorType, leak: TensorType) -> TensorType:
        require(not any(t.is_float for t in (x, leak)), "potential takes integers")
        _check_parameters(x, (leak,))
        return TensorType(x.shape, "i64", x.axes)

    def advance(self, state: Any, frame: int, x: Array, *constants: Array | None) -> tuple[Array, Any]:
        (leak,) = constants
        assert leak is not None
        v = _leaked(np.zeros(x.shape, np.int64) if state is None else state, leak) + x
        return v, v


@register
@dataclass(frozen=True)
class Spike(Stateful):
    """Integer neurons of the CRI machine, with x the sum that arrives for a step (backend cri):

        V ← V − floor(V / 2^leak), where the neuron did not fire in the step before (leak 64: no leak, 0: V ← 0)
        V ← V + x;   s = 1 where V ≥ threshold, else 0;   where s is 1: V ← 0, with soft=True V ← V − threshold

    Example: %s = spike(%x, @threshold, @leak)
    """

    mnemonic: ClassVar[str] = "spike"
    operands: ClassVar[tuple[str, ...]] = ("x", "threshold", "leak")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"threshold", "leak"})
    soft: bool = False

    def infer(self, x: TensorType, threshold: TensorType, leak: TensorType) -> TensorType:
        require(not any(t.is_float for t in (x, threshold, leak)), "spike takes integers")
        _check_parameters(x, (threshold, leak))
        return TensorType(x.shape, "i64", x.axes)

    def advance(self, state: Any, frame: int, x: Array, *constants: Array | None) -> tuple[Array, Any]:
        threshold, leak = constants
        assert threshold is not None and leak is not None
        v, fired = (np.zeros(x.shape, np.int64), np.zeros(x.shape, np.int64)) if state is None else state
        v = np.where(fired > 0, v, _leaked(v, leak)) + x
        s = (v >= threshold).astype(np.int64)
        return s, (np.where(s > 0, v - threshold if self.soft else 0, v), s)
