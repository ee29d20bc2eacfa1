"""The Akida machine as a compiler target: options, pipeline, lowering, devices."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from ...compiler.ir import Graph
from ...compiler.levels import Budget, by_level, check_budget, take_levels
from ...compiler.passes.base import Context, Pass
from ...compiler.passes.canonicalize import Canonicalize
from ...compiler.passes.factorize_conv3d import FactorizeConv3d
from ...compiler.passes.fold_batch_norm import FoldBatchNorm
from ...compiler.passes.make_causal import MakeCausal
from ...compiler.passes.stream import Stream
from ...compiler.target import LayerDiagnostic
from ...runtime.program.akida import AkidaProgram
from ...runtime.program.hybrid import HybridProgram
from ...runtime.program.records import OPTIONAL
from .calibrate import METHODS
from .devices import DEVICES, find_device, not_checked
from .lint import diagnostics, limits_table, lint
from .lower import lower
from .methods import Methods
from .rounding import METHODS as ROUNDINGS
from .windows import AkidaWindows

SWITCH = ("auto", "off")
EQUALIZE = ("auto", "bits", "off")
CORRECTIONS = ("auto", "analytic", "off")
CAUSAL = ("delay", "strict")
BITS = (4, 8)
WEIGHT_RANGES = ("full", "mse")


@dataclass(frozen=True)
class AkidaOptions:
    """Options of target akida.

    device           what the program shall fit: see `nmc targets`; its limits are checked when it is compiled
    ranges           how calibration gives ranges: minmax, percentile, mse, kl
    weight_bits      8, or 4 where the machine takes it (not image, temporal and transposed layers)
    activation_bits  8, or 4 for rectified values where the machine takes it
    rounding         of weights: nearest; layer: learned on the samples; network: so that it makes up for earlier layers
    size_budget      bytes that all weights may take: the layers whose outputs notice it least get weights of 4 bits
    range_search     auto: ranges of outputs are searched in the integer network; off
    weight_ranges    full, or mse: weights of 4 bits are clipped where that lessens the error
    equalize         auto: channels get ranges of their own where the next layer gains by it; bits: likewise, with
                     the next layer's own bits where auto counts 8; off: one range a layer
    bias_correction  auto: biases make up for mean errors on the samples where that lessens them; analytic: for those
                     of rounded weights only, at the means of the float network; off
    causal           delay: layers that look ahead make the output late; strict: they are refused
    host_fallback    what the machine cannot do becomes host segments (docs/host_segments.md); else it is refused
    optimize         0, 1 or 2: what the options are that are not given (docs/accuracy_methods.md)
    time_budget      seconds after which searches of level 2 end
    """

    device: str = "akida2"
    ranges: str = by_level("minmax", "mse", "mse")
    weight_bits: int = 8
    activation_bits: int = 8
    equalize: str = by_level("off", "auto", "bits")
    bias_correction: str = by_level("off", "auto", "auto")
    causal: str = "delay"
    host_fallback: bool = field(default=False, metadata=OPTIONAL)
    rounding: str = by_level("nearest", "nearest", "network", later=True)
    range_search: str = field(default="off", metadata=OPTIONAL)
    size_budget: int | None = field(default=None, metadata=OPTIONAL)
    weight_ranges: str = by_level("full", "full", "mse", later=True)
    optimize: int = field(default=1, metadata=OPTIONAL)
    time_budget: float | None = field(default=None, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        take_levels(self)
        check_budget(self.time_budget)
        for name, known in (
            ("ranges", METHODS),
            ("weight_bits", BITS),
            ("activation_bits", BITS),
            ("rounding", ROUNDINGS),
            ("weight_ranges", WEIGHT_RANGES),
            ("equalize", EQUALIZE),
            ("range_search", SWITCH),
            ("bias_correction", CORRECTIONS),
            ("causal", CAUSAL),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be {' or '.join(map(str, known))}, not {getattr(self, name)!r}")
        if self.size_budget is not None:
            self._check_size_budget(self.size_budget)
        find_device(self.device)

    def _check_size_budget(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"size_budget must be a number of bytes above 0, not {size}")
        if self.weight_bits != 8:
            raise ValueError("size_budget chooses between 8 and 4 bits: it goes with weight_bits 8")
        if self.host_fallback:
            raise ValueError("size_budget is for a whole network on the device: it does not go with host_fallback")

    def methods(self) -> Methods:
        """How integers are found."""
        return Methods(
            ranges=self.ranges,
            search=self.range_search == "auto",
            equalize=self.equalize,
            correct=self.bias_correction,
            rounding=self.rounding,
            clip=self.weight_ranges == "mse",
            size_budget=self.size_budget,
        )


class AkidaTarget:
    """Akida 2.0: a sequence of int8 layers, one frame at a time."""

    name: ClassVar[str] = "akida"
    summary: ClassVar[str] = "Akida 2.0: sequence of int8 layers that streams images and video frame by frame"
    options: ClassVar[type[AkidaOptions]] = AkidaOptions
    devices: ClassVar[tuple[str, ...]] = tuple(DEVICES)
    passes: ClassVar[dict[str, str]] = {"akida-windows": "nmc.backends.akida.windows:AkidaWindows"}
    networks: ClassVar[tuple[str, ...]] = ("image", "video")

    def pipeline(self, options: AkidaOptions, network: str = "image") -> tuple[Pass, ...]:
        front: tuple[Pass, ...] = (Canonicalize(), FoldBatchNorm())
        if network == "video":
            causal = MakeCausal(causal=options.causal)
            front += (FactorizeConv3d(), Canonicalize(), causal, Stream(mean="window", zero_fill=True))
        return (*front, AkidaWindows())

    def lower(
        self, graph: Graph, options: AkidaOptions, context: Context, provenance: dict[str, Any]
    ) -> AkidaProgram | HybridProgram:
        """The quantized program; NmcError NMC-A001 with all that the machine cannot hold, or NMC-A003."""

        def whole(graph: Graph, context: Context, provenance: dict[str, Any]) -> AkidaProgram:
            return lower(
                graph,
                context,
                provenance,
                weight_bits=options.weight_bits,
                activation_bits=options.activation_bits,
                methods=options.methods(),
                budget=budget,
            )

        budget = Budget(options.time_budget)

        if not options.host_fallback:
            return whole(graph, context, provenance)
        from .lower_hybrid import lower_hybrid  # takes the writer of host segments with it

        return lower_hybrid(graph, context, provenance, whole)

    def lint(self, program: AkidaProgram | HybridProgram, device: str) -> list[LayerDiagnostic]:
        """What of the program exceeds the device's published limits, segment by segment."""
        if isinstance(program, AkidaProgram):
            return diagnostics(lint(program, device), device)
        found: list[LayerDiagnostic] = []
        for segment in program.devices:
            for problem in diagnostics(lint(segment.program, device), device):
                found.append(replace(problem, row={"segment": segment.name, **problem.row}))
        return found

    def not_checked(self, device: str) -> tuple[str, ...]:
        """What is not known of the device, so that `lint` cannot check it."""
        return not_checked(device)

    def facts(self) -> dict[str, Any]:
        """Devices and limits, for `nmc targets`."""
        return {"devices": [asdict(device) for device in DEVICES.values()], "limits": limits_table()}
