"""The network of benchmarks/cri_partition.py: 303,115 neurons on four cores."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

pytestmark = pytest.mark.slow


def test_a_convolutional_network_on_four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from cri_partition import CORES, differences, network

    from nmc.backends.cri.partition import fit, partition, routing_tables, surplus
    from nmc.runtime.reference.cri_cores import CoresMachine

    program = network()
    assert len(program.neuron_model) == 303_115
    fitting = fit(program)
    assert not fitting.fits and fitting.cores == 3 and "layer0" in fitting.problems[0]
    made = partition(program, CORES)
    assert not any(need.over for needs in made.needs for need in needs)
    order = next(one for one in made.search.tried if one.name == "program order")
    best = min(one.contiguous for one in made.search.tried)
    assert made.search.cost <= best < order.contiguous // 10
    assert made.search.kept == (made.search.cost == best)  # a contiguous order, if nothing better was found
    assert made.cores.messages == made.search.cost and made.cores.relay_neurons == 0
    assert surplus(made.cores, made.placements, routing_tables(made.cores, made.placements)) < made.cores.messages
    machine = CoresMachine(made.cores)
    wrong, spikes = differences(program, machine)
    assert (wrong, machine.messages > 0) == (0, True) and spikes > 100_000
