"""What a consistent program with host segments is. The check runs before a program is written and after it is read."""

from __future__ import annotations

from math import prod

import numpy as np

from .akida_check import MAX_FRAMES
from .akida_check import validate as validate_akida
from .diagnostics import Diagnostic, NmcError
from .hybrid import DeviceSegment, HostSegment, HostState, HybridOutput, HybridProgram, Port
from .onnx_guard import Refused, interface
from .problems import Problems

Shape = tuple[int, ...]
STATE_DTYPES = (np.float32, np.float64, np.int64)
DEVICES = ("akida",)
MAX_STATE = 1 << 31


def validate(program: HybridProgram) -> None:
    """NmcError with every problem found (NMC-F009 to F013, F050) unless the segments fit together."""
    problems = _Problems()
    problems.need(program.device in DEVICES, "F013", "device", f"must be one of {', '.join(DEVICES)}")
    problems.distinct("segments", program.segments)
    problems.distinct("inputs", program.inputs)
    problems.distinct("outputs", program.outputs)
    problems.inputs(program)
    for i, segment in enumerate(program.segments):
        if isinstance(segment, DeviceSegment):
            problems.device(f"segments/{i}", segment, program.temporal)
        else:
            problems.host(f"segments/{i}", segment)
    for i, output in enumerate(program.outputs):
        problems.output(f"outputs/{i}", output, program.temporal)
    problems.need(len(program.outputs) > 0, "F013", "outputs", "there must be one at least")
    problems.plain_json("provenance", program.provenance)
    problems.task(program.task, program.scored)
    problems.stop()


class _Problems(Problems):
    """`values` are the shapes of one frame of all values that there are so far, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Shape] = {}

    def made(self, where: str, name: str, shape: Shape) -> None:
        self.need(name not in self.values, "F013", where, f"value {name!r} is made twice")
        self.values[name] = shape

    def read(self, where: str, name: str, shape: Shape) -> None:
        have = self.values.get(name)
        what = "which is not there yet" if have is None else f"of shape {have}"
        self.need(have == shape, "F012", where, f"reads {shape} of value {name!r}, {what}")

    def inputs(self, program: HybridProgram) -> None:
        """All inputs are clips of one length, or none is."""
        lengths: set[int] = set()
        for i, entry in enumerate(program.inputs):
            where = f"inputs/{i}"
            if self.shape(where, entry.shape) and self.axis(where, entry.axis, entry.shape):
                lengths.add(entry.frames if entry.axis > 0 else 0)
                self.made(where, entry.name, entry.frame_shape)
        self.need(len(lengths) <= 1, "F013", "inputs", "must have equally many frames, or no time axis all of them")

    def axis(self, where: str, axis: int, shape: Shape) -> bool:
        fits = axis == -1 or 1 <= axis <= len(shape)
        return self.need(fits, "F012", f"{where}/axis", f"must be -1 or 1 to {len(shape)}, not {axis}")

    def device(self, where: str, segment: DeviceSegment, temporal: bool) -> None:
        """A sound program whose frames are the values; time, where there is one, is axis 1."""
        program = segment.program
        try:
            validate_akida(program)
        except NmcError as error:
            self.found += [Diagnostic(d.code, f"{where}/program: {d.what}", hint=d.hint) for d in error.diagnostics]
        axes = {entry.axis for entry in program.inputs} | {output.timing.axis for output in program.outputs}
        wanted = {1} if temporal else {-1}
        self.need(axes == wanted, "F013", f"{where}/program", f"time must be axis {wanted}, not {axes}")
        for entry in program.inputs:
            self.read(where, entry.name, entry.frame_shape)
        for output in program.outputs:
            self.made(where, output.name, output.frame_shape)

    def host(self, where: str, segment: HostSegment) -> None:
        for i, op in enumerate(segment.ops):
            self.need(op.macs >= 0, "F013", f"{where}/ops/{i}/macs", "must be 0 or more")
        ports = (*segment.inputs, *segment.outputs)
        sound = [self.shape(f"{where}/{port.name}", port.shape) for port in ports]
        sound += [self.state(f"{where}/states/{i}", state) for i, state in enumerate(segment.states)]
        if all(sound):
            self.model(where, segment)
        for port in segment.inputs:
            self.read(where, port.value, port.shape)
        for port in segment.outputs:
            self.made(where, port.value, port.shape)

    def state(self, where: str, state: HostState) -> bool:
        size = prod(state.shape)
        sound = len(state.shape) <= 30 and all(extent >= 0 for extent in state.shape) and size <= MAX_STATE
        if not self.need(sound, "F013", f"{where}/shape", "is no shape of a memory"):
            return False
        typed = state.start.dtype in STATE_DTYPES and state.start.size in (1, size)
        return self.need(typed, "F010", f"{where}/start", f"must hold 1 or {size} float32, float64 or int64")

    def model(self, where: str, segment: HostSegment) -> None:
        """The ONNX model is one that may be run, with the inputs and outputs of the segment."""
        if not self.need(segment.model.dtype == np.uint8, "F010", f"{where}/model", "must be bytes (uint8)"):
            return
        try:
            found = interface(segment.model.tobytes())
        except Refused as error:
            self.need(False, "F050", f"{where}/model", f"must be an ONNX model of standard operators: {error}")
            return
        inputs = [*_names(segment.inputs), *(state.input for state in segment.states)]
        outputs = [*_names(segment.outputs), *(state.output for state in segment.states)]
        same = sorted(found.inputs) == sorted(inputs) and sorted(found.outputs) == sorted(outputs)
        self.need(same, "F050", f"{where}/model", "must have the segment's inputs and outputs")

    def output(self, where: str, output: HybridOutput, temporal: bool) -> None:
        t = output.timing
        positive = min(t.offset, t.stride - 1, t.length - 1) >= 0
        self.need(positive and t.last < MAX_FRAMES, "F013", f"{where}/timing", f"no such frames: {t}")
        still = t.axis < 0 and t.last == 0
        self.need(temporal or still, "F013", f"{where}/timing", "there is no time axis")
        if self.shape(where, output.shape) and self.axis(f"{where}/timing", t.axis, output.shape):
            frames = output.shape[t.axis - 1] if t.axis > 0 else 1
            self.need(t.length == frames, "F013", f"{where}/timing/length", f"must be {frames}, not {t.length}")
            shape = self.values.get(output.value)
            same = shape is not None and prod(shape) == prod(output.frame_shape)
            self.need(same, "F012", f"{where}/value", f"no value {output.value!r} of shape {output.frame_shape}")
        edges = list(t.edges) == sorted(set(t.edges)) and all(0 <= j < t.length for j in t.edges)
        self.need(edges, "F012", f"{where}/timing/edges", f"must ascend within {t.length} elements")


def _names(ports: tuple[Port, ...]) -> list[str]:
    return [port.name for port in ports]
