"""Akida layers as ONNX nodes: what docs/akida.md says, step by step, written without the simulator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....runtime.program.akida import Array, Layer, Triple
from .onnx_parts import DOUBLE, FLOAT, INT32, INT64, Frames, Parts, powers


class Layers(Parts):
    """Draws layers, one after the other; `found` holds what is drawn already, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Frames] = {}
        self.floats: dict[str, str] = {}

    def draw(self, layer: Layer, hosted: Frames | None = None) -> None:
        """Add a layer; `hosted` is what the host feeds it, float64, or float32 for a Quantizer."""
        self.layer = layer.name
        reads = [hosted] if hosted else [self.found[name] for name in layer.inbounds]
        if layer.kind == "Dequantizer":
            whole = self.cast(self.cast(reads[0].value, INT64), FLOAT)
            self.floats[layer.name] = self.op("Mul", whole, self.const(layer.variables["scales"], np.float32, "scales"))
            self.found[layer.name] = reads[0]
        elif layer.kind == "Quantizer":
            self.found[layer.name] = self.quantizer(reads[0], layer)
        elif layer.kind == "Add":
            self.found[layer.name] = self.add(reads[0], reads[1], layer)
        elif layer.kind == "Concatenate":
            joined = self.op("Concat", *(read.value for read in reads), axis=3)
            self.found[layer.name] = Frames(joined, (*reads[0].shape[:2], sum(read.shape[2] for read in reads)))
        else:
            self.found[layer.name] = reads[0] if layer.kind == "InputData" else self.neural(reads[0], layer)

    def quantizer(self, given: Frames, layer: Layer) -> Frames:
        p, v = layer.parameters, layer.variables
        real = self.cast(self.op("Mul", given.value, self.const(v["scales"], np.float32, "scales")), DOUBLE)
        size = self.op("Floor", self.plus(self.op("Abs", real), 0.5))  # halves away from zero
        code = self.plus(self.op("Mul", size, self.op("Sign", real)), v["zero_points"])
        return Frames(self.sat(code, p["output_bits"], p["output_signed"]), given.shape)

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
        return Frames(self.sat(shifted, p["output_bits"], p["output_bits"] >= 5), found.shape)

    def activation(self, x: str, layer: Layer) -> str:
        p, v = layer.parameters, layer.variables
        if p["activation"] == "relu":
            bound = self.number(v["max_value"] * powers(v["max_value_shift"]))
            return self.op("Min", self.op("Max", x, self.number(0)), bound)
        if p["activation"] == "lut":
            scaled = self.sat(self.times(x, v["activation_scales"]), p["post_op_buffer_bits"])
            entry = self.plus(self.sat(self.shift(scaled, v["activation_shift"]), 11), 1024)
            return self.op("Gather", self.number(v["lut_values"], "lut"), self.cast(entry, INT64))
        return x

    # --- sums of products: steps 1 and 2, but for the saturation of the sum ---

    def sums(self, given: Frames, layer: Layer) -> Frames:
        p, w = layer.parameters, layer.variables["weights"]
        if layer.kind == "Dense1D":
            flat = self.aligned(self.reshape(given.value, (1, 1, len(w))), layer)
            return Frames(self.op("MatMul", flat, self.number(w, "weights")), (1, 1, w.shape[1]))
        if layer.kind == "BufferTempConv":
            fifo = self.fifo(given, layer)
            return Frames(self.op("MatMul", fifo, self.number(w[0, 0], "weights")), (*given.shape[:2], w.shape[3]))
        if layer.kind == "DepthwiseBufferTempConv":
            frames = self.reshape(self.fifo(given, layer), (*given.shape[:2], *w.shape[2:]))
            products = self.op("Mul", frames, self.number(w[0, 0], "weights"))
            return Frames(self.op("ReduceSum", products, self.const([3]), keepdims=0), given.shape)
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

    def products(self, cells: Sequence[str], shape: Triple, w: Array) -> Frames:
        """All cells of a window side by side, times all weights (K, K, C, F): one product of matrices."""
        window = self.op("Concat", *cells, axis=3)
        product = self.op("MatMul", window, self.number(w.reshape(-1, w.shape[3]), "weights"))
        return Frames(product, (*shape[:2], w.shape[3]))

    def fifo(self, given: Frames, layer: Layer) -> str:
        """The last T frames, aligned, as T·C channels with the oldest frame first. The state keeps them unaligned."""
        (width, height, channels), frames = given.shape, layer.parameters["fifo_size"]
        length = frames * channels
        shape = (width, height, frames, channels)
        before = self.cast(self.input(self.public(f"{layer.name}.state.in"), shape, INT32), DOUBLE)
        kept = self.slice(self.reshape(before, (width, height, length)), [channels], [length], [3], [1])
        held = self.op("Concat", kept, given.value, axis=3)
        after = self.public(f"{layer.name}.state.out")
        self.output(after, self.reshape(held, shape), shape, INT32)
        return self.aligned(held, layer, frames)
