"""Damaged NIR files: whatever is in them, the import works or ends in diagnostics."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nir_files import GOLDEN

from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends import import_model
from nmc.compiler.frontends.common.problems import Report
from nmc.compiler.frontends.nir import hdf5, hdf5_child, read

FILES = ("snntorch_rleaky", "spikingjelly_image", "norse_lif")
SHAPES = ((), (1,), (3,), (16,), (8, 16), (2, 3, 3), (4, 2, 3, 3), (0,))
VALUES = (0.0, 1.0, -1.0, 0.5, 1e-4, 1e300, np.nan, np.inf)
TEXTS = ("", "same", "Input", "Output", "NIRGraph", "LIF", "Delay", "Conv2d", "input", "0", "0.0", "../x")


def assert_ends_well(path: Path) -> bool:
    """The file is imported (True) or refused with diagnostics (False); anything else fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            import_model(path)
        except NmcError as error:
            assert error.diagnostics
            return False
    return True


def places(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Every entry of a nested dict."""
    for name, value in tree.items():
        yield tree, name
        if isinstance(value, dict):
            yield from places(value)


def copied(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: copied(value) if isinstance(value, dict) else value for name, value in tree.items()}


def some_value(rng: np.random.Generator) -> Any:
    if rng.random() < 0.3:
        return str(rng.choice(TEXTS))
    shape = SHAPES[rng.integers(len(SHAPES))]
    if rng.random() < 0.2:
        return np.full(shape, rng.integers(-3, 40), np.int64)
    return np.full(shape, VALUES[rng.integers(len(VALUES))])


def change(tree: dict[str, Any], rng: np.random.Generator) -> None:
    """One entry goes, becomes another value, or a value of a nearby size; edges are rewired."""
    everywhere = list(places(tree["node"]))
    group, name = everywhere[rng.integers(len(everywhere))]
    value = group[name]
    kind = rng.integers(4)
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.copy()
        value[rng.integers(len(value)), rng.integers(2)] = value[rng.integers(len(value)), rng.integers(2)]
        group[name] = value
    elif kind == 0:
        del group[name]
    elif kind == 1 and isinstance(value, np.ndarray) and value.size:
        changed = value.copy()
        changed.reshape(-1)[rng.integers(value.size)] = rng.integers(-2, 5)
        group[name] = changed
    else:
        group[name] = some_value(rng)


@pytest.mark.slow
def test_any_content_ends_in_a_graph_or_diagnostics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "read_apart", lambda path, limit: b"".join(hdf5_child.content(str(path))))
    trees = [hdf5.read_tree(GOLDEN / f"{name}.nir", Report()) for name in FILES]
    outcomes = []
    for seed in range(600):
        rng = np.random.default_rng(seed)
        tree = copied(trees[seed % len(trees)])
        for _ in range(rng.integers(1, 4)):
            change(tree, rng)
        monkeypatch.setattr(read, "read_tree", lambda path, report, tree=tree: tree)
        outcomes.append(assert_ends_well(Path("fuzzed.nir")))
    assert 0 < np.mean(outcomes) < 1


@pytest.mark.slow
def test_any_bytes_end_in_a_graph_or_diagnostics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of these files keep the HDF5 library busy for ever."""
    monkeypatch.setattr(hdf5, "SECONDS", 2.0)
    path = tmp_path / "n.nir"
    for seed in range(72):
        rng = np.random.default_rng(seed)
        content = bytearray((GOLDEN / f"{FILES[seed % len(FILES)]}.nir").read_bytes())
        used = np.flatnonzero(np.frombuffer(bytes(content), np.uint8))
        for place in rng.choice(used, (1, 8, 64)[seed % 3]):
            content[place] = rng.integers(256)
        path.write_bytes(bytes(content[: rng.integers(len(content))] if seed % 8 == 7 else content))
        assert_ends_well(path)
