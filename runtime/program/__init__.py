"""The program file and what it holds: a leaf that compiler, backends and runtime share (numpy and safetensors only)."""

from __future__ import annotations

from .akida import AkidaProgram, GraphInput, GraphOutput, Layer, Timing
from .atomic import atomic_write
from .container import FORMAT_VERSION, Program, digest, load, save
from .cri import CriProgram, Input, NeuronModel, Phase, Population, Profile, Readout, Table
from .cri_check import validate
from .diagnostics import CODES, Diagnostic, Exit, NmcError
from .raw_synapses import ReadSynapses, read_synapses

__all__ = [
    "CODES",
    "FORMAT_VERSION",
    "AkidaProgram",
    "CriProgram",
    "Diagnostic",
    "Exit",
    "GraphInput",
    "GraphOutput",
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
