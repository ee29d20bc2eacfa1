"""Names of classes, and the likeliest of them."""

from __future__ import annotations

from pathlib import Path

from ...runtime.arith import Floats
from ...runtime.classify import top
from ...runtime.label_lists import read_class_list
from ...runtime.program.diagnostics import bad_file


def class_names(given: str | None, classes: int) -> tuple[str, ...]:
    """The names in a file, one a line, or between commas; "class 0", … where none are given. NMC-R020, R021."""
    if given is None:
        return tuple(f"class {index}" for index in range(classes))
    names = read_class_list(given) if Path(given).is_file() else tuple(name.strip() for name in given.split(","))
    if len(names) != classes or not all(names) or len(set(names)) != classes:
        what = f"there are {len(set(names) - {''})} different class names; the network has {classes}"
        hint = "a file with one name a line, or all names between commas"
        raise bad_file("NMC-R020", what, "--classes", hint=hint)
    return names


def likeliest(probabilities: Floats, names: tuple[str, ...], count: int) -> list[tuple[str, float]]:
    """The `count` likeliest classes by name, the likeliest first."""
    best, chances = top(probabilities, count)
    return [(names[index], float(chance)) for index, chance in zip(best, chances, strict=True)]
