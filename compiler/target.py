"""What a target is to the compiler, and how one is found by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, ClassVar, NoReturn, Protocol, runtime_checkable

from .diagnostics import Collector, Diagnostic, NmcError, unsupported, usage
from .ir import Graph
from .ir.ops import Li, Lif, Threshold
from .passes.base import Context, Pass
from .passes.take_scales import TakeScales, has_quantizers
from .pipeline import load_class, nearest

GROUP = "nmc.targets"


class Target(Protocol):
    """A backend's entry: its option record, its pipeline for those options, and the lowering of the last graph.

    `options` is a frozen dataclass with defaults whose constructor raises ValueError for values out of range.
    `passes` are the backend's own passes (name → "module:Class"). `networks` are the kinds of networks (`network_kind`)
    that it takes, and `pipeline` gives the passes for one of them.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[type[Any]]
    passes: ClassVar[Mapping[str, str]]
    networks: ClassVar[tuple[str, ...]]

    def pipeline(self, options: Any, network: str = "image") -> tuple[Pass, ...]: ...

    def lower(self, graph: Graph, options: Any, context: Context, provenance: dict[str, Any]) -> Any: ...

    def facts(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class LayerDiagnostic(Diagnostic):
    """A diagnostic about a layer of a program. `row` has its cells for a table, by column."""

    row: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class DeviceTarget(Protocol):
    """What a target offers beside `Target` if programs can be held against the limits of single devices.

    `devices` are their names, the default first. `lint` finds every limit that a program exceeds, `not_checked` says
    in sentences what that leaves out; both raise NmcError NMC-T003 for a device that they do not know.
    """

    devices: ClassVar[tuple[str, ...]]

    def lint(self, program: Any, device: str) -> list[LayerDiagnostic]: ...

    def not_checked(self, device: str) -> tuple[str, ...]: ...


def network_kind(graph: Graph) -> str:
    """What kind of network an imported graph is: "spiking" (timestep by timestep), "stateful" (step by step, without
    neurons), "video" (whole clips) or "image"."""
    if graph.stepped:
        if graph.feedback and not any(isinstance(node.op, Lif | Li | Threshold) for node in graph.nodes):
            return "stateful"
        return "spiking"
    return "video" if any(value.type.axis("T") is not None for value in graph.inputs) else "image"


def pipeline_of(target: Target, options: Any, graph: Graph) -> tuple[Pass, ...]:
    """The target's passes for an imported graph; for a quantized model also the one that takes its scales.

    NmcError NMC-T004 unless the target takes that kind of network.
    """
    kind = network_kind(graph)
    if kind == "stateful" and kind not in target.networks:
        _refuse_states(graph, target)
    check_network(target, kind)
    passes = target.pipeline(options, kind)
    first = next((i for i, step in enumerate(passes) if not step.quantizers), len(passes))
    return (*passes[:first], TakeScales(), *passes[first:]) if has_quantizers(graph) else passes


def check_network(target: Target, kind: str) -> None:
    """NmcError NMC-T004 (unsupported) unless the target takes that kind of network."""
    if kind not in target.networks:
        raise unsupported(
            "NMC-T004",
            f"target {target.name} does not run {kind} networks",
            why=f"it runs {' and '.join(target.networks)} networks",
            hint="`nmc targets` lists the targets",
        )


def _refuse_states(graph: Graph, target: Target) -> NoReturn:
    """NmcError NMC-V005 for each state: a FIFO would have become a causal layer at import."""
    problems = Collector()
    why = "it is not the last frames of one value, joined in front of the next ones along an axis of time"
    hint = "keep only FIFOs outside the model (docs/import.md), or export the model for whole clips"
    for state in graph.feedback:
        what = f"target {target.name!r} cannot hold the state %{state.name}"
        problems.add("NMC-V005", what, ", ".join(state.origin), why, hint)
    raise NmcError(problems.diagnostics, problems.exit_code)


def target_names() -> list[str]:
    """Names of all installed targets, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def find_target(name: str) -> Target:
    """The installed target of that name; NmcError NMC-T001 (usage) if there is none."""
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return load_class(entry.value)()
    raise usage("NMC-T001", f"unknown target {name!r}", hint=nearest(name, target_names()))


def make_options(target: Target, values: Mapping[str, Any]) -> Any:
    """The target's option record; NmcError NMC-T002 (usage) for unknown names or values out of range."""
    names = list(target.options.__dataclass_fields__)
    for name in values:
        if name not in names:
            raise usage("NMC-T002", f"target {target.name} has no option {name!r}", hint=nearest(name, names))
    try:
        return target.options(**values)
    except ValueError as error:
        raise usage("NMC-T002", f"target {target.name}: {error}") from None
