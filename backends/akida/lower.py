"""From a float graph in layers' windows to a program: layer sequence, calibration, integers, host's side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...compiler.ir import Graph
from ...compiler.passes.base import Context, GivenScale
from ...runtime.program.akida import AkidaProgram, GraphInput, GraphOutput, Layer
from .build import build
from .calibrate import FloatRun, enough, spreads
from .codes import InputCode, input_code
from .embedding import NAME as WINDOWS
from .floats import FloatInput, FloatNet
from .given import input_code as given_code
from .given import take_scales, with_ranges
from .given_report import tell
from .quantize import LayerReport, Quantizer
from .scales import assign
from .widths import set_widths

REPORT = "quantize-akida"


def lower(
    graph: Graph,
    context: Context,
    provenance: dict[str, Any],
    *,
    ranges: str = "mse",
    weight_bits: int = 8,
    activation_bits: int = 8,
    equalize: bool = True,
    correct: bool = True,
) -> AkidaProgram:
    """The program of a graph in stage `canonical` or `streaming`, quantized on the context's samples.

    NmcError NMC-A001 with everything the machine cannot hold. `context.reports["quantize-akida"]` gets a LayerReport
    for each layer.
    """
    net = build(graph, {d.where: d.why for d in context.declined if d.pass_name == WINDOWS}, context.scales)
    set_widths(net, weight_bits, activation_bits)
    if context.scales:
        take_scales(net, weight_bits)
    assert context.samples is not None
    samples, total = enough(net, context.samples)
    used = len(next(iter(samples.values())))
    if used < total:
        context.warnings.append(
            f"calibration took the first {used} of {total} samples: more would need too much memory"
        )
    steps = 2 * len(net.layers)
    done = iter(range(1, steps + 1))

    def progress() -> None:
        context.progress(next(done), steps)

    run = FloatRun(net, samples)
    found = with_ranges(net, spreads(run, ranges, progress), bool(context.made_up))
    codes = {e.layer: _input_code(e, run, context.scales.get(e.name)) for e in net.inputs}
    fed = {name: code.scale for name, code in codes.items() if code.signed}
    scales = assign(net, found, fed, equalize and not context.scales)
    codes |= {name: replace(codes[name], scale=float(scales[name][0])) for name in fed}
    quantizer = Quantizer(run, found, scales, codes, correct and not context.made_up)
    quantizer.run(progress)
    if context.scales:
        values = {value.name for value in (*graph.inputs, *(node.result for node in graph.nodes))}
        known = {name: scale for name, scale in context.scales.items() if name in values}
        said, calibrated = tell(net, quantizer.layers, scales, known, bool(context.made_up))
        context.warnings += said
        if calibrated and context.made_up:
            context.warnings.append(context.made_up)
    context.reports.setdefault(REPORT, []).extend(quantizer.reports)
    return _program(net, quantizer, codes, provenance)


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
