"""The cases of the ONNX backend suite that the installed onnx package holds: generated ones and stored ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, numpy_helper

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
STORED = ("pytorch-converted", "pytorch-operator", "simple")


@dataclass(frozen=True)
class Case:
    """A model, its inputs and the outputs that the suite expects: arrays, or what else ONNX has (lists, None)."""

    name: str
    op: str
    model: ModelProto
    data_sets: tuple[tuple[list[Any], list[Any]], ...]
    rtol: float
    atol: float


def _plain(thing: Any) -> Any:
    """A tensor as an array, whatever it is made of; anything else as it is."""
    if isinstance(thing, np.generic):
        return np.asarray(thing)
    return numpy_helper.to_array(thing) if isinstance(thing, TensorProto) else thing


def generated() -> Iterator[Case]:
    """The node cases, which the package makes when asked. Those with a body for a node follow that node's case."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    op = ""
    for case in cases:
        assert case.model is not None and case.data_sets is not None
        if "_expanded" not in case.name:
            op = case.model.graph.node[0].op_type
        sets = tuple((list(map(_plain, inputs)), list(map(_plain, outputs))) for inputs, outputs in case.data_sets)
        yield Case(case.name, op, case.model, sets, case.rtol, case.atol)


def _array(path: Path) -> Any:
    """The tensor in the file; None if it holds a list of tensors."""
    tensor = TensorProto()
    try:
        tensor.ParseFromString(path.read_bytes())
        return numpy_helper.to_array(tensor)
    except Exception:  # protobuf and the helper raise many kinds
        return None


def _arrays(folder: Path, kind: str) -> list[Any]:
    count = len(list(folder.glob(f"{kind}_*.pb")))
    return [_array(folder / f"{kind}_{i}.pb") for i in range(count)]


def stored() -> Iterator[Case]:
    """The models that lie in the package with their data. Those that would be downloaded are left out."""
    for kind in STORED:
        for folder in sorted((DATA / kind).iterdir()):
            model = onnx.load(folder / "model.onnx")
            sets = tuple((_arrays(s, "input"), _arrays(s, "output")) for s in sorted(folder.glob("test_data_set_*")))
            yield Case(folder.name, f"({kind})", model, sets, 1e-3, 1e-7)


def cases() -> Iterator[Case]:
    """All of them, in the suite's order."""
    yield from generated()
    yield from stored()
