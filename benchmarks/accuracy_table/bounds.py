"""What the table has to show: bounds on losses and nobody else's quantization ahead at the usual level, and the unary
code not behind rates at any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .formats import LEVELS, METHODS, STEPS, Cell
from .networks import NETWORKS

Results = Mapping[str, Mapping[str, Any]]
BOUNDED = ("grey", "events")  # the gesture network, on its published clips
USUAL = 1
# Points that a format may lose against the float network.
MOST_LOST = {"int8": 0.1, "weights4": 1.0, "unary-7": 1.0, "unary-15": 0.3}


@dataclass(frozen=True)
class Bound:
    """A bound, whether it holds, and the numbers that say so."""

    text: str
    holds: bool
    numbers: str


def percent(found: Mapping[str, Any], key: str = "correct") -> float:
    """Accuracy in percent."""
    return 100 * found[key] / found["samples"]


def bounds(results: Results) -> list[Bound]:
    """All bounds whose cells are in the results."""
    return [*_losses(results), *_codes(results), *_peers(results)]


def _found(results: Results, network: str, row: str, level: int | None) -> Mapping[str, Any] | None:
    found = results.get(Cell(network, row, level).name)
    return None if found is None or "correct" not in found else found


def _losses(results: Results) -> Iterator[Bound]:
    for network in BOUNDED:
        floats = _found(results, network, "float", None)
        for row, most in MOST_LOST.items():
            found = _found(results, network, row, USUAL)
            if floats is not None and found is not None:
                lost = percent(floats) - percent(found)
                yield Bound(f"{network}: {row} loses at most {most} points", lost <= most, f"{lost:.2f}")


def _codes(results: Results) -> Iterator[Bound]:
    for network in NETWORKS:
        for t in STEPS:
            for level in LEVELS:
                unary = _found(results, network.name, f"unary-{t}", level)
                for reset in ("soft", "hard"):
                    rate = _found(results, network.name, f"rate-{reset}-{t}", level)
                    if unary is not None and rate is not None:
                        text = f"{network.name}, level {level}, T = {t}: unary is not below rates with {reset} reset"
                        numbers = f"{percent(unary):.2f} and {percent(rate):.2f}"
                        yield Bound(text, percent(unary) >= percent(rate), numbers)


def _peers(results: Results) -> Iterator[Bound]:
    """At the usual level. Nobody is expected to do better than the float network: of a peer above it, the float network
    counts."""
    for network in NETWORKS:
        peers = [_found(results, network.name, f"ort-{method}", None) for method in METHODS]
        known = [peer["correct"] for peer in peers if peer is not None]
        floats = _found(results, network.name, "float", None)
        ours = _found(results, network.name, "int8", USUAL)
        if ours is not None and known and floats is not None:
            text = f"{network.name}: int8 is not below onnxruntime's best int8 (or float, if less)"
            numbers = f"{percent(ours):.2f} and {100 * max(known) / ours['samples']:.2f}"
            yield Bound(text, ours["correct"] >= min(max(known), floats["correct"]), numbers)
