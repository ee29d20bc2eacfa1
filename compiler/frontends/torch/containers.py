"""Containers of SpikingJelly that loop over the timesteps: a trace follows what they do in one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from .over_time import each_step, every_step, previous, remember
from .spiking_classes import library_class

Forward = Callable[..., Any]

_LAST = {"TLastMultiStepContainer", "TLastSeqToANNContainer"}
_RECURRENT = {"ElementWiseRecurrentContainer", "LinearRecurrentContainer"}


def _mark(function: Callable[..., Any], x: Any, *more: Any) -> Any:
    """A node that runs a function of `over_time`."""
    return x.tracer.create_proxy("call_function", function, (x, *more), {})


def _stepwise(body: Forward, dim: int) -> Forward:
    """What `body` does to each timestep of a train whose time axis is `dim`."""

    def forward(x_seq: Any) -> Any:
        axis = dim % x_seq.dim()
        return _mark(every_step, body(_mark(each_step, x_seq, axis)), x_seq.shape[axis], axis)

    return forward


def _recurrent(module: Any) -> Forward:
    """One step: y[t] = sub_module(f(x[t], y[t − 1])), with y zero before the first."""

    def forward(x: Any) -> Any:
        linear = hasattr(module, "rc")
        shape = (*x.shape[:-1], module.sub_module_out_features) if linear else tuple(x.shape)
        before = _mark(previous, x, shape)
        joined = module.rc(torch.cat((x, before), dim=-1)) if linear else module.element_wise_function(before, x)
        return _mark(remember, before, module.sub_module(joined))

    return forward


def followed(module: nn.Module, forward: Forward) -> Forward:
    """The forward that a trace follows: for a container that loops over time, one that does each thing once."""
    base = library_class(module)
    name = "" if base is None else base.__name__
    if name in _RECURRENT:
        once = _recurrent(module)
        made = _stepwise(once, 0) if module.step_mode == "m" else once
    elif name == "MultiStepContainer" or (name == "StepModeContainer" and module.step_mode == "m" and module.stateful):
        made = _stepwise(lambda x: nn.Sequential.forward(module, x), 0)  # pyright: ignore[reportArgumentType]
    elif name in _LAST:
        made = _stepwise(lambda x: nn.Sequential.forward(module, x), -1)  # pyright: ignore[reportArgumentType]
    else:
        return forward
    return lambda *args, **kwargs: (made if isinstance(args[0], fx.Proxy) else forward)(*args, **kwargs)
