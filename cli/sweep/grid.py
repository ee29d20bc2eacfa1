"""The grid of a sweep: options with their values, and the points that they span."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, get_args, get_type_hints

from ...compiler.diagnostics import Collector, Exit
from ...compiler.pipeline import nearest
from ...compiler.target import find_target

Point = dict[str, Any]
WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


def parse_grid(items: Sequence[str], target: str) -> list[Point]:
    """Points of a grid such as ("timesteps=3,7", "weight_bits=4,8"), the last option changing fastest; names are those
    of the target's options, `weight-bits` being `weight_bits`.

    NmcError (usage, all problems): NMC-T001 (target), T002 (option), R076 (no name=value,…, or wrong types).
    """
    options = find_target(target).options
    types = get_type_hints(options)
    problems, axes = Collector(Exit.USAGE), dict[str, list[Any]]()
    for item in items:
        name, _, texts = item.partition("=")
        name = name.strip().replace("-", "_")
        if name not in options.__dataclass_fields__:
            hint = nearest(name, list(options.__dataclass_fields__))
            problems.add("NMC-T002", f"target {target} has no option {name!r}", item, hint=hint)
        elif name in axes:
            problems.add("NMC-R076", f"the option {name} is given twice", item, hint="one --grid has all its values")
        else:
            axes[name] = _values(texts, types[name], item, problems)
    problems.raise_if_any()
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _values(texts: str, kind: Any, item: str, problems: Collector) -> list[Any]:
    """The values behind the = of an item, as the option's type has them."""
    found: list[Any] = []
    for text in (text.strip() for text in texts.split(",")):
        try:
            value = _value(text, kind)
        except ValueError:
            problems.add("NMC-R076", f"{text!r} is no value of this option", item, hint="a grid is name=value,value,…")
        else:
            if value in found:
                problems.add("NMC-R076", f"{text!r} is listed twice", item)
            found.append(value)
    return found


def _value(text: str, kind: Any) -> Any:
    """ValueError unless the text is a value of that type (`int | None` and the like: of the first that takes it)."""
    if not text:
        raise ValueError
    kinds = get_args(kind) or (kind,)
    if bool in kinds and text.lower() in WORDS:
        return WORDS[text.lower()]
    for number in (int, float):
        if number in kinds:
            return number(text)
    if str in kinds:
        return text
    raise ValueError
