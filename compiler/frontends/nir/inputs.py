"""Shapes of the inputs: what the file says, or what the user gives."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...diagnostics import Collector, Exit
from ...ir.session import DEFAULT_STEPS
from ..common.emit import MAX_ELEMENTS
from ..common.problems import Report
from .records import NEURONS, Record
from .wiring import Network

Shape = tuple[int, ...]

_RANKS = {"AvgPool2d": 3, "Conv1d": 2, "Conv2d": 3, "SumPool2d": 3}
_SHAPED = {**dict.fromkeys(NEURONS, "r"), "Delay": "delay", "Scale": "scale", "Threshold": "threshold"}


def declared(record: Record) -> Shape:
    """The shape that an Input or Output node declares, without samples and time; () if it leaves it open."""
    shape = record.parameters.get("shape")
    if not isinstance(shape, np.ndarray) or shape.dtype.kind not in "iuf" or shape.ndim > 1:
        return ()
    sizes = shape.reshape(-1)
    whole = bool(np.all((sizes >= 1) & (sizes == np.floor(sizes)) & (sizes <= MAX_ELEMENTS)))
    return tuple(int(size) for size in sizes) if whole else ()


def frame_rank(network: Network, name: str) -> int:
    """How many axes a frame of an Input has, by the nodes that read it: convolutions and pools have theirs, neurons as
    many as their parameters, linear layers one if nothing else is known. 0 if nothing says it."""
    targets = network.targets()
    queue, fallback = [name], 0
    for place in queue:  # grows while it is walked
        record = network.nodes[place]
        value = record.parameters.get(_SHAPED.get(record.kind, ""))
        if record.kind in _RANKS:
            return _RANKS[record.kind]
        if isinstance(value, np.ndarray) and value.size > 1:
            return value.ndim
        if record.kind == "Flatten":
            continue
        fallback = 1 if record.kind in ("Affine", "Linear") else fallback
        queue += [target for target in targets[place] if target not in queue]
    return fallback


def resolve(network: Network, given: Mapping[str, Shape], report: Report) -> tuple[dict[str, Shape], int]:
    """Frame shapes (1, …) by input, and the number of timesteps.

    Exporters that leave samples or time in an Input's shape are common, so of a shape with more axes than a frame has
    (`frame_rank`) the last ones count. Given shapes start with N = 1, then T where they have one axis more than a
    frame. NmcError (usage) if a shape is wrong, missing, or for another number of timesteps.
    """
    inputs = {name: network.nodes[name] for name in network.named("Input")}
    errors = Collector(Exit.USAGE)
    only = next(iter(inputs)) if len(inputs) == 1 else ""
    given = {name or only: shape for name, shape in given.items()}
    for name in given.keys() - inputs.keys():
        hint = f"its inputs are {', '.join(map(repr, inputs)) or 'none'}"
        errors.add("NMC-I005", f"the model has no input {name!r}", hint=hint)
    frames: dict[str, Shape] = {}
    lengths: dict[str, int] = {}
    for name, record in inputs.items():
        shape, said = given.get(name), declared(record)
        rank = frame_rank(network, name) or len(said)
        if shape is None and not said:
            hint = f"give --input-shape {name}=1,2,34,34 with the network's own numbers, N = 1 first"
            errors.add("NMC-I004", f"the shape of input {name!r} is not known", hint=hint)
        elif shape is None:
            frames[name] = (1, *said[-rank:])
        elif len(shape) < 2 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in shape):
            errors.add("NMC-I005", f"shape {shape} for input {name!r} is not a list of positive whole numbers")
        elif shape[0] != 1 or (rank and len(shape) not in (rank + 1, rank + 2)):
            axes = f"the {rank} axes of a frame" if rank else "the axes of a frame"
            why = f"it starts with N = 1, then T if you like, then {axes}" + (
                f", {list(said[-rank:])} here" if said else ""
            )
            errors.add("NMC-I005", f"shape {shape} does not fit input {name!r}", why=why)
        elif rank and len(shape) == rank + 2:
            lengths[name], frames[name] = shape[1], (1, *shape[2:])
        else:
            frames[name] = tuple(shape)
    if len(set(lengths.values())) > 1:
        errors.add("NMC-I005", "the inputs are given for different numbers of timesteps", why=str(lengths))
    errors.raise_if_any()
    for name, frame in frames.items():
        if math.prod(frame) > MAX_ELEMENTS:
            report.add("NMC-I011", f"input {name!r} is too large", why=f"at most {MAX_ELEMENTS} elements")
    return frames, next(iter(lengths.values()), DEFAULT_STEPS)
