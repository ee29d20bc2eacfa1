"""The CRI machine as data (profiles, limits) and as a compiler target (options, pipeline, lowering)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ...compiler.diagnostics import unsupported, usage
from ...compiler.ir import Graph
from ...compiler.passes.base import Context, Pass
from ...compiler.passes.canonicalize import Canonicalize
from ...compiler.passes.fold_batch_norm import ExpandBatchNorm, FoldBatchNorm
from ...runtime.program.cri import CriProgram, Profile
from .limits import CORE, check_limits
from .lower import Lowering
from .quantize import QuantizeCri
from .spiking import SpikingLowering
from .spiking_quantize import QuantizeSpiking
from .terms import CriTerms

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("sim", ">=", 35, "saturate", "floor63", ann_clears=False, no_leak=(2, 64), noise_off=-16),
        Profile("hw2024", ">", 35, "wrap", "floor", ann_clears=True, no_leak=(3, 0), noise_off=-17),
        Profile(
            "hw_l6",
            ">",
            32,
            "wrap",
            "logical",
            ann_clears=True,
            no_leak=(3, 0),
            noise_off=-17,
            soft_reset=True,
            refractory=True,
        ),
        Profile(
            "hw_l6_legacy", ">", 35, "wrap", "logical", ann_clears=True, no_leak=(3, 0), noise_off=-17, soft_reset=True
        ),
    )
}


DEFAULT_LEVELS = 15


@dataclass(frozen=True)
class CriOptions:
    """Options of target cri.

    profile      build of the machine: sim, hw2024, hw_l6, hw_l6_legacy
    timesteps    T. Of a network of activations: levels of every activation and timesteps of its train, 15 if not given.
                 Of a spiking network: its timesteps, those it was made for if not given
    ranges       how calibration gives ranges: minmax, percentile, mse. Spiking networks have no ranges: refused there
                 unless it is mse
    readout      potential (exact integer outputs) or count, for boards that do not return potentials: outputs as spike
                 counts; a spiking network's outputs must be spikes then
    weight_bits  bits of a weight with its sign: 2 to 8 for networks of activations (8 if not given), 2 to 16 for
                 spiking networks (16 if not given; bit planes of an input take theirs off)
    input_bits   of a spiking network, bits of an input's codes: from the calibration data if not given
    leak         of a spiking network, for neurons that leak otherwise than the machine: nearest or exact (refuse)
    """

    profile: str = "sim"
    timesteps: int | None = None
    ranges: str = "mse"
    readout: str = "potential"
    weight_bits: int | None = None
    input_bits: int | None = None
    leak: str = "nearest"

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile must be one of {', '.join(PROFILES)}, not {self.profile!r}")
        if self.input_bits == 0:
            raise ValueError("input_bits must be 1 or more")
        QuantizeCri(levels=self._levels(), ranges=self.ranges, readout=self.readout)
        self.quantize_spiking()

    def _levels(self) -> int:
        return DEFAULT_LEVELS if self.timesteps is None else self.timesteps

    def quantize(self) -> QuantizeCri:
        """The quantization of a network of activations; NmcError NMC-T002 (usage) for options it does not have."""
        if self.input_bits is not None or self.leak != "nearest":
            raise usage("NMC-T002", "target cri: input_bits and leak are options for spiking networks")
        try:
            return QuantizeCri(
                levels=self._levels(),
                ranges=self.ranges,
                weight_bits=self.weight_bits or 8,
                readout=self.readout,
            )
        except ValueError as error:
            raise usage("NMC-T002", f"target cri: {error}") from None

    def quantize_spiking(self) -> QuantizeSpiking:
        """The quantization of a spiking network; ValueError for values out of range."""
        return QuantizeSpiking(
            weight_bits=16 if self.weight_bits is None else self.weight_bits,
            input_bits=self.input_bits or 0,
            leak=self.leak,
            timesteps=self.timesteps or 0,
            readout=self.readout,
            soft_reset=PROFILES[self.profile].soft_reset,
        )


class CriTarget:
    """HiAER-Spike / CRI: spiking networks neuron for neuron; activations travel as spike trains in the unary code."""

    name: ClassVar[str] = "cri"
    summary: ClassVar[str] = "HiAER-Spike / CRI: table of integer spiking neurons; spiking networks, or the unary code"
    options: ClassVar[type[CriOptions]] = CriOptions
    passes: ClassVar[dict[str, str]] = {
        "cri-terms": "nmc.backends.cri.terms:CriTerms",
        "quantize-cri": "nmc.backends.cri.quantize:QuantizeCri",
        "quantize-spiking": "nmc.backends.cri.spiking_quantize:QuantizeSpiking",
    }
    networks: ClassVar[tuple[str, ...]] = ("image", "video", "spiking")

    def pipeline(self, options: CriOptions, network: str = "image") -> tuple[Pass, ...]:
        if network != "spiking":
            last: Pass = options.quantize()
        elif options.ranges != CriOptions.ranges:
            raise usage("NMC-T002", f"target cri: ranges={options.ranges} is for networks of activations")
        else:
            last = options.quantize_spiking()
        return (Canonicalize(), FoldBatchNorm(), ExpandBatchNorm(), CriTerms(), last)

    def lower(self, graph: Graph, options: CriOptions, context: Context, provenance: dict[str, Any]) -> CriProgram:
        """The table of a graph in stage `quantized`; NmcError NMC-P004 for another stage, NMC-C… if it does not fit."""
        if graph.stage != "quantized":
            raise unsupported(
                "NMC-P004",
                f"target cri lowers a graph in stage quantized, the pipeline left it in {graph.stage}",
                hint="end the pipeline with quantize-cri",
            )
        lowering = SpikingLowering if graph.stepped else Lowering
        program = lowering(graph, PROFILES[options.profile]).run(provenance)
        check_limits(program)
        return program

    def facts(self) -> dict[str, Any]:
        """Profiles and limits, for `nmc targets`."""
        return {"profiles": [asdict(profile) for profile in PROFILES.values()], "limits": asdict(CORE)}
