"""NIR's neurons in timesteps. With dt/tau the rate of a time constant (1 − exp(−dt/tau) with --discretization exact):

    I, IF              v ← v + dt · r · x
    LI, LIF            v ← v + rate(tau) · (v_leak − v + r · x)
    CubaLI, CubaLIF    i ← i + rate(tau_syn) · (w_in · x − i), then v ← v + rate(tau_mem) · (v_leak − v + r · i)

so the potential takes the current of the same step. --synapse impulse lets the input add w_in · x to the current, not
scaled by the rate.
"""

from __future__ import annotations

import numpy as np

from ...ir import Value
from ...ir.ops import Li, Lif
from .call import Call
from .records import Array


def membrane(call: Call) -> Value:
    """I, IF, LI and LIF."""
    if call.op in ("I", "IF"):
        return _neuron(call, call.x, np.array(1.0), call.clock.dt * call.frame("r"), np.array(0.0))
    decay, rate = call.decay("tau")
    return _neuron(call, call.x, decay, rate * call.frame("r"), rate * call.frame("v_leak"))


def current_based(call: Call) -> Value:
    """CubaLI and CubaLIF: a leaky current (`.synapse`) that drives a leaky potential."""
    decay, rate = call.decay("tau_syn")
    gain = call.frame("w_in", default=1.0) * (1 if call.clock.synapse == "impulse" else rate)
    operands = (call.parameter("synapse.decay", decay), call.parameter("synapse.gain", gain, unless=1))
    current = call.emit(Li(), call.x, *_trimmed(operands), part="synapse")
    decay, rate = call.decay("tau_mem")
    return _neuron(call, current, decay, rate * call.frame("r"), rate * call.frame("v_leak"))


def _neuron(call: Call, x: Value, decay: Array, gain: Array, offset: Array) -> Value:
    """A potential; with a threshold, if the node has one."""
    operands = [
        call.parameter("decay", decay),
        call.parameter("gain", gain, unless=1),
        call.parameter("offset", offset, unless=0),
    ]
    if not call.given("v_threshold"):
        return call.emit(Li(), x, *_trimmed(operands))
    clock = call.clock
    reset = call.frame("v_reset", default=0.0)
    operands.insert(1, call.parameter("threshold", call.frame("v_threshold")))
    operands.append(call.parameter("v_reset", reset, unless=0) if clock.reset == "value" else None)
    operands.append(call.parameter("start", reset, unless=0) if clock.start == "reset" else None)
    op = Lif(clock.reset, strict=clock.compare == "gt", delayed=clock.reset_delay)
    return call.emit(op, x, *_trimmed(operands))


def _trimmed(operands: list[Value | None] | tuple[Value | None, ...]) -> list[Value | None]:
    """The operands without absent ones at the end."""
    kept = list(operands)
    while kept and kept[-1] is None:
        kept.pop()
    return kept
