"""Small NIR files for the tests, written with the package nir, and changed through h5py where nir would refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends import NirOptions, import_model
from nmc.compiler.frontends.common.imported import Imported
from nmc.compiler.frontends.nir import hdf5, hdf5_child
from nmc.compiler.ir import evaluate

DT = 1e-4
GOLDEN = Path(__file__).parent / "golden" / "nir"


def full(value: float, *shape: int) -> np.ndarray:
    return np.full(shape, value)


def lif(*shape: int, tau: float = 2.0, theta: float = 1.0, **parameters: float) -> nir.LIF:
    """A LIF whose tau is in timesteps."""
    values = {"tau": tau * DT, "r": 1.0, "v_leak": 0.0, "v_threshold": theta, "v_reset": 0.0} | parameters
    return nir.LIF(**{name: full(value, *shape) for name, value in values.items()})


def network(nodes: dict[str, nir.NIRNode], edges: list[tuple[str, str]], given: tuple, found: tuple) -> nir.NIRGraph:
    """A graph with an Input `x` and an Output `y`."""
    ends = {"x": nir.Input(np.array(given)), "y": nir.Output(np.array(found))}
    return nir.NIRGraph(nodes=ends | nodes, edges=edges, type_check=False)


def chain(*nodes: nir.NIRNode, given: tuple, found: tuple) -> nir.NIRGraph:
    """x → n0 → n1 → … → y"""
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    names = ["x", *named, "y"]
    return network(named, list(pairwise(names)), given, found)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """HDF5 files are read in this process. The tests of `read_apart` leave it out."""
    monkeypatch.setattr(hdf5, "read_apart", lambda path, limit: b"".join(hdf5_child.content(str(path))))


@dataclass
class _Given:
    """A graph for nir.write, which cannot write the parameters that are None."""

    graph: nir.NIRGraph

    def to_dict(self) -> dict[str, Any]:
        return _given(self.graph.to_dict())


def _given(said: dict[str, Any]) -> dict[str, Any]:
    return {k: _given(v) if isinstance(v, dict) else v for k, v in said.items() if v is not None}


def saved(path: Path, graph: nir.NIRGraph, change: Callable[[h5py.File], object] | None = None) -> Path:
    nir.write(path, _Given(graph), compression=None)
    if change is not None:
        with h5py.File(path, "r+") as file:
            change(file)
    return path


def read(path: Path, shape: tuple[int, ...] | None = None, **options: object) -> Imported:
    return import_model(path, {"": shape} if shape else None, nir=NirOptions(**options))


def run(imported: Imported, x: np.ndarray) -> np.ndarray:
    """The only output for trains (samples, T, …) at the only input."""
    (value,) = imported.graph.inputs
    (found,) = evaluate(imported.graph, {value.name: x}).values()
    return found


def problems(path: Path, shape: tuple[int, ...] | None = None, **options: object) -> tuple[int, list[str]]:
    """The exit code and `code where why` of each diagnostic of an import that fails."""
    try:
        read(path, shape, **options)
    except NmcError as error:
        return int(error.exit_code), [f"{d.code} {d.where}: {d.why}" for d in error.diagnostics]
    raise AssertionError(f"{path} is imported")


def trains(*shape: int, seed: int = 0, rate: float = 0.5) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < rate).astype(np.float64)
