"""What a part of an evaluation gave, as JSON and back without a bit lost."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from ..arith import Floats
from ..evaluator import Part

Scores = dict[str, Floats]


def part_to_json(part: Part) -> dict[str, Any]:
    """Arrays become their shape and the base64 of their little-endian float64."""
    return {
        "program": _encode(part.program),
        "model": None if part.model is None else _encode(part.model),
        "counters": part.counters,
        "seconds": part.seconds,
    }


def part_from_json(data: dict[str, Any]) -> Part:
    model = None if data["model"] is None else _decode(data["model"])
    return Part(_decode(data["program"]), model, data["counters"], data["seconds"])


def _encode(scores: Scores) -> list[dict[str, Any]]:
    """A list, not an object: the order of the rules counts."""
    return [
        {"rule": rule, "shape": list(array.shape), "f64": base64.b64encode(array.astype("<f8").tobytes()).decode()}
        for rule, array in scores.items()
    ]


def _decode(entries: list[dict[str, Any]]) -> Scores:
    return {
        entry["rule"]: np.frombuffer(base64.b64decode(entry["f64"]), "<f8").reshape(entry["shape"]).astype(np.float64)
        for entry in entries
    }
