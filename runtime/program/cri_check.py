"""What a consistent CRI program is. The check runs before a program is written and after it is read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .cri import CriProgram, Input, NeuronModel, Phase, Population, Profile, Readout, Table
from .problems import MAX_ZERO_POINT, Problems

Array = np.ndarray[Any, np.dtype[Any]]

COMPARES = (">=", ">")
OVERFLOWS = ("saturate", "wrap")
LEAKS = ("floor", "floor63", "logical")
POPULATION_KINDS = ("unary", "or", "readout", "plain", "spiking", "relay")
READOUT_KINDS = ("potential", "count", "spikes", "potentials")
MAX_MODELS = 256  # what the uint8 of neuron_model can name
MAX_WIDTH = 48  # leaves the int64 of a simulator room for the input sum of one step
MAX_BITS = 16
MAX_REFRACTORY = 7
MAX_STEPS = 2**31 - 1


def validate(program: CriProgram) -> None:
    """NmcError with every problem found (NMC-F009 to F013) unless the parts of the program fit together."""
    problems = _Problems()
    problems.arrays(program)
    problems.stop()
    neurons, axons = len(program.neuron_model), program.axons.sources
    problems.profile(program.profile)
    problems.stop()
    problems.need(len(program.models) <= MAX_MODELS, "F013", "models", f"there are at most {MAX_MODELS} models")
    for i, model in enumerate(program.models):
        problems.model(f"models/{i}", model, program.profile)
    problems.within("neuron_model", program.neuron_model, len(program.models), "models")
    problems.table("axons", program.axons, neurons)
    problems.table("neurons", program.neurons, neurons)
    problems.need(program.neurons.sources == neurons, "F011", "neurons/indptr", f"must list {neurons} neurons")
    problems.need(1 <= program.steps <= MAX_STEPS, "F013", "steps", f"must be 1 to {MAX_STEPS}, not {program.steps}")
    problems.populations(program.populations, neurons, program.steps)
    for i, entry in enumerate(program.inputs):
        problems.input(f"inputs/{i}", entry, axons, program.steps)
    for i, phase in enumerate(program.schedule):
        problems.phase(f"schedule/{i}", phase, axons, program.steps)
    for i, readout in enumerate(program.readouts):
        problems.readout(f"readouts/{i}", readout, neurons, program.steps)
    windows = {readout.rows for readout in program.readouts} - {0}
    problems.need(len(windows) <= 1, "F013", "readouts", f"their windows must be equally long, not {sorted(windows)}")
    problems.distinct("inputs", program.inputs)
    problems.distinct("readouts", program.readouts)
    problems.plain_json("provenance", program.provenance)
    problems.task(program.task, program.scored)
    problems.stop()


class _Problems(Problems):
    """What can be wrong with a CRI program."""

    def arrays(self, program: CriProgram) -> None:
        self._array("neuron_model", program.neuron_model, np.uint8)
        for name, table in (("axons", program.axons), ("neurons", program.neurons)):
            self._array(f"{name}/indptr", table.indptr, np.int64)
            self._array(f"{name}/target", table.target, np.int32)
            self._array(f"{name}/weight", table.weight, np.int16)
        for i, readout in enumerate(program.readouts):
            self._array(f"readouts/{i}/neuron", readout.neuron, np.int64)
            self._array(f"readouts/{i}/offset", readout.offset, np.int64)
            self._array(f"readouts/{i}/scale", readout.scale, np.float64)

    def _array(self, where: str, array: Array, dtype: type[np.generic]) -> None:
        fits = isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == 1
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        self.need(fits, "F010", where, f"must be one-dimensional {np.dtype(dtype)}, not {got}")

    def profile(self, profile: Profile) -> None:
        for name, value, known in (
            ("compare", profile.compare, COMPARES),
            ("overflow", profile.overflow, OVERFLOWS),
            ("leak", profile.leak, LEAKS),
        ):
            self.need(value in known, "F013", f"profile/{name}", f"must be one of {', '.join(known)}, not {value!r}")
        width = profile.width
        self.need(2 <= width <= MAX_WIDTH, "F013", "profile/width", f"must be 2 to {MAX_WIDTH}, not {width}")

    def model(self, where: str, model: NeuronModel, profile: Profile) -> None:
        vendor_simulator = profile.leak == "floor63"
        codes, top_leak = ((0, 2), 64) if vendor_simulator else ((0, 1, 2, 3), 63)
        # A threshold wider than a wrapping potential would lose its upper bits, and can say nothing that one of
        # the same width cannot.
        bits = profile.width if profile.overflow == "wrap" else 64
        half = 2 ** (bits - 1)
        self.need(model.code in codes, "F013", f"{where}/code", f"{profile.name} has codes {codes}, not {model.code}")
        self.need(0 <= model.leak <= top_leak, "F013", f"{where}/leak", f"must be 0 to {top_leak}, not {model.leak}")
        self.need(
            -half <= model.threshold < half, "F013", f"{where}/threshold", f"{model.threshold} exceeds {bits} bits"
        )
        self.need(-128 <= model.shift <= 127, "F013", f"{where}/shift", f"must be -128 to 127, not {model.shift}")
        soft = profile.soft_reset or not model.soft
        self.need(soft, "F013", f"{where}/soft", f"{profile.name} has no soft reset")
        rests = model.refractory
        inside = 0 <= rests <= MAX_REFRACTORY
        self.need(inside, "F013", f"{where}/refractory", f"must be 0 to {MAX_REFRACTORY}, not {rests}")
        known = profile.refractory or not rests
        self.need(known, "F013", f"{where}/refractory", f"{profile.name} has no refractory periods")

    def within(self, where: str, index: Array, count: int, what: str) -> None:
        if index.size:
            low, high = int(index.min()), int(index.max())
            self.need(min(low, count - 1 - high) >= 0, "F012", where, f"{low} to {high} must lie within {count} {what}")

    def table(self, where: str, table: Table, neurons: int) -> None:
        synapses = len(table.target)
        self.need(len(table.weight) == synapses, "F011", where, f"{len(table.weight)} weights for {synapses} targets")
        spans = len(table.indptr) > 0 and table.indptr[0] == 0 and table.indptr[-1] == synapses
        self.need(spans, "F011", f"{where}/indptr", f"must run from 0 to {synapses}, the number of synapses")
        self.need(bool(np.all(table.indptr[:-1] <= table.indptr[1:])), "F011", f"{where}/indptr", "must not decrease")
        self.within(f"{where}/target", table.target, neurons, "neurons")

    def populations(self, populations: tuple[Population, ...], neurons: int, steps: int) -> None:
        stop = 0
        for i, entry in enumerate(populations):
            where = f"populations/{i}"
            kinds = ", ".join(POPULATION_KINDS)
            self.need(entry.kind in POPULATION_KINDS, "F013", f"{where}/kind", f"must be one of {kinds}")
            first, last = entry.window
            self.need(0 <= first <= last < max(steps, 1), "F012", f"{where}/window", f"must lie within {steps} steps")
            self.need(entry.levels >= 0, "F013", f"{where}/levels", "must not be negative")
            if not self.shape(where, entry.shape):
                return
            self.need(entry.first == stop, "F012", f"{where}/first", f"must be {stop}, where the one before it stops")
            stop = entry.stop
        self.need(stop == neurons, "F012", "populations", f"hold {stop} neurons, the program has {neurons}")
        self.distinct("populations", populations)

    def input(self, where: str, entry: Input, axons: int, steps: int) -> None:
        self.need(1 <= entry.bits <= MAX_BITS, "F013", f"{where}/bits", f"must be 1 to {MAX_BITS}, not {entry.bits}")
        self.need(
            math.isfinite(entry.scale) and entry.scale > 0, "F013", f"{where}/scale", "must be finite and above 0"
        )
        self.need(abs(entry.zero_point) <= MAX_ZERO_POINT, "F013", f"{where}/zero_point", "exceeds 32 bits")
        self.need(0 <= entry.step < steps, "F012", f"{where}/step", f"must lie within {steps} steps")
        train = entry.every == 0 or (entry.every > 0 and len(entry.shape) > 0)
        self.need(train, "F013", f"{where}/every", f"must be 0, or more where the shape has a time axis: {entry.every}")
        held = entry.repeat == 1 or (entry.repeat > 1 and entry.every == 0)
        self.need(held, "F013", f"{where}/repeat", f"must be 1, or more where `every` is 0: {entry.repeat}")
        if self.shape(where, entry.shape) and train:
            last = max(entry.steps, default=entry.step)
            self.need(last < steps, "F012", f"{where}/shape", f"its last row fires in timestep {last} of {steps}")
            fits = min(entry.first, axons - entry.first - entry.axons) >= 0
            self.need(fits, "F012", where, f"{entry.axons} axons from {entry.first} on, the program has {axons}")

    def phase(self, where: str, phase: Phase, axons: int, steps: int) -> None:
        fits = min(phase.first, phase.count, axons - phase.first - phase.count) >= 0
        self.need(fits, "F012", where, f"{phase.count} axons from {phase.first} on, the program has {axons}")
        ordered = 0 <= phase.start <= phase.stop < steps
        self.need(ordered, "F012", where, f"steps {phase.start} to {phase.stop} must lie within {steps} steps")
        self.need(phase.period >= 1, "F013", f"{where}/period", f"must be at least 1, not {phase.period}")

    def readout(self, where: str, readout: Readout, neurons: int, steps: int) -> None:
        kinds = ", ".join(READOUT_KINDS)
        self.need(readout.kind in READOUT_KINDS, "F013", f"{where}/kind", f"must be one of {kinds}")
        if self.shape(where, readout.shape) and self._window(where, readout, steps):
            size = math.prod(readout.row_shape)
            lengths = {len(readout.neuron), len(readout.offset), len(readout.scale)}
            self.need(lengths == {size}, "F010", where, f"arrays must have {size} entries, one per output element")
        self.within(f"{where}/neuron", readout.neuron, neurons, "neurons")
        self.need(bool(np.all(np.isfinite(readout.scale))), "F013", f"{where}/scale", "must be finite")

    def _window(self, where: str, readout: Readout, steps: int) -> bool:
        first, rows = readout.first, readout.rows
        fits = first >= 0 <= rows and first + rows <= steps and (rows > 0 or first == 0)
        self.need(fits, "F012", f"{where}/rows", f"{rows} from timestep {first} on must lie within {steps} steps")
        needed = readout.mean or readout.kind in ("spikes", "potentials")
        given = self.need(
            rows > 0 or not needed, "F013", f"{where}/rows", "must be above 0 for a row a timestep or a mean"
        )
        frames = readout.axis == -1 or (not readout.by_step and 1 <= readout.axis <= len(readout.shape))
        self.need(frames, "F013", f"{where}/axis", f"must be an axis of {readout.shape}, 1 or more, or −1")
        time = not readout.by_step or (len(readout.shape) > 0 and readout.shape[0] == rows)
        return given and self.need(time, "F013", f"{where}/shape", f"its first axis must be time, {rows} rows")
