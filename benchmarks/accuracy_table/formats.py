"""The formats of the table: what networks are turned into, and what is asked of whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .networks import NETWORKS, Network

STEPS = (3, 7, 15, 31)
LEVELS = (0, 1, 2)
METHODS = ("MinMax", "Entropy", "Percentile")
RATE_CLIPS = 512  # a table of neurons that fire at rates takes up to 0.1 s for a clip


@dataclass(frozen=True)
class Format:
    """A format of numbers. `target` is akida, cri, "onnxruntime" or "" (floats); `options` are those of the target.

    `spiking`: for networks of spiking neurons; the others are for networks of activations, `""` for both. `most_clips`:
    how many test clips it is measured on, the first ones; None for all.
    """

    name: str
    title: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)
    spiking: bool = False
    most_clips: int | None = None

    def most(self, network: Network) -> int | None:
        """How many test samples of a network it is measured on; None for all."""
        return self.most_clips if network.smoothed else None

    def why_not(self, network: Network) -> str:
        """Why it does not apply to a network, "" where it does."""
        if network.spiking == self.spiking or not self.target:
            return ""
        return "it has spikes of its own" if network.spiking else "it has no spiking neurons"


def _rates(reset: str) -> Iterator[Format]:
    soft = {"profile": "hw_l6"} if reset == "soft" else {}  # a build whose neurons can subtract their threshold
    for t in STEPS:
        options = {"code": "rate", "rate_reset": reset, "timesteps": t, **soft}
        yield Format(
            f"rate-{reset}-{t}", f"CRI, rate code, {reset} reset, T = {t}", "cri", options, most_clips=RATE_CLIPS
        )


FORMATS = (
    Format("float", "float", ""),
    Format("int8", "Akida, int8", "akida"),
    Format("weights4", "Akida, 4-bit weights", "akida", {"weight_bits": 4}),
    Format("both4", "Akida, 4-bit weights and activations", "akida", {"weight_bits": 4, "activation_bits": 4}),
    *(Format(f"unary-{t}", f"CRI, unary code, T = {t}", "cri", {"timesteps": t}) for t in STEPS),
    *_rates("soft"),
    *_rates("hard"),
    *(Format(f"ort-{m}", f"onnxruntime int8, {m}", "onnxruntime", {"calibrate_method": m}) for m in METHODS),
    *(Format(f"neurons-{b}", f"CRI, {b}-bit weights", "cri", {"weight_bits": b}, spiking=True) for b in (16, 8, 4)),
)


@dataclass(frozen=True)
class Cell:
    """A network in a format, with the effort `--optimize` (None where there is no such thing)."""

    network: str
    format: str
    level: int | None

    @property
    def name(self) -> str:
        return f"{self.network}/{self.format}" + ("" if self.level is None else f"/{self.level}")


def format_of(name: str) -> Format:
    """The format of that name."""
    return next(found for found in FORMATS if found.name == name)


def cells() -> list[Cell]:
    """All cells that apply, network by network."""
    found: list[Cell] = []
    for network in NETWORKS:
        for row in FORMATS:
            if not row.why_not(network):
                levels = LEVELS if row.target in ("akida", "cri") else (None,)
                found += [Cell(network.name, row.name, level) for level in levels]
    return found
