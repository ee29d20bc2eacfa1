"""The proof: spikes of the simulated table against SpikingJelly's own forward, at every step, of every neuron."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from spiking_nets import NETS, Net
from spiking_twin import PlainLIF, Twin

from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.ir import evaluate
from nmc.runtime import Session

pytestmark = pytest.mark.slow
torch.set_num_threads(1)

# What has no table: loops through two spiking layers, neurons with a second state, potentials that start elsewhere,
# means that broadcast, leaks that get negative under hw_l6.
REFUSED = {"if-recurrent-deep", "cuba", "if-half", "if-own-shapes", "lif-soft"}
# A function in the place of neurons, and layers behind a sum over time: compared with the integer graph only.
NO_TWIN = {"surrogate", "if-encoded"}
# A decay that is no 1 − 2^−k is held as the nearest: spikes differ, and nmc warns.
NEAREST = {"lif-1.5", "plif", "plif-plain"}
# Integer units in 1 of an output that the framework divides: votes, means over time.
UNITS = {"if-voting": 10, "if-voting-m": 5, "if-mean": 16, "if-held-mean": 16}
EXACT = [net for net in NETS if net.name not in REFUSED | NO_TWIN]
FEW_BITS = [net for net in EXACT if "held" not in net.tags]
LEAKY = [net for net in EXACT if "lif" in net.tags and net.name not in NEAREST]


def run(net: Net) -> dict[str, np.ndarray]:
    return Session(compiled(net).program).run(net.inputs(20)).outputs


def profile(net: Net) -> str:
    return "hw_l6" if "soft" in net.tags else "sim"


@functools.cache
def compiled(net: Net, weight_bits: int = 16) -> Compilation:
    (name,) = net.build().forward.__code__.co_varnames[1:2]
    calibration = net.inputs() if net.mode == "held" else None
    options = {"profile": profile(net), "calibration": calibration, "weight_bits": weight_bits}
    return compile_verbose(net.build(), "cri", input_shapes={name: net.shape}, **options)


@pytest.mark.parametrize(
    ("net", "weight_bits"),
    [(net, 16) for net in EXACT] + [(net, 4) for net in FEW_BITS],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_spike_is_where_the_framework_puts_it(net: Net, weight_bits: int) -> None:
    """The framework with the same integer weights, 20 inputs: every neuron of every layer, every step, every output."""
    twin, given = Twin(net, compiled(net, weight_bits)), net.inputs(20)
    expected, spikes = twin.run(given)
    result = Session(twin.program).run(given, trace=True)
    (integers,) = result.integers.values()
    np.testing.assert_array_equal(integers, np.round(expected * UNITS.get(net.name, 1)))
    assert spikes
    for path, raster in spikes.items():
        found = result.trace[twin.population(path)]
        np.testing.assert_array_equal(found.reshape(raster.shape), raster)
        assert raster.any() or weight_bits == 4


@pytest.mark.parametrize("net", [net for net in NETS if net.name not in REFUSED], ids=lambda net: net.name)
def test_the_table_is_the_integer_graph(net: Net) -> None:
    done, given = compiled(net), net.inputs(20)
    (expected,), (found,) = evaluate(done.lowered, {done.program.inputs[0].name: given}).values(), run(net).values()
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def first_difference(net: Net, weight_bits: int) -> tuple[int, float]:
    """Spikes that differ from the framework's own leak; and how far the potentials of the first were from the
    threshold, in units of 2^k."""
    twin, given = Twin(net, compiled(net, weight_bits), PlainLIF), net.inputs(20)
    _, spikes = twin.run(given)
    trace = Session(twin.program).run(given, trace=True).trace
    found, count = [], 0
    for depth, (path, raster) in enumerate(spikes.items()):
        differs = (trace[twin.population(path)].reshape(raster.shape) != raster).reshape(*raster.shape[:2], -1)
        count += int(differs.sum())
        found += [(step, depth, path, differs[:, step]) for step in np.flatnonzero(differs.any(axis=(0, 2)))[:1]]
    if not found:
        return 0, 0.0
    step, _, path, differs = min(found, key=lambda entry: entry[:2])
    node = twin.module.get_submodule(path)
    charged = torch.stack(node.charged)[step].numpy()
    return count, float(np.abs(charged.reshape(differs.shape)[differs] - node.v_threshold).max()) / node.tau


@pytest.mark.parametrize("weight_bits", [16, 6, 4])
def test_floored_leaks_depart_from_the_framework_by_what_floors_add_up_to(weight_bits: int) -> None:
    """Against SpikingJelly's own leak with the same integers. Each step's floor takes less than 1 too little, of which
    a leak leaves 1 − 2^−k: below 2^k in all. So a spike that differs before any other is that near its threshold."""
    found = {net.name: first_difference(net, weight_bits) for net in LEAKY}
    assert all(gap <= 1 for _, gap in found.values())
    assert any(count for count, _ in found.values()) == (weight_bits < 16)


def test_refused_networks_are_named() -> None:
    for net in NETS:
        if net.name in REFUSED:
            with pytest.raises(NmcError) as caught:
                compiled(net)
            assert caught.value.exit_code == Exit.UNSUPPORTED
            assert all(problem.what and problem.why for problem in caught.value.diagnostics)


def test_decays_that_the_machine_does_not_have_are_said_aloud() -> None:
    for net in NETS:
        found = any("decay" in warning for warning in compiled(net).warnings) if net.name not in REFUSED else None
        assert found in (None, net.name in NEAREST)


def test_thirty_networks_and_more() -> None:
    assert len(EXACT) >= 30
