"""Refractory periods of CRI neurons: traces by hand, program files, images, cores, costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cri_images import random_program
from partition_checks import check_lockstep, lowered
from spiking_random import random_net
from test_cri_image import table_of
from test_cri_reference import machine, unary_program

from nmc.backends.cri.export.hs_api import write_hs_api
from nmc.backends.cri.image import decode_image, encode_image, footprint_of, read_image, write_image
from nmc.backends.cri.partition import partition
from nmc.backends.cri.placement import natural
from nmc.backends.cri.target import PROFILES
from nmc.runtime import Session
from nmc.runtime.compare.neuron import watch
from nmc.runtime.compare.programs import diff_programs
from nmc.runtime.cost import Meter
from nmc.runtime.golden.parts import parts
from nmc.runtime.program import CriProgram, Exit, NeuronModel, NmcError, Population, Readout, load, save
from nmc.runtime.program.cri import Input
from nmc.runtime.program.cri_image import parameter_slot
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_image import ImageMachine
from nmc.runtime.reference.neuron import Parameters, start

SIM, HW2024, HW_L6 = (PROFILES[name] for name in ("sim", "hw2024", "hw_l6"))
LIF, IF = 2, 3


def resting(refractory: int, code: int = IF, leak: int = 0, soft: bool = False, threshold: int = 5) -> CriMachine:
    """A neuron that an axon reaches with weight 6."""
    m = machine(HW_L6, [(code, threshold, leak)], axons=[6])
    model = NeuronModel(code, threshold, leak, -17, soft, refractory)
    parameters = Parameters.of_models([model], np.zeros(1, np.int64))
    return CriMachine(HW_L6, parameters, m.axons, m.neurons)


def traced(m: CriMachine, steps: list[int]) -> tuple[list[int], list[int]]:
    """Spikes and potentials after each timestep; a step says whether the axon is active."""
    spikes, potentials = [], []
    for on in steps:
        spikes.append(int(m.step(np.array([[bool(on)]]))[0, 0]))
        potentials.append(int(m.potentials[0, 0]))
    return spikes, potentials


def test_a_neuron_rests_after_a_spike() -> None:
    assert traced(resting(0), [1] * 5) == ([0, 1, 1, 1, 1], [6, 6, 6, 6, 6])
    assert traced(resting(1), [1] * 6) == ([0, 1, 0, 1, 0, 1], [6, 0, 6, 0, 6, 0])
    assert traced(resting(2), [1] * 8) == ([0, 1, 0, 0, 1, 0, 0, 1], [6, 0, 0, 6, 0, 0, 6, 0])
    assert traced(resting(7), [1] * 11)[0] == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_a_resting_neuron_neither_leaks_nor_forgets_nor_counts() -> None:
    """Soft reset leaves 12 − 5 = 7, which is above the threshold and stays while the neuron rests."""
    m = resting(2, LIF, 1, soft=True)
    m.potentials = [12]
    assert traced(m, [1, 1, 0, 0]) == ([1, 0, 0, 1], [7, 7, 7, 2])
    for code in (0, 1):
        m = resting(3, code, soft=True, threshold=5)
        m.potentials = [9]
        assert traced(m, [0, 0, 0, 0]) == ([1, 0, 0, 0], [4, 4, 4, 4])
        assert traced(m, [0]) == ([0], [0 if code == 0 else 5])


def test_a_resting_neuron_gets_no_noise_and_input_counts_in_the_last_timestep() -> None:
    parameters = Parameters.of_models([NeuronModel(LIF, 50, 63, 0, False, 3)], np.zeros(1, np.int64))
    noise = np.array([[9]])
    fired, v, waiting, _ = start(np.array([[60]]), np.array([[0]]), parameters, HW_L6, noise)
    assert (fired.tolist(), v.tolist()) == ([[True]], [[0]]) and waiting is not None
    for left in (2, 1, 0):
        fired, v, waiting, _ = start(v, waiting, parameters, HW_L6, noise)
        assert not fired.any() and v.tolist() == [[0]] and waiting is not None and waiting.tolist() == [[left]]
    assert start(v, waiting, parameters, HW_L6, noise).v.tolist() == [[9]]


def test_reset_ends_the_rest() -> None:
    m = resting(7)
    assert traced(m, [1, 1, 1])[0] == [0, 1, 0] and m.waiting is not None and m.waiting.tolist() == [[6]]
    m.reset()
    assert traced(m, [1, 1, 1])[0] == [0, 1, 0]
    assert resting(0).waiting is None


def resting_program(refractory: int = 2, profile: Any = HW_L6) -> CriProgram:
    """A train of 9 timesteps reaches a neuron with weight 6; a second, without a rest, is reached by the first."""
    return CriProgram(
        profile=profile,
        models=(NeuronModel(IF, 5, 0, -17, refractory=refractory), NeuronModel(IF, 900, 0, -17)),
        neuron_model=np.array([0, 1], np.uint8),
        axons=table_of([0, 1], [0], [6]),
        neurons=table_of([0, 1, 1], [1], [10]),
        populations=(Population("n", "plain", 0, (2,)),),
        inputs=(Input("x", (9, 1), 0, 1, 1.0, 0, every=1),),
        schedule=(),
        readouts=(
            Readout("y", "count", (2,), np.arange(2), np.zeros(2, np.int64), np.ones(2)),
            Readout("v", "potential", (2,), np.arange(2), np.zeros(2, np.int64), np.ones(2)),
        ),
        steps=9,
    )


def test_programs_with_a_rest_are_saved_run_and_told_apart(tmp_path: Path) -> None:
    program = resting_program()
    save(program, tmp_path / "p.nmc")
    back = load(tmp_path / "p.nmc")
    assert isinstance(back, CriProgram) and back.models == program.models
    result = Session(back).run(np.ones((3, 9, 1)))
    assert result.integers["y"].tolist() == [[3, 0]] * 3 and result.integers["v"].tolist() == [[0, 30]] * 3
    with pytest.raises(NmcError, match="refractory") as caught:
        Session(program, "fast")
    assert caught.value.exit_code == Exit.USAGE
    (found,) = diff_programs(program, resting_program(3))
    assert "refractory 2" in found.first and "refractory 3" in found.second
    seen = watch(program, {"x": np.ones((1, 9, 1))}, 0)
    assert seen.fired.tolist() == [0, 1, 0, 0, 1, 0, 0, 1, 0] and seen.given.tolist() == [6, 0, 0] * 3


@pytest.mark.parametrize(
    ("refractory", "name", "text"),
    [
        (8, "hw_l6", "must be 0 to 7, not 8"),
        (-1, "hw_l6", "must be 0 to 7, not -1"),
        (1, "hw2024", "hw2024 has no refractory periods"),
        (1, "hw_l6_legacy", "hw_l6_legacy has no refractory periods"),
    ],
)
def test_periods_that_no_build_has_are_refused(refractory: int, name: str, text: str) -> None:
    with pytest.raises(NmcError) as caught:
        Session(resting_program(refractory, PROFILES[name]))
    (problem,) = caught.value.diagnostics
    assert problem.code == "NMC-F013" and "models/0/refractory" in problem.what and text in problem.what


def test_files_from_before_there_were_periods_stay_valid(tmp_path: Path) -> None:
    """A profile hw_l6 without the key, and no trace of the field where it has its default."""
    for profile in (replace(HW_L6, refractory=False), SIM, HW2024, PROFILES["hw_l6_legacy"]):
        program = unary_program(profile)
        save(program, tmp_path / "p.nmc")
        assert b"refractory" not in (tmp_path / "p.nmc").read_bytes()
        back = load(tmp_path / "p.nmc")
        assert isinstance(back, CriProgram) and back.profile == profile and back.models == program.models
    old = resting_program(1, replace(HW_L6, refractory=False))
    with pytest.raises(NmcError, match="hw_l6 has no refractory periods"):
        save(old, tmp_path / "q.nmc")


def test_image_files_hold_the_period(tmp_path: Path) -> None:
    program = resting_program(3)
    write_image(program, tmp_path / "net")
    back, _ = read_image(tmp_path / "net", steps=9)
    assert {m.refractory for m in back.models} == {0, 3} and back.profile == HW_L6
    assert Session(back).run(np.ones((1, 9, 1))).integers["spikes"].tolist() == [[2, 0]]


@pytest.mark.parametrize("seed", [2, 3])
def test_cores_rest_as_the_whole_program_does(seed: int) -> None:
    program = lowered(random_net(seed, soft=True, leaky=False), "hw_l6")
    models = tuple(replace(m, refractory=(i + seed) % 4) for i, m in enumerate(program.models))
    program = replace(program, models=models)
    assert check_lockstep(program, partition(program, 3)) > 100


def test_parts_of_programs_tell_periods() -> None:
    two, three = ({p.name: p.sha256 for p in parts(resting_program(r))} for r in (2, 3))
    assert [name for name in two if two[name] != three[name]] == ["population n"]


def test_the_image_holds_the_period_and_runs_with_it(tmp_path: Path) -> None:
    program = resting_program(5)
    image = encode_image(program)
    assert [word >> 14 & 7 for word in image.parameters] == [5, 0]
    assert parameter_slot(image.parameters[0]).model == program.models[0]
    network = decode_image(image, natural(program).slot)
    assert network.models == program.models
    with pytest.raises(NmcError, match="refractory period") as caught:
        write_hs_api(program, tmp_path / "net")
    assert [d.code for d in caught.value.diagnostics] == ["NMC-F037"]


@pytest.mark.parametrize("seed", range(4))
def test_image_and_table_agree_on_random_networks_with_rests(seed: int) -> None:
    program = random_program(seed, "hw_l6")
    models = tuple(replace(m, refractory=(3 * i + seed) % 8) for i, m in enumerate(program.models))
    program = replace(program, models=models)
    m, core, slot = CriMachine.of(program), ImageMachine(encode_image(program)), natural(program).slot
    rng, spikes = np.random.default_rng(seed), 0
    for _ in range(30):
        axons = rng.random((1, program.axons.sources)) < 0.4
        fired = m.step(axons)[0]
        np.testing.assert_array_equal(core.step(axons[0])[0][slot], fired)
        np.testing.assert_array_equal(core.v.reshape(-1)[slot], m.potentials[0])
        spikes += int(fired.sum())
    assert spikes > 30


def test_padding_neurons_rest_too() -> None:
    """A threshold below 0 fires at rest: with a period of 2 in every third timestep, and again after a restart."""
    program = replace(resting_program(), models=(NeuronModel(IF, -1, 0, -17, refractory=2), NeuronModel(IF, 9, 0, -17)))
    meter, none = Meter(footprint_of(program), HW_L6), np.zeros((1, 2), np.bool_)
    costs = [int(meter.step(np.zeros((1, 1), np.bool_), none).synapses[0]) for _ in range(5)]
    assert [cost > 0 for cost in costs] == [True, False, False, True, False]
    meter.restart(1)
    assert int(meter.step(np.zeros((1, 1), np.bool_), none).synapses[0]) == costs[0]
