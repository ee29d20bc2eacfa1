"""What `nmc inspect` and `nmc passes` show of Akida: rows, noise, latency, both pipelines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner, Result
from test_akida_session import video

from nmc.cli.commands.passes import pipelines
from nmc.cli.main import main
from nmc.cli.views.akida import AkidaView
from nmc.compiler.pipeline import parse_pipeline, print_pipeline
from nmc.compiler.target import find_target
from nmc.runtime.program import AkidaProgram, save


def nmc(*arguments: object) -> Result:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


def measured() -> AkidaProgram:
    """A program with the noise that a compiler would have measured: of layer "t" 30.5 dB of its own, of "s" 40.0."""
    proofs = {"t": {"snr_db": 30.1, "own_snr_db": 30.5}, "s": {"snr_db": 29.7, "own_snr_db": 40.0}}
    program = video()
    layers = tuple(replace(layer, proof=proofs.get(layer.name, {})) for layer in program.layers)
    return replace(program, layers=layers)


def test_rows_say_what_a_layer_stores_computes_and_adds_as_noise() -> None:
    rows = {row["layer"]: row for row in AkidaView(measured()).layers()}
    assert list(rows) == ["in", "t", "s", "sum", "d", "cat", "fc", "y"]
    t = rows["t"]  # 2 channels to 3, 3 frames, 4×3 pixels
    assert (t["kind"], t["input"], t["output"]) == ("BufferTempConv", [4, 3, 2], [4, 3, 3])
    assert (t["weights"], t["parameters"]) == ([1, 1, 6, 3], 18 + 3)
    assert (t["FIFO B"], t["MACs"]) == (4 * 3 * 2 * 3, 4 * 3 * 18)
    assert (t["SNR dB"], t["own dB"]) == (30.1, 30.5)
    empty = rows["sum"]
    assert (empty["weights"], empty["parameters"], empty["FIFO B"], empty["MACs"]) == ([], 0, 0, 0)
    assert (empty["SNR dB"], empty["own dB"]) == (None, None)
    assert rows["fc"]["parameters"] == 60 * 4 + 4


def test_the_noisiest_layer_is_named() -> None:
    view = AkidaView(measured())
    assert view.summary()["lowest own dB"] == 30.5
    assert view.notes()[0] == "lowest own SNR of a layer: 30.5 dB, t"
    assert "latency 0 frames" in view.notes()[1]


def test_programs_without_measurements_are_shown_too() -> None:
    view = AkidaView(video())
    assert view.summary()["lowest own dB"] is None
    assert [note.split()[0] for note in view.notes()] == ["output"]


def test_inspect_shows_what_is_read_only_where_it_is_not_the_layer_before(tmp_path: Path) -> None:
    save(measured(), tmp_path / "a.nmc")
    shown = nmc("inspect", tmp_path / "a.nmc").output
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert "reads" in lines["layer"]
    assert lines["sum"][-2:] == ["t,", "s"]
    assert lines["s"][-1] == "40.0"  # it reads "t", the layer before, and stems from nothing
    assert "lowest own SNR of a layer: 30.5 dB, t" in shown
    rows = json.loads(nmc("inspect", tmp_path / "a.nmc", "--json").stdout)["layers"]
    assert [row["reads"] for row in rows][:4] == [[], ["in"], ["t"], ["t", "s"]]
    assert [row["own dB"] for row in rows][:4] == [None, 30.5, 40.0, None]


def test_columns_that_are_empty_everywhere_are_left_out(tmp_path: Path) -> None:
    save(video(), tmp_path / "a.nmc")
    shown = nmc("inspect", tmp_path / "a.nmc").output
    assert "dB" not in shown
    assert "origin" not in shown


def test_passes_show_the_pipelines_of_a_target_by_kind_of_network() -> None:
    found = pipelines(find_target("akida"))
    images, video = found["image"], found["video"]
    assert "stream" not in images
    assert "stream{mean=window,zero_fill=True}" in video
    known = find_target("akida").passes
    assert [print_pipeline(parse_pipeline(text, known)) for text in (images, video)] == [images, video]
    facts = json.loads(nmc("passes", "--json").stdout)
    assert facts["pipelines"]["akida"] == {"image": images, "video": video}
    assert facts["pipelines"]["cri"].keys() >= {"image", "spiking"}
    shown = nmc("passes").output
    assert f"pipeline of target akida for image networks: {images}\n" in shown
    assert f"pipeline of target akida for video networks: {video}\n" in shown
    assert "target akida for spiking" not in shown
