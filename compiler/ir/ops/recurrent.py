"""Recurrent layers: over the frames of a clip, or one frame at a time with the state kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..types import TensorType
from .activation import KINDS
from .base import Array, register, require, working
from .temporal import Stateful

RNN_ACTIVATIONS = ("relu", "tanh")


def _sigmoid(x: Array) -> Array:
    return KINDS["sigmoid"](x, 0.0)


@dataclass(frozen=True)
class Recurrent(Stateful):
    """x (N, T, C) gives (N, T, H), every frame's h; in a frame graph x (N, C) gives (N, H).

    weight (G·H, C) and recurrent (G·H, H) hold G gates one after the other, bias (2, G·H) what is added to the products
    with either; hidden (H) is h before the first frame (zeros if absent). The state goes on at frames start, start +
    period, … and is held in between. `reverse` runs over a clip from its last frame to its first.
    """

    operands: ClassVar[tuple[str, ...]] = ("x", "weight", "recurrent", "bias?", "hidden?")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"weight", "recurrent", "bias", "hidden"})
    gates: ClassVar[int] = 1
    reverse: bool = False
    start: int = 0
    period: int = 1

    def infer(
        self,
        x: TensorType,
        weight: TensorType,
        recurrent: TensorType,
        bias: TensorType | None = None,
        *before: TensorType | None,
    ) -> TensorType:
        self.check()
        require(x.is_float and x.axes in ("NTC", "NC"), f"{self.mnemonic} takes floats with axes N, T, C or N, C: {x}")
        units = recurrent.shape[-1]
        rows = self.gates * units
        require(weight.shape == (rows, x.shape[-1]), f"weight {weight} for {units} units and an input {x}")
        require(recurrent.shape == (rows, units), f"recurrent {recurrent} for {units} units of {self.gates} gates")
        require(bias is None or bias.shape == (2, rows), f"bias {bias} for {units} units of {self.gates} gates")
        require(all(s is None or s.shape == (units,) for s in before), f"the state before has {units} elements")
        require(self.start >= 0 and self.period >= 1, "start and period must be 0 or more, and 1 or more")
        plain = (self.start, self.period) == (0, 1)
        require(not self.reverse or (x.rank == 3 and plain), "only a layer over a whole clip runs backwards")
        return x.with_shape((*x.shape[:-1], units))

    def check(self) -> None:
        """IllegalOp unless the layer's own attributes make sense."""

    def step(self, state: tuple[Array, ...], from_x: Array, recurrent: Array, bias: Array) -> tuple[Array, ...]:
        """The state after a frame, from x · weightᵀ with its bias, and the recurrent weights and bias."""
        raise NotImplementedError(self.mnemonic)

    def result(self, state: tuple[Array, ...]) -> Array:
        """What the layer gives in a state."""
        return state[0]

    def states(self, before: tuple[Array | None, ...]) -> tuple[Array | None, ...]:
        """The given parts of the state before the first frame, None for zeros."""
        return (before or (None,))[:1]

    def evaluate(self, x: Array, *constants: Array | None) -> Array:
        frames = range(x.shape[1])
        state, results = None, []
        for frame in reversed(frames) if self.reverse else frames:
            y, state = self.advance(state, 0 if self.reverse else frame, x[:, frame], *constants)
            results.append(y)
        return np.stack(results[::-1] if self.reverse else results, axis=1)

    def advance(self, state: Any, frame: int, x: Array, *constants: Array | None) -> tuple[Array, Any]:
        if x.ndim == 3:  # a clip that is there as a whole
            return self.evaluate(x, *constants), None
        weight, recurrent, bias, *before = (*constants, None)[: max(3, len(constants))]
        assert weight is not None and recurrent is not None
        weight, recurrent = working(weight), working(recurrent)
        both = np.zeros((2, len(weight))) if bias is None else working(bias)
        if state is None:
            shape = (len(x), recurrent.shape[1])
            state = tuple(np.broadcast_to(0.0 if s is None else working(s), shape) for s in self.states(tuple(before)))
        if frame >= self.start and (frame - self.start) % self.period == 0:
            state = self.step(state, working(x) @ weight.T + both[0], recurrent, both[1])
        return self.result(state), state


@register
@dataclass(frozen=True)
class Rnn(Recurrent):
    """h ← f(W·x + b₀ + R·h + b₁), y = h, with f tanh or relu (Elman). As ONNX RNN and torch.nn.RNN.

    Operands and `start`, `period`, `reverse` as in every recurrent layer (compiler/ir/ops/recurrent.py).
    Example: %y = rnn(%x, @w, @r, @b) {activation='relu'}
    """

    mnemonic: ClassVar[str] = "rnn"
    activation: str = "tanh"

    def check(self) -> None:
        require(self.activation in RNN_ACTIVATIONS, f"activation {self.activation!r}: {', '.join(RNN_ACTIVATIONS)}")

    def step(self, state: tuple[Array, ...], from_x: Array, recurrent: Array, bias: Array) -> tuple[Array, ...]:
        total = from_x + state[0] @ recurrent.T + bias
        return (np.tanh(total) if self.activation == "tanh" else np.maximum(total, 0),)


@register
@dataclass(frozen=True)
class Gru(Recurrent):
    """Gated recurrent units, gates in the order z, r, n (Cho et al. 2014; ONNX GRU, torch.nn.GRU):

        z = σ(W_z·x + b₀ + R_z·h + b₁),  r likewise,  h ← (1 − z)·n + z·h,  y = h
        n = tanh(W_n·x + b₀ + r·(R_n·h + b₁)), without reset_after tanh(W_n·x + b₀ + R_n·(r·h) + b₁)

    Operands and `start`, `period`, `reverse` as in every recurrent layer. Example: %y = gru(%x, @w, @r, @b)
    """

    mnemonic: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3
    reset_after: bool = True

    def step(self, state: tuple[Array, ...], from_x: Array, recurrent: Array, bias: Array) -> tuple[Array, ...]:
        (h,) = state
        units = h.shape[1]
        from_h = h @ recurrent[: 2 * units].T + bias[: 2 * units]
        z, r = np.split(_sigmoid(from_x[:, : 2 * units] + from_h), 2, axis=1)
        rows, b, x = recurrent[2 * units :], bias[2 * units :], from_x[:, 2 * units :]
        n = np.tanh(x + (r * (h @ rows.T + b) if self.reset_after else (r * h) @ rows.T + b))
        return ((1 - z) * n + z * h,)


@register
@dataclass(frozen=True)
class Lstm(Recurrent):
    """Long short-term memory, gates in the order i, o, f, g (Hochreiter, Schmidhuber 1997; ONNX LSTM, torch.nn.LSTM):

        i = σ(W_i·x + b₀ + R_i·h + b₁),  o and f likewise,  g = tanh(W_g·x + b₀ + R_g·h + b₁)
        c ← f·c + i·g,  h ← o·tanh(c),  y = h, with gives='cell' y = c

    cell (H) is c before the first frame (zeros if absent). Operands and `start`, `period`, `reverse` as in every
    recurrent layer. Example: %y = lstm(%x, @w, @r, @b)
    """

    mnemonic: ClassVar[str] = "lstm"
    operands: ClassVar[tuple[str, ...]] = (*Recurrent.operands, "cell?")
    constant_operands: ClassVar[frozenset[str]] = Recurrent.constant_operands | {"cell"}
    gates: ClassVar[int] = 4
    gives: str = "hidden"

    def check(self) -> None:
        require(self.gives in ("hidden", "cell"), f"it gives hidden or cell, not {self.gives!r}")

    def states(self, before: tuple[Array | None, ...]) -> tuple[Array | None, ...]:
        hidden, cell = (*before, None, None)[:2]
        return hidden, cell

    def step(self, state: tuple[Array, ...], from_x: Array, recurrent: Array, bias: Array) -> tuple[Array, ...]:
        h, c = state
        i, o, f, g = np.split(from_x + h @ recurrent.T + bias, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c

    def result(self, state: tuple[Array, ...]) -> Array:
        return state[self.gives == "cell"]
