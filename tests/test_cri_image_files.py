"""Memory images as files: the folder, the commands, and what happens to damaged ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from cri_images import memory, random_placement, random_program, sums
from hypothesis import given, settings
from hypothesis import strategies as st

from nmc.backends.cri.image import (
    decode_image,
    encode_image,
    folder,
    load_image,
    read_image,
    recognizes_image,
    write_image,
)
from nmc.backends.cri.image.packets import as_text, load_packets
from nmc.backends.cri.placement import natural, place
from nmc.backends.cri.target import PROFILES
from nmc.cli.main import main
from nmc.runtime.program import NmcError, load, save
from nmc.runtime.program.cri import CriProgram
from nmc.runtime.program.cri_image import CriImage, parameter_slot, parameter_word

BASE = 1 << 15


@pytest.fixture
def exported(tmp_path: Path) -> tuple[CriProgram, Path]:
    program = random_program(5, "hw_l6")
    path = tmp_path / "net.hbm"
    write_image(program, path, random_placement(program, 5))
    return program, path


def same(first: CriImage, second: CriImage) -> bool:
    words = ("axon_pointers", "neuron_pointers", "synapses")
    rest = ("profile", "layout", "inputs", "slots", "parameters")
    return all(np.array_equal(getattr(first, n), getattr(second, n)) for n in words) and all(
        getattr(first, n) == getattr(second, n) for n in rest
    )


def test_a_folder_holds_the_image_and_the_slots(exported: tuple[CriProgram, Path]) -> None:
    program, path = exported
    placement = random_placement(program, 5)
    image, head, _ = load_image(path)
    assert same(image, encode_image(program, placement))
    np.testing.assert_array_equal(head.slot, placement.slot)
    assert (path / "packets.txt").read_bytes() == b"".join(map(as_text, load_packets(image)))
    assert sorted(file.name for file in path.iterdir()) == ["image.bin", "image.json", "packets.txt"]


def test_the_map_says_where_every_row_lies_in_the_binary(exported: tuple[CriProgram, Path]) -> None:
    program, path = exported
    data, binary = json.loads((path / "image.json").read_text()), (path / "image.bin").read_bytes()
    rows = memory(encode_image(program, random_placement(program, 5)))
    found = {}
    for region in data["regions"]:
        for k in range(region["rows"]):
            at = region["offset"] + 32 * k
            found[region["row"] + k] = int.from_bytes(binary[at : at + 32], "little")
    assert found == rows
    assert data["network"]["readouts"][0]["neurons"] == program.readouts[0].neuron.tolist()
    assert [model["boundary"] for model in data["models"]] == sorted(model["boundary"] for model in data["models"])
    assert {model["model"]["threshold"] for model in data["models"]} == {m.threshold for m in program.models}


def test_equal_programs_are_equal_bytes(exported: tuple[CriProgram, Path], tmp_path: Path) -> None:
    program, path = exported
    write_image(program, tmp_path / "again", random_placement(program, 5))
    for file in path.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_what_is_read_back_is_the_network(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    program = random_program(seed)
    path = tmp_path_factory.mktemp("image")
    write_image(program, path, random_placement(program, seed))
    read, notes = read_image(path, steps=7)
    assert notes == [] and read.steps == 7 and read.inputs[0].shape == (7, 20)
    assert sums(read.axons) == sums(program.axons) and sums(read.neurons) == sums(program.neurons)
    models = [[p.models[k] for k in p.neuron_model] for p in (program, read)]
    assert models[0] == models[1]
    assert read.readouts[0].neuron.tolist() == sorted(program.readouts[0].neuron.tolist())
    assert read.provenance["source"]["format"] == "hbm"


@pytest.mark.parametrize(("axons", "neurons"), [(0, 3), (3, 0), (0, 0), (16, 32)])
def test_networks_without_axons_or_neurons(axons: int, neurons: int, tmp_path: Path) -> None:
    program = random_program(1, axons=axons, neurons=neurons, most=4 if neurons else 0)
    if not neurons:
        program = replace(program, populations=(), readouts=())
    write_image(program, tmp_path / "net")
    read, _ = read_image(tmp_path / "net")
    assert (read.axons.sources, read.neurons.sources) == (axons, neurons)
    assert sums(read.axons) == sums(program.axons) and sums(read.neurons) == sums(program.neurons)


def test_packets_of_large_images_are_written_when_asked_for(
    exported: tuple[CriProgram, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    program, path = exported
    monkeypatch.setattr(folder, "MOST_PACKETS", 10)
    names = [file.name for file in write_image(program, path)]
    assert names == ["image.bin", "image.json"]
    assert not (path / "packets.txt").exists()  # the old one belonged to another image
    write_image(program, path, packets=True)
    assert (path / "packets.txt").stat().st_size > 129 * 10


# --- commands ---


def run(*words: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [*map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_export_and_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = random_program(3)
    save(program, "net.nmc")
    code, done = run("export", "net.nmc", "--format", "hbm", "--packets")
    assert code == 0
    assert [Path(file["path"]).name for file in done["files"]] == ["image.bin", "image.json", "packets.txt"]
    code, done = run("import", "net.hbm", "-o", "back.nmc", "--steps", "4")
    assert code == 0 and done["source"] == "hbm" and done["timesteps"] == 4
    back = load("back.nmc")
    assert isinstance(back, CriProgram) and sums(back.neurons) == sums(program.neurons)
    told = CliRunner().invoke(main, ["import", "net.hbm", "-o", "back.nmc"])
    assert "profile hw2024, from a memory image" in told.stdout and "--steps N" in told.stderr
    assert recognizes_image("net.hbm/image.bin") and run("import", "net.hbm/image.json")[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("import", "net.hbm", "--frames", "2"), "NMC-X004", 2),
        (("import", "net.hbm", "--profile", "sim"), "NMC-X004", 2),
        (("import", "net.hbm", "--steps", "0"), "NMC-X004", 2),
        (("export", "net.nmc", "--format", "hbm", "--akida-version", "2.19.0"), "NMC-X004", 2),
        (("export", "net.nmc", "--format", "hs-api", "--packets"), "NMC-X004", 2),
        (("export", "net.nmc", "--format", "hs-api", "--natural-order"), "NMC-X004", 2),
        (("export", "net.nmc", "--format", "hbm", "--natural-order", "--avoid-defect-rows"), "NMC-X004", 2),
        (("export", "sim.nmc", "--format", "hbm"), "NMC-C020", 3),
        (("export", "net.nmc", "--format", "hbm", "-o", "net.nmc"), "NMC-F014", 4),
        (("import", "nothing.hbm"), "NMC-F001", 4),
    ],
)
def test_refused_commands(
    words: tuple[str, ...], code: str, exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = random_program(3)
    save(program, "net.nmc")
    models = tuple(replace(m, code=2, shift=-16) for m in program.models)
    save(replace(program, profile=PROFILES["sim"], models=models), "sim.nmc")
    write_image(program, "net.hbm")
    found, done = run(*words)
    assert (found, done["errors"][0]["code"]) == (exit_code, code)


@pytest.mark.parametrize("flags", [(), ("--natural-order",), ("--avoid-defect-rows",)])
def test_neurons_are_placed_unless_they_shall_not_be(flags: tuple[str, ...], tmp_path: Path) -> None:
    program = random_program(4)
    save(program, tmp_path / "net.nmc")
    run("export", tmp_path / "net.nmc", "--format", "hbm", "-o", tmp_path / "a.hbm", *flags)
    made = natural(program) if "--natural-order" in flags else place(program, avoid_defect_rows="--avoid" in str(flags))
    write_image(program, tmp_path / "b.hbm", made)
    assert (tmp_path / "a.hbm" / "image.bin").read_bytes() == (tmp_path / "b.hbm" / "image.bin").read_bytes()


# --- damage ---


def refused(action: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(NmcError) as error:
        action()
    assert error.value.exit_code == 4
    return [(problem.code, problem.what) for problem in error.value.diagnostics]


Change = Callable[[dict[str, Any]], object]


def changed(path: Path, change: Change) -> list[tuple[str, str]]:
    data = json.loads((path / "image.json").read_text())
    change(data)
    (path / "image.json").write_text(json.dumps(data))
    return refused(lambda: read_image(path))


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (lambda d: d.update(cri_image=2), "F040", "no memory image"),
        (lambda d: d.pop("models"), "F040", "no memory image"),
        (lambda d: d["image"].pop("slots"), "F040", "no memory image"),
        (lambda d: d["image"].update(slots="64"), "F040", "no memory image"),
        (lambda d: d["image"].update(slots=33), "F040", "slots: must be a multiple of 32"),
        (lambda d: d["image"].update(slots=1 << 20), "F040", "slots: must be 0 to 131040"),
        (lambda d: d["image"].update(inputs=-1), "F040", "inputs: must be 0 to 131071"),
        (lambda d: d["image"].update(pairs=1 << 40), "F040", "pairs: must be 1 to"),
        (lambda d: d["image"]["layout"].update(neuron_base=1 << 15), "F040", "layout: base rows"),
        (lambda d: d["image"]["layout"].update(synapse_base=32769), "F040", "must be even"),
        (lambda d: d["image"]["layout"].update(axons_per_packet=0), "F040", "layout/axons_per_packet"),
        (lambda d: d["image"]["profile"].update(name="sim"), "F040", "no build of hardware"),
        (lambda d: d["image"].update(parameters=["0"] * 17), "F040", "at most 16 words"),
        (lambda d: d["image"]["parameters"].append("0x" + "0" * 19), "F040", "21 hexadecimal digits"),
        (lambda d: d["image"]["placed"][0].update(count=0), "F040", "placed: runs"),
        (lambda d: d["image"]["placed"][0].update(count=1 << 60), "F040", "placed: runs"),
        (lambda d: d["image"]["placed"].append(d["image"]["placed"][0] | {"neuron": 50}), "F040", "same slot"),
        (lambda d: d["image"].update(pairs=d["image"]["pairs"] - 1), "F042", "regions: does not say the same"),
        (lambda d: d["models"][0].update(boundary=1), "F042", "models: does not say the same"),
        (lambda d: d.update(sha256="0" * 64), "F042", "image.bin"),
    ],
)
def test_a_changed_map_is_refused(change: Change, code: str, text: str, exported: tuple[CriProgram, Path]) -> None:
    problems = changed(exported[1], change)
    assert any(found == f"NMC-{code}" and text in what for found, what in problems), problems


def test_damaged_files_are_refused(exported: tuple[CriProgram, Path]) -> None:
    path = exported[1]
    text, binary = (path / "image.json").read_bytes(), (path / "image.bin").read_bytes()
    for name, content, code in (
        ("image.json", b"{", "F040"),
        ("image.json", b"[]", "F040"),
        ("image.json", b"\xff", "F040"),
        ("image.bin", binary[:-1], "F040"),
        ("image.bin", binary + b"\0", "F040"),
        ("image.bin", b"\1" + binary[1:], "F042"),
    ):
        (path / name).write_bytes(content)
        assert refused(lambda: read_image(path))[0][0] == f"NMC-{code}"
        (path / "image.json").write_bytes(text)
        (path / "image.bin").write_bytes(binary)
    (path / "image.bin").unlink()
    assert refused(lambda: read_image(path))[0][0] == "NMC-F001"
    (path / "image.bin").mkdir()
    assert refused(lambda: read_image(path))[0][0] in ("NMC-F002", "NMC-F040")


def broken(image: CriImage, **words: Any) -> list[tuple[str, str]]:
    """What is found in an image of random_program(5) with some words changed: name of an array, index, word."""
    changes = {}
    for name, (index, word) in words.items():
        if name == "parameters":
            changes[name] = tuple(word(w) if k == index else w for k, w in enumerate(image.parameters))
        else:
            changes[name] = getattr(image, name).copy()
            changes[name][index] = word
    program = random_program(5)
    return refused(lambda: decode_image(replace(image, **changes), natural(program).slot))


def test_words_that_make_no_sense_are_told_all_at_once() -> None:
    image = encode_image(random_program(5))
    slots = image.slots
    empty = 1 << 23 | BASE
    spare = next(h for h in range(slots - 1, 0, -1) if image.neuron_pointers[h] == empty)  # a padding slot
    problems = broken(
        image, axon_pointers=(slice(0, 4), [BASE | 1, 1 << 23, 1 << 23 | (BASE + 1), 511 << 23 | BASE + 40])
    )
    assert len(problems) == 1 and problems[0][0] == "NMC-F041"
    assert "4 pointers do not name pairs of rows in the synapse region: axon 0 points to 1 rows" in problems[0][1]
    assert "belong to no source" in broken(image, axon_pointers=(0, empty))[0][1]
    doubled = broken(image, axon_pointers=(0, int(image.axon_pointers[1])))
    assert "belong to no source" in doubled[0][1] and "belong to several sources" in doubled[1][1]
    assert "belong to several sources" in broken(image, synapses=((0, 0), 5))[0][1]
    first = int(image.axon_pointers[0] & 0x7FFFFF) - BASE >> 1
    cell = (first, slice(0, 4))
    found = broken(image, synapses=(cell, [1 << 29, 0x80000001, 8191 << 16 | 1, 3 << 29]))
    assert [code for code, _ in found] == ["NMC-F043", "NMC-F041", "NMC-F041"]
    assert "2 entries for other cores" in found[0][1] and "of axon 0" in found[0][1]
    neuron = next(h for h in range(slots) if image.neuron_pointers[h] != empty)
    row = int(image.neuron_pointers[neuron] & 0x7FFFFF) - BASE >> 1
    twice = broken(image, synapses=((row, slice(0, 3)), [1 << 31 | neuron] * 3))
    assert "neurons have several spike entries" in twice[0][1]
    output = int(natural(random_program(5)).slot[random_program(5).readouts[0].neuron[0]])
    row = int(image.neuron_pointers[output] & 0x7FFFFF) - BASE >> 1
    word = int((image.synapses[row:] == 1 << 31 | output).argmax())
    swapped = broken(
        image,
        neuron_pointers=([output, spare], image.neuron_pointers[[spare, output]]),
        synapses=((row + word // 16, word % 16), 1 << 31 | spare),
    )
    assert any("spike entries name no neuron" in what for _, what in swapped)
    moved = (slice(0, slots), image.neuron_pointers[:slots].copy())
    moved[1][[neuron, spare]] = moved[1][[spare, neuron]]
    told = [what for _, what in broken(image, neuron_pointers=moved)]
    assert any("synapses come from padding" in what for what in told)


def test_parameters_that_are_not_modelled_are_refused() -> None:
    image = encode_image(random_program(5))

    def with_slot(**fields: Any) -> Callable[[int], int]:
        return lambda word: parameter_word(replace(parameter_slot(word), **fields))

    for name in ("delay", "dual", "shadow"):
        assert [c for c, _ in broken(image, parameters=(0, with_slot(**{name: 1})))] == ["NMC-F043"]
    assert "boundary rows" in broken(image, parameters=(1, with_slot(boundary=1)))[0][1]
    model = parameter_slot(image.parameters[0]).model
    assert "exceeds 35 bits" in broken(image, parameters=(0, with_slot(model=replace(model, threshold=1 << 34))))[0][1]
    assert "no soft reset" in broken(image, parameters=(0, with_slot(model=replace(model, soft=True))))[0][1]
    rests = broken(image, parameters=(0, with_slot(model=replace(model, refractory=1))))
    assert "no refractory periods" in rests[0][1]


@given(st.data())
@settings(max_examples=60)
def test_a_word_changed_at_random_is_refused_or_read_as_another_network(data: st.DataObject) -> None:
    program = random_program(5)
    image = encode_image(program)
    name = data.draw(st.sampled_from(["axon_pointers", "neuron_pointers", "synapses"]))
    words = getattr(image, name).copy()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, words.size - 1))
        words.reshape(-1)[at] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    slot = natural(program).slot
    try:
        network = decode_image(replace(image, **{name: words}), slot)
    except NmcError as error:
        assert error.exit_code == 4 and {d.code for d in error.diagnostics} <= {"NMC-F041", "NMC-F043"}
    else:
        assert network.neurons.indptr[-1] == len(network.neurons.target) == len(network.neurons.weight)
        assert 0 <= int(network.neurons.target.min()) <= int(network.neurons.target.max()) < 50


@pytest.mark.slow
@given(st.data())
@settings(max_examples=60)
def test_bytes_of_the_map_changed_at_random_never_end_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    write_image(random_program(5), path)
    text = bytearray((path / "image.json").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    (path / "image.json").write_bytes(text)
    try:
        program, _ = read_image(path)
    except NmcError as error:
        assert error.exit_code in (3, 4, 5)
    else:
        assert program.neurons.sources == 50
