"""nn.LSTM, nn.GRU and nn.RNN, as modules and as the ATen operations that torch.export makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from ....ir import Value
from ....ir.ops import Concat, Gru, Lstm, Recurrent, Reshape, Rnn
from ...common.emit import Array
from ...common.moves import cut
from ..call import Call

# Where the gates of the IR stand among PyTorch's: i, o, f, g of i, f, g, o; z, r, n of r, z, n.
_GATES: dict[type[Recurrent], tuple[int, ...]] = {Lstm: (0, 3, 1, 2), Gru: (1, 0, 2), Rnn: (0,)}

States = tuple[Value, ...]


def _ordered(op: Recurrent, rows: Array) -> Array:
    """The rows of a weight or bias with the gates in the IR's order."""
    order = _GATES[type(op)]
    return np.concatenate([np.split(rows, len(order))[gate] for gate in order])


def _before(call: Call, given: Any, count: int) -> list[Array | None]:
    """The state before the first frame for each layer and direction, None for zeros."""
    if given is None:
        return [None] * count
    states = call.constant(given, "initial state")
    call.require(states.ndim == 3 and len(states) == count, "NMC-I012", f"its state has shape {list(states.shape)}")
    same = bool(np.all(states == states[:, :1]))
    call.require(same, "NMC-I015", "its initial state is another one for each sample")
    return [state[0] if np.any(state) else None for state in states]


def recurrent(
    call: Call,
    op: Recurrent,
    input: Any,
    states: Sequence[Any],
    params: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Value, States, States]:
    """(frames of the last layer, h after the last frame of each layer and direction, for an LSTM also c)."""
    hint = "give the layer batch_first=True and an input of (samples, time, features)"
    call.require(batch_first, "NMC-I015", "its time is axis 0, where samples are", hint)
    x, sides = call.value(input), 1 + bidirectional
    call.require(x.type.rank == 3, "NMC-I012", f"its input {x.type} has no samples axis", hint)
    each = len(params) // (num_layers * sides)
    call.require(each == 2 + 2 * has_biases, "NMC-I011", "it has a projection (proj_size)")
    before = [_before(call, given, num_layers * sides) for given in states]
    hidden: list[Value] = []
    cells: list[Value] = []
    for layer in range(num_layers):
        if x.type.axes != "NTC":
            x = call.emit(Reshape(x.type.shape, "NTC"), x, part=f"{layer}.input")
        frames = []
        for side in range(sides):
            i = layer * sides + side
            name = f"{layer}{'.reverse' if side else ''}"
            arrays = [_ordered(op, call.constant(p, "weight")) for p in params[i * each : (i + 1) * each]]
            bias = np.stack(arrays[2:]) if has_biases else None
            operands = [*arrays[:2], bias, *(state[i] for state in before)]
            roles = ("weight", "recurrent", "bias", "hidden", "cell")
            weights = [
                None if array is None else call.weight(f"{name}.{role}", array)
                for role, array in zip(roles, operands, strict=False)
            ]
            turned = replace(op, reverse=bool(side))
            frames.append(call.emit(turned, x, *weights, part=f"{name}.frames"))
            hidden.append(_last(call, frames[-1], bool(side), f"{name}.hidden"))
            if isinstance(turned, Lstm):
                cell = call.emit(replace(turned, gives="cell"), x, *weights, part=f"{name}.cells")
                cells.append(_last(call, cell, bool(side), f"{name}.cell"))
        x = frames[0] if sides == 1 else call.emit(Concat(2), *frames, part=f"{layer}.both")
    return x, tuple(hidden), tuple(cells)


def _last(call: Call, frames: Value, reverse: bool, part: str) -> Value:
    """What was there after the last frame that the layer took, (N, H)."""
    _, size, units = frames.type.shape
    at = 0 if reverse else size - 1
    end = cut(call, frames, [(0, 1, 1), (at, at + 1, 1), (0, units, 1)], f"{part}.frame")
    return call.emit(Reshape((1, units), "NC"), end, part=part)


def _op(kind: str, nonlinearity: str) -> Recurrent:
    return {"LSTM": Lstm(), "GRU": Gru()}.get(kind) or Rnn(activation=nonlinearity)


def module(call: Call, layer: nn.RNNBase, input: Any, hx: Any = None) -> tuple[Value, Any]:
    """A module's frames and states: (y, h), of an LSTM (y, (h, c)). A state has one value for each layer and side."""
    call.require(not (layer.training and layer.dropout), "NMC-I011", "it is in training mode", "model.eval()")
    op = _op(layer.mode.partition("_")[0], getattr(layer, "nonlinearity", "tanh"))
    states = () if hx is None else tuple(hx) if isinstance(op, Lstm) else (hx,)
    params = [parameter for each in layer.all_weights for parameter in each]
    found = recurrent(
        call, op, input, states, params, layer.bias, layer.num_layers, layer.bidirectional, layer.batch_first
    )
    return (found[0], found[1:]) if isinstance(op, Lstm) else found[:2]


def aten(op: Recurrent) -> Callable[..., Any]:
    """The handler of `aten.lstm`, `aten.gru`, …, whose results come one after the other."""

    def handler(
        call: Call,
        input: Any,
        hx: Any,
        params: Sequence[Any],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Any, ...]:
        call.require(not (train and dropout), "NMC-I011", "it is in training mode", "model.eval()")
        lstm = isinstance(op, Lstm)
        states = tuple(hx) if lstm else (hx,)
        found = recurrent(call, op, input, states, params, has_biases, num_layers, bidirectional, batch_first)
        return found if lstm else found[:2]

    return handler
