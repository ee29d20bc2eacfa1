"""Programs are mapped from their files; starting and running from a mapped file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_cri_reference import unary_program

from nmc.runtime import Session
from nmc.runtime.program import CriProgram, digest, load, save


def saved(path: Path) -> tuple[CriProgram, CriProgram]:
    """A program, and the one that its file holds."""
    program = unary_program()
    save(program, path)
    read = load(path)
    assert isinstance(read, CriProgram)
    return program, read


def test_arrays_are_the_pages_of_the_file(tmp_path: Path) -> None:
    program, read = saved(tmp_path / "p.nmc")
    assert digest(read) == digest(program)
    for table in (read.axons, read.neurons):
        for array in (table.indptr, table.target, table.weight):
            assert not array.flags.owndata and not array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        read.axons.weight[0] = 1


def test_arrays_at_odd_addresses_are_copied(tmp_path: Path) -> None:
    """Another writer may pad the header otherwise: here by one blank more."""
    program, _ = saved(tmp_path / "p.nmc")
    content = (tmp_path / "p.nmc").read_bytes()
    length = int.from_bytes(content[:8], "little")
    moved = (length + 1).to_bytes(8, "little") + content[8 : 8 + length] + b" " + content[8 + length :]
    (tmp_path / "moved.nmc").write_bytes(moved)
    read = load(tmp_path / "moved.nmc")
    assert isinstance(read, CriProgram)
    assert digest(read) == digest(program)
    assert read.axons.target.flags.aligned and read.axons.target.flags.owndata
    x = np.ones((2, 3))
    expected = Session(program, "reference").run(x).integers["y"]
    np.testing.assert_array_equal(Session(read, "fast").run(x).integers["y"], expected)


def test_a_program_keeps_what_it_was_when_its_file_is_written_again(tmp_path: Path) -> None:
    program, read = saved(tmp_path / "p.nmc")
    before = digest(program)
    read.axons.weight.sum()
    other = unary_program()
    other.axons.weight[:] += 1
    save(other, tmp_path / "p.nmc")
    assert digest(read) == before != digest(load(tmp_path / "p.nmc"))


@pytest.mark.slow
def test_numba_is_imported_only_when_an_engine_is_built(tmp_path: Path) -> None:
    saved(tmp_path / "p.nmc")
    lines = (
        "import sys, nmc.runtime, nmc.cli.main, nmc.compiler",
        f"program = nmc.runtime.load({str(tmp_path / 'p.nmc')!r})",
        "nmc.runtime.Session(program, 'reference').run([[1.0, 2.0, 3.0]])",
        "print('numba' in sys.modules)",
        "nmc.runtime.Session(program)",
        "print('numba' in sys.modules)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
