"""Sessions on the event engine: equal to the reference in everything they give; where the engine cannot run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace
from typing import Any

import numba
import numpy as np
import pytest
from spiking_integer import feeds_for
from spiking_random import random_net
from test_cri_reference import unary_program

from nmc.backends.cri.spiking import SpikingLowering
from nmc.backends.cri.target import PROFILES
from nmc.runtime import Session
from nmc.runtime.fast import jit
from nmc.runtime.program import CriProgram, NeuronModel, NmcError, Population, Profile
from nmc.runtime.reference.neuron import COUNTER, IF, Parameters

pytestmark = pytest.mark.slow


def check_random_network(seed: int) -> None:
    profile = PROFILES[sorted(PROFILES)[seed % len(PROFILES)]]
    graph = random_net(seed, profile.soft_reset, leaky=profile.leak == "floor63")
    check_sessions(SpikingLowering(graph, profile).run({}), feeds_for(graph, 5, 3, seed), batch=1 + seed % 3)


def check_sessions(program: CriProgram, feeds: Any, **options: Any) -> None:
    expected = Session(program, "reference").run(feeds, trace=True)
    made = Session(program, "fast").run(feeds, trace=True, **options)
    assert made.counters == expected.counters
    for mine, theirs in (
        (made.outputs, expected.outputs),
        (made.integers, expected.integers),
        (made.trace, expected.trace),
        (made.potentials, expected.potentials),
    ):
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_unary_programs(profile: str) -> None:
    x = np.random.default_rng(0).normal(0, 2, (20, 3))
    check_sessions(unary_program(PROFILES[profile]), x, batch=7)


@pytest.mark.parametrize("seed", range(40))
def test_random_spiking_networks(seed: int) -> None:
    check_random_network(seed)


def test_many_random_spiking_networks() -> None:
    for seed in range(40, 1000):
        check_random_network(seed)


def test_single_steps_and_batches_of_a_session() -> None:
    program = unary_program()
    fast_one, slow = Session(program, "fast"), Session(program, "reference")
    for batch in (2, 2, 3, 0):
        axons = np.ones((batch, 11), np.bool_)
        np.testing.assert_array_equal(fast_one.step(axons), slow.step(axons))
        np.testing.assert_array_equal(fast_one.machine.potentials, slow.machine.potentials)


def test_the_engine_knows_all_parameters() -> None:
    """A new parameter of neurons or profiles needs a rule in runtime/fast, or a refusal in runtime/cri_engines.py."""
    assert [f.name for f in fields(Parameters)] == ["code", "threshold", "leak", "shift", "soft", "refractory"]
    assert [f.name for f in fields(NeuronModel)] == ["code", "threshold", "leak", "shift", "soft", "refractory"]
    names = ["name", "compare", "width", "overflow", "leak", "ann_clears", "no_leak", "noise_off", "soft_reset"]
    assert [f.name for f in fields(Profile)] == [*names, "refractory"]


def test_counters_and_integrators_run_in_place() -> None:
    hardware = PROFILES["hw2024"]
    models = tuple(NeuronModel(code, 3, 0, hardware.noise_off) for code in (COUNTER, IF))
    program = replace(
        unary_program(hardware),
        models=models,
        neuron_model=np.array([0, 1, 0], np.uint8),
        populations=(Population("p", "plain", 0, (3, 1)),),
        readouts=(),
    )
    check_sessions(program, np.ones((2, 3)))


# --- where the engine cannot run ---


def test_noise_is_left_to_the_reference() -> None:
    program = unary_program()
    noisy = replace(program, models=(replace(program.models[0], shift=0),))
    with pytest.raises(NmcError, match="NMC-R009") as caught:
        Session(noisy, "fast")
    assert "noise" in str(caught.value)


@pytest.mark.parametrize(
    ("switch", "why"),
    [
        ("os.environ['NUMBA_DISABLE_JIT'] = '1'", "switched off"),
        ("sys.modules['numba'] = None", "cannot be imported"),
    ],
)
def test_without_numba_the_reference_runs(switch: str, why: str) -> None:
    lines = (
        f"import os, sys; {switch}",
        "from test_cri_reference import unary_program",
        "from nmc.runtime import Session",
        "from nmc.runtime.program import NmcError",
        "assert 'numba' not in sys.modules or sys.modules['numba'] is None",
        "session = Session(unary_program())",
        "print(type(session.machine).__name__, session.run([[1.0, 2.0, 3.0]]).integers['y'].tolist())",
        "try: Session(unary_program(), 'fast')",
        "except NmcError as error: print(error)",
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, env=environment, check=True
    )
    expected = Session(unary_program(), "fast").run([[1.0, 2.0, 3.0]]).integers["y"].tolist()
    assert f"CriMachine {expected}" in done.stdout
    assert why in done.stdout and "NMC-R009" in done.stdout


def test_functions_are_compiled_without_a_cache_where_none_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(cache: bool = False, nogil: bool = False) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: ("compiled", function, nogil)

    monkeypatch.setattr(numba, "njit", njit)
    assert jit.compiled(len) == ("compiled", len, True)
