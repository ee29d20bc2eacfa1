"""The program file and what it holds: a leaf that compiler, backends and runtime share.

Nothing is imported before it is used, so a record alone costs neither numpy nor safetensors.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .akida import AkidaProgram, GraphInput, GraphOutput, Layer
    from .atomic import atomic_write
    from .container import FORMAT_VERSION, Program, digest, load, save
    from .cri import CriProgram, Input, NeuronModel, Phase, Population, Profile, Readout, Table
    from .cri_check import validate
    from .diagnostics import CODES, Diagnostic, Exit, NmcError
    from .hybrid import HybridProgram
    from .raw_synapses import ReadSynapses, read_synapses
    from .timing import Timing

__all__ = [
    "CODES",
    "FORMAT_VERSION",
    "AkidaProgram",
    "CriProgram",
    "Diagnostic",
    "Exit",
    "GraphInput",
    "GraphOutput",
    "HybridProgram",
    "Input",
    "Layer",
    "NeuronModel",
    "NmcError",
    "Phase",
    "Population",
    "Profile",
    "Program",
    "ReadSynapses",
    "Readout",
    "Table",
    "Timing",
    "atomic_write",
    "digest",
    "load",
    "read_synapses",
    "save",
    "validate",
]

# Module of each public name.
_HOMES = {
    **dict.fromkeys(("AkidaProgram", "GraphInput", "GraphOutput", "Layer"), "akida"),
    **dict.fromkeys(("atomic_write",), "atomic"),
    **dict.fromkeys(("FORMAT_VERSION", "Program", "digest", "load", "save"), "container"),
    **dict.fromkeys(
        ("CriProgram", "Input", "NeuronModel", "Phase", "Population", "Profile", "Readout", "Table"), "cri"
    ),
    **dict.fromkeys(("validate",), "cri_check"),
    **dict.fromkeys(("CODES", "Diagnostic", "Exit", "NmcError"), "diagnostics"),
    **dict.fromkeys(("HybridProgram",), "hybrid"),
    **dict.fromkeys(("ReadSynapses", "read_synapses"), "raw_synapses"),
    **dict.fromkeys(("Timing",), "timing"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
