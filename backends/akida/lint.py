"""The linter: which layers of an Akida program exceed what is published about a device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ...compiler.target import LayerDiagnostic
from ...runtime.program.akida import AkidaProgram, Layer
from ...runtime.program.akida_shapes import Signal, hosted, positions, signals
from .devices import ANY, AVERAGE_CELLS, AVERAGE_X, LIMITS, Allowed, LayerLimits, Span, find_device


@dataclass(frozen=True)
class Violation:
    """A limit that a layer exceeds.

    layer, kind, origin  the layer, and the user's names of what became it; empty where it is about the whole program
    rule                 what is limited, e.g. "stride"; got: what the layer has; limit: what it may have
    hint                 what to try
    """

    layer: str
    kind: str
    origin: tuple[str, ...]
    rule: str
    got: str
    limit: str
    hint: str


@dataclass(frozen=True)
class _Placed:
    """A layer with its surroundings: what it reads, and which layers read it."""

    layer: Layer
    limits: LayerLimits
    given: tuple[Signal, ...]
    readers: tuple[Layer, ...]


Finding = tuple[str, str, str, str]  # rule, got, limit, hint


def lint(program: AkidaProgram, device: str = "akida2") -> list[Violation]:
    """Every limit that any layer of a valid program exceeds, in layer order; empty if it fits.

    `devices.not_checked(device)` says what this leaves out. NmcError NMC-T003 (usage) for a device that is not known
    or about which nothing is published.
    """
    if find_device(device).version != "v2":
        hint = "a v2 device, such as akida2"
        return [Violation("", "", (), "version", "an Akida 2.0 program", f"{device}: Akida 1.0 programs", hint)]
    made = signals(program)
    found = []
    for layer in program.layers:
        given = tuple(made[name] for name in layer.inbounds) or (hosted(layer),)
        readers = tuple(reader for reader in program.layers if layer.name in reader.inbounds)
        placed = _Placed(layer, LIMITS[layer.kind], given, readers)
        findings = [finding for rule in RULES for finding in rule(placed)]
        found += [Violation(layer.name, layer.kind, layer.origin, *finding) for finding in findings]
    return found


def diagnostics(violations: list[Violation], device: str) -> list[LayerDiagnostic]:
    """The violations as diagnostics NMC-A010, with a row each for a table."""
    return [_diagnostic(violation, device) for violation in violations]


def _diagnostic(v: Violation, device: str) -> LayerDiagnostic:
    name = ", ".join(v.origin)
    return LayerDiagnostic(
        "NMC-A010",
        f"{v.kind} {v.layer!r}: {v.rule}: {v.got}" if v.layer else f"the program: {v.rule}: {v.got}",
        where=name or v.layer,
        why=f"device {device} allows {v.limit}",
        hint=v.hint,
        row={"layer": v.layer, "kind": v.kind, "your name": name, "rule": v.rule, "got": v.got, "limit": v.limit},
    )


def words(allowed: Allowed) -> str:
    """Allowed numbers as text: "1, 3" or "≤ 4096"."""
    return str(allowed) if isinstance(allowed, Span) else ", ".join(map(str, allowed))


def _number(rule: str, got: int, allowed: Allowed, hint: str) -> Iterator[Finding]:
    if got not in allowed:
        yield rule, str(got), words(allowed), hint


def _frame(placed: _Placed) -> Iterator[Finding]:
    """Extents of the input."""
    limits, (x, y, c) = placed.limits, placed.given[0].shape
    if limits.flattened:
        yield from _number("input X·Y·C", math.prod((x, y, c)), limits.channels, "pool or shrink the frame before it")
        return
    yield from _number("input X", x, limits.x, "frames of another size")
    yield from _number("input Y", y, limits.y, "frames of another size")
    yield from _number("input channels", c, limits.channels, "another number of channels before it")


def _window(placed: _Placed) -> Iterator[Finding]:
    """Kernel, stride and padding of a convolution."""
    p, limits = placed.layer.parameters, placed.limits
    if "kernel_size" not in p:
        return
    kernel, stride = p["kernel_size"], p.get("kernel_stride", 2)
    if kernel not in limits.strides:
        yield "kernel", str(kernel), words(tuple(limits.strides)), "a smaller kernel, or several layers"
    elif stride not in limits.strides[kernel]:
        limit = f"{words(limits.strides[kernel])} with kernel {kernel}"
        yield "stride", str(stride), limit, "stride 1 and a second layer, or another kernel"
    if "padding" not in p or p["padding"] in limits.paddings:
        return
    if p["padding"] != "sameupper":
        yield "padding", p["padding"], ", ".join(limits.paddings), "the padding that keeps the frame's size"
    elif stride != 2 or kernel not in limits.upper or p["pool_type"] == "max":
        got = f"sameupper, kernel {kernel}, stride {stride}, pooling {p['pool_type']}"
        limit = f"sameupper with kernel {words(limits.upper)} and stride 2, without max pooling"
        yield "padding", got, limit, "an odd frame size, or stride 1 and a second layer"


def _pooling(placed: _Placed) -> Iterator[Finding]:
    """Windows of max pooling, and the frame that global average pooling sums."""
    p, limits = placed.layer.parameters, placed.limits
    pool = p.get("pool_type", "none")
    if pool == "max" and (p["pool_size"], p["pool_stride"]) not in limits.pools:
        got = f"max, size {p['pool_size']}, stride {p['pool_stride']}"
        limit = " or ".join(f"size {size}, stride {stride}" for size, stride in limits.pools)
        yield "pooling", got, limit, "another pooling window, or a convolution with stride 2"
    if pool == "avg" and not limits.average:
        yield "pooling", "global average", "max pooling or none", "an identity 1×1 Conv2D that pools"
    elif pool == "avg":
        x, y, _ = positions(placed.layer, placed.given[0].shape)
        yield from _number("averaged X", x, AVERAGE_X, "a smaller frame before the average")
        yield from _number("averaged X·Y", x * y, AVERAGE_CELLS, "a smaller frame before the average")


def _activation(placed: _Placed) -> Iterator[Finding]:
    """Tables only in some kinds, and not behind max pooling."""
    p = placed.layer.parameters
    if p.get("activation") != "lut":
        return
    if not placed.limits.lut:
        yield "activation", "lut", "none, relu", "a rectifier, or the table in a convolution behind it"
    if p.get("pool_type") == "max":
        yield "activation", "lut with max pooling", "lut without max pooling", "pool in a layer of its own"


def _bits(placed: _Placed) -> Iterator[Finding]:
    """Widths of inputs, weights and results. A result that only a Dequantizer reads may be the whole buffer."""
    p, limits = placed.layer.parameters, placed.limits
    yield from _number("bits of input", placed.given[0].bits, limits.bits_in, "quantize what it reads otherwise")
    if "weights_bits" in p:
        yield from _number("bits of weights", p["weights_bits"], limits.weights, "another width of weights")
    raw = p.get("output_bits") == p.get("buffer_bits")
    last = all(reader.kind == "Dequantizer" for reader in placed.readers)
    if "output_bits" in p and not (raw and last):
        yield from _number("bits of output", p["output_bits"], limits.bits_out, "another width of activations")


def _size(placed: _Placed) -> Iterator[Finding]:
    """FIFO and output channels."""
    p, limits = placed.layer.parameters, placed.limits
    if "fifo_size" in p:
        yield from _number("FIFO", p["fifo_size"], limits.fifo, "a shorter temporal kernel, or a chain of two")
    if "filters" in p:
        yield from _number("filters", p["filters"], limits.filters, "fewer output channels")


def _wiring(placed: _Placed) -> Iterator[Finding]:
    """How many layers it reads and feeds."""
    sources, limits = placed.layer.inbounds, placed.limits
    if len(sources) > 1:
        yield from _number("inputs", len(sources), limits.inputs, "several of these layers, one behind the other")
    if len(set(sources)) < len(sources):
        yield "inputs", "the same layer twice", "distinct layers", "an identity convolution in one branch"
    yield from _number("readers", len(placed.readers), limits.readers, "an identity 1×1 Conv2D that hands it on")


RULES = (_frame, _window, _pooling, _activation, _bits, _size, _wiring)


def limits_table() -> list[dict[str, str]]:
    """The limits of every kind of layer as text, with equal keys; "" where none is published."""
    return [_row(kind, limits) for kind, limits in LIMITS.items()]


def _row(kind: str, limits: LayerLimits) -> dict[str, str]:
    def shown(allowed: Allowed) -> str:
        return "" if allowed == ANY else words(allowed)

    pools = [f"max {size}/{stride}" for size, stride in limits.pools]
    average = [f"average, X {AVERAGE_X}, X·Y {AVERAGE_CELLS}"] if limits.average else []
    upper = [f"sameupper (kernel {words(limits.upper)}, stride 2, no max pooling)"] if limits.upper else []
    channels = shown(limits.channels)
    return {
        "layer": kind,
        "X": shown(limits.x),
        "Y": shown(limits.y),
        "C": f"X·Y·C {channels}" if limits.flattened else channels,
        "kernel: strides": "; ".join(f"{kernel}: {words(strides)}" for kernel, strides in limits.strides.items()),
        "padding": ", ".join((*limits.paddings, *upper)),
        "pooling size/stride": ", ".join((*pools, *average)),
        "bits in, weights, out": "; ".join(map(shown, (limits.bits_in, limits.weights, limits.bits_out))).strip("; "),
        "FIFO": shown(limits.fifo),
        "filters": shown(limits.filters),
        "lut": "yes" if limits.lut else "",
        "reads": shown(limits.inputs),
        "read by": shown(limits.readers),
    }
