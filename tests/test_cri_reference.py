"""The CRI machine's rules one by one, and sessions that run whole programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmc.backends.cri.target import PROFILES
from nmc.runtime import Session, arith, load
from nmc.runtime.program import (
    CriProgram,
    Exit,
    Input,
    NeuronModel,
    NmcError,
    Phase,
    Population,
    Readout,
    Table,
    save,
)
from nmc.runtime.reference import synapses
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.neuron import ANN, COUNTER, IF, LIF, Parameters, fires, fit, leak_term

SIM, HW2024, HW_L6, HW_L6_LEGACY = (PROFILES[name] for name in ("sim", "hw2024", "hw_l6", "hw_l6_legacy"))
TOP = 2**34 - 1


# --- programs to run ---


def table(sources: int, entries: list[tuple[int, int, int]]) -> Table:
    """(source, target, weight) triples, in source order, as a table."""
    source, target, weight = np.array(entries, np.int64).reshape(-1, 3).T
    indptr = np.append(0, np.cumsum(np.bincount(source, minlength=sources)))
    return Table(indptr, target.astype(np.int32), weight.astype(np.int16))


WEIGHT = np.array([[3, -2, 1], [-4, 5, 7]])
BIAS = np.array([4, -9])
RAMP = np.array([6, 11])
LEVELS, BITS, READ, HOLD = 5, 3, np.array([[2, -3]]), 40


def unary_program(profile: Any = SIM) -> CriProgram:
    """y = READ · clip((WEIGHT · code + BIAS + r//2) // r, 0, LEVELS): three inputs, two unary neurons, one readout."""
    release = BIAS + RAMP // 2 - (LEVELS + 1) * RAMP + 1
    planes = [(BITS * e + k, n, int(WEIGHT[n, e]) << k) for e in range(3) for k in range(BITS) for n in range(2)]
    control = [(9, n, int(release[n])) for n in range(2)] + [(9, 2, -HOLD)] + [(10, n, int(RAMP[n])) for n in range(2)]
    code, leak = profile.no_leak
    threshold = 0 if profile.compare == ">" else 1
    return CriProgram(
        profile=profile,
        models=(NeuronModel(code, threshold, leak, profile.noise_off),),
        neuron_model=np.zeros(3, np.uint8),
        axons=table(11, planes + control),
        neurons=table(3, [(n, 2, int(READ[0, n])) for n in range(2)]),
        populations=(
            Population("hidden", "unary", 0, (2, 1), LEVELS, (1, LEVELS), ("model.fc1",)),
            Population("y", "readout", 2, (1,), 0, (1, LEVELS)),
        ),
        inputs=(Input("x", (3,), 0, BITS, 0.5, 2),),
        schedule=(Phase("release", 9, 1, 0, 0), Phase("ramp", 10, 1, 0, LEVELS - 1)),
        readouts=(
            Readout("y", "potential", (1,), np.array([2]), np.array([HOLD]), np.array([0.25])),
            Readout("h", "count", (2, 1), np.array([0, 1]), np.array([0, 1]), np.array([0.5, 2.0])),
        ),
        steps=LEVELS + 1,
        provenance={"model": "unary.onnx", "options": {"timesteps": LEVELS}},
    )


def test_rows_of_a_train_fire_one_after_the_other(tmp_path: Path) -> None:
    """With every=2 row t of the input fires in timestep 1 + 2·t; the potential is the sum of what fired so far."""
    one = unary_program()
    program = replace(
        one,
        axons=table(2, [(0, 0, 1), (1, 0, 10)]),
        neurons=table(1, []),
        neuron_model=np.zeros(1, np.uint8),
        models=(NeuronModel(2, 1000, 64, -16),),
        populations=(Population("v", "plain", 0, (1,)),),
        inputs=(Input("x", (3, 2), 0, 1, 1.0, 0, 1, every=2),),
        schedule=(),
        readouts=(Readout("v", "potential", (1,), np.array([0]), np.array([0]), np.array([1.0])),),
        steps=6,
    )
    save(program, tmp_path / "train.nmc")
    session = Session(load(tmp_path / "train.nmc"))
    train = np.array([[1, 0], [0, 1], [1, 1]])
    assert session.run(train[None]).integers["v"].tolist() == [[22]]
    assert session.program.inputs[0].axons == 2 and list(session.program.inputs[0].steps) == [1, 3, 5]
    for step in range(6):
        row = train[step // 2] if step % 2 else np.zeros(2)
        session.step(row[None].astype(bool))
    assert session.machine.potentials.tolist() == [[22]]


def machine(
    profile: Any, models: list[tuple[int, int, int]], entries: Any = (), axons: Any = (), batch: int = 1
) -> Any:
    """(code, threshold, leak) per neuron, noise off; one axon per target, `axons` its weights."""
    code, threshold, leak = np.array(models, np.int64).reshape(-1, 3).T
    parameters = Parameters(code, threshold, leak, np.full(len(models), profile.noise_off, np.int64))
    inputs = table(len(axons), [(i, i, w) for i, w in enumerate(axons)])
    return CriMachine(profile, parameters, inputs, table(len(models), list(entries)), batch)


def quiet(m: CriMachine) -> np.ndarray[Any, Any]:
    return np.zeros((m.batch, m.axons.sources), np.bool_)


# --- rules ---

VALUES = [-1000, -9, -8, -1, 0, 1, 8, 9, 1000]


@pytest.mark.parametrize(
    ("leaks", "expected"),
    [
        ([0], [0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ([1], [-500, -4, -4, 0, 0, 1, 4, 5, 500]),
        ([3], [-875, -7, -7, 0, 0, 1, 7, 8, 875]),
        ([31, 34, 62], [-999, -8, -7, 0, 0, 1, 8, 9, 1000]),
        ([63], [-1000, -9, -8, -1, 0, 2, 9, 10, 1001]),
        ([64], VALUES),
    ],
)
def test_leak_of_the_vendor_s_simulator(leaks: list[int], expected: list[int]) -> None:
    for leak in leaks:
        m = machine(SIM, [(LIF, 2000, leak)] * len(VALUES))
        m.potentials = VALUES
        m.step(quiet(m))
        assert m.potentials[0].tolist() == expected


@pytest.mark.parametrize(
    ("v", "leak", "theta", "leaked", "fired"),
    [  # after the leak in hw2024, hw_l6_legacy, hw_l6; fires in hw2024, hw_l6
        (-9, 3, 5, (-7, -4294967303, -536870919), (0, 0)),
        (-9, 63, 5, (-8, -9, -9), (0, 0)),
        (9, 3, 5, (8, 8, 8), (1, 1)),
        (9, 63, 9, (9, 9, 9), (0, 0)),
        (9, 63, 8, (9, 9, 9), (1, 1)),
        (-9, 32, 5, (-8, -16, -9), (0, 0)),
        (-9, 34, 5, (-8, -10, -9), (0, 0)),
        (-17179869184, 3, 5, (-15032385536, 15032385536, 0), (0, 0)),
        (17179869183, 3, 5, (15032385536, 15032385536, -536870912), (1, 0)),
    ],
)
def test_leak_and_comparison_of_the_hardware(v: int, leak: int, theta: int, leaked: Any, fired: Any) -> None:
    for profile, expected in zip((HW2024, HW_L6_LEGACY, HW_L6), leaked, strict=True):
        held = arith.wrap([v], profile.width)
        assert fit(held - leak_term(held, np.array([leak]), profile), profile)[0].tolist() == [expected]
    for profile, expected in zip((HW2024, HW_L6), fired, strict=True):
        held = arith.wrap([v], profile.width)
        assert fires(held, np.array([theta]), profile).tolist() == [bool(expected)]


@given(st.integers(-(2**34), TOP), st.integers(0, 63))
def test_leak_terms_against_plain_integers(v: int, leak: int) -> None:
    held = np.array([v])
    assert leak_term(held, np.array([leak]), HW2024) == v // 2**leak
    assert leak_term(held, np.array([leak]), HW_L6_LEGACY) == v % 2**35 // 2**leak
    assert leak_term(held, np.array([leak]), SIM) == (-(v > 0) if leak == 63 else v // 2**leak)


def test_six_steps_of_one_neuron() -> None:
    """The trace in docs/cri.md: threshold 10, leak 2, input 6 in timesteps 0 to 3."""
    m = machine(SIM, [(LIF, 10, 2)], axons=[6])
    seen = []
    for step in range(6):
        fired = m.step(np.full((1, 1), step < 4))
        seen.append((bool(fired[0, 0]), int(m.potentials[0, 0])))
    assert seen == [(False, 6), (False, 11), (True, 6), (False, 11), (True, 0), (False, 0)]


@pytest.mark.parametrize("profile", [HW2024, HW_L6, HW_L6_LEGACY])
def test_neuron_models_of_the_hardware(profile: Any) -> None:
    m = machine(profile, [(ANN, 50, 1), (COUNTER, 50, 1), (LIF, 50, 1), (IF, 50, 1)] * 2)
    m.potentials = [40] * 4 + [51] * 4
    fired = m.step(quiet(m))
    assert fired[0].tolist() == [False] * 4 + [True] * 4
    assert m.potentials[0].tolist() == [0, 41, 20, 40, 0, 0, 0, 0]


def test_ann_neurons_leak_in_the_vendor_s_simulator() -> None:
    m = machine(SIM, [(ANN, 50, 1), (ANN, 50, 0)])
    m.potentials = [41, 41]
    m.step(quiet(m))
    assert m.potentials[0].tolist() == [21, 0]


@pytest.mark.parametrize(("profile", "fired"), [(SIM, [False, True, True]), (HW2024, [False, False, True])])
def test_fires_at_or_above_the_threshold(profile: Any, fired: list[bool]) -> None:
    m = machine(profile, [(LIF, 7, 62)] * 3)
    m.potentials = [6, 7, 8]
    assert m.step(quiet(m))[0].tolist() == fired


def test_rails_of_the_simulator_saturate_after_all_input_is_added() -> None:
    m = machine(SIM, [(LIF, 2**35, 64)] * 3)
    m.axons = table(2, [(0, 0, 32767), (0, 1, 32767), (1, 0, -32768), (1, 2, -32768)])
    m.potentials = [TOP - 10, TOP - 10, -(2**34) + 5]
    m.step(np.ones((1, 2), np.bool_))
    assert m.potentials[0].tolist() == [TOP - 11, TOP, -(2**34)]
    assert m.out_of_range == 2


def test_rails_of_the_hardware_wrap() -> None:
    m = machine(HW_L6, [(IF, 2**31 - 1, 0)] * 2, axons=[1, -1])
    m.potentials = [2**31 - 1, -(2**31)]
    m.step(np.ones((1, 2), np.bool_))
    assert m.potentials[0].tolist() == [-(2**31), 2**31 - 1]
    assert m.out_of_range == 2


def test_potentials_that_no_width_holds_are_refused() -> None:
    m = machine(HW_L6, [(IF, 1, 0)])
    with pytest.raises(ValueError, match="32 bits"):
        m.potentials = [2**31]


def test_a_neuron_reaches_itself_after_its_reset() -> None:
    m = machine(SIM, [(LIF, 5, 64)], entries=[(0, 0, 9)])
    m.potentials = [5]
    assert m.step(quiet(m)).all()
    assert m.potentials[0, 0] == 9


def test_noise_without_a_seed_is_refused() -> None:
    program = unary_program()
    noisy = replace(program, models=(replace(program.models[0], shift=-17),))
    with pytest.raises(NmcError, match="NMC-R008") as caught:
        Session(noisy)
    assert caught.value.exit_code == Exit.UNSUPPORTED and "--seed" in str(caught.value)


@st.composite
def networks(draw: st.DrawFn) -> tuple[Table, np.ndarray[Any, Any]]:
    sources, neurons, batch = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    triple = st.tuples(st.integers(0, sources - 1), st.integers(0, neurons - 1), st.integers(-(2**15), 2**15 - 1))
    entries = sorted(draw(st.lists(triple, max_size=25)), key=lambda entry: entry[0])
    active = draw(st.lists(st.booleans(), min_size=batch * sources, max_size=batch * sources))
    return table(sources, entries), np.array(active).reshape(batch, sources)


@given(networks(), st.integers(1, 8))
def test_input_sums_against_plain_loops(network: tuple[Table, np.ndarray[Any, Any]], chunk: int) -> None:
    net, active = network
    sums = np.zeros((len(active), 5), np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synapses, "CHUNK", chunk)
        events = synapses.add_input(sums, net, active)
    expected = np.zeros_like(sums)
    count = 0
    for b, s in zip(*np.nonzero(active), strict=True):
        for i in range(net.indptr[s], net.indptr[s + 1]):
            expected[b, net.target[i]] += net.weight[i]
            count += 1
    np.testing.assert_array_equal(sums, expected)
    assert events == count


# --- sessions ---


def expected_outputs(x: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    code = np.clip([[round(v / 0.5) + 2 for v in row] for row in x], 0, 2**BITS - 1).reshape(-1, 3)
    counts = arith.unary_count(code @ WEIGHT.T + BIAS, RAMP, LEVELS)
    return counts @ READ.T, counts


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
@given(x=st.lists(st.lists(st.floats(-3, 5), min_size=3, max_size=3), max_size=6))
@settings(max_examples=40, deadline=None)
def test_the_unary_code_counts_exactly_on_every_profile(profile: Any, x: list[list[float]]) -> None:
    values = np.array(x).reshape(-1, 3)
    y, counts = expected_outputs(values)
    result = Session(unary_program(profile)).run(values, trace=True)
    np.testing.assert_array_equal(result.integers["y"], y)
    np.testing.assert_array_equal(result.integers["h"][..., 0], counts + np.array([0, 1]))
    np.testing.assert_array_equal(result.outputs["y"], (y * 0.25).astype(np.float32))
    np.testing.assert_array_equal(result.outputs["h"][..., 0], (counts + np.array([0, 1])) * np.array([0.5, 2.0]))
    np.testing.assert_array_equal(result.trace["hidden"][..., 0], counts)
    np.testing.assert_array_equal(result.potentials["y"], y - HOLD)
    assert result.counters["spikes_per_population"] == {"hidden": int(counts.sum()), "y": 0}
    assert result.counters["out_of_range"] == 0


def test_outputs_have_the_documented_types_and_shapes() -> None:
    result = Session(unary_program()).run(np.zeros((4, 3), np.uint8))
    assert {name: (a.dtype, a.shape) for name, a in result.outputs.items()} == {
        "y": (np.dtype(np.float32), (4, 1)),
        "h": (np.dtype(np.float32), (4, 2, 1)),
    }
    assert {a.dtype for a in result.integers.values()} == {np.dtype(np.int64)}
    assert result.trace == result.potentials == {}


def test_counters() -> None:
    # Codes 2, 2, 7 (8 clipped): planes 1; 1; 0, 1, 2 are on, two synapses each. Release 3, ramps 2 in 5 timesteps.
    result = Session(unary_program()).run({"x": [[0.0, 0.25, 3.0]]})
    spikes = result.counters["spikes"]
    assert result.counters == {
        "samples": 1,
        "steps": 6,
        "synaptic_events": 2 * 5 + 3 + 2 * 5 + spikes,
        "spikes": spikes,
        "spikes_per_population": {"hidden": spikes, "y": 0},
        "input_clipped": 1,
        "out_of_range": 0,
    }


@given(st.integers(1, 9))
@settings(deadline=None)
def test_batches_do_not_change_the_result(batch: int) -> None:
    x = np.random.default_rng(5).uniform(-2, 4, (7, 3))
    session = Session(unary_program())
    seen: list[tuple[int, int]] = []
    parts = session.run(x, trace=True, batch=batch, progress=lambda done, total: seen.append((done, total)))
    whole = session.run(x, trace=True)
    for name in ("outputs", "integers", "trace", "potentials"):
        for key, array in getattr(whole, name).items():
            np.testing.assert_array_equal(getattr(parts, name)[key], array)
    assert parts.counters == whole.counters
    assert seen == [(min(low + batch, 7), 7) for low in range(0, 7, batch)]


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="batch"):
        Session(unary_program()).run(np.zeros((1, 3)), batch=0)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint64, np.float16, np.float32, np.float64])
def test_inputs_of_any_numeric_dtype(dtype: Any) -> None:
    x = np.array([[0, 1, 1], [1, 0, 0]]).astype(dtype)
    y, _ = expected_outputs(x.astype(np.float64))
    np.testing.assert_array_equal(Session(unary_program()).run(x).integers["y"], y)


@pytest.mark.parametrize(
    ("x", "code", "clipped"),
    [(0.25, 2, 0), (0.75, 4, 0), (-1.0, 0, 0), (-1.26, 0, 1), (2.5, 7, 0), (2.75, 7, 1), (1e308, 7, 1), (-1e308, 0, 1)],
)
def test_values_outside_the_codes_are_counted(x: float, code: int, clipped: int) -> None:
    session = Session(unary_program())
    values = np.array([[x, 0.0, 0.0]])
    fitting = session.run([[(code - 2) * 0.5, 0.0, 0.0]])
    result = session.run(values)
    np.testing.assert_array_equal(result.integers["h"], fitting.integers["h"])
    assert (result.counters["input_clipped"], fitting.counters["input_clipped"]) == (clipped, 0)


def test_the_smallest_scale_does_not_overflow() -> None:
    program = unary_program()
    session = Session(replace(program, inputs=(replace(program.inputs[0], scale=5e-324),)))
    assert session.run([[1e300, -1e300, 0.0]]).counters["input_clipped"] == 2


@pytest.mark.parametrize(
    ("given_inputs", "code", "texts"),
    [
        ({"z": np.zeros((1, 3))}, "R004", ["'x'", "'z'"]),
        ({}, "R004", ["'x'", "none"]),
        ({"x": np.zeros((1, 3)), "z": np.zeros((1, 3))}, "R004", ["'x'", "'z'"]),
        (np.zeros((2, 4)), "R005", ["(samples, 3)", "(2, 4)"]),
        (np.zeros(3), "R005", ["(samples, 3)", "(3,)", "x[None]"]),
        (np.float64(1), "R005", ["(samples, 3)", "()"]),
        ([[1.0], [1.0, 2.0]], "R005", ["uneven"]),
        (np.array([["a", "b", "c"]]), "R006", ["numbers", "<U1"]),
        (np.zeros((1, 3), complex), "R006", ["complex128"]),
        (np.array([[None, None, None]]), "R006", ["object"]),
        ([[np.nan, 0.0, np.inf]], "R007", ["2 of NaN"]),
    ],
)
def test_wrong_inputs(given_inputs: Any, code: str, texts: list[str]) -> None:
    with pytest.raises(NmcError) as caught:
        Session(unary_program()).run(given_inputs)
    assert caught.value.exit_code == Exit.BAD_FILE
    assert caught.value.diagnostics[0].code == f"NMC-{code}"
    assert all(text in str(caught.value) for text in texts)


def test_two_inputs_need_names_and_equal_sample_counts() -> None:
    program = unary_program()
    first = replace(program.inputs[0], shape=(1,))
    session = Session(replace(program, inputs=(first, replace(first, name="b", first=BITS, shape=(2,)))))
    y, _ = expected_outputs(np.array([[1.0, 0.5, 2.0]]))
    result = session.run({"b": [[0.5, 2.0]], "x": [[1.0]]})
    np.testing.assert_array_equal(result.integers["y"], y)
    with pytest.raises(NmcError, match="NMC-R004"):
        session.run(np.zeros((1, 3)))
    with pytest.raises(NmcError, match="NMC-R005"):
        session.run({"b": np.zeros((2, 2)), "x": np.zeros((1, 1))})


def test_an_input_arrives_in_its_timestep_and_a_phase_keeps_its_period() -> None:
    program = unary_program()
    plain = Population("p", "plain", 0, (3,))
    late = replace(
        program,
        axons=table(4, [(0, 0, 1), (1, 0, 2), (2, 0, 4), (3, 1, 1)]),
        neurons=table(3, []),
        models=(NeuronModel(LIF, 100, 64, -16),),
        populations=(plain,),
        inputs=(Input("x", (1,), 0, 3, 1.0, 0, step=2),),
        schedule=(Phase("beat", 3, 1, 1, 5, period=2),),
        readouts=(),
    )
    session = Session(late)
    result = session.run([[5]], trace=True)
    assert result.potentials["p"].tolist() == [[5, 3, 0]]
    session = Session(replace(late, steps=2, schedule=(Phase("beat", 3, 1, 1, 1),), inputs=()))
    assert session.run({}, trace=True).potentials["p"].tolist() == [[0, 1, 0]]


def test_single_steps_and_reset() -> None:
    session = Session(unary_program())
    axons = np.zeros((2, 11), np.bool_)
    axons[1, 10] = True
    assert not session.step(axons).any()
    assert session.machine.potentials.tolist() == [[0, 0, 0], [*RAMP.tolist(), 0]]
    assert session.step(~axons)[1].tolist() == [True, True, False]
    session.reset()
    assert not session.machine.potentials.any()
    with pytest.raises(NmcError, match="NMC-R005"):
        session.step(axons[0])
    with pytest.raises(NmcError, match="NMC-R006"):
        session.step(axons.astype(np.int64))


def test_unknown_engine() -> None:
    with pytest.raises(NmcError, match="NMC-R009") as caught:
        Session(unary_program(), engine="warp")
    assert caught.value.exit_code == Exit.USAGE
