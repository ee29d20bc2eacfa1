"""Damaged input files of every kind end in a diagnostic or in the right content, and ask for no more memory than is
there."""

from __future__ import annotations

import io
import json
import struct
import tomllib
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from cri_images import random_program
from golden_runs import ZOO
from hypothesis import given, settings
from hypothesis import strategies as st
from nir_files import chain, lif, saved
from safetensors.numpy import save as safetensors_bytes
from test_cri_reference import unary_program

from nmc.backends.cri.export import read_hs_api
from nmc.cli.main import main
from nmc.runtime.aedat import AedatError, read_events
from nmc.runtime.data import read_arrays
from nmc.runtime.golden.case import read_case
from nmc.runtime.program import save
from nmc.runtime.program.diagnostics import Exit, NmcError

pytestmark = pytest.mark.slow

X = {"x": np.arange(12.0).reshape(3, 4), "n": np.arange(5, dtype=np.int16)}
PETA = 10**15


def codes_of(read: Callable[[], object], exit_code: Exit = Exit.BAD_FILE) -> set[str]:
    with pytest.raises(NmcError) as caught:
        read()
    assert caught.value.exit_code == exit_code
    return {diagnostic.code for diagnostic in caught.value.diagnostics}


@contextmanager
def little_memory(most: int = 4 << 20) -> Iterator[None]:
    """What runs inside must not allocate more than `most` bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


# --- arrays ---


def npy(shape: tuple[int, ...], descr: str = "<f8", content: bytes = b"", version: int = 1) -> bytes:
    """A .npy file whose header says what it likes."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text) + 1) + text.encode() + b"\n" + content


def archive(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as file:
        warnings.simplefilter("ignore")  # of two entries of one name
        for name, content in entries:
            file.writestr(name, content)
    return buffer.getvalue()


def claiming(content: bytes, old: int, new: int) -> bytes:
    """An archive in which sizes of `old` bytes are said to be `new` ones (32 bits)."""
    return content.replace(struct.pack("<I", old), struct.pack("<I", new))


ONE = npy((2,), content=b"\0" * 16)
PACKED = archive(("x.npy", ONE), method=zipfile.ZIP_DEFLATED)
WILD = {
    "one that tells of 10^15 bytes": (".npy", npy((PETA // 8,))),
    "one that tells of 10^15 bytes, of which some follow": (".npy", npy((PETA // 8,), content=b"\0" * 4096)),
    "sizes that overflow 64 bits": (".npy", npy((2**40, 2**40), content=b"\0" * 64)),
    "a negative size": (".npy", npy((-1,), content=b"")),
    "two negative sizes": (".npy", npy((-1, -2), content=b"\0" * 16)),
    "bytes that follow": (".npy", ONE + b"\0"),
    "a header without end": (".npy", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"{"),
    "a version of the future": (".npy", npy((2,), content=b"\0" * 16, version=9)),
    "an expression for a header": (".npy", npy((2,), descr="'+__import__('os').getcwd()+'")),
    "10^15 bytes in an archive": (".npz", archive(("x.npy", npy((PETA // 8,))))),
    "a packed entry of 4 GB": (
        ".npz",
        claiming(PACKED, len(ONE), 2**32 - 2),
    ),
    "an entry of 4 GB": (".npz", claiming(archive(("x.npy", ONE)), len(ONE), 2**32 - 2)),
    "two entries of one name": (".npz", archive(("x.npy", ONE), ("x.npy", npy((1,), content=b"\1" * 8)))),
    "two arrays of one name": (".npz", archive(("x.npy", ONE), ("x", ONE))),
    "another way of packing": (".npz", archive(("x.npy", ONE), method=zipfile.ZIP_LZMA)),
    "a header of 10^15 bytes": (".safetensors", struct.pack("<Q", PETA) + b"{}"),
    "a shape of 10^15": (
        ".safetensors",
        (lambda t: struct.pack("<Q", len(t)) + t)(
            json.dumps({"x": {"dtype": "F32", "shape": [PETA], "data_offsets": [0, 4 * PETA]}}).encode()
        ),
    ),
}


@pytest.mark.parametrize("name", WILD)
def test_arrays_that_are_not_there(name: str, tmp_path: Path) -> None:
    suffix, content = WILD[name]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with little_memory():
        assert codes_of(lambda: read_arrays(path)) <= {"NMC-R002", "NMC-R003"}


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "was run",)

    objects = np.array([Bomb(), None], object)
    np.save(tmp_path / "x.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=objects)
    (tmp_path / "y.npy").write_bytes((tmp_path / "x.npy").read_bytes()[-60:])
    for name in ("x.npy", "x.npz", "y.npy"):
        assert codes_of(lambda name=name: read_arrays(tmp_path / name)) <= {"NMC-R002", "NMC-R003"}
    assert not (tmp_path / "was run").exists()


def test_a_real_bomb_is_read_or_refused_by_its_size(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(1 << 20))
    assert (tmp_path / "x.npz").stat().st_size < 1 << 14
    assert np.array_equal(read_arrays(tmp_path / "x.npz"), np.zeros(1 << 20))
    from nmc.runtime.program.budget import limited

    with limited(memory=1 << 20), little_memory():
        assert codes_of(lambda: read_arrays(tmp_path / "x.npz"), Exit.LIMIT) == {"NMC-R050"}


@cache
def data_files() -> dict[str, bytes]:
    plain, packed, single = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(plain, **X)
    np.savez_compressed(packed, **X)
    np.save(single, X["x"])
    parts = {".npz": plain.getvalue(), "packed.npz": packed.getvalue(), ".npy": single.getvalue()}
    return {**parts, ".safetensors": safetensors_bytes(X)}


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Cut, with flipped bits, with numbers overwritten by large ones, with a part left out or twice."""
    content = bytearray(whole)
    at = st.integers(0, len(content) - 1)
    kind = draw(st.sampled_from(["cut", "flip", "number", "drop", "twice"]))
    if kind == "cut":
        return bytes(content[: draw(at)])
    if kind == "flip":
        for position in draw(st.lists(at, min_size=1, max_size=4)):
            content[position] ^= 1 << draw(st.integers(0, 7))
        return bytes(content)
    low, high = sorted((draw(at), draw(at)))
    if kind == "number":
        wild = draw(st.sampled_from([b"\xff" * 4, b"\xff" * 8, b"\xff\xff\xff\x7f", b"\0" * 8]))
        content[low : low + len(wild)] = wild
        return bytes(content)
    return bytes(content[:low] + content[high:]) if kind == "drop" else bytes(content[:high] + content[low:])


@given(st.data())
@settings(max_examples=400)
def test_damaged_arrays_are_refused_or_of_the_size_they_have(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(data_files())))
    path = tmp_path_factory.getbasetemp() / f"damaged{name}"
    path.write_bytes(data.draw(damaged(data_files()[name])))
    try:
        found = read_arrays(path)
    except NmcError as error:
        assert {d.code for d in error.diagnostics} <= {"NMC-R002", "NMC-R003"}
    else:
        arrays = found.values() if isinstance(found, dict) else [found]
        assert sum(array.nbytes for array in arrays) <= 1 << 16


def test_numbers_that_are_none_reach_no_program(tmp_path: Path) -> None:
    save(unary_program(), tmp_path / "net.nmc")
    shape = unary_program().inputs[0].shape
    for value in (np.nan, np.inf, -np.inf):
        np.save(tmp_path / "x.npy", np.full((1, *shape), value))
        done = CliRunner().invoke(main, ["simulate", str(tmp_path / "net.nmc"), "--input", str(tmp_path / "x.npy")])
        assert done.exit_code == 4 and "NMC-R007" in done.output


# --- other formats ---


def test_an_array_of_hs_api_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    path.write_bytes(archive(("digest.npy", ONE), ("axons.indptr.npy", npy((PETA // 8,)))))
    with little_memory():
        assert codes_of(lambda: read_hs_api(path, None, None)) == {"NMC-F030"}


CASE = next(path for path in sorted(ZOO.glob("*.toml")) if "options" in path.read_text()).read_bytes()


@given(st.one_of(damaged(CASE), st.binary(max_size=80)))
@settings(max_examples=300)
def test_damaged_cases_are_refused_or_cases(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "case.toml"
    path.write_bytes(content)
    try:
        case = read_case(path)
    except NmcError as error:
        assert error.exit_code == Exit.BAD_FILE
        assert {d.code for d in error.diagnostics} <= {"NMC-R041", "NMC-R042"}
    else:
        assert case.target == tomllib.loads(content.decode())["target"]


def events(count: int = 6) -> bytes:
    """An AEDAT file of two packets."""
    head = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n"
    packet = struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, count, count, count)
    body = b"".join(struct.pack("<II", 1 | k << 2 | k << 17, 1000 * k) for k in range(count))
    return head + packet + body + packet + body


@given(damaged(events()))
@settings(max_examples=300)
def test_damaged_recordings_are_refused_or_events(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "user.aedat"
    path.write_bytes(content)
    try:
        found = read_events(path)
    except AedatError as error:
        assert str(path) in str(error)
    else:
        assert len(found) <= len(content) // 8 and found.x.shape == found.y.shape == found.on.shape


def test_a_packet_of_many_events_that_are_not_there(tmp_path: Path) -> None:
    head, most = events()[: events().index(b"END-HEADER\r\n") + 12], 2**31 - 1
    (tmp_path / "user.aedat").write_bytes(head + struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, most, most, most))
    with little_memory(), pytest.raises(AedatError, match="cut off"):
        read_events(tmp_path / "user.aedat")


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*map(str, arguments)])
    return done.exit_code, done.output


@pytest.mark.slow
@given(st.data())
@settings(max_examples=40)
def test_damaged_files_of_every_format_end_in_a_diagnostic(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    files = written()
    name = data.draw(st.sampled_from(sorted(files)))
    folder = tmp_path_factory.mktemp("damaged")
    for relative, content in files[name][1].items():
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        (folder / relative).write_bytes(content)
    hurt = data.draw(st.sampled_from(sorted(files[name][1])))
    (folder / hurt).write_bytes(data.draw(damaged(files[name][1][hurt])))
    command = [part.format(folder) for part in files[name][0].split()]
    code, said = run(*command)
    assert code in (0, 2, 3, 4, 5) and "NMC-X001" not in said and "Traceback" not in said, (command, said)


@cache
def written() -> dict[str, tuple[str, dict[str, bytes]]]:
    """By format: the command that reads it, and its files."""
    import tempfile

    from akida_programs import random_program as akida_program

    from nmc.backends.akida.export import write_json
    from nmc.backends.cri.export import write_hs_api
    from nmc.backends.cri.image import write_image

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in "anp":
            (folder / kind).mkdir()
        write_json(akida_program(0), folder / "a" / "n.akida.json")
        write_hs_api(unary_program(), folder / "h")
        write_image(random_program(0), folder / "i")
        saved(folder / "n" / "n.nir", chain(lif(3, tau=20.0), given=(3,), found=(3,)))
        save(akida_program(0), folder / "p" / "n.nmc")
        commands = {
            "a": "import {}/n.akida.json -o {}/out.nmc",
            "h": "import {} -o {}/out.nmc",
            "i": "import {} -o {}/out.nmc",
            "n": "export {}/n.nir --format nir --dt 0.0001 -o {}/out.nir",
            "p": "inspect {}/n.nmc",
        }
        return {
            kind: (
                command.replace("{}", "{0}"),
                {str(p.relative_to(folder / kind)): p.read_bytes() for p in (folder / kind).rglob("*") if p.is_file()},
            )
            for kind, command in commands.items()
        }
