"""One network under every build of the CRI machine: the same integers, a named refusal, or a named departure."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from spiking_integer import feeds_for
from spiking_nets import NETS, Net
from spiking_random import random_net

from nmc.backends.cri.profiles import lower_for_profiles
from nmc.backends.cri.target import PROFILES, CriOptions
from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import Graph, steps_of
from nmc.compiler.ir.ops import Spike
from nmc.runtime.compare.profiles import ProfileResult, compare_profiles
from nmc.runtime.program import CriProgram, Input, NeuronModel, Population, Readout, Table, digest

pytestmark = pytest.mark.slow

torch.set_num_threads(1)
FOLDER = Path(__file__).parent.parent / "examples" / "digits"
sys.path.insert(0, str(FOLDER))
from data import load_split  # noqa: E402

HARDWARE = [name for name in PROFILES if name != "sim"]


def verdicts(results: list[ProfileResult]) -> dict[str, str]:
    return {result.name: result.verdict for result in results}


def compared(graph: Graph, profile: str, inputs: Any) -> list[ProfileResult]:
    return compare_profiles(lower_for_profiles(graph, CriOptions(profile=profile), {}), inputs)


# --- the unary code ---


@cache
def digits(name: str) -> Compilation:
    return compile_verbose(FOLDER / name, "cri", calibration=load_split()[0][:60], timesteps=5)


@pytest.mark.parametrize("name", ["digits.onnx", "digits_residual.onnx"])
def test_unary_programs_are_the_same_under_every_profile(name: str) -> None:
    compiled = digits(name)
    programs = lower_for_profiles(compiled.lowered, CriOptions(timesteps=5), compiled.program.provenance)
    results = compare_profiles(programs, load_split()[2][:12])
    assert verdicts(results) == dict.fromkeys(PROFILES, "identical")
    assert all(result.lost == 0 and result.departure is None for result in results)


def test_the_program_of_a_profile_is_the_one_that_is_compiled_for_it() -> None:
    compiled = digits("digits.onnx")
    programs = dict(lower_for_profiles(compiled.lowered, CriOptions(timesteps=5), compiled.program.provenance))
    for name in ("sim", "hw_l6"):
        own = compile_verbose(
            FOLDER / "digits.onnx", "cri", calibration=load_split()[0][:60], timesteps=5, profile=name
        ).program
        found = programs[name]
        assert isinstance(found, CriProgram) and digest(found) == digest(own)


# --- spiking networks ---


def has_soft(graph: Graph) -> bool:
    return any(isinstance(node.op, Spike) and node.op.soft for node in graph.nodes)


def check_random(seed: int, soft: bool, leaky: bool) -> list[ProfileResult]:
    """Identical, or refused by name: nothing else is allowed to happen."""
    graph = random_net(seed, soft, leaky)
    results = compared(graph, "hw_l6" if soft else "sim", feeds_for(graph, steps_of(graph), 3, seed))
    for result in results:
        assert result.verdict != "different", (seed, result)
        assert result.lost == 0
        assert all(d.code == "NMC-C001" and result.name in d.what for d in result.refused)
    return results


@pytest.mark.parametrize("seed", range(12))
def test_if_networks_are_the_same_under_every_profile(seed: int) -> None:
    assert verdicts(check_random(seed, soft=False, leaky=False)) == dict.fromkeys(PROFILES, "identical")


@pytest.mark.parametrize("seed", range(12))
def test_soft_resets_are_held_by_the_builds_that_have_them(seed: int) -> None:
    found = verdicts(check_random(seed, soft=True, leaky=False))
    other = "refused" if has_soft(random_net(seed, True, False)) else "identical"
    assert found == {"hw_l6": "identical", "hw_l6_legacy": "identical", "sim": other, "hw2024": other}


def test_leaky_networks_are_the_same_or_refused() -> None:
    found = [verdicts(check_random(seed, soft=False, leaky=True)) for seed in range(20)]
    assert all(row["hw2024"] == "identical" for row in found)
    assert all(row["hw_l6"] == row["hw_l6_legacy"] for row in found)
    assert {row["hw_l6"] for row in found} == {"identical", "refused"}


def test_many_random_networks() -> None:
    for seed in range(100, 200):
        check_random(seed, soft=bool(seed % 2), leaky=not seed % 2)


def compiled_net(net: Net, profile: str) -> Compilation | None:
    (name,) = net.build().forward.__code__.co_varnames[1:2]
    calibration = net.inputs() if net.mode == "held" else None
    try:
        return compile_verbose(
            net.build(), "cri", input_shapes={name: net.shape}, profile=profile, calibration=calibration
        )
    except NmcError:
        return None  # test_spiking_proof.py lists what is refused


def check_zoo(net: Net) -> None:
    compiled = compiled_net(net, "hw_l6" if "soft" in net.tags else "sim")
    if compiled is None:
        return
    options = CriOptions(**compiled.program.provenance["options"])
    results = compare_profiles(lower_for_profiles(compiled.lowered, options, {}), net.inputs(3))
    found = verdicts(results)
    assert set(found.values()) <= {"identical", "refused"}
    if "if" in net.tags and "soft" not in net.tags:
        assert set(found.values()) == {"identical"}
    if "leak" in net.tags:
        refused = next(result.refused for result in results if result.name == "hw_l6")
        assert refused and "negative" in refused[0].why


@pytest.mark.parametrize("name", ["if-conv-max", "if-dense-soft", "lif-2-plain", "if-recurrent-linear"])
def test_networks_of_spikingjelly(name: str) -> None:
    check_zoo(next(net for net in NETS if net.name == name))


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)
def test_all_networks_of_spikingjelly(net: Net) -> None:
    check_zoo(net)


# --- departures, planted one at a time ---


def table(*synapses: tuple[int, int, int], sources: int) -> Table:
    rows = sorted(synapses)
    counts = np.bincount([source for source, _, _ in rows], minlength=sources)
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    target = np.array([target for _, target, _ in rows], np.int32)
    return Table(ends, target, np.array([weight for _, _, weight in rows], np.int16))


def two_neurons(profile: str, weight: int, threshold: int, code: int = -1, leak: int = 0, soft: bool = False) -> Any:
    """An axon to neuron 0, which excites neuron 1; programmed as given, by default without a leak."""
    build = PROFILES[profile]
    code, leak = build.no_leak if code < 0 else (code, leak)
    model = NeuronModel(code, threshold, leak, build.noise_off, soft)
    zeros = np.zeros(2, np.int64)
    return CriProgram(
        profile=build,
        models=(model,),
        neuron_model=np.zeros(2, np.uint8),
        axons=table((0, 0, weight), sources=1),
        neurons=table((0, 1, 7), sources=2),
        populations=(Population("first", "plain", 0, (1,)), Population("second", "plain", 1, (1,))),
        inputs=(Input("x", (6, 1), 0, 1, 1.0, 0, every=1),),
        schedule=(),
        readouts=(Readout("y", "count", (2,), np.arange(2), zeros, np.ones(2)),),
        steps=8,
    )


ON = np.ones((1, 6, 1))


@pytest.mark.parametrize(
    ("base", "other", "cause", "timestep", "potential"),
    [
        # 10 against a threshold of 10: at it, not above.
        (("sim", 10, 10), ("hw2024", 10, 10), "compare", 1, 10),
        # −9 − floor(−9 / 8) = −7, the logical shift takes off 2^29 − 2 more.
        (("sim", -9, 10, 2, 3), ("hw_l6", -9, 9, 2, 3), "leak", 1, -9),
        # ANN neurons leak in `sim` and forget on hardware.
        (("sim", 8, 100, 0, 1), ("hw2024", 8, 99, 0, 1), "leak", 1, 8),
        # What is kept of 20 with a threshold of 10: 10, or 0.
        (("hw_l6", 20, 10, 3, 0, True), ("hw_l6", 20, 10, 3, 0, False), "reset", 1, 20),
    ],
)
def test_departures_are_named(base: Any, other: Any, cause: str, timestep: int, potential: int) -> None:
    programs = {"base": two_neurons(*base), "other": two_neurons(*other)}
    first, second = compare_profiles(programs.items(), ON)
    assert first.verdict == "identical" and second.verdict == "different" and second.departure is not None
    at = second.departure
    assert (at.population, at.element, at.sample) == ("first", (0,), 0)
    assert (at.cause, at.timestep, at.potential) == (cause, timestep, potential)


def test_rails_are_named() -> None:
    narrow = two_neurons("hw_l6", 30000, 65535)
    narrow = replace(narrow, profile=replace(narrow.profile, width=17))
    wide = replace(narrow, profile=replace(narrow.profile, width=32))
    _, found = compare_profiles({"wide": wide, "narrow": narrow}.items(), ON)
    at = found.departure
    assert at is not None and found.lost > 0
    assert (at.cause, at.timestep, at.potential, at.after) == ("rails", 2, 60000, (90000, 90000 - 2**17))


def test_rails_of_one_width_are_named() -> None:
    """35 bits clamp in `sim` and wrap on hardware."""
    programs = {name: two_neurons(name, 30000, 65535) for name in ("sim", "hw2024")}
    narrow = {name: replace(p, profile=replace(p.profile, width=17)) for name, p in programs.items()}
    _, found = compare_profiles(narrow.items(), ON)
    at = found.departure
    assert at is not None and (at.cause, at.timestep, at.after) == ("rails", 2, (65535, 90000 - 2**17))


def test_another_weight_is_told_apart_from_what_builds_do() -> None:
    other = two_neurons("hw_l6", 11, 100)
    _, found = compare_profiles({"one": two_neurons("hw2024", 10, 100), "other": other}.items(), ON)
    assert found.departure is not None and (found.departure.cause, found.departure.timestep) == ("input", 0)
    assert found.differing == {"first.potential": 1}


def test_a_second_sample_is_where_it_begins() -> None:
    programs = {"base": two_neurons("sim", 10, 10), "other": two_neurons("hw2024", 10, 10)}
    silent = np.concatenate([np.zeros_like(ON), ON])
    _, found = compare_profiles(programs.items(), silent)
    assert found.departure is not None and found.departure.sample == 1


def test_there_must_be_something_to_compare_with() -> None:
    with pytest.raises(ValueError, match="no program"):
        compare_profiles({}.items(), ON)


# --- the profiles as data ---


def test_profiles_hold_what_builds_differ_in() -> None:
    """Section by section what docs/cri.md tables."""
    found = {name: (p.compare, p.width, p.overflow, p.leak, p.soft_reset) for name, p in PROFILES.items()}
    assert found == {
        "sim": (">=", 35, "saturate", "floor63", False),
        "hw2024": (">", 35, "wrap", "floor", False),
        "hw_l6": (">", 32, "wrap", "logical", True),
        "hw_l6_legacy": (">", 35, "wrap", "logical", True),
    }
    assert [PROFILES[name].ann_clears for name in ("sim", *HARDWARE)] == [False, True, True, True]
    assert [PROFILES[name].noise_off for name in ("sim", *HARDWARE)] == [-16, -17, -17, -17]
    assert [PROFILES[name].refractory for name in ("sim", *HARDWARE)] == [False, False, True, False]
    assert [PROFILES[name].noise for name in ("sim", *HARDWARE)] == ["before", "halves", "whole", "whole"]
