"""What a NIR file says, as plain records, and which parameters each primitive has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

NEURONS = ("I", "IF", "LI", "LIF", "CubaLI", "CubaLIF")
_CUBA = ("tau_syn", "tau_mem", "r", "v_leak", "w_in?")
_CONV = ("weight", "stride", "padding", "dilation", "groups", "bias", "input_shape?")
_POOL = ("kernel_size", "stride", "padding")
# Parameters by primitive; those with a question mark may be absent. `THROUGH` stands for the ends of nested graphs.
THROUGH = "through"
PARAMETERS: dict[str, tuple[str, ...]] = {
    "Affine": ("weight", "bias"),
    "AvgPool2d": _POOL,
    "Conv1d": _CONV,
    "Conv2d": _CONV,
    "CubaLI": _CUBA,
    "CubaLIF": (*_CUBA, "v_threshold", "v_reset?"),
    "Delay": ("delay",),
    "Flatten": ("start_dim", "end_dim", "input_type?"),
    "I": ("r",),
    "IF": ("r", "v_threshold", "v_reset?"),
    "Input": ("shape",),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset?"),
    "Linear": ("weight",),
    "Output": ("shape",),
    "Scale": ("scale",),
    "SumPool2d": _POOL,
    "Threshold": ("threshold",),
}


@dataclass
class Record:
    """A node: its primitive and parameters by name (arrays, or texts). A NIRGraph has nodes and edges beside them.

    `broken` says that the node has been reported already, and that its parameters cannot be used.
    """

    kind: str
    parameters: Mapping[str, Array | str] = field(default_factory=dict)
    nodes: dict[str, Record] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False
