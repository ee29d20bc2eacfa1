"""Networks that others made for hs_api, as JSON and arrays: what they become, what is refused, the commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cri_golden import golden, inputs_of, machine_of
from test_cri_reference import HW_L6_LEGACY, unary_program
from test_hs_api import ANN, LIF, NET, refused, written

from nmc.backends.cri.export import load_hs_api, read_hs_api, recognizes, write_hs_api
from nmc.cli.main import main
from nmc.runtime import Session
from nmc.runtime.program import CODES, CriProgram, Exit, NeuronModel, NmcError, load, save
from nmc.runtime.program.npz import write_npz

# --- networks of others ---


def test_json_becomes_a_program_that_simulates(tmp_path: Path) -> None:
    done = read_hs_api(written(tmp_path, NET), steps=4)
    program = done.program
    assert done.source == "json" and done.notes == () and program.profile.name == "sim"
    assert program.models == (NeuronModel(2, 5, 64, -16), NeuronModel(0, 2, 0, -16))
    feeds = np.array([[[t < 2, t == 0] for t in range(4)]])
    result = Session(program).run(feeds)
    # x: 7 after step 0, fires in 1 and gets 3 − 2; y: −1, forgotten, then 7 − 1 = 6, fires in 2
    assert result.integers["spikes"].tolist() == [[1, 1]] and result.integers["potentials"].tolist() == [[0, 1]]
    assert program.provenance["names"] == {"axons": ["a", "b"], "neurons": ["x", "y"]}


def test_an_imported_network_keeps_its_names(tmp_path: Path) -> None:
    program = read_hs_api(written(tmp_path, NET), steps=2).program
    write_hs_api(program, tmp_path / "net")
    net = load_hs_api.load(tmp_path / "net")
    assert net.axons == {"a": [("x", 3), ("y", -1)], "b": [("x", 4)]}
    assert net.connections["x"] == ([("x", -2), ("y", 7)], ("LIF_neuron", 5, -16, 64, False))
    assert net.outputs == ["y", "x"]
    steps = load_hs_api.step_inputs(net, {"axons": [[1, 0], [1, 1]]})
    assert steps == [["a"], ["a", "b"]]
    odd = replace(program, provenance={"names": {"axons": ["x", "b"], "neurons": ["x", "y"]}})
    write_hs_api(odd, tmp_path / "odd")
    assert list(load_hs_api.load(tmp_path / "odd").axons) == ["a0:axons.0.bit0", "a1:axons.1.bit0"]


@pytest.mark.golden
@pytest.mark.parametrize("name", ["mixed_1", "lif_leak63_rec", "dupsyn_0", "ann_ff_1", "rep_inputs", "layers_0"])
def test_the_vendor_s_vectors_as_arrays(name: str, tmp_path: Path) -> None:
    case = golden(name)
    arrays = {
        f"{p}s/{q}": case[f"{p}_{r}"]
        for p in ("axon", "neuron")
        for q, r in (("indptr", "indptr"), ("target", "post"), ("weight", "weight"))
    }
    columns = np.stack([case[part].astype(np.int64) for part in ("model", "threshold", "leak", "shift")], 1)
    models, number = np.unique(columns, axis=0, return_inverse=True)
    arrays |= {"models": models, "neuron_model": number.reshape(-1), "outputs": case["outputs"]}
    with (tmp_path / "net.npz").open("wb") as file:
        write_npz(file, arrays)
    steps = len(case["v"])
    done = read_hs_api(tmp_path / "net.npz", steps=steps)
    machine = Session(done.program).machine
    reference = machine_of(case)
    machine.potentials = reference.potentials
    spikes = np.zeros(len(number), np.int64)
    for step in range(steps):
        spikes += machine.step(inputs_of(case, step, reference.axons.sources))[0]
        np.testing.assert_array_equal(machine.potentials[0], case["v"][step])
    if not case["v0"].any():
        feeds = np.stack([inputs_of(case, t, reference.axons.sources) for t in range(steps)], axis=1)
        result = Session(done.program).run(feeds)
        np.testing.assert_array_equal(result.integers["spikes"][0], spikes[case["outputs"]])
        np.testing.assert_array_equal(result.integers["potentials"][0], case["v"][-1][case["outputs"]])
    assert bool(done.notes) == (name == "dupsyn_0")


def test_equal_synapses_replace_each_other_or_add(tmp_path: Path) -> None:
    twice = {**NET, "axons": {"a": [["x", 3], ["y", 1], ["x", 5.0]]}}
    path = written(tmp_path, twice)
    done = read_hs_api(path)
    assert done.program.axons.weight.tolist() == [5, 1] and "1 synapses of axons are replaced" in done.notes[0]
    models = {"x": [[], {**LIF, "leak": 63}], "y": [[], {"class": "IF_neuron", "threshold": 4, "shift": -17}]}
    done = read_hs_api(written(tmp_path, {**twice, "connections": models}), profile="hw2024")
    assert done.program.axons.weight.tolist() == [3, 1, 5] and done.program.axons.target.tolist() == [0, 1, 0]
    assert done.program.models[1] == NeuronModel(3, 4, 0, -17)
    assert [note for note in done.notes if "noise" in note] == [
        "1 of 2 neuron models have noise, which is simulated with a seed: under profile hw2024 only shift -17 is off"
    ]


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    bad = {
        "axons": {"a": [["x", 40000], ["z", 1], ["x", 1.5], ["x"], ["x", 1, True], 7], "y": [], "c": {}},
        "connections": {
            "x": [[], {"class": "LIF_neuron", "threshold": "1", "shift": -16, "gain": 2}],
            "y": [[], {"class": "HH_neuron"}],
            "v": [[["x", "3"]], {**LIF, "refractory_max": 2}],
            "w": [],
            "3": [[], {**ANN, "legacy_noise_en": 1}],
        },
        "outputs": ["x", "x", "q", 3],
    }
    found = refused(lambda: read_hs_api(written(tmp_path, bad)))
    texts = [
        ("F032", "'y' names an axon and a neuron"),
        ("F033", "axons/'a'/0: the weight 40000"),
        ("F032", "axons/'a'/1: there is no neuron 'z'"),
        ("F033", "axons/'a'/2: the weight 1.5"),
        ("F031", "axons/'a'/3: a synapse must be (neuron, weight); not ['x']"),
        ("F031", "axons/'a'/4: a synapse must be (neuron, weight); a third entry asks for a delay"),
        ("F031", "axons/'a'/5: a synapse must be (neuron, weight); not 7"),
        ("F031", "axons/'c': synapses must be a list"),
        ("F031", "connections/'x'/'threshold': must be one whole number"),
        ("F031", "connections/'x': the LIF_neuron has no leak"),
        ("F031", "connections/'x': the LIF_neuron has 'gain'"),
        ("F031", "connections/'y': the class must be one of"),
        ("F031", "connections/'v': refractory_max is 2, which nmc does not read"),
        ("F031", "connections/'w': must be a list of synapses and a neuron model"),
        ("F031", "connections/'3': legacy_noise_en is set, which is profile hw_l6_legacy"),
        ("F033", "connections/'v'/0: the weight '3'"),
        ("F032", "outputs/1: 'x' is given twice"),
        ("F032", "outputs/2: there is no neuron 'q'"),
        ("F032", "outputs/3: there is no neuron 3; there is '3'"),
    ]
    assert len(found) == len(texts)
    for (code, what), (expected, text) in zip(found, texts, strict=True):
        assert code == expected and text in what


def test_the_first_twenty_problems_and_a_count(tmp_path: Path) -> None:
    bad = {**NET, "axons": {"a": [["z", 1]] * 1234}}
    found = refused(lambda: read_hs_api(written(tmp_path, bad)))
    assert len(found) == 21 and found[-1][1] == "… and 1,214 more problems, 1,234 in all"


@pytest.mark.parametrize(
    ("profile", "model", "text"),
    [
        ("sim", {"class": "IF_neuron", "threshold": 1, "shift": -16}, "models/0/code"),
        ("hw2024", {**LIF, "leak": 64}, "models/0/leak"),
        ("hw_l6", {**LIF, "leak": 63, "threshold": 2**40}, "models/0/threshold"),
    ],
)
def test_models_that_a_profile_does_not_have(tmp_path: Path, profile: str, model: Any, text: str) -> None:
    path = written(tmp_path, {"axons": {}, "connections": {"x": [[], model]}, "outputs": []})
    ((code, what),) = refused(lambda: read_hs_api(path, profile=profile))
    assert code == "F031" and text in what and "--profile" in what


def test_the_limits_of_a_core_hold(tmp_path: Path) -> None:
    models = [[[], {"class": "IF_neuron", "threshold": i, "shift": -17}] for i in range(17)]
    data = {"axons": {}, "connections": dict(zip("abcdefghijklmnopq", models, strict=True)), "outputs": []}
    found = refused(lambda: read_hs_api(written(tmp_path, data), profile="hw2024"), Exit.LIMIT)
    assert [code for code, _ in found] == ["C005"]
    legacy = {"axons": {}, "connections": {"x": [[], {**LIF, "leak": 63, "legacy_noise_en": 1}]}, "outputs": []}
    assert read_hs_api(written(tmp_path, legacy), profile="hw_l6_legacy").program.profile == HW_L6_LEGACY


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"axons": {}, "connections": {}}', "must hold axons, connections, outputs"),
        ('{"axons": {}, "connections": {}, "outputs": [], "more": 1}', "holds"),
        ('{"axons": [], "connections": {}, "outputs": []}', "axons must be a dict, not list"),
        ('{"axons": {}, "axons": {}, "connections": {}, "outputs": []}', "a key twice"),
        ('{"axons": {"a": [["x", NaN]]}', "no JSON"),
        ('{"axons": ' + "[" * 5000, "nested too deeply"),
        ('{"hs_api_network": 2}', "has version 2"),
        ('{"hs_api_network": 1, "x": 2}', "has keys"),
    ],
)
def test_malformed_json(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "net.json"
    path.write_text(text)
    with (tmp_path / "network.npz").open("wb") as file:
        write_npz(file, {})
    ((code, what),) = refused(lambda: read_hs_api(path))
    assert code == "F030" and part in what


ARRAYS = {
    "axons/indptr": np.array([0, 2]),
    "axons/target": np.array([0, 1]),
    "axons/weight": np.array([3.0, -4.0]),
    "axons/names": np.array(["a"]),
    "neurons/indptr": np.array([0, 0, 1]),
    "neurons/target": np.array([0], np.uint8),
    "neurons/weight": np.array([9], np.int8),
    "neurons/names": np.array(["x", "y"]),
    "neuron_model": np.array([0, 0]),
    "models": np.array([[2, 5, 63, -16]]),
    "outputs": np.array([1]),
}


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, []),
        ({"axons/weight": np.array([3, 40000])}, ["F033"]),
        ({"axons/weight": np.array([np.nan, np.inf])}, ["F033"]),
        ({"axons/target": np.array([0, 2]), "outputs": np.array([1, 1])}, ["F032", "F032"]),
        ({"axons/indptr": np.array([0, 3])}, ["F031"]),
        ({"neurons/indptr": np.array([0, 1])}, ["F031"]),
        ({"neurons/names": np.array(["x", "a"])}, ["F032"]),
        ({"axons/names": np.array(["x", "a"])}, ["F031"]),
        ({"neuron_model": np.array([0, 1])}, ["F032"]),
        ({"models": np.array([[1, 2]])}, ["F030"]),
        ({"models": np.zeros((300, 4), np.int64)}, ["F031"]),
        ({"outputs": np.array([0.5])}, ["F030"]),
        ({"outputs": np.array([2**63], np.uint64)}, ["F030"]),
        ({"more": np.array([0])}, ["F030"]),
    ],
)
def test_arrays(tmp_path: Path, change: dict[str, Any], codes: list[str]) -> None:
    path = tmp_path / "net.npz"
    with path.open("wb") as file:
        write_npz(file, ARRAYS | change)
    if codes:
        assert [code for code, _ in refused(lambda: read_hs_api(path))] == codes
    else:
        program = read_hs_api(path).program
        assert program.axons.weight.tolist() == [3, -4] and program.neurons.weight.tolist() == [9]
        assert program.provenance["names"]["neurons"] == ["x", "y"]


def test_objects_and_damage_in_arrays(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    np.savez(path, **{**ARRAYS, "outputs": np.array([{}], object)})  # type: ignore[arg-type]
    assert "Python objects" in refused(lambda: read_hs_api(path))[0][1]
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:cut])
        assert [code for code, _ in refused(lambda: read_hs_api(path))] == ["F030"]


def test_a_changed_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    write_hs_api(unary_program(), folder)
    text = (folder / "network.json").read_text()
    changes = [
        (lambda d: d["axons"].reverse(), "F036"),
        (lambda d: d["outputs"].pop(), "F036"),
        (lambda d: d["program"].update(steps=9), "F036"),
        (lambda d: d.update(digest="0"), "F036"),
        (lambda d: d["program"].pop("steps"), "F030"),
        (lambda d: d["program"].update(steps=1), "F030"),
    ]
    for change, code in changes:
        data = json.loads(text)
        change(data)
        (folder / "network.json").write_text(json.dumps(data))
        assert [c for c, _ in refused(lambda: read_hs_api(folder))] == [code]
    (folder / "network.json").write_text(text)
    (folder / "network.npz").unlink()
    assert [c for c, _ in refused(lambda: read_hs_api(folder))] == ["F001"]


# --- anything at all ---

SMALL = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 70000), st.floats(), st.sampled_from(["x", "y", "a", "class"])
)
JSONS = st.recursive(
    SMALL, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner), max_leaves=8
)


@st.composite
def jsons(draw: st.DrawFn) -> Any:
    """NET with some of its parts replaced by anything."""
    data = json.loads(json.dumps(NET))
    for _ in range(draw(st.integers(1, 4))):
        place = data
        while isinstance(place, dict | list) and place:
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if draw(st.booleans()) or not isinstance(place[key], dict | list):
                place[key] = draw(JSONS)
                break
            place = place[key]
    return data


def check_anything(path: Path) -> None:
    try:
        assert read_hs_api(path, steps=2).program.steps == 2
    except NmcError as error:
        assert all(d.code in CODES and len(str(d)) < 2000 for d in error.diagnostics)


@pytest.mark.slow
@settings(max_examples=200)
@given(jsons())
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    check_anything(written(tmp_path_factory.getbasetemp(), data, "any.json"))


@settings(max_examples=200)
@given(st.data())
def test_any_arrays_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Other numbers, dtypes and shapes in the arrays, other bytes in the file."""
    changed = dict(ARRAYS)
    for name in data.draw(st.lists(st.sampled_from(sorted(ARRAYS)), max_size=3)):
        dtype = data.draw(st.sampled_from(["i1", "u8", "i8", "f4", "f8", "U2", "?", "c8", "M8[s]"]))
        numbers = data.draw(st.lists(st.integers(-2, 5), max_size=4))
        with np.errstate(all="ignore"):
            changed[name] = np.array(numbers).astype(dtype)
    path = tmp_path_factory.getbasetemp() / "any.npz"
    with path.open("wb") as file:
        write_npz(file, changed)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 2))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    check_anything(path)


# --- the commands ---


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(unary_program(), tmp_path / "net.nmc")
    return tmp_path


def test_export_and_import(here: Path) -> None:
    done = nmc("export", "net.nmc", "--format", "hs-api")
    assert done.exit_code == 0, done.output
    names = [line.split(",")[0] for line in done.output.splitlines()]
    assert names == [f"written: net.hs_api/{name}" for name in ("network.json", "network.npz", "load_hs_api.py")]
    done = nmc("import", "net.hs_api", "-o", "copy.nmc")
    assert done.exit_code == 0 and done.stderr == "" and done.output.endswith("as it was exported\n")
    assert (here / "copy.nmc").read_bytes() == (here / "net.nmc").read_bytes()


def test_import_and_simulate(here: Path) -> None:
    written(here, NET)
    done = nmc("import", "net.json", "-o", "raw.nmc")
    assert done.exit_code == 0 and "--steps N" in done.stderr
    assert done.stdout == "raw.nmc: cri, 2 neurons, 2 axons, 5 synapses, 1 timesteps, profile sim, from json\n"
    done = nmc("import", "net.json", "-o", "raw.nmc", "--steps", 3, "--json")
    assert json.loads(done.stdout) | {"timesteps": 3, "source": "json", "notes": []} == json.loads(done.stdout)
    np.savez(here / "in.npz", axons=np.ones((2, 3, 2)))
    done = nmc("simulate", "raw.nmc", "--input", "in.npz", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["shapes"] == {"spikes": [2, 2], "potentials": [2, 2]}
    assert isinstance(load(here / "raw.nmc"), CriProgram)


def test_exit_codes(here: Path) -> None:
    written(here, NET)
    written(here, {**NET, "outputs": ["q"]}, "bad.json")
    nmc("export", "net.nmc", "--format", "hs-api")
    written(here, {"layers": [3]}, "ill.json")
    (here / "empty").mkdir()
    (here / "cut.pkl").write_bytes(b"\x80\x04")
    before = sorted(here.iterdir())
    cases = [
        (["export", "net.nmc", "--format", "hs-api", "--akida-version", "2.19.0"], 2, "NMC-X004"),
        (["export", "net.nmc", "--format", "hs-api", "-o", "net.json"], 4, "NMC-F014"),
        (["import", "net.json", "--profile", "hw"], 2, "NMC-X004"),
        (["import", "net.json", "--steps", 0], 2, "NMC-X004"),
        (["import", "net.json", "--frames", 1], 2, "NMC-X004"),
        (["import", "net.hs_api", "--steps", 2], 2, "NMC-X004"),
        (["import", "net.hs_api", "--profile", "sim"], 2, "NMC-X004"),
        (["import", "ill.json", "--steps", 2], 2, "NMC-X004"),
        (["import", "ill.json"], 4, "NMC-F021"),
        (["import", "bad.json"], 4, "NMC-F032"),
        (["import", "cut.pkl"], 4, "NMC-F030"),
        (["import", "empty"], 4, "NMC-F002"),
        (["import", "none"], 4, "NMC-F001"),
        (["import", "net.nmc"], 4, "NMC-F020"),
    ]
    for arguments, code, text in cases:
        done = nmc(*arguments)
        assert (done.exit_code, "Traceback" in done.output) == (code, False), done.output
        assert text in done.output
    assert sorted(here.iterdir()) == before and not recognizes(here / "net.nmc")
