"""`nmc report`: sections of the page, what it refers to, escaping, equal bytes, the run behind it, errors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from akida_programs import random_frames, random_program
from hybrid_nets import NETS, graph_of
from report_pages import DIGITS, EVIL, EXAMPLES, IDS, ZOO, Page, check_page, digits, gated, images, nmc, report

from nmc.cli.report.facts import facts_of
from nmc.cli.report.floats import model_of
from nmc.cli.report.page import page
from nmc.compiler import compile_model
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import parse_graph
from nmc.runtime import Session
from nmc.runtime.classify import softmax
from nmc.runtime.program import Layer, save
from nmc.runtime.program.task import Task
from onnx_models import Net

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def of_digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """A report of digits on two of three samples."""
    return report(tmp_path_factory.mktemp("digits"), digits(), "--limit", 2, samples=3)


# --- whole pages ---


def test_a_page_of_a_cri_program(of_digits: tuple[dict[str, Any], str]) -> None:
    facts, text = of_digits
    found = check_page(text, "cri")
    assert (found.elements["figure"], found.elements["a"]) > (8, 8)
    assert set(found.sections) == IDS - {"segments", "timing"}
    assert text.count('class="none"') == 4  # no --model, no --verify, no --compiled, no frames
    assert facts["run"]["raster"]["steps"] == digits().steps


def test_a_page_of_an_akida_program(tmp_path: Path) -> None:
    program = random_program(3)
    save(program, tmp_path / "p.nmc")
    np.savez(tmp_path / "x.npz", **random_frames(program, 0))
    done = nmc("report", tmp_path / "p.nmc", "--input", tmp_path / "x.npz", "-o", tmp_path / "r.html")
    assert (done.exit_code, "written: " in done.stdout) == (0, True), done.output
    found = check_page((tmp_path / "r.html").read_text(), "akida")
    assert set(found.sections) == IDS - {"segments", "spikes", "cost"}


@pytest.mark.parametrize("name", ["gated_image", "remembering_clip"])
def test_a_page_of_a_program_with_host_segments(tmp_path: Path, name: str) -> None:
    facts, text = report(tmp_path, gated(name))
    found = check_page(text, "hybrid")
    assert set(found.sections) == IDS - {"spikes", "cost"}
    boxes = [box["group"] for box in facts["network"]["boxes"]]
    assert boxes.count("host") == len(gated(name).hosts)


def test_without_a_run_the_page_says_what_is_missing(tmp_path: Path) -> None:
    for program, kind in ((digits(), "cri"), (random_program(1), "akida"), (gated(), "hybrid")):
        text = page({**facts_of(program, "net"), "verify": None, "compiled": None, "run": None, "model": None})
        check_page(text, kind)
        runs = {"akida": 3, "hybrid": 3, "cri": 5}[kind]
        assert text.count("give samples with --input") == runs
        assert "--verify." in text and "--compiled." in text


def test_equal_input_gives_equal_bytes(of_digits: tuple[dict[str, Any], str], tmp_path: Path) -> None:
    assert report(tmp_path, digits(), "--limit", 2, samples=3)[1] == of_digits[1]


def test_a_network_of_too_many_layers_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmc.cli.report.facts.MOST", 2)
    text = page({**facts_of(random_program(1), "net"), "verify": None, "compiled": None, "run": None, "model": None})
    assert "Not drawn: " in text and 'id="drawing"' not in text
    assert set(Page(text).references) <= set(Page(text).ids)


def test_the_default_output_is_named_after_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(digits(), "net.nmc")
    done = nmc("report", "net.nmc")
    assert (done.exit_code, sorted(p.name for p in tmp_path.iterdir())) == (0, ["net.html", "net.nmc"])


# --- escaping ---


def test_no_name_becomes_markup() -> None:
    program = random_program(3)
    titles = {layer.name: f"{layer.name}{EVIL}" for layer in program.layers}

    def renamed(layer: Layer) -> Layer:
        inbounds = tuple(titles[name] for name in layer.inbounds)
        return replace(layer, name=titles[layer.name], inbounds=inbounds, origin=(EVIL,))

    inputs = tuple(replace(entry, name=entry.name + EVIL, layer=titles[entry.layer]) for entry in program.inputs)
    outputs = tuple(replace(o, name=o.name + EVIL, layer=titles[o.layer]) for o in program.outputs)
    layers = tuple(renamed(layer) for layer in program.layers)
    evil = replace(program, layers=layers, inputs=inputs, outputs=outputs, provenance={EVIL: [EVIL, {EVIL: EVIL}]})
    row = {"name": EVIL, "kind": EVIL, "note": EVIL, "values": 0, "clipped": None, "closeness": None}
    verify = {"samples": 1, "layers": [row], "outputs": [], "failed": [EVIL], "threshold": None}
    declined = [{"pass": EVIL, "where": EVIL, "why": EVIL}]
    compiled = {"warnings": [EVIL], "declined": declined, "passes": []}
    box = {"title": EVIL, "kind": EVIL, "text": EVIL, "group": "device", "layer": None, "origin": [EVIL]}
    model = {"name": EVIL, "same": False, "operations": 1, "network": {"boxes": [box], "arrows": []}, "links": [[0, 0]]}
    given = {"verify": verify, "compiled": compiled, "run": None, "model": model}
    text = page({**facts_of(evil, EVIL), **given})
    found = check_page(text, "akida")
    assert found.elements["img"] == 0
    assert "alert(1)" in text and "\0" not in text


# --- the run ---


def test_the_run_is_that_of_simulate(of_digits: tuple[dict[str, Any], str]) -> None:
    run, wanted = of_digits[0]["run"], Session(digits()).run(images(digits(), 3)["image"][:2], trace=True)
    assert (run["samples"], run["given"]) == (2, 3)
    assert run["counters"] == json.loads(json.dumps(wanted.counters))
    first = Session(digits()).run(images(digits(), 3)["image"][:1], trace=True)
    for row in run["raster"]["populations"]:
        assert sum(row["by_step"]) == first.counters["spikes_per_population"][row["layer"]]
        if row["layer"] in first.trace:
            counts = first.trace[row["layer"]].ravel()[row["shown"]]
            assert [len(steps) for steps in row["spikes"]] == counts.tolist()
    (answer,) = run["answers"]
    logits = wanted.outputs["logits"]
    assert [sample["entry"][0] for sample in answer["samples"]] == logits.argmax(axis=1).tolist()
    assert len(run["cost"]["by_step"]) == digits().steps


def test_a_clip_is_followed_frame_by_frame(tmp_path: Path) -> None:
    net = Net(17)
    x = net.op("Conv", net.input("clip", (1, 2, 6, 5, 5)), net.weight(3, 2, 1, 5, 5, scale=0.2))
    x = net.squeeze(net.op("Conv", x, net.weight(3, 3, 3, 1, 1), pads=[2, 0, 0, 0, 0, 0]), (3, 4))
    net.output(x, "scores")
    program = compile_model(net.save(tmp_path), "akida")
    facts, text = report(tmp_path, program)
    check_page(text, "akida")
    (found,) = facts["run"]["frames"]
    scores = Session(program).run(images(program)).outputs["scores"][0]
    (output,) = program.outputs
    assert scores.shape == (3, 6)
    best = [
        max(found["shown"], key=lambda i: dict(zip(found["shown"], column, strict=True))[i])
        for column in zip(*found["raw"], strict=True)
    ]
    assert [best[frame] for frame in output.timing.frames()] == scores.argmax(axis=0).tolist()
    assert sum(map(sum, found["raw"])) == pytest.approx(len(found["raw"][0]))
    fifos = facts["timing"]["fifos"]
    assert [row["bytes"] for row in fifos] == [np.prod(row["shape"]) * row["frames"] for row in fifos] != []


# --- results of other commands, errors ---


def test_results_of_verify_and_compile_are_shown(tmp_path: Path) -> None:
    save(digits(), tmp_path / "p.nmc")
    np.savez(tmp_path / "x.npz", **images(digits()))
    made = nmc("verify", DIGITS, tmp_path / "p.nmc", "--input", tmp_path / "x.npz", "--threshold", 500, "--json")
    assert made.exit_code == 1
    (tmp_path / "v.json").write_text(made.stdout)
    made = nmc("explain", DIGITS, "--target", "cri", "--json")
    (tmp_path / "c.json").write_text(made.stdout)
    words = ("--verify", tmp_path / "v.json", "--compiled", tmp_path / "c.json")
    facts, text = report(tmp_path, digits(), *words)
    check_page(text, "cri")
    assert [row["name"] for row in facts["verify"]["outputs"]] == ["logits"]
    assert (
        "Failed: " in text
        and "below 500 dB" in text
        and 'class="none"' not in text.split('id="sqnr"')[1].split("</section>")[0]
    )


def test_the_float_network_stands_beside_the_layers(tmp_path: Path) -> None:
    facts, text = report(tmp_path, digits(), "--model", DIGITS)
    check_page(text, "cri")
    model, boxes = facts["model"], facts["network"]["boxes"]
    graph = import_onnx(DIGITS)
    floats = model["network"]["boxes"]
    assert (model["name"], model["same"], model["operations"]) == (DIGITS.name, True, len(graph.nodes))
    assert [box["title"] for box in floats[1:-1]] == [node.result.name for node in graph.nodes]
    assert text.count('class="link"') == len(model["links"]) > len(boxes)
    for i, j in model["links"]:
        if boxes[j]["group"] == "device":
            assert {floats[i]["title"], *floats[i]["origin"]} & set(boxes[j]["origin"])
        else:
            assert (floats[i]["title"], floats[i]["group"]) == (boxes[j]["title"], boxes[j]["group"])
    rows = {box["layer"] for box in boxes} - {None}
    assert {boxes[j]["layer"] for _, j in model["links"]} - {None} == rows
    assert 'class="device pale"' in text  # the reshape before the classifier


def test_a_model_that_is_another_one_is_said(tmp_path: Path) -> None:
    facts, text = report(tmp_path, digits(), "--model", EXAMPLES / "digits" / "digits.onnx")
    assert (facts["model"]["same"], "was not made from this model" in text) == (False, True)
    done = nmc("report", tmp_path / "p.nmc", "--model", tmp_path / "gone.onnx", "--json")
    assert (json.loads(done.stdout)["errors"][0]["code"], done.exit_code) == ("NMC-I001", 4)
    assert nmc("report", tmp_path / "p.nmc", "--state-dict", tmp_path / "w.pt").exit_code == 2


@pytest.mark.parametrize("name", ["gated_image", "remembering_clip"])
def test_the_float_network_of_a_program_with_host_segments(name: str) -> None:
    program = gated(name)
    facts = facts_of(program, "net")
    model = model_of("net", graph_of(NETS[name]()), program, facts["network"])
    check_page(page({**facts, "verify": None, "compiled": None, "run": None, "model": model}), "hybrid")
    linked = {facts["network"]["boxes"][j]["group"] for _, j in model["links"]}
    assert (model["same"], linked) == (True, {"input", "device", "host", "output"})


def test_states_and_large_networks_beside_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = facts_of(digits(), "net")
    lines = ("input %x: f32[1,2]NC", "state %h: f32[1,2]NC", "%y = add(%x, %h)", "next %h = %y", 'output "y" = %y')
    graph = parse_graph("\n".join(('graph "g" stage imported', *lines)))
    model = model_of("g", graph, digits(), facts["network"])
    kinds = [box["kind"] for box in model["network"]["boxes"]]
    assert kinds == ["input", "state", "add", "output"]
    assert [(a["from"], a["to"]) for a in model["network"]["arrows"]] == [(0, 2), (1, 2), (2, 1), (2, 3)]
    given = {"verify": None, "compiled": None, "run": None}
    check_page(page({**facts, **given, "model": model}), "cri")
    monkeypatch.setattr("nmc.cli.report.floats.MOST", 3)
    large = model_of("g", graph, digits(), facts["network"])
    text = page({**facts, **given, "model": large})
    check_page(text, "cri")
    assert (large["network"], "Not drawn: it has more than" in text) == (None, True)


def test_classes_have_the_names_of_the_programs_task(tmp_path: Path) -> None:
    names = tuple(f"digit {EVIL[0]} {i}" for i in range(10))
    facts, text = report(tmp_path, replace(digits(), task=Task(names, 0.5)))
    check_page(text, "cri")
    (answer,) = facts["run"]["answers"]
    assert (answer["names"], facts["task"]["smoothing"]) == (list(names), 0.5)
    assert "digit &lt; " in text


@pytest.mark.parametrize("option", ["--verify", "--compiled"])
@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", '{"samples": 1}', '{"warnings": [], "declined": [{}], "passes": []}', "\xff", "[" * 9000,
        '{"samples": 1, "failed": [], "layers": [{"name": 1}], "outputs": []}',
        '{"samples": 1, "failed": [], "layers": [], "outputs": []}',
    ],
)  # fmt: skip
def test_files_that_hold_something_else_are_refused(tmp_path: Path, option: str, content: str) -> None:
    save(random_program(0), tmp_path / "p.nmc")
    (tmp_path / "f.json").write_bytes(content.encode("latin-1"))
    done = nmc("report", tmp_path / "p.nmc", option, tmp_path / "f.json", "-o", tmp_path / "r.html", "--json")
    errors = json.loads(done.stdout)["errors"]
    assert (done.exit_code, errors[0]["code"], (tmp_path / "r.html").exists()) == (4, "NMC-R060", False)


def test_other_errors_are_those_of_simulate(tmp_path: Path) -> None:
    save(gated(), tmp_path / "p.nmc")
    np.save(tmp_path / "x.npy", np.zeros((1, 3)))
    cases = [
        (("gone.nmc",), "NMC-F001", 4),
        ((tmp_path / "p.nmc", "--input", tmp_path / "gone.npy"), "NMC-R001", 4),
        ((tmp_path / "p.nmc", "--input", tmp_path / "x.npy"), "NMC-R005", 4),
        ((tmp_path / "p.nmc", "--verify", tmp_path / "gone.json"), "NMC-R060", 4),
        ((tmp_path / "p.nmc", "-o", tmp_path / "no" / "r.html"), "NMC-F014", 4),
    ]
    for words, code, exit_code in cases:
        done = nmc("report", *words, "--json")
        assert (json.loads(done.stdout)["errors"][0]["code"], done.exit_code) == (code, exit_code)


def test_a_sample_of_none_is_said(tmp_path: Path) -> None:
    _, text = report(tmp_path, digits(), samples=0)
    check_page(text, "cri")
    assert "there was no sample" in text


def test_a_page_of_a_spiking_network(tmp_path: Path) -> None:
    program = compile_model(EXAMPLES / "moving_events" / "moving_events.ir", "cri", weight_bits=8)
    events = np.load(ZOO / "moving_events_input.npz")
    save(program, tmp_path / "p.nmc")
    given = ("--input", ZOO / "moving_events_input.npz", "--limit", 1, "-o", tmp_path / "r.html", "--json")
    done = nmc("report", tmp_path / "p.nmc", *given)
    assert done.exit_code == 0, done.output
    check_page((tmp_path / "r.html").read_text(), "cri")
    run = json.loads(done.stdout)["run"]
    (name,) = events.files
    whole = Session(program).run(events[name][:1], trace=True)
    (over,) = run["frames"]
    assert (over["unit"], over["last"], len(over["raw"][0])) == ("timestep", program.steps - 1, program.steps)
    final = softmax(whole.outputs["output"][0].ravel())
    assert [line[-1] for line in over["raw"]] == pytest.approx(final[over["shown"]].tolist(), abs=1e-6)
    trace = whole.trace
    windows = {p.name: p.window for p in program.populations}
    for row in run["raster"]["populations"]:
        if row["layer"] not in trace:
            continue
        train = trace[row["layer"]][0].reshape(program.timesteps, -1)
        low, high = windows[row["layer"]]
        assert row["by_step"][low : high + 1] == train.sum(axis=1).tolist()
        for neuron, steps in zip(row["shown"], row["spikes"], strict=True):
            there = [step - low for step in steps if low <= step <= high]
            assert there == np.flatnonzero(train[:, neuron]).tolist()


def test_noise_needs_a_seed(tmp_path: Path) -> None:
    noisy = replace(digits(), models=tuple(replace(model, shift=-10) for model in digits().models))
    save(noisy, tmp_path / "p.nmc")
    np.savez(tmp_path / "x.npz", **images(noisy))
    words = ("report", tmp_path / "p.nmc", "--input", tmp_path / "x.npz", "-o", tmp_path / "r.html", "--json")
    assert json.loads(nmc(*words).stdout)["errors"][0]["code"] == "NMC-R008"
    run = json.loads(nmc(*words, "--seed", 1).stdout)["run"]
    assert (run["counters"]["noise_seed"], run["samples"]) == (1, 2)
    assert (run["cost"] is None) == bool(run["cost_missing"])
    check_page((tmp_path / "r.html").read_text(), "cri")


@pytest.mark.slow
def test_pages_of_the_gestures_example(tmp_path: Path) -> None:
    calibration = dict(np.load(ZOO / "gestures_calibration.npz"))
    program = compile_model(EXAMPLES / "gestures" / "gestures.onnx", "akida", calibration=calibration)
    save(program, tmp_path / "p.nmc")
    done = nmc("report", tmp_path / "p.nmc", "--input", ZOO / "gestures_input.npz", "-o", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    text = (tmp_path / "r.html").read_text()
    found = check_page(text, "akida")
    assert found.elements["polyline"] == 10
