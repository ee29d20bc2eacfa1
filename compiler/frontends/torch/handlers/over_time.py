"""What `over_time` stands for in the IR."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....ir import IllegalOp, TensorType, Value
from ....ir.ops import Li, RunningMean
from ...common.axes import default_letters
from ...common.problems import Refusal
from ..call import Call, Ints


def previous(call: Call, x: Any, shape: Ints) -> Value:
    """A state of the graph."""
    like = call.value(x).type
    letters = like.axes if like.rank == len(shape) else default_letters(len(shape))
    return call.graph.add_state(call.name, TensorType(tuple(shape), "f32", letters), (call.label.origin,))


def remember(call: Call, state: Any, y: Any) -> Value:
    found = call.value(y)
    try:
        call.graph.close(call.value(state), found)
    except IllegalOp:
        why = f"its output {list(found.type.shape)} does not fit the input that it is fed back to"
        raise Refusal("NMC-I012", why) from None
    return found


def mean_over_steps(call: Call, x: Any) -> Value:
    return call.emit(RunningMean(), call.value(x))


def sum_over_steps(call: Call, x: Any) -> Value:
    """An integrator without leak."""
    return call.emit(Li(), call.value(x), call.weight("decay", np.array(1.0, np.float32)))
