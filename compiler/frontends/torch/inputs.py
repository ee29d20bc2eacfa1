"""What `forward` takes: the names of the graph's inputs and the shape of each for one sample."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, TypeVar

from torch import nn

from ...diagnostics import Collector, Exit
from ..common.emit import MAX_ELEMENTS

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
T = TypeVar("T")


def arguments(module: nn.Module, values: Mapping[str, T]) -> tuple[tuple[T, ...], dict[str, T]]:
    """Values by parameter of `forward` as its call has them: by position where nothing is left out before them."""
    parameters = inspect.signature(module.forward).parameters.values()
    first = [p.name for p in takewhile(lambda p: p.kind is p.POSITIONAL_OR_KEYWORD and p.name in values, parameters)]
    return tuple(values[name] for name in first), {name: v for name, v in values.items() if name not in first}


def check_shapes(given: Shapes, known: Sequence[str], errors: Collector, trains: bool = False) -> None:
    """Does every given shape belong to an input and describe one sample? A train (T, 1, …) has its samples second."""
    for name, shape in given.items():
        if name not in known:
            hint = f"its inputs are {', '.join(map(repr, known)) or 'none'}"
            errors.add("NMC-I005", f"the model has no input {name!r}", hint=hint)
        elif not shape or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in shape):
            errors.add("NMC-I005", f"shape {shape} for input {name!r} is not a list of positive whole numbers")
        elif trains and shape[0] != 1 and shape[1:2] != (1,):
            why = "it has the axes (T, N, …), and the network is compiled for one sample at a time"
            errors.add("NMC-I005", f"shape {shape} for input {name!r} does not have N = 1 after T", why=why)
        elif shape[0] != 1 and not trains:
            why = "axis 0 holds the samples, and the network is compiled for one at a time"
            errors.add("NMC-I005", f"shape {shape} for input {name!r} does not start with 1", why=why)


def check_samples_axis(shapes: Shapes) -> None:
    """NmcError NMC-I017 or NMC-I011 unless every input has an axis beside the samples and a size that can be held."""
    errors = Collector(Exit.UNSUPPORTED)
    for name, shape in shapes.items():
        if len(shape) < 2:
            why = "each sample would have no axis of its own"
            errors.add("NMC-I017", f"input {name!r} has no samples axis", why=why, hint="put a batch axis in front")
        elif math.prod(shape) > MAX_ELEMENTS:
            errors.add("NMC-I011", f"input {name!r} is too large", why=f"at most {MAX_ELEMENTS} elements")
    errors.raise_if_any()


def _one_sample(shape: Shape, trains: bool) -> Shape:
    """The shape of an example input with one sample; its second axis holds the samples where the first is time."""
    return (shape[0], 1, *shape[2:]) if trains and len(shape) > 1 and shape[0] != 1 else (1, *shape[1:])


def forward_shapes(
    module: nn.Module, given: Shapes, examples: Sequence[Any] | Mapping[str, Any], trains: bool = False
) -> dict[str, Shape]:
    """Shape by parameter of `forward`, in its order: given ones (under "" where the model has one input), else those of
    the example inputs at batch 1. Parameters with a default that nobody gives a shape keep the default. `trains`: the
    module takes all timesteps at once, as (T, N, …).

    NmcError (usage) if a shape is missing or wrong.
    """
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(module.forward).parameters.values()
    known = {p.name: p.default is inspect.Parameter.empty for p in parameters if p.kind in plain}
    needed = [name for name, required in known.items() if required]
    only = needed[0] if len(needed) == 1 else next(iter(known)) if len(known) == 1 else ""
    given = {name or only: shape for name, shape in given.items()}
    named = examples if isinstance(examples, Mapping) else dict(zip(known, examples, strict=False))
    shapes: dict[str, Shape] = {name: _one_sample(example.shape, trains) for name, example in named.items()} | dict(
        given
    )

    errors = Collector(Exit.USAGE)
    check_shapes(shapes, list(known), errors, trains)
    missing = [name for name in needed if name not in shapes] or ([] if shapes else list(known)[:1])
    for name in missing:
        hint = f"give --input-shape {name}=1,3,32,32 with the network's own numbers, N = 1 first"
        errors.add("NMC-I004", f"the shape of input {name!r} is not known", hint=hint)
    if not known:
        errors.add("NMC-I004", "`forward` names no parameters", why="inputs are called what its parameters are called")
    errors.raise_if_any()
    check_samples_axis(shapes)
    return {name: shapes[name] for name in known if name in shapes}
