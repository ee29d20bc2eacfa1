"""Pipelines as text: `fold-batch-norm,quantize-cri{levels=15,ranges=mse}` to passes and back."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any, get_type_hints

from .diagnostics import usage
from .passes import PASSES
from .passes.base import Pass

_ITEM = re.compile(r"\s*([\w-]+)\s*(?:\{([^{}]*)\})?\s*(?:,|$)")


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint that names the closest known name, or all of them."""
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}"


def load_class(path: str) -> Any:
    """The object that "package.module:name" names."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _option(pass_class: type[Pass], name: str, text: str) -> Any:
    """The option's value, converted to the field's type."""
    hints = get_type_hints(pass_class)
    kind = hints[name]
    if kind is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
    elif kind in (int, float, str):
        try:
            return kind(text)
        except ValueError:
            pass
    raise usage("NMC-P001", f"option {name}={text} of pass {pass_class.name} must be of type {kind.__name__}")


def _make(name: str, options: str | None, known: Mapping[str, str]) -> Pass:
    if name not in known:
        raise usage("NMC-P001", f"unknown pass {name!r}", hint=nearest(name, list(known)))
    pass_class = load_class(known[name])
    names = [field.name for field in fields(pass_class)]
    values: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in (options or "").split(","))):
        key, _, text = item.partition("=")
        if key not in names:
            raise usage("NMC-P001", f"pass {name} has no option {key!r}", hint=nearest(key, names))
        values[key] = _option(pass_class, key, text)
    try:
        return pass_class(**values)
    except ValueError as error:
        raise usage("NMC-P001", f"pass {name}: {error}") from None


def parse_pipeline(text: str, extra: Mapping[str, str] | None = None) -> tuple[Pass, ...]:
    """Passes from their text form; `extra` are a target's own passes (name → "module:Class").

    NmcError NMC-P001 (usage) if a pass or option is unknown or a value has the wrong type.
    """
    known = {**PASSES, **(extra or {})}
    passes, position = [], 0
    while position < len(text):
        match = _ITEM.match(text, position)
        if not match:
            raise usage("NMC-P001", f"cannot read the pipeline at {text[position:]!r}", hint="name{option=value},name")
        passes.append(_make(match[1], match[2], known))
        position = match.end()
    return tuple(passes)


def print_pipeline(passes: Sequence[Pass]) -> str:
    """The text form; `parse_pipeline` reads it back."""
    return ",".join(map(str, passes))
