"""Neurons of snnTorch: with v the potential, x the input and θ the threshold, one step charges

    Leaky       beta · v + x
    Lapicque    (1 − time_step/(R·C)) · v + time_step/C · x
    Synaptic    i ← alpha · i + x;  beta · v + i
    RLeaky, RSynaptic    as Leaky and Synaptic, with x + recurrent(spikes of the step before) for x

with alpha and beta cut to 0 … 1 (not Lapicque's). A neuron fires where v > θ. Resets come one step later: `subtract`
takes θ off the next charge, `zero` puts 0 in its place (Leaky: 0 for v before the next charge), `none` does nothing.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch

from ....ir import Value
from ....ir.ops import Add, Conv, Dense, Li, Lif, Mul
from ..call import Call

_STEPS_AT = (-1e30, -2.0, -1.0, -0.3, -1e-6, 0.0, 1e-6, 0.3, 1.0, 2.0, 1e30)
_WITHOUT = "use the neuron without it"


def _check(call: Call, module: Any) -> None:
    """Does it compute what this file says?"""
    call.require(not module.inhibition, "NMC-I011", "its inhibition lets one neuron fire alone", _WITHOUT)
    call.require(not module.state_quant, "NMC-I011", "its state_quant rounds its potential", _WITHOUT)
    points = torch.tensor(_STEPS_AT)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        found = module.spike_grad(points)
    step = isinstance(found, torch.Tensor) and torch.equal(found, (points > 0).to(points))
    call.require(step, "NMC-I011", "its spike_grad is not 1 above 0 and 0 elsewhere in the forward pass")
    positive = bool((call.constant(module.threshold, "threshold") >= 0).all())
    call.require(positive, "NMC-I011", "its threshold is negative: it would reset before its first step")


def _reset(call: Call, module: Any) -> tuple[str, bool]:
    """Kind of reset and whether it comes one step late."""
    kind, late = module.reset_mechanism, getattr(module, "reset_delay", True)
    why = "with reset_delay=False the test for spikes uses what was left above the threshold twice"
    call.require(late or kind != "subtract", "NMC-I011", why, "use reset_delay=True or reset_mechanism='zero'")
    leaky = any(base.__name__ == "Leaky" for base in type(module).__mro__)
    return {"subtract": "subtract", "zero": "value", "none": "none"}[kind], late and not (leaky and kind == "zero")


def _clamped(call: Call, module: Any, name: str) -> Value:
    found = call.constant(getattr(module, name).clamp(0, 1), name)
    return call.weight("decay" if name == "beta" else "current.decay", found)


def _used(call: Call, index: int) -> bool:
    """Does anything read this one of the module's results?"""
    parts = [user for user in call.node.users if user.target is operator.getitem and user.args[1] == index]
    return any(part.users for part in parts)


def _potential(call: Call, module: Any, x: Value, decay: Value, gain: Value | None, fired: Value) -> Value:
    """v after the charge and the late reset: an integrator of x − θ · (spikes of the step before)."""
    kind, late = _reset(call, module)
    hint = "return the spikes alone, or use reset_mechanism='subtract' or 'none'"
    call.require(kind != "value", "NMC-I011", "its potential is used, which it sets to zero where it fires", hint)
    if kind == "subtract" and late:
        state = call.graph.add_state(f"{call.name}.fired", fired.type, (call.label.origin,))
        call.graph.close(state, fired)
        theta = call.weight("reset", -call.constant(module.threshold, "threshold").astype(np.float64))
        x = x if gain is None else call.emit(Mul(), x, gain, part="scaled")
        x, gain = call.emit(Add(), x, call.emit(Mul(), state, theta, part="taken"), part="rest"), None
    return call.emit(Li(), x, decay, *(() if gain is None else (gain,)), part="potential")


def _fire(call: Call, module: Any, x: Value, decay: Value, gain: Value | None, before: list[Value]) -> Any:
    """Spikes, `before` (the states that come between), and the potential where it is used."""
    _check(call, module)
    kind, late = _reset(call, module)
    threshold = call.weight("threshold", call.constant(module.threshold, "threshold"))
    op = Lif(reset=kind, strict=True, delayed=late and kind != "none")
    factor = call.constant(getattr(module, "graded_spikes_factor", 1.0), "graded_spikes_factor")
    graded = bool((factor != 1).any())
    operands = (decay, threshold) if gain is None else (decay, threshold, gain)
    fired = call.emit(op, x, *operands, part="fired" if graded else "")
    spikes = call.emit(Mul(), fired, call.weight("factor", factor)) if graded else fired
    if module.init_hidden and not module.output:
        return spikes
    last = len(before) + 1
    return [spikes, *before, *([_potential(call, module, x, decay, gain, fired)] if _used(call, last) else [])]


def leaky(call: Call, module: Any, x: Any) -> Any:
    return _fire(call, module, call.value(x), _clamped(call, module, "beta"), None, [])


def lapicque(call: Call, module: Any, x: Any) -> Any:
    step, r, c = (call.constant(value, "R, C or time_step").astype(np.float64) for value in _circuit(module))
    decay = call.weight("decay", 1 - step / (r * c))
    return _fire(call, module, call.value(x), decay, call.weight("gain", step / c), [])


def _circuit(module: Any) -> tuple[Any, Any, Any]:
    return module.time_step, module.R, module.C


def synaptic(call: Call, module: Any, x: Any) -> Any:
    current = call.emit(Li(), call.value(x), _clamped(call, module, "alpha"), part="current")
    return _fire(call, module, current, _clamped(call, module, "beta"), None, [current])


def _with_own_spikes(call: Call, module: Any, x: Any, neuron: Any) -> Any:
    """A neuron that gets recurrent(its spikes of the step before) beside its input."""
    value, inner = call.value(x), module.recurrent
    state = call.graph.add_state(f"{call.name}.before", value.type, (call.label.origin,))
    if isinstance(inner, torch.nn.Linear | torch.nn.Conv2d):
        weights = [call.weight(f"recurrent.{name}", call.constant(p, name)) for name, p in inner.named_parameters()]
        op = Dense() if isinstance(inner, torch.nn.Linear) else _same_conv(inner)
        back = call.emit(op, state, *weights, part="recurrent")
    else:
        back = call.emit(Mul(), state, call.weight("V", call.constant(inner.V, "V")), part="recurrent")
    found = neuron(call, module, call.emit(Add(), value, back, part="input"))
    call.graph.close(state, found[0] if isinstance(found, list) else found)
    return found


def _same_conv(conv: torch.nn.Conv2d) -> Conv:
    pads = tuple((int(pad), int(pad)) for pad in conv.padding)
    return Conv((1, 1), pads, (1, 1), 1)


def recurrent_leaky(call: Call, module: Any, x: Any) -> Any:
    return _with_own_spikes(call, module, x, leaky)


def recurrent_synaptic(call: Call, module: Any, x: Any) -> Any:
    return _with_own_spikes(call, module, x, synaptic)


NEURONS: dict[str, Any] = {
    "Lapicque": lapicque,
    "Leaky": leaky,
    "RLeaky": recurrent_leaky,
    "RSynaptic": recurrent_synaptic,
    "Synaptic": synaptic,
}
