"""How few rows placement takes."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from placement_programs import convolutions, permuted, program
from test_cri_digits import FOLDER as DIGITS
from test_cri_digits import load_split

from nmc.backends.cri.placement import Placement, natural, place
from nmc.backends.cri.placement.efficiency import efficiency
from nmc.backends.cri.placement.sources import scrambled
from nmc.compiler import compile_model
from nmc.runtime.program.cri import CriProgram, Table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


def over(source: CriProgram, made: Placement) -> float:
    found = efficiency(source, made)
    return found.rows / found.least


def test_convolutions_come_close_to_the_bound_with_and_without_their_structure() -> None:
    source = convolutions()
    assert over(source, natural(source)) > 1.17
    assert over(source, place(source)) < 1.012
    bare = permuted(source)
    assert over(bare, natural(bare)) > 1.6
    assert over(bare, place(bare)) < 1.03


def test_pruned_convolutions() -> None:
    source = convolutions(0.8)
    bare = permuted(source)
    assert over(source, place(source)) < over(source, natural(source)) - 0.1
    assert over(bare, place(bare)) < over(bare, natural(bare)) - 0.5


@pytest.mark.parametrize("name", ["digits", "digits_residual"])
def test_the_shipped_digits(name: str) -> None:
    x, *_ = load_split()
    source = compile_model(DIGITS / f"{name}.onnx", "cri", calibration=x, timesteps=7, profile="hw2024")
    assert over(source, natural(source)) > 2.5
    assert over(source, place(source)) < 1.005


def test_sweeps_improve_what_filling_left() -> None:
    source = permuted(convolutions(0.8))
    rows = [efficiency(source, place(source, effort=effort)).rows for effort in (0, 1, 4)]
    assert rows[0] > rows[1] >= rows[2]


def test_placements_are_the_same_on_every_machine() -> None:
    indptr, target = 20 * np.arange(301), (scrambled(6000, 7) % 300).astype(np.int32)
    bare = Table(indptr, target, np.ones(6000, np.int16))
    slot = place(program(bare, bare)).slot
    digest = hashlib.sha256(slot.astype("<i8").tobytes()).hexdigest()
    assert digest == "c45f84f294e68436d78aada6bbf3879251a4f2b1e3db02127f615a3fd4f2bc50"


@pytest.mark.parametrize(("case", "natural_share", "most"), [("shapes", 0.83811, 0.8115), ("bare", 1.04, 0.8160)])
def test_the_gesture_network_fits_a_core(case: str, natural_share: float, most: float) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "cri_placement.py"), case]
    made = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert made["natural"] > natural_share and made["placed"] < most and made["peak_mb"] < 3000
