"""Synapse tables from the affine maps of populations, and what may stand in them."""

from __future__ import annotations

import numpy as np

from ...compiler.diagnostics import limit
from ...compiler.ir.ops.base import Array
from ...runtime.program.cri import Population, Profile, Table
from .affine import Entries

INT16 = 32767


def table(parts: list[tuple[Array, Array, Array]], sources: int) -> Table:
    """CSR from (source, target, weight) arrays; within a source, targets ascend."""
    empty = np.zeros(0, np.int64)
    source, target, weight = (np.concatenate([empty, *(part[i] for part in parts)]) for i in range(3))
    order = np.lexsort((target, source))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=sources))]).astype(np.int64)
    return Table(indptr, target[order].astype(np.int32), weight[order].astype(np.int16))


def check_weights(made: Population, synapses: Entries, elements: int, bits: int) -> None:
    """NmcError NMC-C002 unless every weight fits int16; sources below `elements` are sent as `bits` bit planes."""
    plane = INT16 >> max(bits - 1, 0)
    over = np.abs(synapses.weight) > np.where(synapses.col < elements, plane, INT16)
    if over.any():
        raise limit(
            "NMC-C002",
            f"{int(over.sum())} synapses into %{made.name} exceed int16",
            where=", ".join(made.origin),
            why=f"the largest weight is {int(np.abs(synapses.weight).max())}; from an input ±{plane} is allowed",
            hint="fewer weight bits (quantize-cri{weight_bits=6}) or a smaller pool in front of the layer",
        )


def check_range(profile: Profile, made: Population, reach: Array) -> None:
    """NmcError NMC-C003 if a potential may reach what the profile's width does not hold."""
    if len(reach) and int(reach.max()) >= 2 ** (profile.width - 1):
        raise limit(
            "NMC-C003",
            f"potentials of %{made.name} may reach ±{int(reach.max())}",
            where=", ".join(made.origin),
            why=f"profile {profile.name!r} holds {profile.width} bits",
            hint="fewer timesteps or fewer weight bits",
        )
