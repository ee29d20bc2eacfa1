"""An Akida program as an ONNX model of one frame, with the program's integers (docs/onnx_export.md)."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
from onnx import helper

from ....compiler.diagnostics import Diagnostic, Exit, NmcError
from ....runtime.program.akida import AkidaProgram, GraphInput, GraphOutput, Layer, Triple, in_order
from ....runtime.program.akida_check import validate
from ....runtime.program.akida_shapes import Signal, hosted, signals
from ....runtime.program.atomic import atomic_write
from .onnx_layers import Layers
from .onnx_parts import DOUBLE, FLOAT, INT64, IR_VERSION, OPSET, Frames, powers

AXES = "HWC"
EXACT = 2**53


def write_onnx(program: AkidaProgram, path: str | os.PathLike[str]) -> tuple[Path]:
    """Write `onnx_stream(program)` to `path`; equal programs give equal bytes. NMC-F014 where it cannot be written."""
    model = onnx_stream(program)
    atomic_write(path, lambda file: file.write(model))
    return (Path(path),)


def onnx_stream(program: AkidaProgram, layers: bool = False) -> bytes:
    """One frame of the program for N streams as an ONNX model of standard operators (opset 21), serialized.

    Inputs: each input's frame, float32 (N, *frame_shape) in the source model's values and layout, as
    `AkidaSession.step` takes it; `<layer>.state.in` of each temporal layer, int32 (N, X, Y, T, C): its FIFO with the
    oldest frame first, zeros at the start. Outputs: each output's frame, float32 (N, *frame_shape), its integers
    `<output>.int`, int64, and `<layer>.state.out`: the FIFO from then on. A name that is taken gets a `_`.
    `layers`: also `<layer>.out` of every layer, int64 or float32 (N, X, Y, C).

    NmcError NMC-F009 to F013 for an inconsistent program, NMC-X005 (unsupported) for layers whose sums of products may
    reach 2^53, where float64 is no longer exact.
    """
    validate(program)
    drawing, found = Layers(), signals(program)
    _check_sums(program, found)
    names = {entry.layer: drawing.public(entry.name) for entry in program.inputs}
    ends = [(drawing.public(o.name), drawing.public(f"{o.name}.int"), o) for o in program.outputs]
    given = {entry.layer: entry for entry in program.inputs}
    for layer in program.layers:
        entry = given.get(layer.name)
        drawing.layer = layer.name
        drawing.draw(layer, entry and _feed(drawing, entry, names[layer.name], hosted(layer).shape))
    for name, whole, output in ends:
        _arranged(drawing, output, name, whole)
    if layers:
        for layer in program.layers:
            floats = layer.name in drawing.floats
            value = drawing.floats[layer.name] if floats else drawing.found[layer.name].value
            drawing.output(f"{layer.name}.out", value, found[layer.name].shape, FLOAT if floats else INT64)
    return _proto(drawing, program)


def _feed(drawing: Layers, entry: GraphInput, name: str, shape: Triple) -> Frames:
    """The input's frames as the layer takes them: clip(round_half_even(x / scale) + zero_point), or float32."""
    x = drawing.input(name, entry.frame_shape, FLOAT)
    spread = drawing.reshape(x, in_order(shape, entry.order))
    moved = drawing.op("Transpose", spread, perm=[0, *(1 + entry.order.index(letter) for letter in AXES)])
    if entry.bits == 0:
        return Frames(moved, shape)
    quotient = drawing.op("Div", drawing.cast(moved, DOUBLE), drawing.number(entry.scale, "scale"))
    code = drawing.plus(drawing.op("Round", quotient), entry.zero_point)
    return Frames(drawing.sat(code, entry.bits, entry.signed), shape)


def _arranged(drawing: Layers, output: GraphOutput, name: str, whole: str) -> None:
    """The output's frames in the source model's layout, and the integers they were made of."""
    drawing.layer = output.layer
    integers = drawing.found[output.layer].value
    for value, public, dtype in ((drawing.floats.get(output.layer, integers), name, FLOAT), (integers, whole, INT64)):
        moved = drawing.op("Transpose", value, perm=[0, *(1 + AXES.index(letter) for letter in output.order)])
        drawing.output(public, drawing.reshape(moved, output.frame_shape), output.frame_shape, dtype)


def _check_sums(program: AkidaProgram, found: dict[str, Signal]) -> None:
    """NmcError NMC-X005 with every layer whose sums of products may leave float64's whole numbers."""
    problems = []
    for layer in program.layers:
        if "weights" not in layer.variables:
            continue
        bound = _bound(layer, found[layer.inbounds[0]] if layer.inbounds else hosted(layer))
        if bound >= EXACT:
            what = f"the sums of layer {layer.name!r} may reach {bound:.3g}"
            why = "the model computes in float64, which is exact below 2^53"
            problems.append(Diagnostic("NMC-X005", what, layer.name, why, "export akida-json, or simulate with nmc"))
    if problems:
        raise NmcError(problems, Exit.UNSUPPORTED)


def _bound(layer: Layer, given: Signal) -> float:
    """A bound of |Σ x · w|: the largest |x| after its shift, which saturates, times the largest Σ |w|.

    Depthwise kernels (K, K, C, 1) are summed over their channels too, which only makes the bound larger.
    """
    shifts = layer.variables.get("input_shift", np.zeros(1))
    largest = min(
        2.0 ** (given.bits - given.signed) * powers(shifts).max(), 2.0 ** (layer.parameters["buffer_bits"] - 1)
    )
    w = np.abs(layer.variables["weights"].astype(np.float64))
    return float(largest * w.reshape(-1, w.shape[-1]).sum(axis=0).max())


def _proto(drawing: Layers, program: AkidaProgram) -> bytes:
    graph = helper.make_graph(drawing.nodes, "program", drawing.inputs, drawing.outputs, drawing.initializers)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="nmc")
    timing = {output.name: asdict(output.timing) for output in program.outputs}
    props = {"frames": str(program.clip_length), "timing": json.dumps(timing, sort_keys=True)}
    said = {"names" if name == "classes" else name: value for name, value in program.task.facts().items()}
    props |= {name: json.dumps(value, ensure_ascii=False) for name, value in said.items()}
    helper.set_model_props(model, props)
    return model.SerializeToString(deterministic=True)
