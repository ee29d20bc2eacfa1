"""SpikingJelly networks written as NIR: the file gives the framework's spikes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from nir_files import quick, read, run
from spiking_nets import NETS, Net, reference

from nmc.cli.main import main
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends import import_model
from nmc.compiler.frontends.nir import write_nir

pytestmark = pytest.mark.slow

__all__ = ["quick"]

torch.set_num_threads(1)
# What keeps the others from being written.
REFUSED = {
    "if-conv-max": "sum and average pools only",
    "if-conv-max-m": "sum and average pools only",
    "if-conv-soft": "has reset 'subtract'",
    "if-conv1d": "sum and average pools only",
    "if-dense-soft": "has reset 'subtract'",
    "if-held-mean": "no mean over time",
    "if-mean": "no mean over time",
    "if-recurrent-linear": "concat",
    "if-sew-AND": "multiplies by constants only",
    "if-sew-IAND": "no constants",
    "if-sew-cat": "concat",
    "if-transposed": "conv_transpose",
    "if-voting": "averages over two axes only",
    "lif-soft": "has reset 'subtract'",
}
WRITTEN = (
    *("if-dense", "if-dense-analog", "if-conv-avg", "if-conv-avg-m", "if-conv-analog", "if-stride", "if-grouped"),
    *("if-adaptive", "if-dropout", "if-reset-below", "if-threshold", "if-sew-ADD", "if-sew-plain", "if-sew-ADD-m"),
    *("if-recurrent-element", "if-multi-step", "if-time-last", "if-batch-first", "if-delay", "lif-4", "lif-4-plain"),
    *("lif-16-plain", "lif-1.5", "lif-reset", "lif-m", "lif-sew", "plif", "plif-plain", "cuba"),
)
BY_NAME: dict[str, Net] = {net.name: net for net in NETS}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_file_gives_the_frameworks_spikes_back(name: str, tmp_path: Path) -> None:
    net = BY_NAME[name]
    module = net.build()
    assert write_nir(import_model(module, {"": net.shape}).graph, tmp_path / "a.nir") == ()
    again = read(tmp_path / "a.nir")
    given = net.inputs(4)
    found, expected = run(again, given), reference(net, module, given)
    if "analog" in net.tags:
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_array_equal(found, expected)
    write_nir(again.graph, tmp_path / "b.nir", again.options["dt"])
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_named(name: str, tmp_path: Path) -> None:
    net = BY_NAME[name]
    with pytest.raises(NmcError) as caught:
        write_nir(import_model(net.build(), {"": net.shape}).graph, tmp_path / "a.nir")
    assert caught.value.exit_code == 3 and REFUSED[name] in str(caught.value)
    assert all(diagnostic.where for diagnostic in caught.value.diagnostics)


def test_the_last_steps_result_is_one_a_step_in_the_file(tmp_path: Path) -> None:
    net = BY_NAME["if-sum"]
    module = net.build()
    (note,) = write_nir(import_model(module, {"": net.shape}).graph, tmp_path / "a.nir")
    assert "is that of the last step" in note
    given = net.inputs(4)
    np.testing.assert_array_equal(run(read(tmp_path / "a.nir"), given)[:, -1], reference(net, module, given))


def test_the_command_writes_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from torch import nn\nfrom spikingjelly.activation_based import neuron\n"
        "def small():\n    return nn.Sequential(nn.Linear(4, 3), neuron.LIFNode(tau=4.0))\n"
    )
    done = CliRunner().invoke(
        main, ["export", "net.py:small", "--format", "nir", "--dt", "0.001", "--input-shape", "1,4"]
    )
    assert done.exit_code == 0, done.output
    imported = read(Path("small.nir"))
    assert imported.options["dt"] == 0.001 and imported.options["compare"] == "ge" and imported.notes == ()
