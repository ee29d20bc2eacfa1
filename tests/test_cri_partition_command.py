"""Routing tables of a partition, and the command that shows it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from partition_checks import layers, lowered
from test_akida_program import fixed_program

from nmc.backends.cri.partition import partition, routing, routing_tables, surplus
from nmc.backends.cri.partition.routing import Route, route
from nmc.cli.main import main
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.runtime import cri_cores
from nmc.runtime.program import save

pytestmark = pytest.mark.slow

# --- routing ---


@pytest.mark.parametrize(
    ("own", "destinations", "expected"),
    [
        (0, [], Route()),
        (5, [5], Route(routing.LOCAL, 2, 2)),
        (5, [4, 5, 7], Route(routing.IN_CLUSTER, 2, 0b1011)),
        (5, [4], Route(routing.IN_CLUSTER, 2, 1)),
        (5, [0, 9], Route(routing.ACROSS, 0b101, 0b11)),
    ],
)
def test_the_narrowest_route(own: int, destinations: list[int], expected: Route) -> None:
    found = route(own, destinations)
    assert found == expected and set(destinations) <= set(found.destinations)
    assert found.word == expected.level * 256 + expected.clusters * 16 + expected.cores


def test_every_link_has_a_route_and_what_is_too_much_is_counted() -> None:
    program = lowered(layers(side=20).graph)
    made = partition(program, 6)
    tables = routing_tables(made.cores, made.placements)
    wanted = delivered = 0
    for core, placed, table in zip(made.cores.cores, made.placements, tables, strict=True):
        assert len(table) == 256 and all(entry.word < 1024 for entry in table)
        reached: dict[int, set[int]] = {}
        for neuron, target in zip(core.links.source.tolist(), core.links.core.tolist(), strict=True):
            reached.setdefault(neuron, set()).add(target)
        for neuron in range(len(core.neuron)):
            going = set(table[int(placed.slot[neuron]) // 512].destinations)
            assert reached.get(neuron, set()) <= going
            wanted, delivered = wanted + len(reached.get(neuron, set())), delivered + len(going)
    assert surplus(made.cores, made.placements, tables) == delivered - wanted


def test_routing_tables_are_for_one_fpga() -> None:
    made = partition(lowered(layers().graph), 17)
    with pytest.raises(NmcError) as error:
        routing_tables(made.cores, made.placements)
    assert error.value.exit_code == Exit.UNSUPPORTED and error.value.diagnostics[0].code == "NMC-C032"


# --- the command ---


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(lowered(layers().graph), tmp_path / "p.nmc")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x0=rng.integers(0, 2, (2, 5, 2, 12, 12)))
    return tmp_path / "p.nmc"


def test_the_command_cuts_and_compares(path: Path) -> None:
    done = nmc("partition", path, "--cores", 3, "--input", path.parent / "x.npz", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["fit"]["fits"] and len(found["cores"]) == 3 and found["messages"] > 0
    assert found["run"]["differences"] == 0 < found["run"]["values"] and found["run"]["messages"] > 0
    assert found["search"]["chosen"] in [one["name"] for one in found["search"]["tried"]]
    shown = nmc("partition", path, "--cores", 3, "--input", path.parent / "x.npz").output
    assert "fits one core" in shown and "core 2 of 3" in shown and "0 of" in shown and "timesteps later" in shown


def test_without_cores_as_few_as_hold_it(path: Path) -> None:
    found = json.loads(nmc("partition", path, "--json").stdout)
    assert len(found["cores"]) == 1 and found["messages"] == 0 and set(found["extra_timesteps"].values()) == {0}


def test_a_difference_is_a_failed_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = cri_cores.run_cores

    def wrong(*arguments: Any, **options: Any) -> cri_cores.CoresRun:
        made = run(*arguments, **options)
        return replace(made, integers={name: integers + 1 for name, integers in made.integers.items()})

    monkeypatch.setattr(cri_cores, "run_cores", wrong)
    done = nmc("partition", path, "--cores", 2, "--input", path.parent / "x.npz", "--json")
    assert done.exit_code == 1 and json.loads(done.stdout)["run"]["differences"] > 0


def test_what_the_command_refuses(path: Path) -> None:
    assert nmc("partition", path, "--cores", 0).exit_code == 2
    save(fixed_program(), path.parent / "a.nmc")
    done = nmc("partition", path.parent / "a.nmc")
    assert done.exit_code == 3 and "NMC-C034" in done.stderr
    assert nmc("partition", path.parent / "none.nmc").exit_code == 4
