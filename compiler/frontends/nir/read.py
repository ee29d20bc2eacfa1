"""NIR file → records, with everything that is wrong in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..common.emit import nonfinite
from ..common.imported import Imported
from ..common.problems import Refusal, Report
from .hdf5 import read_tree
from .importer import Importer
from .options import CHOICES, Clock, NirOptions
from .records import NEURONS, PARAMETERS, Record
from .wiring import Network, check_wiring, flatten, keep_needed

_PREFIX = "nmc_"


def read_record(path: Path, report: Report) -> Record:
    """The graph of a NIR file. What is damaged or unknown is reported; the record holds the rest."""
    tree = read_tree(path, report)
    node = tree.get("node")
    kind = node.get("type") if isinstance(node, dict) else None
    if not isinstance(node, dict) or not isinstance(kind, str) or kind != "NIRGraph":
        why = "it is an HDF5 file without a group /node of type NIRGraph"
        report.damaged("NMC-I040", "the file is not a NIR file, or it is damaged", str(path), why)
        return Record("NIRGraph")
    return _graph(node, "", report)


def _graph(tree: dict[str, Any], path: str, report: Report) -> Record:
    here = path or "the graph"
    nodes, edges = tree.get("nodes"), tree.get("edges")
    if not isinstance(nodes, dict) or not nodes:
        _broken(report, here, "it has no nodes")
        nodes = {}
    found = {name: _node(node, f"{path}.{name}" if path else name, report) for name, node in nodes.items()}
    metadata = tree.get("metadata")
    return Record("NIRGraph", {}, found, _edges(edges, here, report), metadata if isinstance(metadata, dict) else {})


def _edges(edges: Any, here: str, report: Report) -> list[tuple[str, str]]:
    if isinstance(edges, np.ndarray) and edges.size == 0:
        return []
    if not isinstance(edges, np.ndarray) or edges.dtype != object or edges.ndim != 2 or edges.shape[1] != 2:
        _broken(report, here, "its edges are missing, or are no pairs of names")
        return []
    return [(str(a), str(b)) for a, b in edges]


def _node(tree: Any, path: str, report: Report) -> Record:
    """The record of one node. Unknown primitives are left to the importer."""
    kind = tree.get("type") if isinstance(tree, dict) else None
    if not isinstance(kind, str):
        _broken(report, path, "it does not say which primitive it is")
        return Record("", broken=True)
    if kind == "NIRGraph":
        return _graph(tree, path, report)
    given = {name: value for name, value in tree.items() if name not in ("type", "metadata")}
    before = len(report.diagnostics)
    if kind in PARAMETERS:
        _check(kind, given, path, report)
    return Record(kind, given, broken=len(report.diagnostics) > before)


def _check(kind: str, given: Mapping[str, Any], path: str, report: Report) -> None:
    """Report what is missing, unknown, or no finite number among the parameters of a node."""
    known, where = PARAMETERS[kind], f"{path} ({kind})"
    for name in known:
        if not name.endswith("?") and name not in given:
            _broken(report, where, f"it has no parameter {name!r}")
    for name in sorted(given.keys() - {name.rstrip("?") for name in known}):
        refusal = Refusal("NMC-I011", f"it has a parameter {name!r}, which NIR 1.0 does not define")
        report.refused(refusal, kind, path)
    for name, value in given.items():
        if isinstance(value, str) and name != "padding":
            _broken(report, where, f"its parameter {name!r} is the text {value!r}")
        elif isinstance(value, dict) or (isinstance(value, np.ndarray) and value.dtype == object):
            _broken(report, where, f"its parameter {name!r} is no array of numbers")
        elif isinstance(value, np.ndarray) and (why := nonfinite(value)):
            report.refused(Refusal("NMC-I006", f"{name}: {why}"), kind, path)


def _broken(report: Report, where: str, why: str) -> None:
    report.damaged("NMC-I041", "a node of the NIR file is incomplete", where, why)


def stored_options(metadata: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """What a file that nmc wrote says about its own discretization."""
    found: dict[str, Any] = {}
    for name in ("dt", "compare", "start"):
        value = metadata.get(_PREFIX + name)
        if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind == "f":
            value = float(value)
        if isinstance(value, float):
            good = name == "dt" and math.isfinite(value) and value > 0
        else:
            good = isinstance(value, str) and name != "dt" and value in CHOICES[name]
        if good:
            found[name] = value
        elif value is not None:
            _broken(report, f"metadata {_PREFIX + name}", f"it is {value!r}")
    return found


def stored_classes(metadata: Mapping[str, Any], report: Report) -> tuple[str, ...]:
    """The names of classes in a file that nmc wrote."""
    value = metadata.get(_PREFIX + "classes")
    if value is None:
        return ()
    try:
        names = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        names = None
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return tuple(names)
    _broken(report, f"metadata {_PREFIX}classes", "it is no list of names")
    return ()


def recovered_dt(network: Network) -> float | None:
    """1/r, where all I and IF neurons have one and the same r > 0: the timestep in which an input adds itself."""
    values = [record.parameters.get("r") for record in network.nodes.values() if record.kind in ("I", "IF")]
    numbers = [
        value.astype(np.float64).ravel() for value in values if isinstance(value, np.ndarray) and value.dtype != object
    ]
    found = np.unique(np.concatenate(numbers)) if numbers else np.zeros(0)
    return float(1 / found[0]) if len(found) == 1 and found[0] > 0 and np.isfinite(1 / found[0]) else None


def read_network(path: Path, given: Mapping[str, tuple[int, ...]], options: NirOptions) -> Imported:
    """The network of a NIR file; see `import_nir`."""
    report = Report()
    record = read_record(path, report)
    stored, classes = stored_options(record.metadata, report), stored_classes(record.metadata, report)
    network = flatten(record, report)
    check_wiring(network, report)
    unused = keep_needed(network)
    clock = Clock.of(options, stored, recovered_dt(network))
    graph = Importer(network, path.stem, clock, report).run(given)
    notes = [f"nodes that lead to no Output are left out: {', '.join(map(repr, unused))}"] if unused else []
    timed = any(record.kind in NEURONS or record.kind == "Delay" for record in network.nodes.values())
    if timed and options.dt is None and "dt" not in stored:
        notes.append(f"the NIR file does not say its timestep: it is read with --dt {clock.dt:g} (seconds)")
    return Imported(graph, tuple(notes), {"format": "nir", **asdict(clock)}, classes)
