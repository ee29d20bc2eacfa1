"""The modules that are one node of a trace: each has a handler, which may be a refusal."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import nn

from ...common.problems import Refusal
from ..call import Call
from ..reasons import reason
from ..spiking_classes import changed_methods, is_neuron, is_surrogate, library_class, neuron_reason
from . import attention, recurrent, snntorch, spikingjelly
from .functions import Handler


def refused(call: Call, module: nn.Module, *operands: Any, **named: Any) -> NoReturn:
    """A layer of PyTorch that has no counterpart, and whose inner operations are of no interest to the user."""
    raise Refusal("NMC-I010", *reason(call.op))


# Modules that are one node of a trace, called with the `Call`, the module, and the operands of its `forward`.
MODULES: dict[type[nn.Module], Handler] = dict.fromkeys(
    (
        *(nn.RNNCell, nn.LSTMCell, nn.GRUCell),
        *(nn.Transformer, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer),
    ),
    refused,
)
MODULES |= dict.fromkeys((nn.RNN, nn.LSTM, nn.GRU), recurrent.module)
MODULES[nn.MultiheadAttention] = attention.multihead


def row_of(module: nn.Module) -> Handler | None:
    """The handler of a module that is a node of its own, by its class or the one whose `forward` it inherits."""
    kinds = [kind for kind in type(module).__mro__ if kind in MODULES]
    inherited = bool(kinds) and type(module).forward is kinds[0].forward and "forward" not in vars(module)
    return MODULES[kinds[0]] if inherited else _library_row(module)


def other_neuron(call: Call, module: nn.Module, *operands: Any, **named: Any) -> NoReturn:
    """A neuron that nmc does not know."""
    raise Refusal("NMC-I010", *neuron_reason(module))


def _library_row(module: nn.Module) -> Handler | None:
    """The handler of a module of a spiking library; None for those whose `forward` is followed."""
    base = library_class(module)
    if base is None:
        return None
    if is_surrogate(module):
        return spikingjelly.surrogate
    rows = spikingjelly.NEURONS if base.__module__.startswith("spikingjelly.") else snntorch.NEURONS
    found = rows.get(base.__name__)
    if found is None or changed_methods(module):
        return other_neuron if is_neuron(module) else None
    return found
