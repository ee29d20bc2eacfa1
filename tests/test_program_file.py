"""The `.nmc` file: what goes in comes out, equal programs are equal bytes, and damage is named. Data files too."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save as safetensors_bytes
from test_cri_reference import table, unary_program

from nmc import runtime
from nmc.runtime import Session
from nmc.runtime.data import read_arrays, write_result
from nmc.runtime.program import (
    CODES,
    CriProgram,
    Exit,
    Input,
    NeuronModel,
    NmcError,
    Phase,
    Population,
    Profile,
    Readout,
    atomic_write,
    container,
    digest,
    load,
    read_synapses,
    save,
    validate,
)
from nmc.runtime.program.npz import write_npz

PROGRAM = unary_program()
FILE = "program.nmc"


def error_of(action: Callable[[], object]) -> NmcError:
    with pytest.raises(NmcError) as caught:
        action()
    assert caught.value.exit_code == Exit.BAD_FILE
    assert all(d.code in CODES and d.what for d in caught.value.diagnostics)
    return caught.value


def codes_of(action: Callable[[], object]) -> set[str]:
    return {d.code.removeprefix("NMC-") for d in error_of(action).diagnostics}


def signed(program: CriProgram, edit: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    """A file whose checksum is right, with the description and arrays as `edit` leaves them."""
    description, arrays = container._encode(program)
    edit(description, arrays)
    hashable = {name: array for name, array in arrays.items() if array.ndim == 1}
    description["digest"] = container._digest(description, hashable)
    return safetensors_bytes(arrays, metadata={"nmc": container._canonical(description)})


# --- round trip ---

NAMES = st.text(max_size=8)
INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def programs(draw: st.DrawFn) -> CriProgram:
    shapes = draw(st.lists(st.lists(st.integers(1, 3), max_size=3).map(tuple), max_size=3))
    starts = np.append(0, np.cumsum([int(np.prod(shape)) for shape in shapes], dtype=np.int64)).tolist()
    neurons, axons, steps = starts[-1], draw(st.integers(0, 9)), draw(st.integers(1, 50))
    names = draw(st.lists(NAMES, min_size=len(shapes), max_size=len(shapes), unique=True))
    model = st.builds(NeuronModel, st.sampled_from([0, 2]), INT64, st.integers(0, 64), st.integers(-128, 127))
    models = draw(st.lists(model, min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    def synapses(sources: int) -> Any:
        count = int(rng.integers(0, 20)) if sources and neurons else 0
        source = np.sort(rng.integers(0, max(sources, 1), count))
        return table(
            sources, [(int(s), int(rng.integers(neurons)), int(rng.integers(-(2**15), 2**15))) for s in source]
        )

    kinds = st.sampled_from(["unary", "or", "readout", "plain"])
    return CriProgram(
        profile=unary_program().profile,
        models=tuple(models),
        neuron_model=rng.integers(0, len(models), neurons).astype(np.uint8),
        axons=synapses(axons),
        neurons=synapses(neurons),
        populations=tuple(
            Population(name, draw(kinds), first, shape, draw(st.integers(0, 99)), (0, steps - 1), (draw(NAMES),))
            for name, first, shape in zip(names, starts, shapes, strict=False)
        ),
        inputs=(Input(draw(NAMES), (axons,), 0, 1, draw(st.floats(5e-324, 1e308)), -7, steps - 1),) if axons else (),
        schedule=(Phase(draw(NAMES), 0, axons, 0, steps - 1, 3),),
        readouts=(Readout(draw(NAMES), "count", (1,), np.zeros(1, np.int64), np.ones(1, np.int64), np.array([-0.1])),)
        if neurons
        else (),
        steps=steps,
        provenance=draw(
            st.dictionaries(NAMES, st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES)
        ),
    )


@given(programs())
@settings(max_examples=60, deadline=None)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, program: CriProgram) -> None:
    path = tmp_path_factory.getbasetemp() / "round.nmc"
    save(program, path)
    back = load(path)
    assert digest(back) == digest(program)
    plain = ("profile", "models", "populations", "inputs", "schedule", "steps", "provenance")
    assert [getattr(back, name) for name in plain] == [getattr(program, name) for name in plain]
    for ours, theirs in zip((back.axons, back.neurons), (program.axons, program.neurons), strict=True):
        np.testing.assert_array_equal(ours.indptr, theirs.indptr)
        np.testing.assert_array_equal(ours.target, theirs.target)
        np.testing.assert_array_equal(ours.weight, theirs.weight)


def test_a_loaded_program_runs_like_the_one_saved(tmp_path: Path) -> None:
    save(PROGRAM, tmp_path / FILE)
    x = np.random.default_rng(0).uniform(-2, 4, (20, 3))
    ours, theirs = Session(tmp_path / FILE).run(x), Session(PROGRAM).run(x)
    np.testing.assert_array_equal(ours.outputs["y"], theirs.outputs["y"])
    assert ours.counters == theirs.counters


def test_numpy_scalars_and_strided_arrays_become_plain(tmp_path: Path) -> None:
    p = replace(PROGRAM.populations[0], first=np.int64(0), shape=(np.int64(2), np.int64(1)))  # pyright: ignore
    readout = replace(PROGRAM.readouts[0], neuron=np.array([2, 0])[::2])
    program = replace(
        PROGRAM, steps=np.int64(6), populations=(p, PROGRAM.populations[1]), readouts=(readout, PROGRAM.readouts[1])
    )  # pyright: ignore
    save(program, tmp_path / FILE)
    assert digest(load(tmp_path / FILE)) == digest(PROGRAM)


def test_format_version_1_has_not_changed() -> None:
    """If this fails, files written before are no longer what the same program gives: raise the format version."""
    program = unary_program(replace(PROGRAM.profile, no_leak=(2, 63)))  # what it was when the digest was taken
    assert digest(program) == "4e4417b358cae8bcfa710ebd2fe1db07a06a1f32bb3b2763a0135a33363ad4cd"


def test_the_only_metadata_is_canonical_json(tmp_path: Path) -> None:
    save(PROGRAM, tmp_path / FILE)
    data = (tmp_path / FILE).read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    text = header["__metadata__"].pop("nmc")
    description = json.loads(text)
    assert header.pop("__metadata__") == {}
    assert text == json.dumps(description, sort_keys=True, separators=(",", ":"))
    assert (description["format"], description["target"]) == (1, "cri")
    assert sorted(header) == sorted(
        ["neuron_model"]
        + [f"{kind}/{part}" for kind in ("axons", "neurons") for part in ("indptr", "target", "weight")]
        + [f"readouts/{i}/{part}" for i in (0, 1) for part in ("neuron", "offset", "scale")]
    )


@given(programs())
def test_files_are_written_as_the_safetensors_library_does(
    tmp_path_factory: pytest.TempPathFactory, program: CriProgram
) -> None:
    path = tmp_path_factory.mktemp("bytes") / FILE
    save(program, path)
    with safe_open(path, framework="numpy") as file:
        arrays, metadata = {name: file.get_tensor(name) for name in sorted(file.keys())}, file.metadata()
    assert path.read_bytes() == safetensors_bytes(arrays, metadata)


@pytest.mark.slow
def test_equal_programs_are_equal_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_cri_reference import unary_program;"
        "from nmc.runtime.program import save; save(unary_program(), sys.argv[2])"
    )
    for seed in ("0", "1"):
        where = [str(Path(__file__).parent), str(tmp_path / seed)]
        subprocess.run([sys.executable, "-c", code, *where], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
    save(PROGRAM, tmp_path / FILE)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes() == (tmp_path / FILE).read_bytes()


# --- damage to the file ---


def header_only(metadata: dict[str, str] | None, arrays: dict[str, Any] | None = None) -> bytes:
    return safetensors_bytes(arrays or {"a": np.zeros(1)}, metadata=metadata)


def described(text: str) -> bytes:
    return header_only({"nmc": text})


def other_dtype(dtype: str) -> bytes:
    header = {"a": {"dtype": dtype, "shape": [1], "data_offsets": [0, 2]}, "__metadata__": {"nmc": "{}"}}
    data = json.dumps(header).encode()
    return struct.pack("<Q", len(data)) + data + b"\0\0"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "F003"),
        (b"nmc", "F003"),
        (b"PK\x03\x04 is a zip file, not a program", "F003"),
        (b"\xff" * 64, "F003"),
        (header_only(None), "F004"),
        (header_only({"format": "pt"}), "F004"),
        (other_dtype("BF16"), "F010"),
        (other_dtype("F16"), "F010"),
        (header_only({"nmc": "{}"}, {"a": np.zeros((1, 1))}), "F010"),
        (described('{"format":1,'), "F005"),
        (described("[1]"), "F005"),
        (described("[" * 100_000), "F005"),
        (described('{"format": 1}'), "F005"),
        (described('{"format":NaN}'), "F005"),
        (described('{"format":1e999}'), "F005"),
        (described('{"format":1,"format":1}'), "F005"),
        (described('{"format":' + "1" * 5000 + "}"), "F005"),
        (described("{}"), "F006"),
        (described('{"format":true}'), "F006"),
        (described('{"format":2}'), "F006"),
        (described('{"format":1}'), "F007"),
        (described('{"format":1,"target":["cri"]}'), "F007"),
        (described('{"format":1,"target":"abacus"}'), "F007"),
        (described('{"format":1,"target":"cri"}'), "F008"),
    ],
)
def test_files_that_are_no_program(tmp_path: Path, data: bytes, code: str) -> None:
    (tmp_path / FILE).write_bytes(data)
    error = error_of(lambda: load(tmp_path / FILE))
    assert [d.code for d in error.diagnostics] == [f"NMC-{code}"]
    assert error.diagnostics[0].where.endswith(FILE)
    assert error.diagnostics[0].hint


def test_another_format_version_names_both(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(signed(PROGRAM, lambda d, _: d.update(format=7)))
    error = error_of(lambda: load(tmp_path / FILE))
    assert error.diagnostics[0].code == "NMC-F006"
    assert "7" in error.diagnostics[0].what
    assert f"version {container.FORMAT_VERSION}" in error.diagnostics[0].what


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert codes_of(lambda: load(tmp_path / "missing.nmc")) == {"F001"}
    assert codes_of(lambda: load(tmp_path)) == {"F002"}
    assert codes_of(lambda: load("/dev/null")) == {"F002"}
    assert codes_of(lambda: load(tmp_path / FILE / "below.nmc")) <= {"F001", "F002"}
    assert codes_of(lambda: load("a\0b.nmc")) <= {"F001", "F002"}
    assert codes_of(lambda: runtime.load("x" * 5000)) <= {"F001", "F002"}


SAVED = signed(PROGRAM, lambda description, arrays: None)


@given(st.integers(0, len(SAVED) - 1))
@settings(deadline=None)
def test_a_truncated_file_is_no_program(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.nmc"
    path.write_bytes(SAVED[:size])
    assert codes_of(lambda: load(path)) == {"F003"}


@given(st.lists(st.tuples(st.integers(0, len(SAVED) - 1), st.integers(0, 7)), min_size=1, max_size=3))
@settings(max_examples=400, deadline=None)
def test_flipped_bits_never_pass_for_another_program(tmp_path_factory: pytest.TempPathFactory, flips: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "flip.nmc"
    data = bytearray(SAVED)
    for position, bit in flips:
        data[position] ^= 1 << bit
    path.write_bytes(data)
    try:
        program = load(path)
    except NmcError as error:
        assert error.exit_code == Exit.BAD_FILE
    else:
        assert digest(program) == digest(PROGRAM)


def test_every_flip_in_the_arrays_is_noticed(tmp_path: Path) -> None:
    start = 8 + struct.unpack("<Q", SAVED[:8])[0]
    for position in range(start, len(SAVED), 37):
        data = bytearray(SAVED)
        data[position] ^= 4
        (tmp_path / FILE).write_bytes(data)
        assert codes_of(lambda: load(tmp_path / FILE)) == {"F008"}


def pop_in(*path: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    def edit(description: dict[str, Any], arrays: dict[str, Any]) -> None:
        inner: Any = description
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return edit


def set_in(*path: Any, to: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    def edit(description: dict[str, Any], arrays: dict[str, Any]) -> None:
        inner: Any = description
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to

    return edit


def array(name: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda _, arrays: arrays.update({name: value})


@pytest.mark.parametrize(
    ("edit", "code", "text"),
    [
        (pop_in("steps"), "F009", "steps"),
        (pop_in("profile", "width"), "F009", "profile"),
        (pop_in("populations", 0, "name"), "F009", "populations/0"),
        (set_in("extra", to=1), "F009", "extra"),
        (set_in("steps", to="6"), "F009", "steps must be int"),
        (set_in("steps", to=6.0), "F009", "steps"),
        (set_in("steps", to=True), "F009", "steps"),
        (set_in("profile", to=[]), "F009", "profile must be an object"),
        (set_in("models", to={}), "F009", "models must be a list"),
        (set_in("models", 0, "leak", to=None), "F009", "models/0/leak"),
        (set_in("profile", "no_leak", to=[2]), "F009", "profile/no_leak must be 2 entries"),
        (set_in("profile", "ann_clears", to=1), "F009", "ann_clears"),
        (set_in("inputs", 0, "scale", to="1"), "F009", "scale must be a number"),
        (set_in("inputs", 0, "scale", to=10**400), "F009", "scale must be a finite number"),
        (set_in("populations", 0, "origin", to=[1]), "F009", "origin/0"),
        (set_in("provenance", to=[]), "F009", "provenance must be dict"),
        (lambda _, arrays: arrays.pop("axons/weight"), "F010", "axons/weight"),
        (lambda _, arrays: arrays.pop("readouts/1/scale"), "F010", "readouts/1/scale"),
        (array("stray", np.zeros(1)), "F010", "stray"),
        (array("neuron_model", np.zeros(3, np.int64)), "F010", "uint8"),
        (array("axons/weight", np.zeros(3, np.float64)), "F010", "int16"),
        (array("axons/target", np.zeros((3, 1), np.int32)), "F010", "axons/target"),
        (array("neuron_model", np.array(0, np.uint8)), "F010", "neuron_model"),
        (array("readouts/0/offset", np.zeros(2, np.int64)), "F010", "1 entries"),
        (array("axons/weight", np.zeros(3, np.int16)), "F011", "3 weights"),
        (array("axons/indptr", np.zeros(0, np.int64)), "F011", "indptr"),
        (array("neurons/indptr", np.array([0, 2])), "F011", "3 neurons"),
        (array("neurons/indptr", np.array([0, 1, 1, 1])), "F011", "run from 0 to 2"),
        (array("neurons/indptr", np.array([0, 2**63 - 1, -(2**63), 2])), "F011", "decrease"),
        (array("neurons/indptr", np.array([1, 2, 2, 2])), "F011", "run from 0"),
        (array("neurons/target", np.array([0, 3], np.int32)), "F012", "neurons/target"),
        (array("neurons/target", np.array([-1, 0], np.int32)), "F012", "neurons/target"),
        (array("neuron_model", np.array([0, 1, 0], np.uint8)), "F012", "neuron_model"),
        (array("readouts/0/neuron", np.array([3])), "F012", "readouts/0/neuron"),
        (array("readouts/0/scale", np.array([np.nan])), "F013", "readouts/0/scale"),
        (set_in("populations", 1, "first", to=1), "F012", "populations/1/first"),
        (set_in("populations", 1, "shape", to=[2]), "F012", "hold 4 neurons"),
        (set_in("populations", 1, "shape", to=[-1]), "F013", "populations/1/shape"),
        (set_in("populations", 1, "shape", to=[1] * 40), "F013", "populations/1/shape"),
        (set_in("populations", 1, "shape", to=[2**40, 2**40]), "F012", "neurons"),
        (set_in("populations", 0, "window", to=[1, 6]), "F012", "populations/0/window"),
        (set_in("populations", 0, "window", to=[-1, 2]), "F012", "populations/0/window"),
        (set_in("populations", 0, "levels", to=-1), "F013", "levels"),
        (set_in("populations", 0, "kind", to="soft"), "F013", "populations/0/kind"),
        (set_in("populations", 0, "name", to="y"), "F013", "names must differ"),
        (set_in("inputs", 0, "first", to=3), "F012", "inputs/0"),
        (set_in("inputs", 0, "first", to=-1), "F012", "inputs/0"),
        (set_in("inputs", 0, "step", to=6), "F012", "inputs/0/step"),
        (set_in("inputs", 0, "every", to=0), "F009", "inputs/0/every must be left out"),
        (set_in("inputs", 0, "every", to=-1), "F013", "inputs/0/every"),
        (set_in("inputs", 0, "every", to=3), "F012", "inputs/0/shape"),
        (set_in("inputs", 0, "bits", to=0), "F013", "inputs/0/bits"),
        (set_in("inputs", 0, "bits", to=17), "F013", "inputs/0/bits"),
        (set_in("inputs", 0, "scale", to=0.0), "F013", "inputs/0/scale"),
        (set_in("inputs", 0, "scale", to=-1), "F013", "inputs/0/scale"),
        (set_in("inputs", 0, "zero_point", to=2**40), "F013", "zero_point"),
        (set_in("schedule", 0, "first", to=11), "F012", "schedule/0"),
        (set_in("schedule", 0, "count", to=-1), "F012", "schedule/0"),
        (set_in("schedule", 0, "stop", to=6), "F012", "schedule/0"),
        (set_in("schedule", 0, "start", to=-1), "F012", "schedule/0"),
        (set_in("schedule", 1, "start", to=5), "F012", "schedule/1"),
        (set_in("schedule", 0, "period", to=0), "F013", "period"),
        (set_in("readouts", 0, "kind", to="mean"), "F013", "readouts/0/kind"),
        (set_in("readouts", 0, "shape", to=[0]), "F013", "readouts/0/shape"),
        (set_in("readouts", 1, "name", to="y"), "F013", "names must differ"),
        (set_in("steps", to=-1), "F013", "steps"),
        (set_in("steps", to=0), "F013", "steps"),
        (set_in("steps", to=2**80), "F013", "steps"),
        (set_in("profile", "compare", to="=="), "F013", "profile/compare"),
        (set_in("profile", "overflow", to="trap"), "F013", "profile/overflow"),
        (set_in("profile", "leak", to="round"), "F013", "profile/leak"),
        (set_in("profile", "width", to=1), "F013", "profile/width"),
        (set_in("profile", "width", to=10**9), "F013", "profile/width"),
        (set_in("models", 0, "code", to=3), "F013", "models/0/code"),
        (set_in("models", 0, "leak", to=65), "F013", "models/0/leak"),
        (set_in("models", 0, "threshold", to=2**63), "F013", "models/0/threshold"),
        (set_in("models", 0, "shift", to=200), "F013", "models/0/shift"),
        (set_in("models", to=[]), "F012", "neuron_model"),
        (lambda d, _: d.update(models=d["models"] * 257), "F013", "256 models"),
    ],
)
def test_files_with_a_right_checksum_and_wrong_content(tmp_path: Path, edit: Any, code: str, text: str) -> None:
    (tmp_path / FILE).write_bytes(signed(PROGRAM, edit))
    error = error_of(lambda: load(tmp_path / FILE))
    assert any(d.code == f"NMC-{code}" and text in d.what for d in error.diagnostics), str(error)


@pytest.mark.parametrize("name", ["hw2024", "hw_l6", "hw_l6_legacy"])
@pytest.mark.parametrize(
    ("change", "valid"), [({"threshold": 2**35}, 0), ({"leak": 64}, 0), ({"leak": 63}, 1), ({"code": 1}, 1)]
)
def test_models_of_the_hardware_fit_its_fields(name: str, change: dict[str, int], valid: int) -> None:
    from nmc.backends.cri.target import PROFILES

    program = unary_program(PROFILES[name])
    program = replace(program, models=(replace(program.models[0], **change),))
    if valid:
        validate(program)
        assert program.models[0] != unary_program(PROFILES[name]).models[0]
    else:
        assert codes_of(lambda: validate(program)) == {"F013"}


def test_all_problems_are_told_at_once() -> None:
    phase = replace(PROGRAM.schedule[0], period=0, stop=99)
    assert codes_of(lambda: validate(replace(PROGRAM, schedule=(phase,), steps=0))) == {"F012", "F013"}


@pytest.mark.parametrize("value", [float("nan"), (1, 2), {1: 2}, object(), np.int64(3)])
def test_provenance_is_plain_json(value: Any) -> None:
    assert codes_of(lambda: validate(replace(PROGRAM, provenance={"key": value}))) == {"F009"}


def test_a_session_checks_the_program_it_is_given() -> None:
    wrong = replace(PROGRAM, neuron_model=np.array([0, 9, 0], np.uint8))
    assert codes_of(lambda: Session(wrong)) == {"F012"}
    unlike: Any = replace(PROGRAM, neuron_model=[0, 0, 0])  # pyright: ignore
    assert codes_of(lambda: Session(unlike)) == {"F010"}


def test_profiles_are_stored_with_the_program(tmp_path: Path) -> None:
    odd = Profile("own", ">", 20, "wrap", "floor", True, (3, 0), -17)
    program = unary_program(odd)
    save(program, tmp_path / FILE)
    assert load(tmp_path / FILE).profile == odd


# --- writing ---


def test_a_writer_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"old")

    def fail(file: Any) -> None:
        file.write(b"new")
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_diagnostic(tmp_path: Path) -> None:
    def fail(file: Any) -> None:
        raise OSError(28, "No space left on device")

    assert "No space left" in str(error_of(lambda: atomic_write(tmp_path / FILE, fail)))
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_program_replaces_nothing(tmp_path: Path) -> None:
    save(PROGRAM, tmp_path / FILE)
    assert codes_of(lambda: save(replace(PROGRAM, steps=-1), tmp_path / FILE)) >= {"F013"}
    assert digest(load(tmp_path / FILE)) == digest(PROGRAM)


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / FILE, Path("/dev/null"), Path("/proc/none.nmc"), tmp_path / ("x" * 300)):
        assert codes_of(lambda path=path: save(PROGRAM, path)) == {"F014"}
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.nmc").write_bytes(b"old")
    (tmp_path / "link.nmc").symlink_to("real.nmc")
    save(PROGRAM, tmp_path / "link.nmc")
    assert (tmp_path / "link.nmc").is_symlink()
    assert digest(load(tmp_path / "real.nmc")) == digest(PROGRAM)


# --- data files ---


def test_arrays_of_every_kind_of_file(tmp_path: Path) -> None:
    x, z = np.arange(6.0).reshape(2, 3), np.arange(2, dtype=np.int8)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "one.npz", anything=x)
    np.savez_compressed(tmp_path / "two.npz", x=x, z=z)
    (tmp_path / "one.safetensors").write_bytes(safetensors_bytes({"q": x}))
    (tmp_path / "two.SAFETENSORS").write_bytes(safetensors_bytes({"x": x, "z": z}))
    for name in ("x.npy", "one.npz", "one.safetensors"):
        np.testing.assert_array_equal(read_arrays(tmp_path / name), x)
    for name in ("two.npz", "two.SAFETENSORS"):
        arrays = read_arrays(tmp_path / name)
        assert isinstance(arrays, dict)
        assert {key: (a.dtype, a.tolist()) for key, a in arrays.items()} == {
            "x": (x.dtype, x.tolist()),
            "z": (z.dtype, z.tolist()),
        }


def npz_bytes(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy_bytes(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def zip_bytes(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


OBJECTS = np.array([{}, None], object)
HUGE = (
    b"\x93NUMPY\x01\x00"
    + struct.pack("<H", 70)
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000,)}  \n"
)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("x.txt", b"1 2 3", "R002"),
        ("x", b"", "R002"),
        ("x.npy", b"", "R002"),
        ("x.npy", b"no array", "R002"),
        ("x.npy", npy_bytes(np.zeros(9))[:-1], "R002"),
        ("x.npy", HUGE, "R002"),
        ("x.npz", b"PK\x03\x04", "R002"),
        ("x.npz", npz_bytes(x=np.zeros(9))[:-40], "R002"),
        ("x.npz", npz_bytes(x=np.zeros(9)).replace(b"\0" * 40, b"\1" * 40), "R002"),
        ("x.safetensors", b"", "R002"),
        ("x.safetensors", SAVED[:-1], "R002"),
        ("x.npy", npy_bytes(OBJECTS), "R003"),
        ("x.npz", npz_bytes(x=OBJECTS), "R003"),
        ("x.npz", zip_bytes("note.txt", b"not an array"), "R003"),
        ("x.safetensors", other_dtype("BF16"), "R003"),
    ],
)
def test_damaged_data_files(tmp_path: Path, name: str, data: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert codes_of(lambda: read_arrays(tmp_path / name)) == {code}


def test_data_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    for name in ("missing.npy", "folder.npz", "missing/x.safetensors"):
        assert codes_of(lambda name=name: read_arrays(tmp_path / name)) == {"R001"}


@given(st.integers(0, 500), st.binary(min_size=1, max_size=4))
@settings(deadline=None)
def test_random_damage_to_data_is_a_diagnostic(
    tmp_path_factory: pytest.TempPathFactory, position: int, junk: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    data = npz_bytes(x=np.zeros(9), z=np.ones(3))
    path.write_bytes(data[:position] + junk + data[position + len(junk) :])
    try:
        arrays = read_arrays(path)
    except NmcError as error:
        assert error.diagnostics[0].code in ("NMC-R002", "NMC-R003")
    else:
        assert all(isinstance(a, np.ndarray) for a in (arrays.values() if isinstance(arrays, dict) else [arrays]))


def test_results_are_written_as_documented(tmp_path: Path) -> None:
    x = np.random.default_rng(2).uniform(-2, 4, (3, 3))
    result = Session(PROGRAM).run(x, trace=True)
    write_result(tmp_path / "Y.npz", result)
    with np.load(tmp_path / "Y.npz", allow_pickle=False) as file:
        assert sorted(file.files) == sorted(
            ["counters", "y", "y.int", "h", "h.int"]
            + [f"trace/{name}" for name in ("hidden", "y", "hidden.potential", "y.potential")]
        )
        assert file["y"].dtype == np.float32
        np.testing.assert_array_equal(file["y"], result.outputs["y"])
        np.testing.assert_array_equal(file["h.int"], result.integers["h"])
        np.testing.assert_array_equal(file["trace/hidden"], result.trace["hidden"])
        np.testing.assert_array_equal(file["trace/y.potential"], result.potentials["y"])
        assert json.loads(str(file["counters"])) == result.counters
    write_result(tmp_path / "Z.npz", Session(PROGRAM).run(x, trace=True, batch=1))
    assert (tmp_path / "Z.npz").read_bytes() == (tmp_path / "Y.npz").read_bytes()


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (("counters", "h"), ["counters_", "counters_.int", "h", "h.int"]),
        (("a", "a.int"), ["a", "a.int", "a.int_", "a.int_.int"]),
        (("a.int", "a"), ["a.int", "a.int.int", "a_", "a_.int"]),
        (("trace/y", "file"), ["trace/y_", "trace/y_.int", "file", "file.int"]),
    ],
)
def test_names_that_collide_get_an_underscore(tmp_path: Path, names: tuple[str, str], written: list[str]) -> None:
    program = replace(PROGRAM, readouts=tuple(replace(r, name=n) for r, n in zip(PROGRAM.readouts, names, strict=True)))
    write_result(tmp_path / "Y.npz", Session(program).run(np.zeros((1, 3)), trace=True))
    traces = [f"trace/{name}" for name in ("hidden", "y", "hidden.potential", "y.potential")]
    with np.load(tmp_path / "Y.npz") as file:
        assert sorted(file.files) == sorted(["counters", *traces, *written])


def test_archives_carry_no_time_of_day() -> None:
    buffer = io.BytesIO()
    write_npz(buffer, {"x": np.zeros(3), "": np.array("text")})
    with zipfile.ZipFile(buffer) as archive:
        assert [(i.filename, i.date_time) for i in archive.infolist()] == [
            ("x.npy", (1980, 1, 1, 0, 0, 0)),
            (".npy", (1980, 1, 1, 0, 0, 0)),
        ]


# --- raw synapse lists ---

Lists = st.lists(st.lists(st.tuples(st.integers(0, 4), st.floats(-1e6, 1e6)), max_size=8), max_size=4)


@given(Lists)
def test_raw_synapses_are_read_as_the_vendor_s_simulator_does(lists: list[list[tuple[int, float]]]) -> None:
    flat = [entry for entries in lists for entry in entries]
    indptr = np.append(0, np.cumsum([len(entries) for entries in lists], dtype=np.int64))
    read = read_synapses(indptr, [post for post, _ in flat], [weight for _, weight in flat])
    for source, entries in enumerate(lists):
        whole = {post: int(np.float32(weight)) for post, weight in entries}
        kept = {post: min(max(weight, -32768), 32767) for post, weight in whole.items()}
        at = slice(read.table.indptr[source], read.table.indptr[source + 1])
        targets, weights = read.table.target[at].tolist(), read.table.weight[at].tolist()
        assert list(zip(targets, weights, strict=True)) == sorted(kept.items())
    assert read.replaced == len(flat) - sum(len({post for post, _ in entries}) for entries in lists)
    assert read.clamped == sum(not -32768 <= int(np.float32(weight)) <= 32767 for _, weight in flat)
    assert read.truncated == sum(int(np.float32(weight)) != weight for _, weight in flat)


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_raw_synapses_without_a_number(weight: float) -> None:
    assert codes_of(lambda: read_synapses([0, 1], [0], [weight])) == {"F013"}


# --- the house ---


def test_every_code_is_listed_and_used() -> None:
    folder = Path(runtime.__file__).parent
    tops = (folder, folder.parent / "backends", folder.parent / "cli")
    found = [path for top in tops for path in sorted(top.rglob("*.py"))]
    paths = [path for path in found if path.name != "diagnostics.py" and path.parent.name != "explanations"]
    sources = [path.read_text() for path in paths]
    used = {f"NMC-{code}" for text in sources for code in re.findall(r'"(?:NMC-)?([FR]\d{3})"', text)}
    assert used == set(CODES)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("nmc.runtime", ["numpy", "safetensors"]),
        ("nmc.runtime.program", ["nmc.runtime.session", "nmc.runtime.arith", "nmc.compiler", "nmc.backends"]),
        ("nmc.runtime.arith", ["nmc.runtime.program", "safetensors"]),
        ("nmc.runtime.session, nmc.runtime.data", ["nmc.compiler", "nmc.backends", "onnx", "onnxruntime", "torch"]),
    ],
)
def test_imports_stay_small(module: str, absent: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
