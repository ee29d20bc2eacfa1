"""Neurons of SpikingJelly: with v the potential, x the input and r the reset potential (0 where v_reset is None), one
step charges

    IFNode                          v + x
    LIFNode, decay_input            v + (x − (v − r)) / tau  =  (1 − 1/tau) · v + x / tau + r / tau
    LIFNode, decay_input=False      v − (v − r) / tau + x    =  (1 − 1/tau) · v + x + r / tau
    ParametricLIFNode               as LIFNode, with 1/tau = sigmoid(w)
    CUBALIFNode                     c ← c_decay · c + x;  v_decay · v + c

then fires where v ≥ v_threshold and resets to r, or by v − v_threshold where v_reset is None. v starts at its reset
value, which is r unless the model sets another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ....ir import Value
from ....ir.ops import Li, Lif, Threshold
from ..call import Call

_STEPS_AT = (-1e30, -2.0, -1.0, -0.3, -1e-6, 0.0, 1e-6, 0.3, 1.0, 2.0, 1e30)


def _check_fires(call: Call, surrogate: Any) -> None:
    """Is the surrogate function 1 from 0 on and 0 below in its forward pass?"""
    points = torch.tensor(_STEPS_AT)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        found = surrogate(points)
    step = isinstance(found, torch.Tensor) and torch.equal(found, (points >= 0).to(points))
    hint = "use a surrogate function with spiking=True, which gives 0 or 1"
    call.require(step, "NMC-I011", "its surrogate function is no step function in the forward pass", hint)


def surrogate(call: Call, module: nn.Module, x: Any) -> Value:
    """A surrogate function by itself: s = 1 where x ≥ 0."""
    _check_fires(call, module)
    return call.emit(Threshold(), call.value(x), call.weight("threshold", np.array(0.0, np.float32)))


def _number(call: Call, role: str, number: float) -> Value | None:
    """A constant operand, absent where it is 0."""
    return None if number == 0.0 else call.weight(role, np.array(number, np.float32))


def _fire(call: Call, module: Any, x: Value, decay: float, gain: float, leak_to_reset: float) -> Value:
    """The `lif` of a module, whose charge is decay · v + gain · x + leak_to_reset · r."""
    _check_fires(call, module.surrogate_function)
    threshold = call.constant(module.v_threshold, "v_threshold")
    hint = "let it fire, or end the network before it"
    call.require(bool(np.isfinite(threshold).all()), "NMC-I011", "its threshold is not finite: it never fires", hint)
    soft = module.v_reset is None
    r = 0.0 if soft else call.number(module.v_reset, "v_reset")
    start = vars(module).get("_memories_rv", {}).get("v", r)
    operands = (
        call.weight("decay", np.array(decay, np.float32)),
        call.weight("threshold", threshold),
        None if gain == 1.0 else call.weight("gain", np.array(gain, np.float32)),
        _number(call, "offset", leak_to_reset * r),
        _number(call, "v_reset", r),
        _number(call, "start", call.number(start, "reset value of v")),
    )
    while operands[-1] is None:
        operands = operands[:-1]
    return call.emit(Lif(reset="subtract" if soft else "value"), x, *operands)


def if_node(call: Call, module: Any, x: Any) -> Value:
    return _fire(call, module, call.value(x), 1.0, 1.0, 0.0)


def _leaky(call: Call, module: Any, x: Any, rate: float) -> Value:
    """rate is 1/tau."""
    return _fire(call, module, call.value(x), 1.0 - rate, rate if module.decay_input else 1.0, rate)


def lif_node(call: Call, module: Any, x: Any) -> Value:
    return _leaky(call, module, x, 1.0 / call.number(module.tau, "tau"))


def parametric_lif_node(call: Call, module: Any, x: Any) -> Value:
    w = call.number(module.w, "w")
    return _leaky(call, module, x, float(torch.tensor(w, dtype=torch.float64).sigmoid()))


def cuba_lif_node(call: Call, module: Any, x: Any) -> Value:
    decay = call.weight("current.decay", np.array(call.number(module.c_decay, "c_decay"), np.float32))
    current = call.emit(Li(), call.value(x), decay, part="current")
    return _fire(call, module, current, call.number(module.v_decay, "v_decay"), 1.0, 0.0)


def delay(call: Call, module: Any, x: Any) -> Value:
    """y[t] = x[t − delay_steps], zeros before: a chain of states."""
    value = call.value(x)
    for i in range(int(module.delay_steps)):
        state = call.graph.add_state(f"{call.name}.{i + 1}", value.type, (call.label.origin,))
        call.graph.close(state, value)
        value = state
    return value


def dropout(call: Call, module: nn.Module, x: Any) -> Value:
    """Does nothing in inference."""
    return call.value(x)


NEURONS: dict[str, Any] = {
    "CUBALIFNode": cuba_lif_node,
    "Delay": delay,
    "Dropout": dropout,
    "Dropout2d": dropout,
    "HalfThresholdIFNode": if_node,
    "IFNode": if_node,
    "LIFNode": lif_node,
    "ParametricLIFNode": parametric_lif_node,
    "SimpleIFNode": if_node,
    "SimpleLIFNode": lif_node,
}
