"""The engines that run Akida programs, by name. They differ in speed alone (docs/engines.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from .akida_host import feed
from .encode import Array
from .program.akida import AkidaProgram
from .program.akida_shapes import Signal, hosted
from .program.diagnostics import usage
from .reference.akida import AkidaMachine
from .reference.akida_tail import Clamps
from .result import torch_device


class Machine(Protocol):
    """Streams through one program, advanced together; see `AkidaMachine` in runtime/reference/akida.py."""

    batch: int
    frames: int
    signals: dict[str, Signal]

    @property
    def values(self) -> Mapping[str, Array]: ...
    @property
    def clamps(self) -> Mapping[str, Clamps]: ...
    @property
    def zeros(self) -> Mapping[str, int]: ...
    @property
    def macs(self) -> Mapping[str, int]: ...
    def reset(self) -> None: ...
    def step_inputs(self, frames: Mapping[str, Array]) -> int:
        """One frame of every stream, (batch, *frame_shape) by input name, in the source model's values.

        Returns how many values were clipped.
        """
        ...


class ReferenceMachine(AkidaMachine):
    """The reference, fed by a host."""

    def step_inputs(self, frames: Mapping[str, Array]) -> int:
        """As in `Machine`."""
        layers = {layer.name: layer for layer in self.program.layers}
        clipped, fed = 0, {}
        for entry in self.program.inputs:
            fed[entry.layer], out = feed(entry, frames[entry.name], hosted(layers[entry.layer]).shape)
            clipped += out
        self.step(fed)
        return clipped


Build = Callable[[int], Machine]  # makes a machine of so many streams


def _reference(program: AkidaProgram) -> Build:
    return lambda streams: ReferenceMachine(program, streams)


def _fast(program: AkidaProgram) -> Build:
    try:
        return _compiled(program)
    except _NotCoveredError as error:
        hint = "the engine 'auto' takes the reference where it has to"
        raise usage("NMC-R009", "the engine 'fast' cannot run this program", why=str(error), hint=hint) from error


def _auto(program: AkidaProgram) -> Build:
    try:
        return _compiled(program)
    except _NotCoveredError:
        return _reference(program)


class _NotCoveredError(Exception):
    """Why the fast engine cannot run a program."""


def _compiled(program: AkidaProgram) -> Build:
    try:
        from .fast import jit  # numba is imported only when it is used
    except ImportError as error:
        raise _NotCoveredError(f"numba cannot be imported: {error}") from error
    if not jit.available():
        raise _NotCoveredError("numba is switched off (NUMBA_DISABLE_JIT)")
    from .fast.dense.frames import TooLarge
    from .fast.dense.machine import FastAkidaMachine
    from .fast.dense.plan import Plan
    from .fast.dense.routes import route

    try:
        plan = Plan.of(program, route())
    except TooLarge as error:
        raise _NotCoveredError(str(error)) from error
    return lambda streams: FastAkidaMachine(plan, streams)


def _torch(program: AkidaProgram, device: str = "cpu") -> Build:
    where = torch_device(device)
    from .torch_engine.akida import TorchAkidaMachine
    from .torch_engine.akida_layers import place

    layers = place(program, where)
    return lambda streams: TorchAkidaMachine(program, layers, streams, where)


ENGINES: dict[str, Callable[[AkidaProgram], Build]] = {
    "auto": _auto,
    "fast": _fast,
    "reference": _reference,
    "torch": _torch,
}
"""`auto` takes the fastest engine there is for few streams on a CPU, which is never torch."""
