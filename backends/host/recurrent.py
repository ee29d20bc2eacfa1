"""Recurrent layers as ONNX LSTM, GRU and RNN, whose tensors have time first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...compiler.ir.ops import Gru, Lstm, Recurrent, Rnn
from .model import Array
from .proto import Site
from .temporal import counted


def recurrent(site: Site) -> None:
    """A layer over a clip (N, T, C), or one step of it for a frame (N, C)."""
    if len(site.shape) == 2:
        _frame(site)
    else:
        _clip(site)


def _parameters(site: Site) -> tuple[str, dict[str, Any], list[str]]:
    """Operator, attributes, and the weights with ONNX's axis of directions in front."""
    op = site.op
    assert isinstance(op, Recurrent)
    weight, rows = site.data("weight"), site.data("recurrent")
    bias = site.data("bias")
    assert weight is not None and rows is not None
    arrays = [weight, rows, *([] if bias is None else [bias.reshape(-1)])]
    given: dict[str, Any] = {"hidden_size": rows.shape[1], "direction": "reverse" if op.reverse else "forward"}
    if isinstance(op, Gru):
        given["linear_before_reset"] = int(op.reset_after)
    if isinstance(op, Rnn):
        given["activations"] = [op.activation.capitalize()]
    operator = {Gru: "GRU", Lstm: "LSTM", Rnn: "RNN"}[type(op)]
    constants = [site.array(np.asarray(array, np.float32)[None]) for array in arrays]
    return operator, given, constants + [""] * (4 - len(constants))


def _before(site: Site) -> list[Array]:
    """The state before the first frame: h, of an LSTM also c."""
    op, rows = site.op, site.data("recurrent")
    assert isinstance(op, Recurrent) and rows is not None
    given = [site.data(name) for name in ("hidden", "cell")[: 1 + isinstance(op, Lstm)]]
    return [np.zeros(rows.shape[1], np.float32) if s is None else np.asarray(s, np.float32) for s in given]


def _step(site: Site, frame: str, state: list[str]) -> list[str]:
    """The state after a frame (N, C), each part (N, H)."""
    operator, given, weights = _parameters(site)
    first = site.integers([0])
    x, *before = (site.part("Unsqueeze", name, first) for name in (frame, *state))
    after = site.parts(operator, 1 + len(state), x, *weights, *before, **given)[1:]
    return [site.part("Squeeze", name, first) for name in after]


def _given(site: Site, after: list[str]) -> str:
    return after[isinstance(site.op, Lstm) and site.op.gives == "cell"]


def _frame(site: Site) -> None:
    """One step; the state is a memory. Where frames are left out it is held, and a counter says which."""
    op = site.op
    assert isinstance(op, Recurrent)
    memories = [site.state(name, start) for name, start in zip(("hidden", "cell"), _before(site), strict=False)]
    after = _step(site, site.x, [memory.input for memory in memories])
    if (op.start, op.period) != (0, 1):
        counts = counted(site, op.start, op.period)[0]
        after = [site.part("Where", counts, new, m.input) for new, m in zip(after, memories, strict=True)]
    for memory, new in zip(memories, after, strict=True):
        site.next(memory, "Identity", new)
    site.result("Identity", _given(site, after))


def _clip(site: Site) -> None:
    """All frames that count at once, or one by one where cells are wanted; then each held until the next."""
    op, frames = site.op, site.shape[1]
    assert isinstance(op, Recurrent)
    first, one = site.integers([0]), site.integers([1])
    samples = site.part("Shape", site.x, start=0, end=1)
    state = [
        site.part("Expand", site.array(start[None]), site.part("Concat", samples, site.integers(start.shape), axis=0))
        for start in _before(site)
    ]
    taken = range(op.start, frames, op.period)
    if isinstance(op, Lstm) and op.gives == "cell":
        found, now = [], state
        for frame in reversed(taken) if op.reverse else taken:
            now = _step(site, site.part("Gather", site.x, site.array(np.int64(frame)), axis=1), now)
            found.append(site.part("Unsqueeze", now[1], one))
        y = site.part("Concat", *(found[::-1] if op.reverse else found), axis=1)
    else:
        operator, given, weights = _parameters(site)
        x = site.x if len(taken) == frames else site.part("Gather", site.x, site.integers(taken), axis=1)
        before = [site.part("Unsqueeze", name, first) for name in state]
        all_frames = site.part(operator, site.part("Transpose", x, perm=[1, 0, 2]), *weights, *before, **given)
        y = site.part("Transpose", site.part("Squeeze", all_frames, one), perm=[1, 0, 2])
    if len(taken) == frames:
        site.result("Identity", y)
        return
    with_start = site.part("Concat", site.part("Unsqueeze", _given(site, state), one), y, axis=1)
    held = [max(0, (frame - op.start) // op.period + 1) for frame in range(frames)]
    site.result("Gather", with_start, site.integers(held), axis=1)
