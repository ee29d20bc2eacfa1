"""Modules of the spiking libraries SpikingJelly and snnTorch, known by the path of their class.

nmc imports neither library: a model that has such modules has imported it. A user's subclass counts as the library's
class that it derives from as long as it leaves the methods alone that say what is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

LIBRARIES = ("spikingjelly.", "snntorch.")
_STATEFUL = {"MemoryModule", "SpikingNeuron", "NonSpikingBaseNode"}
# Methods that do not touch what a module computes.
_HARMLESS = {"__init__", "__repr__", "_get_name", "extra_repr", "supported_backends", "supported_step_mode"}


def library_class(module: nn.Module) -> type | None:
    """The class of a spiking library that the module is of, or that the user's class derives from."""
    return next((kind for kind in type(module).__mro__ if kind.__module__.startswith(LIBRARIES)), None)


def changed_methods(module: nn.Module) -> list[str]:
    """Methods of the library's class that the user's subclass (or the module itself) replaces."""
    base = library_class(module)
    assert base is not None
    own = type(module).__mro__[: type(module).__mro__.index(base)]
    kinds = {name for kind in own for name, value in vars(kind).items() if callable(value)}
    itself = {name for name, value in vars(module).items() if callable(value)} - {"reset", "reset_mem"}  # see `sealed`
    return sorted(name for name in (kinds | itself) - _HARMLESS if hasattr(base, name))


def is_neuron_path(kind: str) -> bool:
    """Is this the full name of a class among a library's neurons?"""
    return kind.startswith(LIBRARIES) and (".neuron" in kind or "._neurons." in kind)


def is_neuron(module: nn.Module) -> bool:
    """Does it keep a state from step to step, or belong to a library's neurons? Containers and dropouts are neither."""
    base = library_class(module)
    if base is None or "Container" in base.__name__ or base.__name__.startswith("Dropout"):
        return False
    inherited = {kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith(LIBRARIES)}
    return bool(_STATEFUL & inherited) or is_neuron_path(f"{base.__module__}.{base.__qualname__}")


def is_surrogate(module: nn.Module) -> bool:
    """Is it a surrogate function of SpikingJelly, which is a step function in inference?"""
    base = library_class(module)
    return base is not None and base.__module__.endswith(".surrogate")


def step_mode(module: nn.Module) -> str:
    """`m` for a module that takes all timesteps at once, as axis 0; else `s`."""
    if library_class(module) is None:
        return "s"
    whole = any(kind.__name__ == "MultiStepModule" for kind in type(module).__mro__)
    return "m" if whole else str(getattr(module, "step_mode", "s"))


def is_spiking(root: nn.Module) -> bool:
    """Has it neurons, or layers that take all timesteps at once?"""
    return any(is_neuron(part) or step_mode(part) == "m" for part in root.modules())


def state_names(module: nn.Module) -> list[str]:
    """What an snnTorch neuron returns beside its spikes, in order; none for other modules."""
    if not any(kind.__name__ == "SpikingNeuron" for kind in type(module).__mro__):
        return []
    if getattr(module, "init_hidden", False) and not getattr(module, "output", False):
        return []
    return [name for name in ("syn_exc", "syn_inh", "syn", "mem") if hasattr(module, name)]


def fake_result(module: nn.Module, args: tuple[Any, ...]) -> Any:
    """What a module that is a node of its own gives for tensors without data; None for one that can be run on them."""
    if not is_neuron(module) and not is_surrogate(module):
        return None
    found = [torch.empty_like(args[0]) for _ in ("spk", *state_names(module))]
    return tuple(found) if len(found) > 1 else found[0]


def neuron_reason(module: nn.Module) -> tuple[str, str]:
    """Why a neuron is not imported, and what to try."""
    base = library_class(module)
    methods = changed_methods(module)
    assert base is not None
    if methods and base.__name__ not in _STATEFUL | {"BaseNode", "SimpleBaseNode"}:
        return f"its class replaces {', '.join(methods)} of {base.__name__}", f"use {base.__name__} itself"
    why = "its equations are none that nmc has: integrate-and-fire neurons, leaky or not, with a reset"
    known = (
        "Leaky, Lapicque or Synaptic"
        if base.__module__.startswith("snntorch.")
        else "IFNode, LIFNode or ParametricLIFNode"
    )
    return why, f"use {known}"


class Unreadable:
    """What stands in the place of a neuron's potential while `forward` is followed: it is not known then."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"it reads {self!r}")

    def __repr__(self) -> str:
        return f"the state {self._name!r} of a neuron, which only the neuron itself can read"


def _seal(module: nn.Module, path: str, resets: list[str]) -> None:
    """Put something unreadable in the place of a neuron's states, and note calls of its reset."""
    held = vars(module)
    memories = held.get("_memories")
    for store in (memories, held["_buffers"]):
        for name in ("spk", "syn", "mem") if store is held["_buffers"] else list(store or ()):
            if store and name in store:
                store[name] = Unreadable(name)
    if "v_seq" in held:
        held["v_seq"] = Unreadable("v_seq")
    empty = tuple(torch.zeros(0) for name in ("syn_exc", "syn_inh", "spk", "syn", "mem") if name in held["_buffers"])

    def reset() -> Any:
        resets.append(path)
        return empty if len(empty) > 1 else empty[0] if empty else None

    held["reset"] = held["reset_mem"] = reset


@contextmanager
def sealed(root: nn.Module) -> Iterator[list[str]]:
    """Neurons whose states cannot be read; gives a list of those whose reset is called meanwhile, by path.

    It changes attributes of the modules: the caller puts them back.
    """
    resets: list[str] = []
    for path, module in root.named_modules():
        if is_neuron(module):
            _seal(module, path, resets)
    yield resets
