"""Networks for hs_api: what is exported, the loader without nmc, the way back, networks of others, the commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cri_digits import FOLDER as DIGITS
from test_cri_digits import load_split
from test_cri_reference import HW2024, table, unary_program

from nmc.backends.cri.export import load_hs_api, read_hs_api, write_hs_api
from nmc.compiler import compile_verbose
from nmc.runtime import Session
from nmc.runtime.program import CriProgram, Exit, NeuronModel, NmcError, save

pytestmark = pytest.mark.slow

LIF = {"class": "LIF_neuron", "threshold": 5, "shift": -16, "leak": 64}
ANN = {"class": "ANN_neuron", "threshold": 2, "shift": -16}
NET: dict[str, Any] = {
    "axons": {"a": [["x", 3], ["y", -1]], "b": [["x", 4]]},
    "connections": {"x": [[["y", 7], ["x", -2]], LIF], "y": [[], ANN]},
    "outputs": ["y", "x"],
}


def refused(action: Callable[[], object], exit_code: Exit = Exit.BAD_FILE) -> list[tuple[str, str]]:
    """(code, text) of everything that an action was refused for."""
    with pytest.raises(NmcError) as caught:
        action()
    assert caught.value.exit_code == exit_code
    return [(d.code.removeprefix("NMC-"), d.what) for d in caught.value.diagnostics]


def written(folder: Path, data: Any, name: str = "net.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(data))
    return path


# --- a compiled network, loaded without nmc ---

READ = """
import json, sys
sys.modules["nmc"] = None
sys.path.insert(0, sys.argv[1])
import load_hs_api
net = load_hs_api.load(sys.argv[1])
images = json.load(sys.stdin)
steps = [load_hs_api.step_inputs(net, {"image": image}) for image in images]
json.dump({"axons": net.axons, "connections": net.connections, "outputs": net.outputs, "steps": steps}, sys.stdout)
"""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[CriProgram, Path, np.ndarray[Any, Any]]:
    """The digits network at T = 7, the folder it was exported to, three images."""
    x_train, _, x_test, _ = load_split()
    program = compile_verbose(DIGITS / "digits.onnx", "cri", calibration=x_train[:100], timesteps=7).program
    folder = tmp_path_factory.mktemp("export") / "digits.hs_api"
    write_hs_api(program, folder)
    return program, folder, x_test[:3]


def simulate(net: dict[str, Any], steps: list[list[str]]) -> tuple[dict[str, int], dict[str, int]]:
    """Spike counts and last potentials, by the rules of profile `sim` on nothing but the dictionaries."""
    v, spikes = dict.fromkeys(net["connections"], 0), dict.fromkeys(net["connections"], 0)
    synapses = {name: dict(entries) for name, entries in net["axons"].items()}  # the last of equal targets counts
    synapses |= {name: dict(entries) for name, (entries, _) in net["connections"].items()}
    for axons in steps:
        fired = [name for name, (_, model) in net["connections"].items() if v[name] >= model[1]]
        for name, (_, (_, _, shift, leak, _)) in net["connections"].items():
            assert shift == -16
            v[name] += (v[name] > 0) if leak == 63 else 0 if leak == 64 else -(v[name] >> leak)
        for name in fired:
            v[name], spikes[name] = 0, spikes[name] + 1
        for source in {*axons, *fired}:
            for target, weight in synapses[source].items():
                v[target] += max(min(weight, 2**15 - 1), -(2**15))
        v = {name: max(min(value, 2**34 - 1), -(2**34)) for name, value in v.items()}
    return spikes, v


@pytest.mark.slow
def test_the_dictionaries_compute_what_the_program_does(digits: Any) -> None:
    program, folder, images = digits
    done = subprocess.run(
        [sys.executable, "-I", "-c", READ, str(folder)],
        input=json.dumps(images.tolist()),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    net = json.loads(done.stdout)
    assert len(net["axons"]) == program.axons.sources and len(net["connections"]) == len(program.neuron_model)
    assert sum(map(len, net["axons"].values())) == program.axons.synapses
    result = Session(program).run(images, trace=True)
    loaded = load_hs_api.load(folder)
    for i, steps in enumerate(net["steps"]):
        assert len(steps) == program.steps
        spikes, potentials = simulate(net, steps)
        expected = [
            np.concatenate([part[p.name][i].ravel() for p in program.populations]).tolist()
            for part in (result.trace, result.potentials)
        ]
        assert [list(spikes.values()), list(potentials.values())] == expected
        fired = [name for name, count in spikes.items() for _ in range(count)]
        found = load_hs_api.results(loaded, [[name] for name in fired], [potentials])["logits"]
        np.testing.assert_array_equal(found, result.outputs["logits"][i])


def test_names_come_from_populations_and_positions(digits: Any) -> None:
    program, folder, _ = digits
    net = load_hs_api.load(folder)
    first, last = program.populations[0], program.populations[-1]
    assert net.names[1][0] == f"n0:{first.name}.0.0.0" and net.names[1][-1] == f"n{last.stop - 1}:{last.name}.9"
    bits = program.inputs[0].bits
    assert net.names[0][bits * 9 + 2] == f"a{bits * 9 + 2}:image.0.1.1.bit2"
    phase = program.schedule[-1]
    assert net.names[0][phase.first] == f"a{phase.first}:{phase.name}.0"
    assert net.outputs == net.names[1][-10:]


def test_a_folder_comes_back_byte_by_byte(digits: Any, tmp_path: Path) -> None:
    program, folder, _ = digits
    save(program, tmp_path / "a.nmc")
    for path in (folder, folder / "network.json", folder / "network.npz"):
        done = read_hs_api(path)
        save(done.program, tmp_path / "b.nmc")
        assert (tmp_path / "a.nmc").read_bytes() == (tmp_path / "b.nmc").read_bytes()
        assert (done.source, done.notes) == ("folder", ())
    write_hs_api(done.program, tmp_path / "again")
    for name in ("network.json", "network.npz", "load_hs_api.py"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


# --- the loader and hs_api ---

STAND_IN = """
class Neuron:
    def __init__(self, *parameters):
        self.parameters = parameters
class LIF_neuron(Neuron): pass
class ANN_neuron(Neuron): pass
class IF_neuron(Neuron): pass
"""


@pytest.mark.parametrize("config", [True, False])
@pytest.mark.parametrize("profile", ["sim", "hw2024"])
def test_the_loader_hands_over_to_hs_api(tmp_path: Path, config: bool, profile: str) -> None:
    """A stand-in takes the calls: constructors by position, `config` where there is such a parameter."""
    program = unary_program() if profile == "sim" else unary_program(HW2024)
    write_hs_api(program, tmp_path / "net")
    (tmp_path / "hs_api").mkdir()
    (tmp_path / "hs_api" / "neuron_models.py").write_text(STAND_IN)
    parameters = "axons, connections, config, outputs, target=None" if config else "axons, connections, outputs, target"
    source = f"def CRI_network({parameters}, simDump=False): return dict(locals())"
    (tmp_path / "hs_api" / "api.py").write_text(source)
    code = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/net']; import load_hs_api; "
        "n = load_hs_api.cri_network(load_hs_api.load(sys.argv[1] + '/net')); "
        "m = [(type(m).__name__, m.parameters) for _, m in n['connections'].values()]; "
        "objects = len({id(m) for _, m in n['connections'].values()}); "
        "print(len(n['axons']), n['outputs'], n['target'], 'v_thr' in str(n.get('config')), m[0], objects)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code, str(tmp_path)], capture_output=True, text=True)
    made = "('LIF_neuron', (1, -16, 64))" if profile == "sim" else "('IF_neuron', (0, -17))"
    target = "simpleSim" if profile == "sim" else "CRI"
    names = ["n2:y.0", "n0:hidden.0.0", "n1:hidden.1.0"]
    assert done.stdout == f"11 {names} {target} {config} {made} 1\n", done.stderr


def test_the_loader_refuses_a_mixed_folder(tmp_path: Path) -> None:
    write_hs_api(unary_program(), tmp_path / "a")
    write_hs_api(unary_program(HW2024), tmp_path / "b")
    shutil.copy(tmp_path / "b" / "network.npz", tmp_path / "a")
    with pytest.raises(ValueError, match="different exports"):
        load_hs_api.load(tmp_path / "a")
    assert [code for code, _ in refused(lambda: read_hs_api(tmp_path / "a"))] == ["F036"]


def test_all_inputs_and_phases_of_a_step(tmp_path: Path) -> None:
    """Values beyond the range of codes are clipped, half rounds to even, a period is kept."""
    base = unary_program()
    program = replace(base, schedule=(base.schedule[0], replace(base.schedule[1], period=2)))
    write_hs_api(program, tmp_path / "net")
    steps = load_hs_api.step_inputs(load_hs_api.load(tmp_path / "net"), {"x": [99.0, -99.0, 0.25]})
    first = [f"a{k}:x.0.bit{k}" for k in range(3)] + ["a7:x.2.bit1"]
    assert steps == [[*first, "a9:release.0", "a10:ramp.0"], [], ["a10:ramp.0"], [], ["a10:ramp.0"], []]


# --- what cannot be exported ---


def test_what_the_api_cannot_hold_is_refused(tmp_path: Path) -> None:
    counter = replace(unary_program(HW2024), models=(NeuronModel(1, 0, 0, -17),))
    twice = replace(unary_program(), neurons=table(3, [(0, 2, 1), (0, 1, 1), (0, 2, 5)]))
    for program, text in ((counter, "counter neurons"), (twice, "neurons reach the same neuron twice")):
        ((code, what),) = refused(lambda program=program: write_hs_api(program, tmp_path / "net"), Exit.UNSUPPORTED)
        assert code == "F037" and text in what
    assert not (tmp_path / "net").exists()
    stored = replace(twice, profile=HW2024, models=unary_program(HW2024).models)
    write_hs_api(stored, tmp_path / "net")
    assert load_hs_api.load(tmp_path / "net").connections["n0:hidden.0.0"][0] == [
        ("n2:y.0", 1),
        ("n1:hidden.1.0", 1),
        ("n2:y.0", 5),
    ]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "no" / "such"):
        assert [code for code, _ in refused(lambda path=path: write_hs_api(unary_program(), path))] == ["F014"]


# --- any network ---

WEIGHTS = st.integers(-(2**15), 2**15 - 1)


@st.composite
def networks(draw: st.DrawFn) -> dict[str, Any]:
    """Networks under any names; no source reaches a neuron twice."""
    names = draw(st.lists(st.text(max_size=6), unique=True, max_size=9))
    cut = draw(st.integers(0, len(names)))
    neurons = names[cut:]

    def synapses() -> list[list[Any]]:
        targets = draw(st.lists(st.sampled_from(neurons), unique=True)) if neurons else []
        return [[target, draw(WEIGHTS)] for target in targets]

    models = st.fixed_dictionaries(
        {"class": st.sampled_from(["LIF_neuron", "ANN_neuron"]), "threshold": st.integers(-5, 9), "shift": st.just(-16)}
        | {"leak": st.integers(0, 64)}
    )
    return {
        "axons": {name: synapses() for name in names[:cut]},
        "connections": {name: [synapses(), draw(models)] for name in neurons},
        "outputs": draw(st.lists(st.sampled_from(neurons), unique=True)) if neurons else [],
    }


@settings(max_examples=60)
@given(networks(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_any_network_comes_through(tmp_path_factory: pytest.TempPathFactory, net: Any, steps: int, seed: int) -> None:
    """JSON → program → folder → dictionaries are the same network, and both simulators agree on it."""
    folder = tmp_path_factory.mktemp("net")
    program = read_hs_api(written(folder, net), steps=steps).program
    write_hs_api(program, folder / "out")
    loaded = load_hs_api.load(folder / "out")
    assert list(loaded.axons) == list(net["axons"]) and list(loaded.connections) == list(net["connections"])
    assert all(dict(loaded.axons[name]) == dict(entries) for name, entries in net["axons"].items())
    for name, (entries, model) in net["connections"].items():
        assert dict(loaded.connections[name][0]) == dict(entries)
        assert loaded.connections[name][1][:4] == tuple(model[k] for k in ("class", "threshold", "shift", "leak"))
    assert loaded.outputs == net["outputs"]
    active = np.random.default_rng(seed).random((steps, len(net["axons"]))) < 0.5
    feeds = {"axons": active}
    lists = load_hs_api.step_inputs(loaded, feeds)
    spikes, potentials = simulate({"axons": loaded.axons, "connections": loaded.connections}, lists)
    given_inputs = {name: values[None] for name, values in feeds.items()} if net["axons"] else {}
    result = Session(program).run(given_inputs, trace=True)
    if net["connections"]:
        assert result.trace["neurons"][0].tolist() == list(spikes.values())
        assert result.potentials["neurons"][0].tolist() == list(potentials.values())
