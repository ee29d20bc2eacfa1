"""Names of classes, and the likeliest of them."""

from __future__ import annotations

from ...runtime.arith import Floats
from ...runtime.classify import top
from ...runtime.program import Program
from ...runtime.program.diagnostics import bad_file
from ..task import parse_names


def class_names(given: str | None, program: Program, classes: int) -> tuple[str, ...]:
    """The names in a file, one a line, or between commas; else the program's; else "class 0", …. NMC-R001, R020, R021.

    An output whose classes are not those that the program has names of has no names."""
    if given is None:
        known = program.task.classes
        return known if len(known) == classes else tuple(f"class {index}" for index in range(classes))
    names = parse_names(given)
    if len(names) != classes or not all(names) or len(set(names)) != classes:
        what = f"there are {len(set(names) - {''})} different class names; the network has {classes}"
        hint = "a file with one name a line, or all names between commas"
        raise bad_file("NMC-R020", what, "--classes", hint=hint)
    return names


def likeliest(probabilities: Floats, names: tuple[str, ...], count: int) -> list[tuple[str, float]]:
    """The `count` likeliest classes by name, the likeliest first."""
    best, chances = top(probabilities, count)
    return [(names[index], float(chance)) for index, chance in zip(best, chances, strict=True)]
