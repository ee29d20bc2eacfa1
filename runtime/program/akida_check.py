"""What a consistent Akida program is. The check runs before a program is written and after it is read."""

from __future__ import annotations

import math

from .akida import AkidaProgram, GraphInput, GraphOutput, in_order
from .akida_check_layers import LayerProblems
from .akida_kinds import PARAMETERS
from .akida_shapes import Signal, hosted
from .problems import MAX_ZERO_POINT

MAX_FRAMES = 2**31 - 1


def validate(program: AkidaProgram) -> None:
    """NmcError with every problem found (NMC-F009 to F013) unless the parts of the program fit together."""
    problems = _Problems()
    problems.layers(program.layers)
    problems.distinct("layers", program.layers)
    problems.distinct("inputs", program.inputs)
    problems.distinct("outputs", program.outputs)
    for i, entry in enumerate(program.inputs):
        problems.input(f"inputs/{i}", entry)
    problems.time(program)
    problems.fed(program)
    for i, output in enumerate(program.outputs):
        problems.output(f"outputs/{i}", output)
    problems.need(len(program.outputs) > 0, "F013", "outputs", "there must be one at least")
    problems.plain_json("provenance", program.provenance)
    problems.task(program.task, program.scored)
    problems.stop()


class _Problems(LayerProblems):
    """What else can be wrong: how the host feeds the layers and reads them."""

    def input(self, where: str, entry: GraphInput) -> None:
        scale = math.isfinite(entry.scale) and entry.scale > 0
        self.need(scale, "F013", f"{where}/scale", "must be finite and above 0")
        self.need(abs(entry.zero_point) <= MAX_ZERO_POINT, "F013", f"{where}/zero_point", "exceeds 32 bits")
        self._axis(f"{where}/axis", entry.axis, entry.shape)

    def fed(self, program: AkidaProgram) -> None:
        """Every layer that reads none is fed by one input, in its bits and sign."""
        entries = [layer for layer in program.layers if not layer.inbounds and layer.kind in PARAMETERS]
        for layer in entries:
            feeding = [entry for entry in program.inputs if entry.layer == layer.name]
            what = f"layer {layer.name!r} must be fed by one input, not {len(feeding)}"
            self.need(len(feeding) == 1, "F012", "inputs", what)
            if self.signals[layer.name] is None:
                continue
            host = hosted(layer)
            for entry in feeding:
                same = (entry.bits, entry.signed) == (host.bits, host.signed)
                self.need(same, "F013", "inputs", f"{entry.name!r} must have the bits and sign of {host}")
                self.frame(f"inputs/{program.inputs.index(entry)}", entry, host)
        names = {layer.name for layer in entries}
        for i, entry in enumerate(program.inputs):
            self.need(entry.layer in names, "F012", f"inputs/{i}/layer", f"{entry.layer!r} takes no input")

    def time(self, program: AkidaProgram) -> None:
        """All inputs are clips of one length, or none is; then outputs come with the one frame there is."""
        placed = [entry for entry in program.inputs if entry.axis <= len(entry.shape)]
        lengths = {entry.frames if entry.axis > 0 else 0 for entry in placed}
        self.need(len(lengths) <= 1, "F013", "inputs", "must have equally many frames, or no time axis all of them")
        for i, output in enumerate(program.outputs):
            still = output.timing.axis < 0 and output.timing.last == 0
            self.need(program.temporal or still, "F013", f"outputs/{i}/timing", "there is no time axis")

    def output(self, where: str, output: GraphOutput) -> None:
        t = output.timing
        positive = min(t.offset, t.stride - 1, t.length - 1) >= 0
        self.need(positive and t.last < MAX_FRAMES, "F013", f"{where}/timing", f"no such frames: {t}")
        if self._axis(f"{where}/timing/axis", t.axis, output.shape):
            frames = output.shape[t.axis - 1] if t.axis > 0 else 1
            self.need(t.length == frames, "F013", f"{where}/timing/length", f"must be {frames}, not {t.length}")
        edges = list(t.edges) == sorted(set(t.edges)) and all(0 <= j < t.length for j in t.edges)
        self.need(edges, "F012", f"{where}/timing/edges", f"must ascend within {t.length} elements")
        there = output.layer in self.signals
        self.need(there, "F012", f"{where}/layer", f"no layer is called {output.layer!r}")
        self.frame(where, output, self.signals.get(output.layer))

    def _axis(self, where: str, axis: int, shape: tuple[int, ...]) -> bool:
        fits = axis == -1 or 1 <= axis <= len(shape)
        return self.need(fits, "F012", where, f"must be -1 or 1 to {len(shape)}, not {axis}")

    def frame(self, where: str, entry: GraphInput | GraphOutput, signal: Signal | None) -> None:
        """A frame has as many elements as the layer's, in a known order."""
        order = sorted(entry.order) == sorted("HWC")
        self.need(order, "F013", f"{where}/order", f"must be a permutation of 'HWC', not {entry.order!r}")
        if not self.shape(where, entry.shape) or signal is None or not order:
            return
        wanted, got = in_order(signal.shape, entry.order), entry.frame_shape
        same = math.prod(wanted) == math.prod(got)
        self.need(same, "F013", f"{where}/shape", f"a frame must have the elements of {wanted}, not of {got}")
