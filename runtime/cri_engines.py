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


class Machine(Protocol):
    """Copies of one network, advanced together; `CriMachine` in runtime/reference/cri.py says what each part is."""

    synaptic_events: int
    spikes: int
    out_of_range: int

    @property
    def batch(self) -> int: ...
    @property
    def potentials(self) -> Ints: ...
    @potentials.setter
    def potentials(self, values: ArrayLike) -> None: ...
    def read(self, neurons: Ints) -> Ints: ...
    def reset(self) -> None: ...
    def step(self, axons: Bools) -> Bools: ...


Build = Callable[[int, int], Machine]  # makes a machine of so many copies, for the samples from a number on


def _reference(program: CriProgram, seed: int | None) -> Build:
    def build(copies: int, first: int) -> Machine:
        return CriMachine.of(program, copies, None if seed is None else Noise(seed, first, copies))

    return build


def _fast(program: CriProgram, seed: int | None) -> Build:
    why = _not_covered(program)
    if why:
        hint = "the engine 'auto' takes the reference where it has to"
        raise usage("NMC-R009", "the engine 'fast' cannot run this program", why=why, hint=hint)
    from .fast.cri import Network  # numba is imported only when it is used

    network = Network.of_program(program)
    return lambda copies, first: network.machine(copies)


def _auto(program: CriProgram, seed: int | None) -> Build:
    return _reference(program, seed) if _not_covered(program) else _fast(program, seed)


def has_noise(program: CriProgram) -> bool:
    """Whether some neuron does not switch its noise off."""
    return bool(noisy(Parameters.of(program).shift, program.profile).any())


def _not_covered(program: CriProgram) -> str:
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


ENGINES: dict[str, Callable[[CriProgram, int | None], Build]] = {"auto": _auto, "fast": _fast, "reference": _reference}
