"""The CRI machine as data (profiles, limits) and as a compiler target (options, pipeline, lowering)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from ...compiler.diagnostics import unsupported, usage
from ...compiler.ir import Graph
from ...compiler.levels import by_level, check_budget, take_levels
from ...compiler.passes.base import Context, Pass
from ...compiler.passes.canonicalize import Canonicalize
from ...compiler.passes.fold_batch_norm import ExpandBatchNorm, FoldBatchNorm
from ...runtime.program.cri import CriProgram, Profile
from ...runtime.program.records import OPTIONAL
from .limits import CORE, check_limits
from .lower import Lowering
from .quantize import QuantizeCri
from .rate_code import RateCode
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
CODES = ("unary", "rate")
RATE_RANGES = ("minmax", "percentile", "percentile")  # by level: mse was no better on the networks measured


@dataclass(frozen=True)
class CriOptions:
    """Options of target cri.

    profile      build of the machine: sim, hw2024, hw_l6, hw_l6_legacy
    timesteps    T. Of a network of activations: levels of every activation and timesteps of its train, 15 if not given.
                 Of a spiking network: its timesteps, those it was made for if not given
    ranges       how calibration gives ranges: minmax, percentile, mse. Spiking networks have no ranges: refused there
                 unless it is mse. With code=rate, the thresholds; if not given minmax at level 0, else percentile
    readout      potential (exact integer outputs) or count, for boards that do not return potentials: outputs as spike
                 counts; a spiking network's outputs must be spikes then
    weight_bits  bits of a weight with its sign: 2 to 8 for networks of activations (8 if not given), 2 to 16 for
                 spiking networks (16 if not given; bit planes of an input take theirs off)
    input_bits   of a spiking network, bits of an input's codes: from the calibration data if not given
    leak         of a spiking network, for neurons that leak otherwise than the machine: nearest or exact (refuse)
    code         of a network of activations: unary (exact, T levels) or rate (integrate-and-fire neurons, T timesteps)
    rate_reset   of code=rate: hard (potentials to 0) or soft (minus the threshold; profiles hw_l6 and hw_l6_legacy)
    refit        of the unary code: auto (weights, biases, ranges are refitted layer by layer) or off
    spread       of the unary code: auto (more levels for layers that need them, in as many timesteps) or off
    optimize     0, 1 or 2: what the options are that are not given (docs/accuracy_methods.md)
    time_budget  seconds after which searches of level 2 end
    """

    profile: str = "sim"
    timesteps: int | None = None
    ranges: str = by_level("minmax", "mse", "mse")
    readout: str = "potential"
    weight_bits: int | None = None
    input_bits: int | None = None
    leak: str = "nearest"
    refit: str = by_level("off", "off", "auto", later=True)
    spread: str = by_level("off", "off", "auto", later=True)
    code: str = field(default="unary", metadata=OPTIONAL)
    rate_reset: str = field(default="hard", metadata=OPTIONAL)
    optimize: int = field(default=1, metadata=OPTIONAL)
    time_budget: float | None = field(default=None, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        by_code = self.ranges is None  # pyright: ignore[reportUnnecessaryComparison]
        take_levels(self)
        check_budget(self.time_budget)
        if self.profile not in PROFILES:
            raise ValueError(f"profile must be one of {', '.join(PROFILES)}, not {self.profile!r}")
        if self.input_bits == 0:
            raise ValueError("input_bits must be 1 or more")
        if self.code not in CODES:
            raise ValueError(f"code must be one of {', '.join(CODES)}, not {self.code!r}")
        if self.code == "rate" and by_code:
            object.__setattr__(self, "ranges", RATE_RANGES[self.optimize])
        if self.rate_reset != "hard" and self.code != "rate":
            raise ValueError(f"rate_reset={self.rate_reset} is for code=rate")
        if self.code == "rate":
            self.rate_code()
        QuantizeCri(
            levels=self._levels(), ranges=self.ranges, readout=self.readout, refit=self.refit, spread=self.spread
        )
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
                refit=self.refit,
                spread=self.spread,
                seconds=self.time_budget or 0.0,
            )
        except ValueError as error:
            raise usage("NMC-T002", f"target cri: {error}") from None

    def rate_code(self) -> RateCode:
        """The neurons that stand for activations with code=rate; ValueError for values out of range."""
        return RateCode(self._levels(), self.rate_reset, self.ranges)

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
        "rate-code": "nmc.backends.cri.rate_code:RateCode",
        "quantize-cri": "nmc.backends.cri.quantize:QuantizeCri",
        "quantize-spiking": "nmc.backends.cri.spiking_quantize:QuantizeSpiking",
    }
    networks: ClassVar[tuple[str, ...]] = ("image", "video", "spiking")

    def pipeline(self, options: CriOptions, network: str = "image") -> tuple[Pass, ...]:
        last: tuple[Pass, ...]
        if network != "spiking":
            rate = (options.rate_code(), CriTerms(), options.quantize_spiking())
            last = rate if options.code == "rate" else (options.quantize(),)
        elif options.code == "rate":
            raise usage("NMC-T002", "target cri: code=rate is for networks of activations")
        elif options.ranges not in ("mse", CriOptions(optimize=options.optimize).ranges):
            raise usage("NMC-T002", f"target cri: ranges={options.ranges} is for networks of activations")
        else:
            last = (options.quantize_spiking(),)
        return (Canonicalize(), FoldBatchNorm(), ExpandBatchNorm(), CriTerms(), *last)

    def lower(self, graph: Graph, options: CriOptions, context: Context, provenance: dict[str, Any]) -> CriProgram:
        """The table of a graph in stage `quantized`; NmcError NMC-P004 for another stage, NMC-C… if it does not fit."""
        if graph.stage != "quantized":
            raise unsupported(
                "NMC-P004",
                f"target cri lowers a graph in stage quantized, the pipeline left it in {graph.stage}",
                hint="end the pipeline with quantize-cri",
            )
        lowering = SpikingLowering if graph.stepped else Lowering
        context.stage("building the tables")
        program = lowering(graph, PROFILES[options.profile]).run(provenance, context.progress)
        check_limits(program)
        return program

    def facts(self) -> dict[str, Any]:
        """Profiles and limits, for `nmc targets`."""
        return {"profiles": [asdict(profile) for profile in PROFILES.values()], "limits": asdict(CORE)}
