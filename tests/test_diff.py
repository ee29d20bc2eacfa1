"""`nmc diff` finds every planted change and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nmc.cli.main import main
from nmc.compiler import compile_model
from nmc.runtime.compare.programs import Difference, diff_programs
from nmc.runtime.program import AkidaProgram, CriProgram, digest, save

FOLDER = Path(__file__).parent.parent / "examples" / "digits"
sys.path.insert(0, str(FOLDER))
from data import load_split  # noqa: E402


@cache
def digits(target: str, **options: Any) -> Any:
    return compile_model(FOLDER / "digits.onnx", target, calibration=load_split()[0][:40], **options)


def cri() -> CriProgram:
    return digits("cri", timesteps=3)


def akida() -> AkidaProgram:
    return digits("akida")


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["diff", *(str(argument) for argument in arguments)])


def changed(array: Any, place: int = 0) -> Any:
    """A copy with one number more by 1."""
    copy = array.copy()
    copy.flat[place] += 1
    return copy


def only(program: Any, other: Any) -> Difference:
    """The one difference; it is the same both ways round."""
    (found,) = diff_programs(program, other)
    (back,) = diff_programs(other, program)
    assert (back.part, back.name, back.field) == (found.part, found.name, found.field)
    return found


# --- CRI ---


def with_weight(program: CriProgram) -> CriProgram:
    return replace(program, neurons=replace(program.neurons, weight=changed(program.neurons.weight)))


def without_synapse(program: CriProgram) -> CriProgram:
    t = program.neurons
    ends = np.where(np.arange(len(t.indptr)) == t.sources, t.indptr - 1, t.indptr)
    return replace(program, neurons=replace(t, indptr=ends, target=t.target[:-1], weight=t.weight[:-1]))


def with_phase(program: CriProgram) -> CriProgram:
    first, *rest = program.schedule
    return replace(program, schedule=(replace(first, stop=first.stop + 1), *rest))


def with_offset(program: CriProgram) -> CriProgram:
    (readout,) = program.readouts
    return replace(program, readouts=(replace(readout, offset=changed(readout.offset, 3)),))


def with_levels(program: CriProgram) -> CriProgram:
    first, *rest = program.populations
    return replace(program, populations=(replace(first, levels=9), *rest))


def with_scale(program: CriProgram) -> CriProgram:
    (entry,) = program.inputs
    return replace(program, inputs=(replace(entry, scale=2.0),))


def with_model(program: CriProgram) -> CriProgram:
    (model,) = program.models
    return replace(program, models=(replace(model, threshold=5),))


def with_provenance(program: CriProgram) -> CriProgram:
    return replace(
        program, provenance={**program.provenance, "options": {**program.provenance["options"], "leak": "x"}}
    )


@pytest.mark.parametrize(
    ("change", "part", "name", "field", "text"),
    [
        (
            with_weight,
            "population",
            "node_relu_1",
            "synapses from neurons",
            "weights differ, by up to 1; the first, from node_relu[0]",
        ),
        (without_synapse, "population", "logits", "synapses from neurons", "1 of them only here"),
        (with_phase, "schedule", "node_relu.release", "stop", "0"),
        (with_offset, "output", "logits", "offset", "1 of 10 differ, by up to 1; the first, [3]"),
        (with_levels, "population", "node_relu", "levels", "3"),
        (with_scale, "input", "image", "scale", "0.0"),
        (with_model, "neuron model", "", "0", "threshold 1,"),
        (with_provenance, "provenance", "", "options.leak", "nearest"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_change_of_a_table_is_named(
    change: Callable[[CriProgram], CriProgram], part: str, name: str, field: str, text: str
) -> None:
    found = only(cri(), change(cri()))
    assert (found.part, found.name, found.field) == (part, name, field)
    assert text in found.first and found.first != found.second


def test_profiles_differ_in_what_builds_differ_in() -> None:
    found = diff_programs(cri(), digits("cri", timesteps=3, profile="hw2024"))
    assert {d.part for d in found} == {"profile", "neuron model", "provenance"}
    assert {d.field for d in found if d.part == "profile"} == {
        "name", "compare", "overflow", "leak", "ann_clears", "no_leak", "noise_off"
    }  # fmt: skip


def test_synapses_are_told_by_layer_whatever_their_numbers() -> None:
    """A population of another size moves all others behind it; their synapses are the same."""
    program = cri()
    first = program.populations[0]
    moved = tuple(replace(p, first=p.first + 1) for p in program.populations[1:])
    ends = program.neurons.indptr
    longer = np.insert(ends, first.stop, ends[first.stop])
    shift = [
        np.where(t.target >= first.stop, t.target + 1, t.target).astype(np.int32)
        for t in (program.axons, program.neurons)
    ]
    other = replace(
        program,
        populations=(replace(first, shape=(first.size + 1,)), *moved),
        neuron_model=np.append(program.neuron_model, np.uint8(0)),
        axons=replace(program.axons, target=shift[0]),
        neurons=replace(program.neurons, indptr=longer, target=shift[1]),
    )
    fields = {(d.name, d.field) for d in diff_programs(program, other)}
    assert not any("synapses" in field for _, field in fields)
    assert ("node_relu", "shape") in fields and ("", "neurons") in fields


# --- Akida ---


@pytest.mark.parametrize("variable", ["weights", "bias", "output_scales", "output_shift"])
def test_a_planted_change_of_a_layer_is_named(variable: str) -> None:
    layers = list(akida().layers)
    arrays = {**layers[1].variables, variable: changed(layers[1].variables[variable])}
    layers[1] = replace(layers[1], variables=arrays)
    found = only(akida(), replace(akida(), layers=tuple(layers)))
    assert (found.part, found.name, found.field) == ("layer", layers[1].name, f"variables.{variable}")
    assert found.first.startswith("1 of ")


def test_layers_and_parameters_that_differ() -> None:
    layers = list(akida().layers)
    layers[1] = replace(layers[1], parameters={**layers[1].parameters, "kernel_stride": 2})
    found = only(akida(), replace(akida(), layers=tuple(layers)))
    assert (found.field, found.first, found.second) == ("parameters.kernel_stride", "1", "2")
    found = only(akida(), replace(akida(), layers=akida().layers[:-1]))
    assert (found.part, found.name, found.first, found.second) == ("layer", layers[-1].name, "present", "")
    swapped = (layers[1], layers[0], *akida().layers[2:])
    assert "order" in {d.field for d in diff_programs(akida(), replace(akida(), layers=swapped))}


# --- the command ---


def test_the_command(tmp_path: Path) -> None:
    for name, program in (("a", cri()), ("b", with_phase(cri())), ("k", akida())):
        save(program, tmp_path / f"{name}.nmc")
    done = nmc(tmp_path / "a.nmc", tmp_path / "a.nmc")
    assert done.exit_code == 0 and "are equal" in done.stdout
    done = nmc(tmp_path / "a.nmc", tmp_path / "b.nmc")
    assert done.exit_code == 1 and "node_relu.release" in done.stdout and "1 difference\n" in done.stdout
    facts = json.loads(nmc(tmp_path / "a.nmc", tmp_path / "b.nmc", "--json").stdout)
    assert facts["digests"][0] == digest(cri()) and not facts["equal"]
    assert [d["field"] for d in facts["differences"]] == ["stop"]
    done = nmc(tmp_path / "a.nmc", tmp_path / "k.nmc", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["differences"] == [
        {"part": "target", "name": "", "field": "", "first": "cri", "second": "akida"}
    ]
    done = nmc(tmp_path / "a.nmc", tmp_path / "none.nmc")
    assert done.exit_code == 4 and "NMC-F001" in done.output
