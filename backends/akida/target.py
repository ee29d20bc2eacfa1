"""The Akida machine as a compiler target: options, pipeline, lowering, devices."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from ...compiler.ir import Graph
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
from .windows import AkidaWindows

SWITCH = ("auto", "off")
CAUSAL = ("delay", "strict")
BITS = (4, 8)


@dataclass(frozen=True)
class AkidaOptions:
    """Options of target akida.

    device           what the program shall fit: see `nmc targets`; its limits are checked when it is compiled
    ranges           how calibration gives ranges: minmax, percentile, mse
    weight_bits      8, or 4 where the machine takes it (not image, temporal and transposed layers)
    activation_bits  8, or 4 for rectified values where the machine takes it
    equalize         auto: channels get ranges of their own where the next layer gains by it; off: one range a layer
    bias_correction  auto: biases make up for mean errors on the samples where that lessens them; off
    causal           delay: layers that look ahead make the output late; strict: they are refused
    host_fallback    what the machine cannot do becomes host segments (docs/host_segments.md); else it is refused
    """

    device: str = "akida2"
    ranges: str = "mse"
    weight_bits: int = 8
    activation_bits: int = 8
    equalize: str = "auto"
    bias_correction: str = "auto"
    causal: str = "delay"
    host_fallback: bool = field(default=False, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        for name, known in (
            ("ranges", METHODS),
            ("weight_bits", BITS),
            ("activation_bits", BITS),
            ("equalize", SWITCH),
            ("bias_correction", SWITCH),
            ("causal", CAUSAL),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be {' or '.join(map(str, known))}, not {getattr(self, name)!r}")
        find_device(self.device)


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
                ranges=options.ranges,
                weight_bits=options.weight_bits,
                activation_bits=options.activation_bits,
                equalize=options.equalize == "auto",
                correct=options.bias_correction == "auto",
            )

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
