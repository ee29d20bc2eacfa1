"""`nmc golden check` catches one bit planted in a weight, a rounding rule or a schedule, and names the first layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from golden_runs import EXAMPLES, ZOO, facts, golden, plant, small_case, zoo_case

import nmc.cli.golden as runner
from nmc.runtime import Session, arith
from nmc.runtime.akida_engines import ENGINES as AKIDA_ENGINES
from nmc.runtime.cri_engines import ENGINES as CRI_ENGINES
from nmc.runtime.fast.dense import bounds
from nmc.runtime.fast.dense.tail import HALF
from nmc.runtime.golden.case import read_case
from nmc.runtime.golden.parts import parts
from nmc.runtime.program import AkidaProgram, CriProgram, digest
from nmc.runtime.program.container import Program

pytestmark = pytest.mark.slow

# --- the program ---


def with_variable(program: AkidaProgram, layer: str, name: str, change: Callable[[Any], Any]) -> AkidaProgram:
    """The program with one array of a layer changed."""
    at = next(i for i, entry in enumerate(program.layers) if entry.name == layer)
    old = program.layers[at].variables
    new = replace(program.layers[at], variables={**old, name: change(old[name]).astype(old[name].dtype)})
    return replace(program, layers=(*program.layers[:at], new, *program.layers[at + 1 :]))


def flip_kernel(program: AkidaProgram) -> AkidaProgram:
    """The lowest bit of one weight of the layer blocks.0.1.0."""
    return with_variable(program, "blocks.0.1.0", "weights", lambda w: flipped(w, 0))


def flipped(array: np.ndarray[Any, Any], bit: int) -> np.ndarray[Any, Any]:
    """With one bit changed: bit b of element i is bit i · size + b."""
    raw = np.unpackbits(np.ascontiguousarray(array).view(np.uint8).reshape(-1), bitorder="little")
    raw[bit] ^= 1
    return np.packbits(raw, bitorder="little").view(array.dtype).reshape(array.shape)


def flip_synapse(program: CriProgram) -> CriProgram:
    """The lowest bit of one synapse's weight into node_relu_1. Its source fires and its target does not, so that the
    target keeps its potential: a neuron that fires forgets what one bit more has given it."""
    trace = Session(program).run(np.load(ZOO / "digits_input.npz")["image"], trace=True).trace
    fired = np.concatenate([trace.get(p.name, np.zeros((1, p.size)))[0].reshape(-1) for p in program.populations])
    into = next(p for p in program.populations if p.name == "node_relu_1")
    table, weight = program.neurons, program.neurons.weight.copy()
    source = np.repeat(np.arange(table.sources), np.diff(table.indptr))
    arriving = (table.target >= into.first) & (table.target < into.stop)
    weight[np.flatnonzero(arriving & (fired[source] > 0) & (fired[table.target] == 0))[0]] ^= 1
    return replace(program, neurons=replace(table, weight=weight))


def flip_train_synapse(program: CriProgram) -> CriProgram:
    """The lowest bit of the first synapse into features.5 of a neuron that fires."""
    fired = Session(program).run(np.load(ZOO / "moving_events_input.npz"), trace=True).trace["features.2"]
    source = next(p for p in program.populations if p.name == "features.2")
    busiest = source.first + int(fired.sum(axis=(0, 1)).reshape(-1).argmax())
    weight = program.neurons.weight.copy()
    weight[program.neurons.indptr[busiest]] ^= 1
    return replace(program, neurons=replace(program.neurons, weight=weight))


def flip_shift(program: AkidaProgram) -> AkidaProgram:
    """The lowest bit of one channel's output shift in the layer blocks.1.1.0."""
    return with_variable(program, "blocks.1.1.0", "output_shift", lambda shift: shift ^ (np.arange(len(shift)) == 0))


def shorten_ramp(program: CriProgram) -> CriProgram:
    """One timestep less of the ramp of node_relu_1."""
    phases = [replace(p, stop=p.stop - 1) if p.name == "node_relu_1.ramp" else p for p in program.schedule]
    return replace(program, schedule=tuple(phases))


@pytest.mark.parametrize(
    ("name", "change", "part", "layer"),
    [
        ("gestures", flip_kernel, "layer blocks.0.1.0", "blocks.0.1.0"),
        ("gestures", flip_shift, "layer blocks.1.1.0", "blocks.1.1.0"),
        ("moving_events_16", flip_train_synapse, "population features.5", "features.5"),
        ("digits_t7", flip_synapse, "population node_relu_1", "node_relu_1"),
        ("digits_t7", shorten_ramp, "schedule node_relu_1.ramp", "node_relu_1"),
    ],
)
def test_one_bit_in_a_program_is_caught_and_named(
    name: str, change: Callable[[Any], Any], part: str, layer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = zoo_case(tmp_path, name)
    plant(monkeypatch, change)
    done = golden("check", case)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0].startswith(f"{name}: changed")
    assert lines[1].startswith(f"  first layer that differs: {layer}") and "→" in lines[1]
    assert f"  program: {part} differs" in lines
    (found,) = facts("check", case)["cases"]
    assert [entry["what"] for entry in found["program"]] == [part]
    assert found["layers"][0]["what"].removesuffix(".potential") == layer


def test_one_bit_of_a_float_weight_in_the_model_is_caught(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(EXAMPLES / "digits" / "digits.onnx")
    onnx.save(model, tmp_path / "net.onnx")
    case = small_case(tmp_path, model=tmp_path / "net.onnx")
    assert golden("record", case).exit_code == 0
    weight = next(w for w in model.graph.initializer if list(w.dims) == [16, 12, 3, 3])
    values = numpy_helper.to_array(weight).copy()
    values.reshape(-1).view(np.uint32)[3] ^= 1 << 31
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "net.onnx")
    done = golden("check", case)
    assert done.exit_code == 1 and "first layer that differs: node_relu_1" in done.output
    assert "note: model/sha256 is another one" in done.output


# --- every array of a program ---


def check_found(before: Program, after: Program, part: str) -> None:
    """The two programs have other digests, and only that part of them has another one."""
    assert digest(before) != digest(after), part
    pairs = zip(parts(before), parts(after), strict=True)
    assert [old.name for old, new in pairs if old.sha256 != new.sha256] == [part]


def test_one_bit_of_any_array_of_an_akida_program_changes_its_digest_and_names_the_layer() -> None:
    program = runner.compiled(read_case(ZOO / "gestures.toml"))[0].program
    rng = np.random.default_rng(0)
    arrays = [(layer.name, name, array) for layer in program.layers for name, array in layer.variables.items()]
    assert len(arrays) > 80
    for layer, name, array in arrays:
        bit = int(rng.integers(8 * array.nbytes))
        check_found(program, with_variable(program, layer, name, lambda a, b=bit: flipped(a, b)), f"layer {layer}")


def test_one_bit_of_any_synapse_changes_the_digest_and_names_its_population() -> None:
    program = runner.compiled(read_case(ZOO / "digits_t7.toml"))[0].program
    rng = np.random.default_rng(0)
    for side in ("axons", "neurons"):
        table = getattr(program, side)
        for at in rng.integers(len(table.weight), size=10):
            changed = replace(table, weight=flipped(table.weight, 16 * int(at) + int(rng.integers(16))))
            into = next(p for p in program.populations if p.first <= table.target[at] < p.stop)
            check_found(program, replace(program, **{side: changed}), f"population {into.name}")


def test_every_entry_of_the_schedule_is_named() -> None:
    program = runner.compiled(read_case(ZOO / "digits_t7.toml"))[0].program
    for at, phase in enumerate(program.schedule):
        moved = replace(phase, stop=phase.stop ^ 1)
        schedule = (*program.schedule[:at], moved, *program.schedule[at + 1 :])
        check_found(program, replace(program, schedule=schedule), f"schedule {phase.name}")


# --- the rules of the machines ---

LEAKY = """graph "leaky" stage imported
input %events: f32[1,2]NC at {offset=0, length=12, axis=1}
const @a: f32[3,2]__ = [[0.5, -0.375], [0.25, 0.75], [-0.625, 0.25]]
const @decay: f32[] = [0.75]
const @threshold: f32[] = [1.0]
const @b: f32[2,3]__ = [[1.0, -0.5, 0.5], [0.75, -0.25, 1.0]]
%h = dense(%events, @a, none): f32[1,3]NC from "sums"
%s = lif(%h, @decay, @threshold): f32[1,3]NC from "spikes"
%o = dense(%s, @b, none): f32[1,2]NC from "last sums"
%r = lif(%o, @decay, @threshold): f32[1,2]NC from "last spikes"
output "y" = %r at {offset=0, length=12, axis=1}
"""


def leaky_case(folder: Path) -> Path:
    """A recorded case of neurons that leak, with potentials below 0, where rounding down is not rounding to 0."""
    path = folder / "leaky.toml"
    (folder / "leaky.ir").write_text(LEAKY)
    path.write_text(
        'model = "leaky.ir"\ntarget = "cri"\ninput = { random = "events", seed = 1, samples = 4, rate = 0.5 }\n'
    )
    assert golden("record", path).exit_code == 0
    return path


def shift_down(x: Any, exponent: Any) -> Any:
    """`arith.shift` that rounds down."""
    n = np.asarray(exponent)
    return np.asarray(x) << np.maximum(n, 0) >> np.maximum(-n, 0)


def shift_to_zero(x: Any, exponent: Any) -> Any:
    """`arith.arithmetic_shift` that rounds towards 0."""
    v = np.asarray(x, np.int64)
    return np.sign(v) * (np.abs(v) >> np.minimum(np.asarray(exponent), 63))


def without_half(*given: Any) -> Any:
    """`bounds.tail`, the numbers of the fast engine, without the half that makes a shift round."""
    fields = honest_tail(*given)
    return None if fields is None else {**fields, HALF: 0}


def round_down(x: Any) -> Any:
    """`arith.round_half_even` that rounds down."""
    return np.floor(np.asarray(x, np.float64)).astype(np.int64)


honest_tail = bounds.tail
RULES: dict[str, tuple[str, str, Any, str, Any, str]] = {
    "output shifts, reference": ("gestures", "reference", arith, "shift", shift_down, "stem.0"),
    "output shifts, fast": ("gestures", "fast", bounds, "tail", without_half, "stem.0"),
    "leaks, reference": ("leaky", "reference", arith, "arithmetic_shift", shift_to_zero, "s.potential"),
}


@pytest.mark.parametrize("case", RULES)
def test_a_rounding_rule_is_caught_though_the_program_is_the_same(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, engine, module, function, changed, layer = RULES[case]
    path = leaky_case(tmp_path) if name == "leaky" else zoo_case(tmp_path, name)
    honest = runner.compiled(read_case(path))
    monkeypatch.setattr(runner, "compiled", lambda case: honest)
    for engines in (AKIDA_ENGINES, CRI_ENGINES):
        monkeypatch.setitem(engines, "auto", engines[engine])
    assert golden("check", path).exit_code == 0
    monkeypatch.setattr(module, function, changed)
    done = golden("check", path)
    assert done.exit_code == 1 and "program:" not in done.output
    first = next(line for line in done.output.splitlines() if "first layer that differs" in line)
    assert first.startswith(f"  first layer that differs: {layer}: "), first


def test_a_rounding_rule_of_the_compiler_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zoo_case(tmp_path, "digits_t7")
    monkeypatch.setattr(arith, "round_half_even", round_down)
    done = golden("check", path)
    assert done.exit_code == 1
    assert "  first layer that differs: node_relu" in done.output
    assert "  program: population node_relu differs" in done.output
