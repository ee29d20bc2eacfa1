"""Akida programs as ONNX models: what docs/akida.md says, written once more, for another machine to run.

Nothing here comes from the simulator. All numbers are float64, which holds them exactly: integers below 2^53, and such
times a power of two. A shift is a multiplication by a power of two, and the floor of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from akida_onnx_net import AkidaNet, Frames, powers
from onnx import TensorProto

from nmc.runtime.program import AkidaProgram, Layer
from onnx_models import session

Array = np.ndarray[Any, Any]
RESULT, STATE, NEXT = "layer/", "state/", "next/"


def run_onnx(program: AkidaProgram, frames: Mapping[str, Array]) -> dict[str, Array]:
    """What every layer gives, frame by frame from empty FIFOs: (streams, frames, X, Y, F), int64 or float32.

    `frames` holds what the host feeds, (streams, frames, X, Y, C), by the name of the layer that takes it.
    """
    streams, count = next(iter(frames.values())).shape[:2]
    runtime = session(akida_onnx(program, streams).SerializeToString())
    names = [output.name for output in runtime.get_outputs()]
    temporal = [entry for entry in runtime.get_inputs() if entry.name.startswith(STATE)]
    state = {entry.name: np.zeros(entry.shape) for entry in temporal}
    results: dict[str, list[Array]] = {layer.name: [] for layer in program.layers}
    for j in range(count):
        fed = {name: array[:, j].astype(np.float32) for name, array in frames.items()}
        found = dict(zip(names, map(np.asarray, runtime.run(names, {**fed, **state})), strict=True))
        state = {name: found[NEXT + name.removeprefix(STATE)] for name in state}
        for name, values in results.items():
            values.append(found[RESULT + name])
    return {name: np.stack(values, axis=1) for name, values in results.items()}


def akida_onnx(program: AkidaProgram, streams: int) -> onnx.ModelProto:
    """One frame of the program as an ONNX model.

    Its inputs are the layers that the host feeds, float32 (streams, X, Y, C), and `state/<layer>` of each temporal
    layer; its outputs `layer/<layer>` of every layer, int64 or float32, and `next/<layer>`: the state from then on.
    """
    drawing = _Drawing(streams)
    for layer in program.layers:
        drawing.draw(layer)
    return drawing.proto()


class _Drawing(AkidaNet):
    """The model under construction. `found` holds what is drawn already, by layer."""

    def __init__(self, streams: int) -> None:
        super().__init__(streams)
        self.found: dict[str, Frames] = {}

    def draw(self, layer: Layer) -> None:
        reads = [self.found[name] for name in layer.inbounds] or [self.host(layer)]
        if layer.kind == "Dequantizer":
            whole = self.cast(reads[0].value, TensorProto.INT64)
            scales = self.const(layer.variables["scales"], np.float32)
            self.result(RESULT + layer.name, self.op("Mul", self.cast(whole, TensorProto.FLOAT), scales))
            return
        if layer.kind == "Add":
            self.found[layer.name] = self.add(reads[0], reads[1], layer)
        elif layer.kind == "Concatenate":
            joined = self.op("Concat", *(read.value for read in reads), axis=3)
            self.found[layer.name] = Frames(joined, (*reads[0].shape[:2], sum(read.shape[2] for read in reads)))
        else:
            hosted = layer.kind in ("InputData", "Quantizer")
            self.found[layer.name] = reads[0] if hosted else self.neural(reads[0], layer)
        self.result(RESULT + layer.name, self.cast(self.found[layer.name].value, TensorProto.INT64), TensorProto.INT64)

    # --- layers ---

    def host(self, layer: Layer) -> Frames:
        """What comes from outside; behind a Quantizer, the codes it makes of that."""
        p, v = layer.parameters, layer.variables
        names = ("input_x", "input_y") if layer.kind == "InputConv2D" else ("input_width", "input_height")
        shape = p[names[0]], p[names[1]], p["input_channels"]
        x = self.input(layer.name, (self.streams, *shape))
        if layer.kind != "Quantizer":
            return Frames(self.cast(x, TensorProto.DOUBLE), shape)
        real = self.cast(self.op("Mul", x, self.const(v["scales"], np.float32)), TensorProto.DOUBLE)
        size = self.op("Floor", self.plus(self.op("Abs", real), 0.5))  # halves away from zero
        code = self.plus(self.op("Mul", size, self.op("Sign", real)), v["zero_points"])
        saturated = self.sat if p["output_signed"] else self.usat
        return Frames(saturated(code, p["output_bits"]), shape)

    def add(self, a: Frames, b: Frames, layer: Layer) -> Frames:
        p, v = layer.parameters, layer.variables
        left = self.sat(self.times(a.value, powers(v["a_shift"])), p["buffer_bits"])
        right = self.sat(self.times(b.value, powers(v["b_shift"])), p["buffer_bits"])
        total = self.sat(self.op("Add", left, right), p["buffer_bits"])
        return Frames(self.sat(self.shift(total, v["output_shift"]), p["output_bits"]), a.shape)

    def neural(self, given: Frames, layer: Layer) -> Frames:
        """Steps 1 to 9."""
        p, v = layer.parameters, layer.variables
        found = self.sums(given, layer)
        total = self.sat(found.value, p["buffer_bits"])
        total = self.sat(self.plus(total, v["bias"] * powers(v["bias_shift"])), p["buffer_bits"])
        found = Frames(total, found.shape)
        if p.get("pool_type") == "max":
            cells, shape = self.cells(found, p["pool_size"], p["pool_stride"], p["padding"], -np.inf)
            found = Frames(self.op("Max", *cells), shape)
        found = Frames(self.activation(found.value, layer), found.shape)
        if p.get("pool_type") == "avg":
            total = self.op("ReduceSum", found.value, self.const([1, 2]), keepdims=1)
            found = Frames(self.sat(total, p["post_op_buffer_bits"]), (1, 1, found.shape[2]))
        scaled = self.sat(self.times(found.value, v["output_scales"]), p["post_op_buffer_bits"])
        shifted = self.shift(scaled, v["output_shift"])
        saturated = self.sat if p["output_bits"] >= 5 else self.usat
        return Frames(saturated(shifted, p["output_bits"]), found.shape)

    def activation(self, x: str, layer: Layer) -> str:
        p, v = layer.parameters, layer.variables
        if p["activation"] == "relu":
            bound = self.number(v["max_value"] * powers(v["max_value_shift"]))
            return self.op("Min", self.op("Max", x, self.number(0)), bound)
        if p["activation"] == "lut":
            scaled = self.sat(self.times(x, v["activation_scales"]), p["post_op_buffer_bits"])
            entry = self.plus(self.sat(self.shift(scaled, v["activation_shift"]), 11), 1024)
            return self.op("Gather", self.number(v["lut_values"]), self.cast(entry, TensorProto.INT64))
        return x

    # --- sums of products: steps 1 and 2, but for the saturation of the sum ---

    def sums(self, given: Frames, layer: Layer) -> Frames:
        p, w = layer.parameters, layer.variables["weights"].astype(np.float64)
        if layer.kind == "Dense1D":
            flat = self.reshape(given.value, (self.streams, 1, 1, len(w)))
            return Frames(self.op("MatMul", self.aligned(flat, layer), self.number(w)), (1, 1, w.shape[1]))
        if layer.kind == "BufferTempConv":
            fifo = self.fifo(given, layer)
            return Frames(self.op("MatMul", fifo, self.number(w[0, 0])), (*given.shape[:2], w.shape[3]))
        if layer.kind == "DepthwiseBufferTempConv":
            frames = self.reshape(self.fifo(given, layer), (self.streams, *given.shape[:2], *w.shape[2:]))
            total = self.op("ReduceSum", self.times(frames, w[0, 0]), self.const([3]), keepdims=0)
            return Frames(total, given.shape)
        if layer.kind == "InputConv2D":
            window = p["kernel_size"], p["kernel_stride"], p["padding"]
            return self.products(*self.cells(given, *window, layer.variables["padding_value"]), w)
        aligned = Frames(self.aligned(given.value, layer), given.shape)
        if layer.kind.endswith("Transpose"):
            cells, shape = self.spread_cells(aligned, len(w))
        else:
            cells, shape = self.cells(aligned, p["kernel_size"], p["kernel_stride"], p["padding"], 0)
        # Conv2D stores its kernel turned round; a transposed convolution uses it so.
        turned = w[::-1, ::-1]
        if layer.kind.startswith("Depthwise"):
            rows = turned.reshape(len(cells), -1)
            return Frames(self.total(self.times(*pair) for pair in zip(cells, rows, strict=True)), shape)
        return self.products(cells, shape, turned)

    def products(self, cells: Sequence[str], shape: tuple[int, int, int], w: Array) -> Frames:
        """All cells of a window side by side, times all weights (K, K, C, F): one product of matrices."""
        window = self.op("Concat", *cells, axis=3)
        product = self.op("MatMul", window, self.number(w.reshape(-1, w.shape[3])))
        return Frames(product, (*shape[:2], w.shape[3]))

    def fifo(self, given: Frames, layer: Layer) -> str:
        """The last T frames, aligned, as T·C channels with the oldest frame first. The state keeps them unaligned."""
        (width, height, channels), frames = given.shape, layer.parameters["fifo_size"]
        length = frames * channels
        state = self.input(STATE + layer.name, (self.streams, width, height, length), TensorProto.DOUBLE)
        held = self.op("Concat", self.slice(state, [channels], [length], [3]), given.value, axis=3)
        self.result(NEXT + layer.name, held, TensorProto.DOUBLE)
        return self.aligned(held, layer, frames)
