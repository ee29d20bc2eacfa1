"""NIR front end: a file of the Neuromorphic Intermediate Representation becomes a frame graph in stage `imported`, and
spiking graphs become such files.

hdf5      file → nested dicts of arrays; read: → records of nodes with checked parameters
wiring    nested graphs made flat, loops cut, execution order; inputs: shapes
options   the discretization: what the user chooses, what the file says
importer  walks the nodes: each goes to its handler (layers, neurons, delays)
write     graph → records; nodes: the record of each node; container: records → HDF5

h5py, which comes with the package nir, is imported by these modules and by nothing else of nmc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ...diagnostics import usage
from ..common.imported import Imported
from .options import DEFAULT_DT, NirOptions

if TYPE_CHECKING:
    from ...ir import Graph

__all__ = ["DEFAULT_DT", "NirOptions", "import_nir", "write_nir"]


def _require_h5py() -> None:
    try:
        import_module("h5py")
    except ImportError as error:
        raise usage(
            "NMC-I043", "NIR files need the package h5py", why=str(error), hint="pip install 'nmc[nir]'"
        ) from None


def import_nir(
    path: str | Path, input_shapes: Mapping[str, tuple[int, ...]] | None = None, options: NirOptions | None = None
) -> Imported:
    """The network of a NIR file as a verified frame graph, with its discretization as `options`.

    `input_shapes` gives shapes (1, *frame) or (1, T, *frame) by input, where the file leaves them open or for another
    number of timesteps. NmcError with all diagnostics at once if the file is damaged or holds what nmc does not import.
    """
    _require_h5py()
    from .read import read_network

    return read_network(Path(path), input_shapes or {}, options or NirOptions())


def write_nir(graph: Graph, path: str | Path, dt: float = DEFAULT_DT, classes: Sequence[str] = ()) -> tuple[str, ...]:
    """Write a spiking graph (stage `imported`) as a NIR file; sentences about what the file cannot say are returned.

    `dt` is the timestep in seconds that the file's time constants are made for, `classes` are names of the classes for
    its metadata. Reading the file gives the same spikes.
    NmcError NMC-I044 with everything that NIR cannot express, or NMC-F014 if the file cannot be written.
    """
    _require_h5py()
    from .write import write_file

    return write_file(graph, Path(path), dt, tuple(classes))
