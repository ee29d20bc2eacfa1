"""The graph inputs: which shape each has for one sample, and which of them nmc cannot feed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from onnx import TypeProto, ValueInfoProto

from ...diagnostics import Collector, Exit
from ..common.problems import Report
from .tensors import FLOATS, INTEGERS, type_name

Shape = tuple[int, ...]
MAX_ELEMENTS = 1 << 25  # of one sample; a compilation holds several copies as float64
_BATCH_HINT = "export with a dynamic batch axis or with batch 1"


@dataclass(frozen=True)
class Source:
    """A graph input as the file declares it. A dimension is a size, or the text by which the file calls an open one;
    dims is None if even the rank is open."""

    name: str
    data_type: int
    dims: tuple[int | str, ...] | None
    tensor: bool

    def __str__(self) -> str:
        return f"input {self.name!r}" + ("" if self.dims is None else f" ({', '.join(map(str, self.dims))})")

    @property
    def open_dims(self) -> list[int]:
        """Axes other than the samples axis whose size the file leaves open."""
        return [i for i, size in enumerate(self.dims or ()) if i and isinstance(size, str)]


def _dimension(dim: object) -> int | str:
    size, symbol = getattr(dim, "dim_value", 0), getattr(dim, "dim_param", "")
    return size if size > 0 else str(symbol) or "?"


def read_source(value: ValueInfoProto) -> Source:
    """What the file says about a graph input."""
    type: TypeProto = value.type
    tensor = type.tensor_type
    dims = tuple(map(_dimension, tensor.shape.dim)) if tensor.HasField("shape") else None
    return Source(value.name, tensor.elem_type, dims, type.WhichOneof("value") == "tensor_type")


def named(sources: list[Source], given: Mapping[str, Shape]) -> dict[str, Shape]:
    """`given` with the name of the only input in the place of the empty name."""
    return {sources[0].name if not name and len(sources) == 1 else name: shape for name, shape in given.items()}


def _check_given(sources: Iterable[Source], given: Mapping[str, Shape], errors: Collector) -> None:
    """Does every given shape fit the input of its name?"""
    known = {source.name: source for source in sources}
    sizes: dict[str, tuple[int, str]] = {}
    for name, shape in given.items():
        source = known.get(name)
        if source is None:
            names = ", ".join(map(repr, known)) or "none"
            errors.add("NMC-I005", f"the model has no input {name!r}", hint=f"its inputs are {names}")
            continue
        if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in shape):
            errors.add("NMC-I005", f"shape {shape} for {source} is not a list of positive whole numbers")
            continue
        dims: tuple[int | str, ...] = ("?",) * len(shape) if source.dims is None else source.dims
        if len(dims) != len(shape):
            errors.add("NMC-I005", f"shape {shape} for {source} has {len(shape)} axes, not {len(dims)}")
            continue
        wrong = [i for i in range(1, len(shape)) if isinstance(dims[i], int) and dims[i] != shape[i]]
        if wrong:
            errors.add("NMC-I005", f"shape {shape} for {source} contradicts the file at axis {wrong[0]}")
        if shape and shape[0] != 1:
            why = "axis 0 holds the samples, and the network is compiled for one at a time"
            errors.add("NMC-I005", f"shape {shape} for {source} does not start with 1", why=why)
        for symbol, size in zip(dims[1:], shape[1:], strict=True):
            if isinstance(symbol, str) and symbol != "?" and sizes.setdefault(symbol, (size, name))[0] != size:
                other, where = sizes[symbol]
                errors.add("NMC-I005", f"dimension {symbol!r} is {size} for input {name!r} but {other} for {where!r}")


def _check_open(sources: Iterable[Source], given: Mapping[str, Shape], errors: Collector) -> None:
    """Is every open dimension given?"""
    for source in sources:
        if source.name in given or not source.tensor:
            continue
        if source.dims is None:
            hint = f"give its whole shape, e.g. --input-shape {source.name}=1,3,32,32"
            errors.add("NMC-I004", f"{source} has no shape in the file", hint=hint)
        elif source.open_dims:
            axes = ", ".join(f"axis {i} ({source.dims[i]})" for i in source.open_dims)
            example = ",".join(["1", *(str(size) for size in source.dims[1:])])
            hint = f"give --input-shape {source.name}={example} with numbers for the open dimensions"
            errors.add("NMC-I004", f"{source} leaves dimensions open: {axes}", hint=hint)


def _one_sample(source: Source, given: Mapping[str, Shape], report: Report) -> Shape | None:
    """The shape with N = 1; None (and a diagnostic) if axis 0 is no samples axis of length 1."""
    dims = given[source.name] if source.dims is None else source.dims
    if len(dims) < 2:
        why = "each sample would have no axis of its own" if dims else "it is a single number, not one per sample"
        hint = "export the model with a batch axis in front"
        report.add("NMC-I017", f"input {source.name!r} has no samples axis", str(source), why, hint)
        return None
    if math.prod(given.get(source.name) or (size for size in dims[1:] if isinstance(size, int))) > MAX_ELEMENTS:
        report.add("NMC-I011", f"input {source.name!r} is too large", str(source), f"at most {MAX_ELEMENTS} elements")
        return None
    if source.name in given:
        return tuple(given[source.name])
    if isinstance(dims[0], int) and dims[0] != 1:
        why = f"axis 0 holds the samples, and the file fixes it to {dims[0]}"
        example = ",".join(["1", *map(str, dims[1:])])
        hint = f"{_BATCH_HINT}; or, if axis 0 is the batch, give --input-shape {source.name}={example}"
        report.add("NMC-I017", f"input {source.name!r} is for {dims[0]} samples at once", str(source), why, hint)
        return None
    return (1, *(size for size in dims[1:] if isinstance(size, int)))


def resolve(
    sources: list[Source], used: list[Source], given: Mapping[str, Shape], casts: Mapping[str, bool], report: Report
) -> Iterator[tuple[Source, Shape | None]]:
    """Every used input with its shape for one sample, or None if it is refused (the diagnostic goes to the report).

    `casts` says whether all readers of an input cast it: integers that become floats at once may be fed as floats.
    NmcError (usage) if given shapes are wrong or missing.
    """
    usage = Collector(Exit.USAGE)
    given = named(sources, given)
    _check_given(sources, given, usage)
    _check_open(used, given, usage)
    usage.raise_if_any()
    for source in used:
        shape = None
        if not source.tensor:
            why = "it is a sequence, map, optional or sparse tensor"
            report.add("NMC-I011", f"input {source.name!r} is not a tensor", str(source), why)
        elif source.data_type not in FLOATS and not (source.data_type in INTEGERS and casts[source.name]):
            why = f"its element type is {type_name(source.data_type)}; networks compute with floats"
            hint = "cast it to float first thing in the model, or export with a float input"
            report.add("NMC-I011", f"input {source.name!r} is not a float tensor", str(source), why, hint)
        else:
            shape = _one_sample(source, given, report)
        yield source, shape
