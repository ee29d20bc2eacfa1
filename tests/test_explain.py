"""`nmc explain`: codes and models."""

from __future__ import annotations

import json
import runpy
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from nmc.cli.explanations import EXPLANATIONS, MEANINGS
from nmc.cli.main import main
from onnx_models import Net

DIGITS = Path(__file__).parent.parent / "examples" / "digits" / "digits.onnx"


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("code", ["NMC-I015", "i015", "F008"])
def test_a_code_is_explained_however_it_is_written(code: str) -> None:
    done = nmc("explain", code)
    name = "NMC-" + code.upper().removeprefix("NMC-")
    assert done.exit_code == 0
    assert done.output.startswith(f"{name}: ")
    assert [line[2:5] for line in done.output.splitlines() if line[2:5].strip()][1:] != []
    assert EXPLANATIONS[name].example in done.output


def test_a_code_as_json() -> None:
    data = json.loads(nmc("explain", "NMC-X001", "--json").output)
    assert data["ok"] is True and data["code"] == "NMC-X001"
    assert data["meaning"].startswith("nmc itself")
    assert data["why"] == EXPLANATIONS["NMC-X001"].why and data["remedy"] and data["example"]


def test_an_unknown_code_is_a_usage_error_that_names_close_ones() -> None:
    done = nmc("explain", "NMC-I019")
    assert done.exit_code == 2 and "no code NMC-I019" in done.output and "NMC-I018" in done.output


def test_options_go_with_models_and_models_need_a_target() -> None:
    assert nmc("explain", "NMC-I015", "--target", "cri").exit_code == 2
    assert nmc("explain", DIGITS).exit_code == 2


def test_a_model_that_compiles() -> None:
    done = nmc("explain", DIGITS, "--target", "cri")
    assert done.exit_code == 0
    assert "compiles for cri" in done.output and "no rewrite was declined" in done.output
    assert "warning: no calibration data" in done.output


def test_declined_rewrites_say_where_and_why(tmp_path: Path) -> None:
    """A padded convolution does not take up the batch norm before it."""
    net = Net()
    x = net.op("Relu", net.op("Conv", net.input("x", (1, 2, 6, 6)), net.weight(3, 2, 3, 3)))
    scale, bias, mean = (net.weight(3) for _ in range(3))
    x = net.op("BatchNormalization", x, scale, bias, mean, net.const([1.0, 1.0, 2.0]))
    x = net.op("Relu", net.op("Conv", x, net.weight(3, 3, 3, 3), pads=[1, 1, 1, 1]))
    net.output(net.op("Gemm", net.op("Flatten", x), net.weight(48, 2)))
    done = nmc("explain", net.save(tmp_path), "--target", "cri", "--json")
    data = json.loads(done.output)
    assert done.exit_code == 0 and data["passes"][0]["pass"] == "canonicalize"
    assert all(row["where"] and row["why"] for row in data["declined"])
    assert "fold-batch-norm" in [row["pass"] for row in data["declined"]]


def test_a_model_that_does_not_compile_shows_every_problem_and_what_its_code_means(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", (1, 4))
    net.output(net.op("ArgMax", x, axis=1), "a")
    net.output(net.op("Det", x), "b")
    net.output(net.op("Transpose", x), "c")
    path = net.save(tmp_path)
    done = nmc("explain", path, "--target", "akida")
    assert done.exit_code == 3
    assert done.output.count("error[NMC-I010]") == 2 and done.output.count("error[NMC-I015]") == 1
    assert done.output.count("\nNMC-I010: ") == 1 and done.output.count("\nNMC-I015: ") == 1
    data = json.loads(nmc("explain", path, "--target", "akida", "--json").output)
    assert data["ok"] is False and data["exit"] == 3 and len(data["errors"]) == 3
    assert [entry["code"] for entry in data["explanations"]] == ["NMC-I010", "NMC-I015"]
    assert "\nNMC-I010: " not in nmc("explain", path, "--target", "akida", "--quiet").output


def test_every_code_has_a_page_that_its_explanation_names() -> None:
    """The generated page has a heading for each code; GitHub and others make the anchor of it."""
    pages = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "generate.py"))
    page = pages["diagnostics"]()
    headings = {line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")}
    assert headings == set(EXPLANATIONS) == set(MEANINGS)
    for code in MEANINGS:
        page = json.loads(nmc("explain", code, "--json").output)["page"]
        assert page == f"docs/reference/diagnostics.md#{code.lower()}"


def test_what_was_done_before_a_refusal_is_shown(tmp_path: Path) -> None:
    """The target refuses after passes have run: what they declined is what the user asks for."""
    net = Net()
    x = net.op("Conv", net.input("x", (1, 2, 6, 6)), net.weight(3, 2, 3, 3), name="first")
    scale, bias, mean = (net.weight(3) for _ in range(3))
    y = net.op("BatchNormalization", x, scale, bias, mean, net.const([1.0, 1.0, 2.0]), name="norm")
    net.output(net.op("Sigmoid", net.op("Add", x, y)), "out")
    done = nmc("explain", net.save(tmp_path), "--target", "cri", "--json")
    data = json.loads(done.output)
    assert done.exit_code == 3 and data["errors"] and data["explanations"]
    assert [row["pass"] for row in data["passes"]][:2] == ["canonicalize", "fold-batch-norm"]
    (row,) = [row for row in data["declined"] if row["pass"] == "fold-batch-norm"]
    assert "norm" in row["layer"] and "read by something else" in row["why"]
    text = nmc("explain", tmp_path / "net.onnx", "--target", "cri").output
    assert "done before that:" in text and "rewrites that were declined" in text


def test_options_of_the_target_and_of_the_front_end(tmp_path: Path) -> None:
    assert nmc("explain", DIGITS, "--target", "cri", "--profile", "hw2024").exit_code == 0
    assert nmc("explain", DIGITS, "--target", "cri", "--profile", "none").exit_code == 2
    assert nmc("explain", DIGITS, "--target", "akida", "--device", "akida1").exit_code == 2
    assert nmc("explain", DIGITS, "--target", "cri", "--dt", "1e-3").exit_code == 2
    assert nmc("explain", DIGITS, "--target", "cri", "--state", "a").exit_code == 2
    path = Path(__file__).parent / "golden" / "nir" / "spikingjelly_image.nir"
    done = nmc("explain", path, "--target", "cri", "--dt", "1e-4", "--json")
    assert json.loads(done.output)["passes"][0]["pass"] == "canonicalize"
    code = tmp_path / "net.py"
    body = "torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8, 2))"
    code.write_text(f"import torch\n\n\ndef make():\n    return {body}\n")
    done = nmc("explain", f"{code}:make", "--target", "cri", "--input-shape", "1,2,4", "--json")
    assert done.exit_code == 0 and json.loads(done.output)["passes"]


def test_a_missing_model_and_an_open_shape(tmp_path: Path) -> None:
    assert nmc("explain", tmp_path / "none.onnx", "--target", "cri").exit_code == 4
    net = Net()
    net.output(net.op("Gemm", net.input("x", ("N", "width")), net.weight(8, 2)))
    path = net.save(tmp_path)
    assert nmc("explain", path, "--target", "cri").exit_code == 2
    assert nmc("explain", path, "--target", "cri", "--input-shape", "1,8").exit_code == 0


@pytest.mark.parametrize("code", [code for code, entry in EXPLANATIONS.items() if entry.example.startswith("nmc ")])
def test_commands_in_examples_exist_with_their_options(code: str) -> None:
    words = shlex.split(EXPLANATIONS[code].example)[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command, context = found, click.Context(found)
    _, left, _ = command.make_parser(context).parse_args(words)
    assert left == []


def test_explanations_are_sentences() -> None:
    for code, entry in EXPLANATIONS.items():
        for text in (entry.why, entry.remedy):
            assert text[0].isupper() or text.startswith(("nmc", "hs_api", "`", "--", "image.json")), code
            assert text.endswith("."), code
        assert entry.example and "\n" not in entry.example, code
