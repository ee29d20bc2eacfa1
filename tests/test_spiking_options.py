"""`nmc compile` of a spiking network: its options, warnings and refusals on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nmc.cli.main import main
from nmc.runtime import Session, load

NET = """graph "net" stage imported
input %x: f32[1,3]NC at {offset=0, length=5, axis=1}
const @w: f32[2,3]__ = [0.5, -0.25, 0.75, 0.3, 0.6, -0.1]
const @decay: f32[] = [0.75]
const @other: f32[] = [0.9]
const @one: f32[] = [1.0]
%d = dense(%x, @w) from "fc"
%s = lif(%d, @decay, @one) from "sn1"
%t = lif(%s, @other, @one) from "sn2"
output "y" = %t at {offset=0, length=5, axis=1}
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.ir"
    path.write_text(NET)
    return path


def compiled(model: Path, *arguments: object) -> Result:
    words = ["compile", model, "--target", "cri", "-o", model.with_suffix(".nmc"), *arguments]
    return CliRunner().invoke(main, [str(word) for word in words])


def test_options_reach_the_program(model: Path) -> None:
    done = compiled(model, "--weight-bits", 4, "--input-bits", 3, "--timesteps", 7, "--json")
    assert done.exit_code == 0, done.output
    program = load(model.with_suffix(".nmc"))
    (entry,) = program.inputs
    assert (entry.bits, entry.shape) == (3, (7, 3))
    options = program.provenance["options"]
    assert (options["weight_bits"], options["input_bits"], options["leak"]) == (4, 3, "nearest")
    warnings = json.loads(done.stdout)["warnings"]
    assert warnings[0].startswith("no calibration data: input 'x' is taken as counts")
    assert warnings[1].startswith("%t (sn2): a decay of 0.9 is held as 0.875")
    assert Session(program).run(np.ones((2, 7, 3))).outputs["y"].shape == (2, 7, 2)


def test_calibration_data_say_what_the_inputs_are(model: Path) -> None:
    np.save(model.with_suffix(".npy"), np.full((2, 5, 3), 6))
    done = compiled(model, "--calibration", model.with_suffix(".npy"))
    assert done.exit_code == 0, done.output
    assert load(model.with_suffix(".nmc")).inputs[0].bits == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--leak", "exact"), 3, "sn2"),
        (("--leak", "round"), 2, "leak must be nearest or exact"),
        (("--input-bits", 0), 2, "input_bits must be 1"),
        (("--weight-bits", 1), 2, "weight_bits must be 2 to 16"),
        (("--timesteps", 0), 2, "levels must be 1 to 4096"),
        (("--ranges", "minmax"), 2, "for networks of activations"),
    ],
)
def test_refused(model: Path, arguments: tuple[object, ...], code: int, message: str) -> None:
    done = compiled(model, *arguments)
    assert done.exit_code == code and message in done.output
