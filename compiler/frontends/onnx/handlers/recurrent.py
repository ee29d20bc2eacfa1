"""LSTM, GRU and RNN, in layout 1, where samples are axis 0 of operands and results.

Most files have layout 0, where time is: `shifts` turns a node whose samples were moved to axis 1 into one of layout 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ....ir import Value
from ....ir.ops import Concat, Gru, Lstm, Recurrent, Reshape, Rnn
from ...common.emit import Array
from ...common.moves import cut
from ..call import Call

DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


class Layer:
    """One node as it is read: its input with axes N, T, C, and for each direction the weights."""

    def __init__(self, call: Call, gates: int, activations: tuple[str, ...]):
        self.call = call
        name = call.text("direction", "forward")
        call.require(name in DIRECTIONS, "NMC-I011", f"direction is {name!r}")
        self.reversed = DIRECTIONS[name]
        self.batch_first = call.opset >= 14 and call.flag("layout")
        self._check_attributes(activations)
        self.x = self._input()
        self.weight, self.rows = (self._matrix(i, role) for i, role in ((1, "weight W"), (2, "weight R")))
        self.units = self.rows.shape[-1]
        self.bias = self._bias(gates)
        self._check_lengths()

    def _check_attributes(self, activations: tuple[str, ...]) -> None:
        call = self.call
        given = call.texts("activations")
        self.activations = tuple(text.lower() for text in given or activations * len(self.reversed))
        for name in ("activation_alpha", "activation_beta"):
            call.require(not call.floats(name), "NMC-I011", f"it has {name}", "use the operator's own activations")
        call.require(
            not call.has("clip") or call.number("clip", 0.0) == 0, "NMC-I011", "it has clip, a bound of its sums"
        )
        call.ignore("hidden_size", "clip")

    def expect_activations(self, *allowed: tuple[str, ...]) -> tuple[str, ...]:
        """The activations of a direction, the same in both and among those known."""
        size = len(allowed[0])
        each = {self.activations[i : i + size] for i in range(0, len(self.activations), size)}
        known = len(each) == 1 and each <= set(allowed) and len(self.activations) == size * len(self.reversed)
        self.call.require(known, "NMC-I011", f"activations are {', '.join(self.activations)}")
        return self.activations[:size]

    def _input(self) -> Value:
        """The input with samples in front, its axes called N, T, C."""
        call, x = self.call, self.call.value()
        call.require(x.type.rank == 3, "NMC-I012", f"its input {x.type} has not three axes")
        why = "its time is axis 0, where samples are, and its samples are axis 1"
        hint = "give the network its input as (samples, time, features): batch_first=True, or transpose it first"
        call.require(self.batch_first, "NMC-I015", why, hint)
        return x if x.type.axes == "NTC" else call.emit(Reshape(x.type.shape, "NTC"), x, part="input")

    def _matrix(self, index: int, role: str) -> Array:
        array = self.call.constant(index, role)
        fits = array.ndim == 3 and len(array) == len(self.reversed)
        self.call.require(fits, "NMC-I012", f"{role} has shape {list(array.shape)}, {len(self.reversed)} directions")
        return array

    def _bias(self, gates: int) -> Array | None:
        bias, count = self.call.optional_constant(3, "bias"), len(self.reversed)
        shape = (count, 2 * gates * self.units)
        if bias is None:
            return None
        self.call.require(bias.shape == shape, "NMC-I012", f"its bias has shape {list(bias.shape)}, not {list(shape)}")
        return bias.reshape(count, 2, -1)

    def _check_lengths(self) -> None:
        lengths, frames = self.call.optional_integers(4, "sequence_lens"), self.x.type.shape[1]
        same = lengths is None or set(lengths) == {frames}
        self.call.require(same, "NMC-I011", "it has sequence_lens, a length for each sample", "use clips of one length")

    def before(self, index: int, role: str) -> list[Array | None]:
        """The state before the first frame, one for each direction; None for zeros."""
        given = self.call.optional_constant(index, role)
        if given is None or not np.any(given):
            return [None] * len(self.reversed)
        given = given.swapaxes(0, 1) if self.batch_first and given.ndim == 3 else given
        fits = given.ndim == 3 and given.shape[::2] == (len(self.reversed), self.units)
        self.call.require(fits, "NMC-I012", f"{role} has shape {list(given.shape)}")
        same = bool(np.all(given == given[:, :1]))
        self.call.require(same, "NMC-I015", f"{role} has another state for each sample")
        return list(given[:, 0])

    # --- results ---

    def applied(self, op: Recurrent, *before: list[Array | None], part: str = "") -> list[Value]:
        """The layer's frames (N, T, H) in each direction."""
        call, found = self.call, []
        for i, reverse in enumerate(self.reversed):
            side = ".reverse" if reverse and len(self.reversed) > 1 else ""
            bias = None if self.bias is None else self.bias[i]
            states = [state[i] for state in before]
            roles = ("weight", "recurrent", "bias", "hidden", "cell")
            constants = [
                None if array is None else call.weight(f"{role}{side}{part}", array)
                for role, array in zip(roles, (self.weight[i], self.rows[i], bias, *states), strict=False)
            ]
            found.append(call.emit(replace(op, reverse=reverse), self.x, *constants, part=f"frames{side}{part}"))
        return found

    def frames(self, sides: Sequence[Value]) -> Value:
        """Y: samples, time, directions, units."""
        shape = (1, self.x.type.shape[1], 1, self.units)
        parts = [self.call.emit(Reshape(shape, "NT_C"), y, part="directions") for y in sides]
        return parts[0] if len(parts) == 1 else self.call.emit(Concat(2), *parts)

    def last(self, sides: Sequence[Value], part: str) -> Value:
        """Y_h or Y_c, the state after the last frame: samples, directions, units."""
        call, found = self.call, []
        for y, reverse in zip(sides, self.reversed, strict=True):
            size = y.type.shape[1]
            at = 0 if reverse else size - 1
            end = cut(call, y, [(0, 1, 1), (at, at + 1, 1), (0, self.units, 1)], f"{part}.frame")
            found.append(call.emit(Reshape((1, 1, self.units), "N_C"), end, part=f"{part}.state"))
        return found[0] if len(found) == 1 else call.emit(Concat(1), *found, part=part)


def _results(layer: Layer, sides: list[Value], cells: list[Value] | None = None) -> list[Value]:
    """As many results as are used."""
    found = [layer.frames(sides)]
    if layer.call.results_used() > 1:
        found.append(layer.last(sides, "hidden"))
    if cells is not None:
        found.append(layer.last(cells, "cell"))
    return found


def rnn(call: Call) -> list[Value]:
    layer = Layer(call, 1, ("tanh",))
    (activation,) = layer.expect_activations(("tanh",), ("relu",))
    return _results(layer, layer.applied(Rnn(activation=activation), layer.before(5, "initial_h")))


def gru(call: Call) -> list[Value]:
    layer = Layer(call, 3, ("sigmoid", "tanh"))
    layer.expect_activations(("sigmoid", "tanh"))
    op = Gru(reset_after=call.flag("linear_before_reset"))
    return _results(layer, layer.applied(op, layer.before(5, "initial_h")))


def lstm(call: Call) -> list[Value]:
    layer = Layer(call, 4, ("sigmoid", "tanh", "tanh"))
    layer.expect_activations(("sigmoid", "tanh", "tanh"))
    call.require(not call.flag("input_forget"), "NMC-I011", "input_forget couples two of its gates")
    peepholes = call.optional_constant(7, "peepholes")
    call.require(peepholes is None or not np.any(peepholes), "NMC-I011", "it has peepholes P, which nmc has not")
    before = layer.before(5, "initial_h"), layer.before(6, "initial_c")
    sides = layer.applied(Lstm(), *before)
    wants_cell = call.results_used() > 2
    return _results(layer, sides, layer.applied(Lstm(gives="cell"), *before, part=".cell") if wants_cell else None)
