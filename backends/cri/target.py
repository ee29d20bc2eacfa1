"""The CRI machine as data (profiles, limits) and as a compiler target (options, pipeline, lowering)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ...compiler.diagnostics import unsupported
from ...compiler.ir import Graph
from ...compiler.passes.base import Context, Pass
from ...compiler.passes.canonicalize import Canonicalize
from ...compiler.passes.fold_batch_norm import ExpandBatchNorm, FoldBatchNorm
from ...runtime.program.cri import CriProgram, Profile
from .limits import CORE, check_limits
from .lower import Lowering
from .quantize import QuantizeCri
from .terms import CriTerms

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("sim", ">=", 35, "saturate", "floor63", ann_clears=False, no_leak=(2, 63), noise_off=-16),
        Profile("hw2024", ">", 35, "wrap", "floor", ann_clears=True, no_leak=(3, 0), noise_off=-17),
        Profile("hw_l6", ">", 32, "wrap", "logical", ann_clears=True, no_leak=(3, 0), noise_off=-17),
        Profile("hw_l6_legacy", ">", 35, "wrap", "logical", ann_clears=True, no_leak=(3, 0), noise_off=-17),
    )
}


@dataclass(frozen=True)
class CriOptions:
    """Options of target cri.

    profile    build of the machine: sim, hw2024, hw_l6, hw_l6_legacy
    timesteps  T: levels of every activation and timesteps of its train
    ranges     how calibration gives ranges: minmax, percentile, mse
    readout    potential (exact integer outputs) or count (spike counts, for boards that do not return potentials)
    """

    profile: str = "sim"
    timesteps: int = 15
    ranges: str = "mse"
    readout: str = "potential"

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile must be one of {', '.join(PROFILES)}, not {self.profile!r}")
        self.quantize()

    def quantize(self) -> QuantizeCri:
        """The quantization pass for these options; ValueError for values out of range."""
        return QuantizeCri(levels=self.timesteps, ranges=self.ranges, readout=self.readout)


class CriTarget:
    """HiAER-Spike / CRI: activations travel as spike trains in the unary code."""

    name: ClassVar[str] = "cri"
    summary: ClassVar[str] = "HiAER-Spike / CRI: table of integer spiking neurons, unary code"
    options: ClassVar[type[CriOptions]] = CriOptions
    passes: ClassVar[dict[str, str]] = {
        "cri-terms": "nmc.backends.cri.terms:CriTerms",
        "quantize-cri": "nmc.backends.cri.quantize:QuantizeCri",
    }
    networks: ClassVar[tuple[str, ...]] = ("image", "video", "spiking")

    def pipeline(self, options: CriOptions, network: str = "image") -> tuple[Pass, ...]:
        return (Canonicalize(), FoldBatchNorm(), ExpandBatchNorm(), CriTerms(), options.quantize())

    def lower(self, graph: Graph, options: CriOptions, context: Context, provenance: dict[str, Any]) -> CriProgram:
        """The table of a graph in stage `quantized`; NmcError NMC-P004 for another stage, NMC-C… if it does not fit."""
        if graph.stage != "quantized":
            raise unsupported(
                "NMC-P004",
                f"target cri lowers a graph in stage quantized, the pipeline left it in {graph.stage}",
                hint="end the pipeline with quantize-cri",
            )
        program = Lowering(graph, PROFILES[options.profile]).run(provenance)
        check_limits(program)
        return program

    def facts(self) -> dict[str, Any]:
        """Profiles and limits, for `nmc targets`."""
        return {"profiles": [asdict(profile) for profile in PROFILES.values()], "limits": asdict(CORE)}
