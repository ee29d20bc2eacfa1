"""`optimize`: a level decides the options that are not given, and level 1 keeps the programs of before."""

from pathlib import Path
from typing import Any

import pytest
from akida_nets import Image
from click.testing import CliRunner

from nmc.backends.akida.target import AkidaOptions
from nmc.backends.cri.target import CriOptions
from nmc.cli.main import main
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.levels import stored
from nmc.compiler.target import find_target, make_options
from nmc.runtime import load

pytestmark = pytest.mark.slow

AKIDA_USUAL = {
    "device": "akida2",
    "ranges": "mse",
    "weight_bits": 8,
    "activation_bits": 8,
    "equalize": "auto",
    "bias_correction": "auto",
    "causal": "delay",
}
CRI_USUAL = {
    "profile": "sim",
    "timesteps": None,
    "ranges": "mse",
    "readout": "potential",
    "weight_bits": None,
    "input_bits": None,
    "leak": "nearest",
}


@pytest.mark.parametrize(("options", "usual"), [(AkidaOptions, AKIDA_USUAL), (CriOptions, CRI_USUAL)])
def test_a_program_of_level_1_names_the_options_it_always_named(options: Any, usual: dict[str, Any]) -> None:
    assert stored(options()) == usual
    assert list(stored(options(optimize=1))) == list(usual)
    assert options() == options(optimize=1)


def test_level_0_is_plain_rounding() -> None:
    plain = AkidaOptions(optimize=0)
    assert (plain.ranges, plain.equalize, plain.bias_correction) == ("minmax", "off", "off")
    assert stored(plain)["optimize"] == 0
    assert CriOptions(optimize=0).ranges == "minmax"


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("options", [AkidaOptions, CriOptions])
def test_what_is_given_wins_over_the_level(options: Any, level: int) -> None:
    assert options(optimize=level, ranges="percentile").ranges == "percentile"
    again = options(**stored(options(optimize=level)))
    assert again == options(optimize=level)


@pytest.mark.parametrize("target", ["akida", "cri"])
@pytest.mark.parametrize(
    "values", [{"optimize": 3}, {"optimize": True}, {"optimize": "2"}, {"time_budget": 0.0}, {"time_budget": -1}]
)
def test_other_levels_and_times_are_refused(target: str, values: dict[str, Any]) -> None:
    with pytest.raises(NmcError) as caught:
        make_options(find_target(target), values)
    assert caught.value.diagnostics[0].code == "NMC-T002"
    assert next(iter(values)) in str(caught.value)


def test_a_spiking_network_has_no_ranges_at_any_level() -> None:
    target = find_target("cri")
    for level in (0, 1, 2):
        assert target.pipeline(CriOptions(optimize=level), "spiking")
    with pytest.raises(NmcError, match="networks of activations"):
        target.pipeline(CriOptions(ranges="percentile"), "spiking")


@pytest.mark.parametrize("command", ["check", "explain", "compile"])
def test_commands_take_a_level(command: str, tmp_path: Path) -> None:
    path = Image(2).net.save(tmp_path)
    output = ["-o", str(tmp_path / "net.nmc")] if command == "compile" else []
    run = [command, str(path), "--target", "akida", *output]
    assert CliRunner().invoke(main, [*run, "--optimize", "0"]).exit_code == 0
    refused = CliRunner().invoke(main, [*run, "--optimize", "3"])
    assert refused.exit_code == 2
    assert "optimize must be 0, 1 or 2" in refused.output


def test_a_program_says_its_level_and_what_was_chosen_beside_it(tmp_path: Path) -> None:
    path, made = Image(2).net.save(tmp_path), tmp_path / "net.nmc"
    given = ["--optimize", "2", "--rounding", "layer", "--range-search", "auto", "--weight-ranges", "full"]
    done = CliRunner().invoke(main, ["compile", str(path), "--target", "akida", "-o", str(made), *given])
    assert done.exit_code == 0, done.output
    options = load(made).provenance["options"]
    assert (options["optimize"], options["rounding"], options["range_search"]) == (2, "layer", "auto")
    assert AkidaOptions(**options).weight_ranges == "full"
