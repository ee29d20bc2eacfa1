"""Running one CRI program on all ranks: each has some of its neurons."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..cri_engines import has_noise
from ..cri_session import Run, batch_size, take_room, timed
from ..encode import Array, check_inputs, codes
from ..program.cri import CriProgram, IntArray
from ..result import Result, in_batches, named_engine
from .exchange import Comm, Exchange, agreed
from .local import assembled, elements, local_program, rows, share
from .machine import ENGINES, RankMachine
from .part import part_of

MOST_MESSAGES = 2**31
"""Neurons times samples that run together stay below, so that a message is an int32."""


class LostError(Exception):
    """This rank failed in the middle of a run, where others wait for it: all must be ended. `__cause__` says why."""


class MpiSession:
    """A CRI program on all ranks of `comm`, every one of which makes the same session and the same calls."""

    def __init__(
        self,
        program: CriProgram,
        owner: NDArray[np.integer],
        comm: Comm,
        engine: str = "auto",
        seed: int | None = None,
    ):
        """owner: the rank of each neuron, whole numbers [neurons].

        The program is not checked again (`load` has done so). NMC-R008, NMC-R009 and `seed` as for `CriSession`, on
        all ranks alike; ValueError for an owner of another shape, or that is no rank.
        """
        self.program, self._comm = program, comm
        self._owner = np.ascontiguousarray(owner, np.int32)
        if owner.shape != program.neuron_model.shape:
            raise ValueError(f"owner must have shape {program.neuron_model.shape}, not {owner.shape}")
        if len(owner) and not 0 <= owner.min() <= owner.max() < comm.size:
            raise ValueError(f"owner must be ranks 0 … {comm.size - 1}")
        if seed is not None and seed < 0:
            raise ValueError(f"seed must be at least 0, not {seed}")
        self._part, tables = part_of(program, self._owner, comm.rank)
        self._make = named_engine(ENGINES, engine)(program, self._part, tables, seed)
        self._noted = {} if seed is None or not has_noise(program) else {"noise_seed": seed}
        self._exchange = Exchange(comm, self._part)

    @property
    def neurons(self) -> int:
        """How many this rank has."""
        return len(self._part.own)

    @property
    def heard(self) -> IntArray:
        """The axons of the program that this rank hears, ascending; `machine` takes theirs in this order."""
        return self._part.heard

    @property
    def sent(self) -> tuple[int, int]:
        """(messages, packets) that this rank sent so far: spikes, counted once for every rank that they went to, and
        arrays of them, one in every timestep for each rank that any of its neurons reaches."""
        return self._exchange.messages, self._exchange.packets

    def machine(self, batch: int = 1, first: int = 0) -> RankMachine:
        """The neurons of this rank in so many samples, with the noise of those from number `first` on."""
        return RankMachine(self._make(batch, first), self._exchange)

    def run(
        self,
        inputs: Mapping[str, ArrayLike] | ArrayLike,
        *,
        trace: bool = False,
        batch: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Result | None:
        """What `CriSession.run` gives for these arguments, at rank 0; None at the others.

        Every rank gets the same inputs. What it refuses is refused on all ranks (`agreed`). LostError where a rank
        fails after that.
        """
        program = timed(self.program, inputs)

        def prepare() -> tuple[dict[str, Array], int, int]:
            arrays = check_inputs(program.inputs, inputs)
            samples = len(next(iter(arrays.values()))) if arrays else 1
            size = batch_size(program) if batch is None else batch
            if size * len(self._owner) >= MOST_MESSAGES:
                raise ValueError(f"batch {size} times {len(self._owner):,} neurons must be below 2^31")
            take_room(program, samples, trace, size)
            return arrays, samples, size

        arrays, samples, size = agreed(self._comm, prepare)
        try:
            return self._run(program, arrays, samples, size, trace, progress)
        except Exception as error:
            raise LostError("this process failed") from error

    def _run(
        self,
        program: CriProgram,
        arrays: dict[str, Array],
        samples: int,
        size: int,
        trace: bool,
        progress: Callable[[int, int], object] | None,
    ) -> Result | None:
        comm = self._comm
        local, clipped = local_program(program, self._owner, comm.rank, self._part), 0
        chosen = {entry.name: elements(entry, self._part) for entry in program.inputs}
        run = Run(local, samples, trace)
        for low, count, given in in_batches(arrays, samples, size, progress):
            flat = {entry.name: rows(entry, given[entry.name]) for entry in program.inputs}
            own = {name: array[..., chosen[name]] for name, array in flat.items()}
            run.add(low, own, self.machine(count, low), None)
            for entry in program.inputs:
                clipped += codes(entry, flat[entry.name][..., share(entry, comm.rank, comm.size)])[1]
            comm.allgather(None)  # a rank that hears nothing would run ahead, and fill the others' memory
        run.result.counters.update(self._noted, input_clipped=clipped)
        results = comm.gather(run.result)
        return assembled(program, self._owner, results, trace) if results else None
