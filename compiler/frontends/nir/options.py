"""How the continuous-time neurons of a NIR file become neurons with timesteps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...ir.ops.neuron import RESETS

DEFAULT_DT = 1e-4
CHOICES: dict[str, tuple[str, ...]] = {
    "discretization": ("euler", "exact"),
    "reset": RESETS,
    "compare": ("gt", "ge"),
    "start": ("zero", "reset"),
    "synapse": ("current", "impulse"),
}


@dataclass(frozen=True)
class NirOptions:
    """The discretization of a NIR file. ValueError for values that are not listed.

    dt              timestep in seconds; None: what the file says or shows, else 1e-4 (see `Clock`)
    discretization  euler: v ← v + dt/tau · (v_leak − v + r·I); exact: the same with 1 − exp(−dt/tau) for dt/tau
    reset           what a spike does: value (v ← v_reset, as NIR says), subtract (v ← v − threshold), none
    reset_delay     the reset happens in the step after the spike, after decay and input (snnTorch)
    compare         gt: fires at v > threshold, as NIR says; ge: at v ≥ threshold; None: what the file says, else gt
    start           v before the first step, zero or reset (v_reset); None: what the file says, else zero
    synapse         input of CubaLI and CubaLIF: current (scaled by dt/tau_syn) or impulse (adds w_in at once, norse)
    """

    dt: float | None = None
    discretization: str = "euler"
    reset: str = "value"
    reset_delay: bool = False
    compare: str | None = None
    start: str | None = None
    synapse: str = "current"

    def __post_init__(self) -> None:
        if self.dt is not None and not (math.isfinite(self.dt) and self.dt > 0):
            raise ValueError(f"dt must be a positive number of seconds, not {self.dt}")
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices and not (value is None and name in ("compare", "start")):
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


@dataclass(frozen=True)
class Clock:
    """A discretization with nothing left open, as the provenance of a program shows it."""

    dt: float
    discretization: str
    reset: str
    reset_delay: bool
    compare: str
    start: str
    synapse: str

    @classmethod
    def of(cls, given: NirOptions, stored: Mapping[str, Any], recovered: float | None) -> Clock:
        """What was asked for; else what the file says about itself; else, for dt, what was recovered from its IF
        neurons; else the defaults."""
        return cls(
            float(given.dt or stored.get("dt") or recovered or DEFAULT_DT),
            given.discretization,
            given.reset,
            given.reset_delay,
            given.compare or stored.get("compare") or "gt",
            given.start or stored.get("start") or "zero",
            given.synapse,
        )
