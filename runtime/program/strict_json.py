"""JSON from outside, read as its standard has it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 200  # far below what recursive code takes


def parse_json(data: bytes) -> Any:
    """JSON as its standard has it: no NaN, no key twice in an object, MAX_DEPTH levels. ValueError for all else."""
    try:
        parsed = json.loads(data, parse_constant=_no_number, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    level = [parsed]
    for _ in range(MAX_DEPTH):
        level = [child for item in level if isinstance(item, list | dict) for child in _children(item)]
    if level:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    return parsed


def _children(item: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"an object has a key twice among {repr([key for key, _ in pairs])[:80]}")
    return dict(pairs)
