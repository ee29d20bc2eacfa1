"""The torch engine: equal to the reference machines in every integer and counter, on every device there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from akida_programs import FRAMES, random_frames, random_program
from click.testing import CliRunner
from fast_akida_checks import check_values
from golden_runs import ZOO
from hypothesis import given, settings
from hypothesis import strategies as st
from test_akida_golden import CASES as LAYERS
from test_akida_golden import OURS, PROGRAMS, operands, program_of, stored_program
from test_akida_golden import golden as akida_golden
from test_cri_golden import CASES as NETWORKS
from test_cri_golden import golden as cri_golden
from test_cri_golden import inputs_of, machine_of
from test_cri_noise import FEEDS, noisy_program
from test_cri_reference import unary_program
from test_fast_cri import activity, machines

from nmc.backends.cri.target import PROFILES
from nmc.cli.golden import case_inputs, compiled
from nmc.cli.main import main
from nmc.runtime import Session
from nmc.runtime.golden.case import read_case
from nmc.runtime.program import AkidaProgram, save
from nmc.runtime.program.akida_kinds import TEMPORAL
from nmc.runtime.program.diagnostics import Exit, NmcError
from nmc.runtime.reference.akida import AkidaMachine
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.result import Result
from nmc.runtime.torch_engine import products
from nmc.runtime.torch_engine.akida import TorchAkidaMachine
from nmc.runtime.torch_engine.akida_layers import place
from nmc.runtime.torch_engine.cri import PlacedNetwork, TorchCriMachine
from nmc.runtime.torch_engine.device import find_device

pytestmark = pytest.mark.slow

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
on_devices = pytest.mark.parametrize("device", DEVICES)
Frames = list[dict[str, np.ndarray[Any, Any]]]


torch.set_num_threads(1)  # as many test processes as processors run beside each other


# --- Akida ---


def check_akida(program: AkidaProgram, steps: Frames, device: str) -> TorchAkidaMachine:
    streams, where = len(next(iter(steps[0].values()))), torch.device(device)
    engine, slow = TorchAkidaMachine(program, place(program, where), streams, where), AkidaMachine(program, streams)
    for number, frames in enumerate(steps):
        engine.step(frames)
        slow.step(frames)
        check_values(engine, slow, f"frame {number}")
    engine.reset()
    slow.reset()
    engine.step(steps[0])
    slow.step(steps[0])
    check_values(engine, slow, "after a reset")
    return engine


@pytest.mark.golden
@on_devices
@pytest.mark.parametrize("name", LAYERS + OURS)
def test_golden_layers(name: str, device: str) -> None:
    program, fed = program_of(akida_golden(name)), operands(akida_golden(name))
    names = [entry.layer for entry in program.inputs]
    temporal = program.layers[-1].kind in TEMPORAL
    steps = [[frame[None] for frame in clips] for clips in zip(*fed, strict=True)] if temporal else [fed]
    check_akida(program, [dict(zip(names, frames, strict=True)) for frames in steps], device)


@pytest.mark.golden
@on_devices
@pytest.mark.parametrize("name", PROGRAMS)
def test_golden_programs(name: str, device: str, tmp_path: Path) -> None:
    case = akida_golden(name)
    program = stored_program(case, tmp_path)
    fed = {layer.name: case[f"input_{layer.name}"] for layer in program.layers if not layer.inbounds}
    frames = next(iter(fed.values())).shape[1]
    check_akida(program, [{layer: clip[:, j] for layer, clip in fed.items()} for j in range(frames)], device)


@on_devices
def test_random_programs(device: str) -> None:
    ways: set[str] = set()
    for seed in range(100, 140):
        program = random_program(seed)
        clips = random_frames(program, seed)
        steps = [{name: clip[:, t] for name, clip in clips.items()} for t in range(FRAMES)]
        ways |= set(check_akida(program, steps, device).ways.values())
    assert "float32" in ways
    assert ways != {"float32"}  # some sums may exceed 2^24


@on_devices
def test_windows_in_parts_and_products_of_int64(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that only huge programs meet, lowered."""
    monkeypatch.setattr(products, "ELEMENTS", 100)
    monkeypatch.setattr(products, "WAYS", {torch.float32: 40, torch.float64: 4000, torch.int64: float("inf")})
    ways: set[str] = set()
    for seed in range(40, 52):
        program = random_program(seed)
        clips = random_frames(program, seed)
        steps = [{name: clip[:, t] for name, clip in clips.items()} for t in range(2)]
        ways |= set(check_akida(program, steps, device).ways.values())
    assert "int64" in ways


# --- CRI ---


def check_cri(engine: TorchCriMachine, machine: CriMachine, steps: list[np.ndarray[Any, Any]]) -> None:
    for axons in steps:
        np.testing.assert_array_equal(engine.step(axons), machine.step(axons))
        np.testing.assert_array_equal(engine.potentials, machine.potentials)
        counted = engine.synaptic_events, engine.spikes, engine.out_of_range
        assert counted == (machine.synaptic_events, machine.spikes, machine.out_of_range)


def engine_of(machine: CriMachine, device: str) -> TorchCriMachine:
    parts = machine.profile, machine.parameters, machine.axons, machine.neurons
    engine = TorchCriMachine(PlacedNetwork.of(*parts, torch.device(device)), machine.batch)
    engine.potentials = machine.potentials
    return engine


@pytest.mark.golden
@on_devices
@pytest.mark.parametrize("name", NETWORKS)
def test_golden_networks(name: str, device: str) -> None:
    case = cri_golden(name)
    machine = machine_of(case)
    engine = engine_of(machine, device)
    check_cri(engine, machine, [inputs_of(case, step, machine.axons.sources) for step in range(len(case["v"]))])
    np.testing.assert_array_equal(engine.potentials[0], case["v"][-1])


@on_devices
@given(machines(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_random_networks_under_every_profile(device: str, drawn: tuple[CriMachine, Any, int], parts: bool) -> None:
    machine, _, seed = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmc.runtime.torch_engine.cri.CHUNK", 5 if parts else 1 << 24)
        engine = engine_of(machine, device)
        check_cri(engine, machine, activity(machine, 6, seed=seed))
        some = np.arange(machine.neurons.sources)[::2]
        np.testing.assert_array_equal(engine.read(some), machine.read(some))
        engine.reset()
        machine.reset()
        check_cri(engine, machine, activity(machine, 2, seed=seed + 1))


# --- sessions ---


def check_results(found: Result, wanted: Result) -> None:
    for kind in ("outputs", "integers", "trace", "potentials"):
        assert getattr(found, kind).keys() == getattr(wanted, kind).keys()
        for key, array in getattr(wanted, kind).items():
            np.testing.assert_array_equal(getattr(found, kind)[key], array, err_msg=f"{kind} {key}")
    assert found.counters == wanted.counters


@pytest.mark.slow
@on_devices
@pytest.mark.parametrize("name", sorted(path.stem for path in ZOO.glob("*.toml") if path.stem != "dvs_gesture"))
def test_programs_of_the_zoo(name: str, device: str) -> None:
    """All but the one that is too large to be recorded."""
    case = read_case(ZOO / f"{name}.toml")
    program = compiled(case)[0].program
    assert case.input is not None
    given = {key: array[:2] for key, array in case_inputs(case.input, program, name).items()}
    engines = "auto", f"torch:{device}"
    wanted, found = (Session(program, engine).run(given, trace=True) for engine in engines)
    check_results(found, wanted)


@on_devices
@pytest.mark.parametrize("name", list(PROFILES))
def test_noise_is_that_of_the_reference(name: str, device: str) -> None:
    program = noisy_program(0, PROFILES[name])
    engines = "reference", f"torch:{device}"
    wanted, found = (Session(program, engine, seed=5).run(FEEDS, trace=True) for engine in engines)
    check_results(found, wanted)


def test_float32_products_are_exact_whatever_the_caller_has_switched_on() -> None:
    program = random_program(100)
    clips = random_frames(program, 100)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            check_akida(program, [{name: clip[:, t] for name, clip in clips.items()} for t in range(FRAMES)], "cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "meta", "", *([] if torch.cuda.is_available() else ["cuda"])])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(NmcError) as caught:
        find_device(device)
    assert (caught.value.diagnostics[0].code, caught.value.exit_code) == ("NMC-R026", Exit.USAGE)


def test_only_the_engine_torch_has_devices() -> None:
    with pytest.raises(NmcError, match="NMC-R009"):
        Session(random_program(1), "fast:cpu")


def test_the_command(tmp_path: Path) -> None:
    program = random_program(3)
    save(program, tmp_path / "p.nmc")
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "x.npz", **{e.name: rng.integers(0, 9, (2, *e.shape)).astype(np.float32) for e in program.inputs}
    )
    base = ["simulate", str(tmp_path / "p.nmc"), "--input", str(tmp_path / "x.npz"), "--json"]
    shown = []
    for more in (["--engine", "reference"], ["--engine", "torch"], ["--device", "cpu"]):
        done = CliRunner().invoke(main, [*base, *more])
        assert done.exit_code == 0, done.output
        shown.append(json.loads(done.stdout)["counters"])
    assert shown[0] == shown[1] == shown[2]
    done = CliRunner().invoke(main, [*base, "--engine", "fast", "--device", "cpu"])
    assert done.exit_code == 2
    assert "--device" in done.output


def test_evaluation_on_a_device(tmp_path: Path) -> None:
    program = unary_program()
    save(program, tmp_path / "p.nmc")
    (entry,) = program.inputs
    samples = np.random.default_rng(0).random((6, *entry.shape), np.float32)
    np.savez(tmp_path / "x.npz", **{entry.name: samples}, labels=np.zeros(6, np.int64))
    base = ["evaluate", f"{tmp_path}/p.nmc", "--data", f"{tmp_path}/x.npz", "--output", "h", "--json"]
    shown = []
    for more in ([], ["--device", "cpu"], ["--device", "cpu", "--part", "2"]):
        done = CliRunner().invoke(main, [*base, *more])
        assert done.exit_code == 0, done.output
        shown.append(json.loads(done.stdout)["counters"])
    assert shown[0] == shown[1] == shown[2]
