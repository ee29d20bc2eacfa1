"""Spikes of networks that other frameworks exported to NIR: equal to the frameworks' own, step by step.

The files and traces in golden/nir were written by golden/nir/make.py with the frameworks' exporters.
"""

from __future__ import annotations

import numpy as np
import pytest
from nir_files import GOLDEN, problems, quick, read, run

from nmc.compiler import compile_model
from nmc.compiler.frontends import NirOptions
from nmc.compiler.frontends.nir import write_nir
from nmc.runtime import Session

pytestmark = pytest.mark.slow

__all__ = ["quick"]

JELLY = {"compare": "ge", "start": "reset"}
SNNTORCH = {"reset": "subtract", "reset_delay": True}
SINABS = {"dt": 1.0, "discretization": "exact", "compare": "ge"}
# The discretization that reproduces each framework (docs/nir.md).
CASES: dict[str, dict] = {
    "norse_iaf": {},
    "norse_lif": {"dt": 1e-6, "synapse": "impulse"},
    "norse_lif_box": {"dt": 1e-6},
    "sinabs_iaf": {"reset": "subtract", "compare": "ge"},
    "sinabs_lif_subtract": {**SINABS, "reset": "subtract"},
    "sinabs_lif_value": SINABS,
    "snntorch_leaky_at_once": {"reset": "subtract"},
    "snntorch_leaky_subtract": SNNTORCH,
    "snntorch_leaky_zero": {},
    "snntorch_rleaky": SNNTORCH,
    "snntorch_synaptic": SNNTORCH,
    "spikingjelly_cuba": JELLY,
    "spikingjelly_if": JELLY,
    "spikingjelly_image": JELLY,
    "spikingjelly_lif": JELLY,
    "spikingjelly_lif_reset": JELLY,
    "spikingjelly_lif_undecayed": JELLY,
    "spikingjelly_plif": JELLY,
}
MULTI = "sinabs_iaf_multi"


def trace(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Input and output trains (samples, steps, …) of a case."""
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return arrays["input"].astype(np.float64), arrays["output"].astype(np.float64)


def test_every_file_has_its_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.nir")} == {*CASES, MULTI}


@pytest.mark.parametrize("name", CASES)
def test_spikes_are_those_of_the_framework(name: str) -> None:
    given, expected = trace(name)
    assert given.shape[1] >= 100 and 0 < expected.mean() < 1
    imported = read(GOLDEN / f"{name}.nir", (1, *given.shape[1:]), **CASES[name])
    np.testing.assert_array_equal(run(imported, given), expected)


def test_the_discretization_decides() -> None:
    """With the defaults, the frameworks that differ from NIR's letter give other spikes."""
    for name in ("norse_lif", "sinabs_lif_subtract", "snntorch_leaky_subtract", "spikingjelly_lif_reset"):
        given, expected = trace(name)
        dt = CASES[name].get("dt", 1e-4)
        found = run(read(GOLDEN / f"{name}.nir", (1, *given.shape[1:]), dt=dt), given)
        assert (found != expected).any(), name


def test_several_spikes_a_step_have_no_counterpart() -> None:
    """sinabs' IAF fires as often in a step as the threshold fits into the potential; here a neuron fires once."""
    given, expected = trace(MULTI)
    found = run(read(GOLDEN / f"{MULTI}.nir", (1, *given.shape[1:]), reset="subtract", compare="ge"), given)
    assert expected.max() > 1 and found.max() == 1 and (found != expected).any()


@pytest.mark.parametrize("name", [name for name, options in CASES.items() if options.get("reset") != "subtract"])
def test_foreign_files_keep_their_spikes_when_they_are_written(name: str, tmp_path) -> None:
    given, expected = trace(name)
    shape = (1, *given.shape[1:])
    first = read(GOLDEN / f"{name}.nir", shape, **CASES[name])
    write_nir(first.graph, tmp_path / "b.nir", first.options["dt"])
    second = read(tmp_path / "b.nir", shape)
    assert {k: second.options[k] for k in ("dt", "compare", "start")} == {
        k: first.options[k] for k in ("dt", "compare")
    } | {"start": "reset" if name == "spikingjelly_lif_reset" else "zero"}
    np.testing.assert_array_equal(run(second, given), expected)
    write_nir(second.graph, tmp_path / "c.nir", second.options["dt"])
    assert (tmp_path / "b.nir").read_bytes() == (tmp_path / "c.nir").read_bytes()


def test_a_wrong_shape_is_a_usage_error() -> None:
    code, found = problems(GOLDEN / "spikingjelly_image.nir", (1, 8, 8))
    assert code == 2 and found[0].startswith("NMC-I005")


@pytest.mark.parametrize("name", ["spikingjelly_image", "spikingjelly_if"])
def test_the_compiled_table_fires_as_the_framework(name: str) -> None:
    """IF networks: all that is left is the rounding of weights to 16 bits, which decides no spike here."""
    given, expected = trace(name)
    shapes = {"": (1, *given.shape[1:])}
    program = compile_model(GOLDEN / f"{name}.nir", "cri", input_shapes=shapes, nir=NirOptions(**CASES[name]))
    (found,) = Session(program).run({program.inputs[0].name: given}).outputs.values()
    np.testing.assert_array_equal(found, expected)
