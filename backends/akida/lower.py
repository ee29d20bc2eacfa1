"""From a float graph in layers' windows to a program: layer sequence, calibration, integers, host's side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...compiler.ir import Graph
from ...compiler.levels import Budget
from ...compiler.passes.base import Context, GivenScale
from ...runtime.program.akida import AkidaProgram, GraphInput, GraphOutput, Layer
from .build import build
from .calibrate import FloatRun, Spread, enough, spreads
from .codes import InputCode, input_code
from .embedding import NAME as WINDOWS
from .floats import FloatInput, FloatNet
from .given import input_code as given_code
from .given import take_scales, with_ranges
from .given_report import tell, tell_weights
from .methods import REPORT, Methods
from .mixed import narrow
from .quantize import LayerReport, Quantizer
from .range_search import RangeSearch
from .scales import assign
from .widths import set_widths

USUAL = Methods()


def lower(
    graph: Graph,
    context: Context,
    provenance: dict[str, Any],
    *,
    weight_bits: int = 8,
    activation_bits: int = 8,
    methods: Methods = USUAL,
    budget: Budget | None = None,
) -> AkidaProgram:
    """The program of a graph in stage `canonical` or `streaming`, quantized on the context's samples.

    NmcError NMC-A001 with everything the machine cannot hold, NMC-A004 if the weights exceed their size budget.
    `context.reports["quantize-akida"]` gets a LayerReport for each layer; searches end when the time `budget` is up.
    """
    methods = methods.allowed(context)
    net = build(graph, {d.where: d.why for d in context.declined if d.pass_name == WINDOWS}, context.scales)
    set_widths(net, weight_bits, activation_bits)
    if context.quantized:
        take_scales(net, weight_bits)
    assert context.samples is not None
    samples, total = enough(net, context.samples)
    used = len(next(iter(samples.values())))
    if used < total:
        context.warnings.append(
            f"calibration took the first {used} of {total} samples: more would need too much memory"
        )
    steps = len(net.layers) * (2 + methods.search + (methods.size_budget is not None))
    done = iter(range(1, steps + 1))

    def progress() -> None:
        context.progress(next(done), steps)

    run = FloatRun(net, samples)
    if methods.size_budget is not None:
        narrow(net, run, methods.size_budget, progress)
    found = with_ranges(net, spreads(run, methods.ranges, progress), bool(context.made_up))
    codes = {e.layer: _input_code(e, run, context.scales.get(e.name)) for e in net.inputs}
    quantizer = _quantized(run, found, codes, methods, budget or Budget(), progress)
    _tell_searches(quantizer, context)
    if context.quantized:
        values = {value.name for value in (*graph.inputs, *(node.result for node in graph.nodes))}
        known = {name: scale for name, scale in context.scales.items() if name in values}
        said, calibrated = tell(net, quantizer.layers, quantizer.scales, known, bool(context.made_up))
        context.warnings += said if context.scales else [tell_weights(quantizer.layers)]
        if calibrated and context.made_up:
            context.warnings.append(context.made_up)
    context.reports.setdefault(REPORT, []).extend(quantizer.reports)
    return _program(net, quantizer, quantizer.inputs, provenance)


def _quantized(
    run: FloatRun,
    found: dict[str, Spread],
    codes: Mapping[str, InputCode],
    methods: Methods,
    budget: Budget,
    progress: Callable[[], object],
) -> Quantizer:
    """A quantizer that has run; with a search of ranges it is the second one, with the ranges that the first found."""
    net = run.net
    fed = {name: code.scale for name, code in codes.items() if code.signed}

    def quantizer(found: dict[str, Spread], methods: Methods, search: RangeSearch | None = None) -> Quantizer:
        scales = assign(net, found, fed, methods.equalize)
        scaled = {name: replace(codes[name], scale=float(scales[name][0])) for name in fed}
        made = Quantizer(run, found, scales, {**codes, **scaled}, methods, budget, search)
        made.run(progress)
        return made

    if not methods.search:
        return quantizer(found, methods)
    search = RangeSearch(net)
    bits = {name: layer.parameters.get("output_bits") for name, layer in net.layers.items()}
    quantizer(found, replace(methods, rounding="nearest"), search)
    for name, layer in net.layers.items():
        if bits[name] is not None:
            layer.parameters["output_bits"] = bits[name]  # outputs of the network have got those of their sums
    return quantizer(search.applied(found), methods)


def _tell_searches(quantizer: Quantizer, context: Context) -> None:
    for where, why in quantizer.declined:
        context.decline(REPORT, where, why)
    if quantizer.late:
        first, number = quantizer.late[0], len(quantizer.late)
        said = f"the time budget of {quantizer.budget.seconds:g} s was up before layer {first!r}"
        context.warnings.append(f"{said}: {number} layers have weights rounded to nearest")


def _input_code(entry: FloatInput, run: FloatRun, given: GivenScale | None) -> InputCode:
    image = run.net.layers[entry.layer].kind == "InputConv2D"
    return input_code(run.given(entry), image) if given is None else given_code(given, image)


def _program(
    net: FloatNet, quantizer: Quantizer, codes: Mapping[str, InputCode], provenance: dict[str, Any]
) -> AkidaProgram:
    layers, read = _sealed(quantizer.layers, quantizer.reports), dict[str, str]()
    names = {layer.name for layer in layers}
    for output in net.outputs:
        if output.layer in read:
            continue
        name = f"{output.layer}.float"
        while name in names:
            name += "_"
        names.add(name)
        scale = quantizer.scales[output.layer].astype(np.float32)
        origin = net.layers[output.layer].origin
        layers.append(Layer(name, "Dequantizer", (output.layer,), {}, {"scales": scale}, origin))
        read[output.layer] = name
    inputs = tuple(
        GraphInput(
            e.name,
            e.layer,
            e.shape,
            e.axis,
            e.order,
            codes[e.layer].scale,
            codes[e.layer].zero_point,
            8,
            codes[e.layer].signed,
        )
        for e in net.inputs
    )
    outputs = tuple(GraphOutput(o.name, read[o.layer], o.shape, o.order, o.timing) for o in net.outputs)
    return AkidaProgram(tuple(layers), inputs, outputs, provenance)


def _sealed(layers: list[Layer], reports: list[LayerReport]) -> list[Layer]:
    """The layers with what calibration measured beside their proofs."""
    measured = {report.name: {"snr_db": report.snr, "own_snr_db": report.own} for report in reports}
    return [
        Layer(x.name, x.kind, x.inbounds, x.parameters, x.variables, x.origin, {**x.proof, **measured[x.name]})
        for x in layers
    ]
