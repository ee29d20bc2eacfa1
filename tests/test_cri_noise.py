"""Noise of CRI neurons: what every random word means, who gets noise and when, seeds, what is refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import akida_programs
import numpy as np
import pytest
from test_cri_reference import quiet, table, unary_program

from nmc.backends.cri.image import encode_image, footprint_of
from nmc.backends.cri.target import PROFILES
from nmc.cli.main import main
from nmc.runtime import Session
from nmc.runtime.cost import Meter
from nmc.runtime.program import CriProgram, Exit, NeuronModel, NmcError, save
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_image import ImageMachine
from nmc.runtime.reference.neuron import Parameters, start
from nmc.runtime.reference.noise import Noise, perturbation

SIM, HW2024, HW_L6 = (PROFILES[name] for name in ("sim", "hw2024", "hw_l6"))
WORDS = np.arange(1 << 16)
LIF, IF = 2, 3
Array = np.ndarray[Any, Any]


def drawn(shift: int, profile: Any) -> Array:
    """The noise for every word there is."""
    return perturbation(WORDS, np.full(len(WORDS), shift), profile)


def supported(shift: int, profile: Any) -> dict[int, int]:
    return dict(sorted(Counter(drawn(shift, profile).tolist()).items()))


# --- noise: what a word means ---


def test_the_vendor_s_simulator_has_the_measured_supports() -> None:
    quarter, half = 1 << 14, 1 << 15
    assert supported(-15, SIM) == {-2: quarter, -1: quarter, 0: quarter, 1: quarter}
    assert supported(-16, SIM) == supported(-17, SIM) == supported(-128, SIM) == {-1: half, 0: half}
    full = supported(0, SIM)
    assert list(full) == list(range(-65535, 65536, 2)) and set(full.values()) == {1}


@pytest.mark.parametrize("shift", range(-20, 20))
def test_the_vendor_s_simulator_against_its_rule_in_whole_numbers(shift: int) -> None:
    """r in −2^16 … 2^16 − 1, each even one and the odd one behind give the same; then floor(r · 2^shift)."""
    odd = [r | 1 for r in range(-(1 << 16), 1 << 16, 2)]
    assert drawn(shift, SIM).tolist() == [r << shift if shift > 0 else r >> -shift for r in odd]


@pytest.mark.parametrize("name", ["hw2024", "hw_l6", "hw_l6_legacy"])
@pytest.mark.parametrize("shift", range(-32, 32))
def test_hardware_against_its_registers(name: str, shift: int) -> None:
    """A register of 17 bits, the upper one the sign; what a right shift moves differs between builds."""
    wanted: list[int] = []
    for b in range(0, 1 << 16, 5):
        x = 2 * b + 1
        low, moved = x & 0xFFFF, x if name != "hw2024" else x & 0xFFFF
        magnitude = 0 if shift <= -17 else moved >> -shift if shift < 0 else low << shift
        wanted.append(-magnitude if x >> 16 else magnitude)
    assert drawn(shift, PROFILES[name])[::5].tolist() == wanted


def test_hardware_has_none_from_its_off_value_downwards() -> None:
    for profile in (HW2024, HW_L6):
        assert all(supported(shift, profile) == {0: 1 << 16} for shift in (-17, -18, -32, -128))
    assert supported(-16, HW2024) == {0: 1 << 16}
    assert supported(-16, HW_L6) == {-1: 1 << 15, 0: 1 << 15}


def test_means_and_variances_over_all_words() -> None:
    """Symmetric where the sign is apart; the L6 builds shift it along, which moves the mean by half the peak."""
    for shift in (0, 3, -1, -8):
        values = drawn(shift, HW2024)
        assert values.sum() == 0 and values.min() == -values.max()
    assert drawn(0, SIM).sum() == 0 and drawn(4, SIM).sum() == 0
    # The odd numbers up to n − 1 have the mean square (n² − 1) / 3; n = 2^16 here, over 2^16 words.
    assert 3 * (drawn(0, SIM) ** 2).sum() == (1 << 16) * ((1 << 32) - 1)
    assert (drawn(0, HW2024) ** 2).sum() == (drawn(0, SIM) ** 2).sum()
    assert drawn(0, HW_L6).sum() == 0
    assert drawn(-8, HW_L6).sum() == -(1 << 15) * 256 and drawn(-8, HW_L6).min() == -511


@pytest.mark.parametrize("shift", [34, 35, 36, 60, 127])
def test_noise_beyond_the_width_clamps_as_whole_numbers_do(shift: int) -> None:
    some, rail = WORDS[::997], 2**34
    for v in (-rail, -5, 0, rail - 1):
        parameters = Parameters.of_models([NeuronModel(LIF, 2**40, 64, shift)], np.zeros(len(some), np.int64))
        noise = perturbation(some, parameters.shift, SIM)
        wanted = [max(-rail, min(rail - 1, v + ((2 * b + 1 - 65536) << shift))) for b in some.tolist()]
        assert start(np.full(len(some), v), None, parameters, SIM, noise).v.tolist() == wanted


@pytest.mark.parametrize("name", ["hw2024", "hw_l6", "hw_l6_legacy"])
def test_hardware_noise_wraps(name: str) -> None:
    """Also for shifts that no parameter word holds."""
    profile, some = PROFILES[name], WORDS[::997]
    half = 1 << (profile.width - 1)
    for shift in (20, 31, 40, 100):
        parameters = Parameters.of_models([NeuronModel(LIF, half - 1, 63, shift)], np.zeros(len(some), np.int64))
        kept = start(np.full(len(some), 7), None, parameters, profile, perturbation(some, parameters.shift, profile)).v
        for b, v in zip(some.tolist(), kept.tolist(), strict=True):
            x = 2 * b + 1
            exact = 7 + ((x & 0xFFFF) << shift) * (-1 if x >> 16 else 1)
            assert v == (exact + half) % (2 * half) - half


# --- noise: who gets it, and when ---


def test_the_simulator_adds_before_the_test_and_hardware_after_it() -> None:
    noise = np.array([[3, 3, 3, 3]])
    v = np.array([[4, 4, 4, 4]])
    models = [NeuronModel(code, 6, 63, 0) for code in (0, 1, LIF, IF)]
    hardware = Parameters.of_models(models, np.arange(4))
    fired, kept, _, _ = start(v, None, hardware, HW2024, noise)
    assert not fired.any() and kept.tolist() == [[0, 5, 7, 4]]
    fired, kept, _, _ = start(v + 3, None, hardware, HW2024, noise)
    assert fired.all() and not kept.any()
    simulator = Parameters.of_models([NeuronModel(0, 6, 64, 0), NeuronModel(LIF, 8, 64, 0)], np.array([0, 1]))
    fired, kept, _, _ = start(v[:, :2], None, simulator, SIM, noise[:, :2])
    assert fired.tolist() == [[True, False]] and kept.tolist() == [[0, 7]]


def noisy_program(shift: int = 0, profile: Any = SIM) -> CriProgram:
    program = unary_program(profile)
    noisy = replace(program.models[0], shift=shift, code=LIF)
    quiet_one = replace(program.models[0], code=LIF)
    return replace(program, models=(noisy, quiet_one), neuron_model=np.array([0, 1, 0], np.uint8))


FEEDS = np.arange(21.0).reshape(7, 3) / 4


def outcome(program: CriProgram, seed: int, batch: int | None = None) -> dict[str, list[Any]]:
    result = Session(program, seed=seed).run(FEEDS, trace=True, batch=batch)
    parts = {**result.integers, **{f"{name} potential": v for name, v in result.potentials.items()}}
    return {name: values.tolist() for name, values in parts.items()}


@pytest.mark.parametrize("name", list(PROFILES))
def test_results_depend_on_the_seed_alone(name: str) -> None:
    program = noisy_program(0, PROFILES[name])
    found = outcome(program, 7)
    assert all(outcome(program, 7, batch) == found for batch in (1, 2, 3, 7))
    assert outcome(program, 8) != found
    counters = Session(program, seed=7).run(FEEDS).counters
    assert counters["noise_seed"] == 7


def test_samples_get_noise_of_their_own_and_timesteps_too() -> None:
    words = Noise(3, 0, 4).words(50)
    assert len({tuple(row) for row in words.tolist()}) == 4 and words.min() >= 0 and words.max() < 1 << 16
    np.testing.assert_array_equal(Noise(3, 2, 2).words(50), words[2:])
    stream = Noise(3, 0, 1)
    assert stream.words(50).tolist() != stream.words(50).tolist()
    assert Noise(3, 0, 0).words(5).shape == (0, 5) and Noise(3, 0, 2).words(0).shape == (2, 0)


def test_words_are_those_of_the_first_release() -> None:
    """They decide published numbers; numpy keeps the raw words of its generators."""
    assert Noise(7, 0, 1).words(4).tolist() == [[40966, 58799, 50835, 14759]]


def test_one_neuron_with_another_shift_makes_all_of_the_simulator_s_neurons_jitter() -> None:
    """Neuron 0 has the shift −16 of no noise; its potential falls by 1 in some timesteps and never rises."""
    models = [NeuronModel(LIF, 2**30, 64, -16), NeuronModel(LIF, 2**30, 64, -15)]
    for shifts, falls in (((0, 0), False), ((0, 1), True)):
        parameters = Parameters.of_models(models, np.array(shifts))
        m = CriMachine(SIM, parameters, table(0, []), table(2, []), 1, Noise(1, 0, 1))
        seen = [0]
        for _ in range(40):
            m.step(quiet(m))
            seen.append(int(m.potentials[0, 0]))
        changes = np.diff(seen)
        assert set(changes.tolist()) == ({-1, 0} if falls else {0})


def test_single_steps_are_those_of_a_run_and_reset_goes_on_with_the_noise() -> None:
    program = replace(noisy_program(), inputs=(), schedule=())
    session = Session(program, seed=5)
    whole = session.run({}, trace=True)
    for _ in range(program.steps):
        session.step(np.zeros((1, program.axons.sources), np.bool_))
    p = program.populations[0]
    assert session.machine.potentials[0, p.first : p.stop].tolist() == whole.potentials[p.name].reshape(-1).tolist()
    first = session.machine.potentials
    session.reset()
    for _ in range(program.steps):
        session.step(np.zeros((1, program.axons.sources), np.bool_))
    assert session.machine.potentials.tolist() != first.tolist()


def test_a_seed_changes_nothing_where_there_is_no_noise() -> None:
    result = Session(unary_program(), seed=1).run(FEEDS)
    assert result.integers["y"].tolist() == Session(unary_program()).run(FEEDS).integers["y"].tolist()
    assert "noise_seed" not in result.counters


def test_what_noise_cannot_be_run_with_is_refused() -> None:
    program = noisy_program(-3, HW2024)
    for engine, code in (("auto", "NMC-R008"), ("reference", "NMC-R008"), ("fast", "NMC-R009")):
        with pytest.raises(NmcError) as caught:
            Session(program, engine)
        assert [d.code for d in caught.value.diagnostics] == [code]
    with pytest.raises(NmcError, match="noise"):
        Session(program, "fast", seed=1)
    with pytest.raises(ValueError, match="seed must be at least 0"):
        Session(program, seed=-1)
    with pytest.raises(NmcError, match="NMC-R008"):
        ImageMachine(encode_image(program))
    with pytest.raises(NmcError, match="padding neurons with noise"):
        Meter(footprint_of(program), program.profile)


def test_a_machine_without_noise_takes_no_seed() -> None:
    with pytest.raises(NmcError, match="has no noise") as caught:
        Session(akida_programs.random_program(0), seed=1)
    assert caught.value.exit_code == Exit.USAGE


def test_simulate_takes_a_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = noisy_program()
    save(program, tmp_path / "p.nmc")
    np.savez(tmp_path / "x.npz", x=FEEDS)
    command = ["simulate", str(tmp_path / "p.nmc"), "--input", str(tmp_path / "x.npz")]
    code, _, told = run_main(command, capsys)
    assert code == Exit.UNSUPPORTED and "NMC-R008" in told and "--seed" in told
    code, out, _ = run_main([*command, "--seed", "7", "-o", str(tmp_path / "y.npz"), "--json"], capsys)
    assert code == 0 and json.loads(out)["counters"]["noise_seed"] == 7
    with np.load(tmp_path / "y.npz") as file:
        assert file["y.int"].tolist() == outcome(program, 7)["y"]
    assert run_main([*command, "--seed", "-1"], capsys)[0] == Exit.USAGE


def run_main(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main(arguments)
    told = capsys.readouterr()
    return int(done.value.code or 0), told.out, told.err
