"""The engines that run CRI programs, by name. They differ in speed alone (docs/engines.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from numpy.typing import ArrayLike

from .arith import Ints
from .encode import Bools
from .program.cri import CriProgram
from .program.diagnostics import usage
from .reference.cri import CriMachine
from .reference.neuron import Parameters
from .reference.noise import Noise, noisy
from .result import torch_device


class Stepping(Protocol):
    """What a run needs of a machine; `CriMachine` in runtime/reference/cri.py says what each part is."""

    @property
    def synaptic_events(self) -> int: ...
    @property
    def spikes(self) -> int: ...
    @property
    def out_of_range(self) -> int: ...
    @property
    def batch(self) -> int: ...
    def read(self, neurons: Ints) -> Ints: ...
    def step(self, axons: Bools) -> Bools: ...


class Machine(Stepping, Protocol):
    """Copies of one network, advanced together, whose potentials can be set; likewise."""

    @property
    def potentials(self) -> Ints: ...
    @potentials.setter
    def potentials(self, values: ArrayLike) -> None: ...
    def reset(self) -> None: ...


Build = Callable[[int, int], Machine]  # makes a machine of so many copies, for the samples from a number on


def _reference(program: CriProgram, seed: int | None) -> Build:
    def build(copies: int, first: int) -> Machine:
        return CriMachine.of(program, copies, None if seed is None else Noise(seed, first, copies))

    return build


def _fast(program: CriProgram, seed: int | None) -> Build:
    why = why_not_fast(program)
    if why:
        hint = "the engine 'auto' takes the reference where it has to"
        raise usage("NMC-R009", "the engine 'fast' cannot run this program", why=why, hint=hint)
    from .fast.cri import Network  # numba is imported only when it is used

    network = Network.of_program(program)
    return lambda copies, first: network.machine(copies)


def _auto(program: CriProgram, seed: int | None) -> Build:
    return _reference(program, seed) if why_not_fast(program) else _fast(program, seed)


def has_noise(program: CriProgram) -> bool:
    """Whether some neuron does not switch its noise off."""
    return bool(noisy(Parameters.of(program).shift, program.profile).any())


def why_not_fast(program: CriProgram) -> str:
    """Why the fast engine cannot run a program; empty if it can."""
    if has_noise(program):
        return "it has neurons with noise"
    if Parameters.of(program).refractory is not None:
        return "it has neurons with a refractory period"
    try:
        from .fast.jit import available
    except ImportError as error:
        return f"numba cannot be imported: {error}"
    return "" if available() else "numba is switched off (NUMBA_DISABLE_JIT)"


def _torch(program: CriProgram, seed: int | None, device: str = "cpu") -> Build:
    where = torch_device(device)
    from .torch_engine.cri import PlacedNetwork, TorchCriMachine

    network = PlacedNetwork.of_program(program, where)

    def build(copies: int, first: int) -> Machine:
        return TorchCriMachine(network, copies, None if seed is None else Noise(seed, first, copies))

    return build


ENGINES: dict[str, Callable[[CriProgram, int | None], Build]] = {
    "auto": _auto,
    "fast": _fast,
    "reference": _reference,
    "torch": _torch,
}
