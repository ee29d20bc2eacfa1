"""--max-memory and --max-synapses: refused with exit code 5 before anything large is made."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from akida_programs import random_program
from click.testing import CliRunner, Result
from test_cri_reference import unary_program

from nmc.backends.cri.export import write_hs_api
from nmc.backends.cri.image import write_image
from nmc.cli.main import main
from nmc.runtime import Session
from nmc.runtime.program import budget, load, save
from nmc.runtime.program.budget import limited, take_memory, take_synapses
from nmc.runtime.program.diagnostics import Exit, NmcError
from onnx_models import Net


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def check_refused(done: Result, code: str) -> None:
    assert done.exit_code == 5 and f"error[{code}]" in done.output and "Traceback" not in done.output, done.output


@pytest.fixture
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process held no memory yet, so that limits can be small."""
    monkeypatch.setattr(budget, "_STATM", Path("/nowhere"))


def wide(folder: Path, size: int = 60) -> Path:
    """A dense layer behind a dense layer: 2 · size² synapses."""
    net = Net()
    x = net.input("x", (1, size))
    y = net.op("Relu", net.op("Gemm", x, net.weight(size, size), net.weight(size)))
    net.output(net.op("Gemm", y, net.weight(size, size), net.weight(size)), "y")
    return net.save(folder, "wide.onnx")


def test_synapses_of_a_network(tmp_path: Path) -> None:
    model, program = wide(tmp_path), tmp_path / "net.nmc"
    compile_ = ("compile", model, "--target", "cri", "--timesteps", 3, "-o", program, "--max-synapses")
    check_refused(nmc(*compile_, 1000), "NMC-R051")
    assert not program.exists()
    assert nmc(*compile_, 10**9).exit_code == 0
    made = load(program)
    count = made.axons.synapses + made.neurons.synapses
    assert nmc(*compile_, count).exit_code == 0
    check_refused(nmc(*compile_, count - 1), "NMC-R051")
    np.save(tmp_path / "x.npy", np.zeros((1, 60)))
    for command in (("inspect", program), ("simulate", program, "--input", tmp_path / "x.npy")):
        assert nmc(*command, "--max-synapses", count).exit_code == 0
        check_refused(nmc(*command, "--max-synapses", count - 1), "NMC-R051")


def test_tables_are_counted_before_they_are_made(tmp_path: Path) -> None:
    from nmc.backends.cri.tables import Placed, table

    class Endless:
        def degrees(self, columns: int) -> np.ndarray:
            return np.full(columns, 10**12)

    tracemalloc.start()
    try:
        with pytest.raises(NmcError, match="NMC-R051"), limited(synapses=10**6):
            table([Placed(Endless(), np.arange(4))], 4)  # pyright: ignore
        with pytest.raises(NmcError, match="NMC-R050"), limited(memory=10**12):
            table([Placed(Endless(), np.arange(4))], 4)  # pyright: ignore
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_synapses_of_other_formats(tmp_path: Path) -> None:
    program = unary_program()
    count = program.axons.synapses + program.neurons.synapses
    write_hs_api(program, tmp_path / "net.hs_api")
    check_refused(nmc("import", tmp_path / "net.hs_api", "-o", tmp_path / "x.nmc", "--max-synapses", 1), "NMC-R051")
    done = nmc("import", tmp_path / "net.hs_api", "-o", tmp_path / "x.nmc", "--max-synapses", count)
    assert done.exit_code == 0, done.output


def test_memory_for_data(tmp_path: Path, nothing_held: None) -> None:
    save(unary_program(), tmp_path / "net.nmc")
    (entry,) = unary_program().inputs
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((1000, *entry.shape)))
    run = ("simulate", tmp_path / "net.nmc", "--input", tmp_path / "x.npz", "--max-memory")
    check_refused(nmc(*run, "1K"), "NMC-R050")
    done = nmc(*run, "2G")
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("kind", ["cri", "akida"])
@pytest.mark.usefixtures("nothing_held")
def test_memory_for_a_run(kind: str) -> None:
    program = unary_program() if kind == "cri" else random_program(0)
    session = Session(program, "reference")
    inputs = {entry.name: np.zeros((2, *entry.shape)) for entry in program.inputs}
    many = {name: np.broadcast_to(array[:1], (10**7, *array.shape[1:])) for name, array in inputs.items()}
    with limited(memory=1 << 29):
        assert session.run(inputs, trace=True).counters["samples"] == 2
    if (
        kind == "cri"
    ):  # of 10^7 samples one is stored; an Akida program's inputs are checked for NaN, which takes memory
        with pytest.raises(NmcError, match="NMC-R050") as caught, limited(memory=1 << 29):
            session.run(many, trace=True)
        assert caught.value.exit_code == Exit.LIMIT


def test_memory_for_calibration_and_images(tmp_path: Path, nothing_held: None) -> None:
    model = wide(tmp_path)
    np.save(tmp_path / "x.npy", np.zeros((2500, 60), np.float32))
    run = ("compile", model, "--target", "cri", "--calibration", tmp_path / "x.npy", "-o", tmp_path / "n.nmc")
    check_refused(nmc(*run, "--max-memory", "700K"), "NMC-R050")  # the file has 600,000 bytes, in float64 twice as many
    from cri_images import random_program as image_program

    write_image(image_program(0), tmp_path / "net.hbm")
    check_refused(nmc("import", tmp_path / "net.hbm", "-o", tmp_path / "i.nmc", "--max-memory", "1K"), "NMC-R050")


def test_what_the_process_holds_counts() -> None:
    with limited(memory=1 << 20), pytest.raises(NmcError, match="in use"):
        take_memory(1, "one byte")
    take_memory(10**18, "anything, without a limit")
    take_synapses(10**18)


@pytest.mark.parametrize("size", ["", "0", "-1", "4X", "1e9", "G", "١G"])
def test_sizes_that_are_none(size: str, tmp_path: Path) -> None:
    done = nmc("inspect", tmp_path / "net.nmc", "--max-memory", size)
    assert done.exit_code == 2 and "is no size" in done.output


@pytest.mark.parametrize("size", ["4G", "4g", "4GiB", "4 GB", "4294967296", "4096M", "0.5T"])
def test_sizes(size: str, tmp_path: Path) -> None:
    save(unary_program(), tmp_path / "net.nmc")
    assert nmc("inspect", tmp_path / "net.nmc", "--max-memory", size).exit_code == 0
