"""The source model in float: what onnxruntime computes for samples, to compare a program with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .encode import Array
from .program.diagnostics import NmcError, bad_file

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class FloatModel:
    """An ONNX model. Called with samples (n, *shape) by input name, it gives its outputs (n, *shape) by name.

    A model whose samples axis is open takes all samples at once; one with a fixed length takes so many at a time, the
    last ones filled up with repetitions that are cut off again.
    """

    def __init__(self, path: str | os.PathLike[str], threads: int = 0):
        """threads: that compute one operation, 0 for as many as there are cores; how sums round may depend on it.

        NmcError NMC-R001 (no such file), NMC-R024 (no model that onnxruntime runs).
        """
        import onnxruntime

        self.where = os.fspath(path)
        if not Path(path).is_file():
            raise bad_file("NMC-R001", "no such file", self.where, hint="check the path")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors come as exceptions; warnings are about the model's style
        try:
            self._session = onnxruntime.InferenceSession(self.where, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an exception type of its own for every kind of failure
            raise self._failed("not a model that onnxruntime can run", error) from error
        self._inputs: dict[str, Any] = {entry.name: entry for entry in self._session.get_inputs()}
        self.outputs = tuple(entry.name for entry in self._session.get_outputs())
        fixed = {e.shape[0] for e in self._inputs.values() if e.shape and isinstance(e.shape[0], int)}
        self._batch = max(fixed, default=0)

    def __call__(self, samples: Mapping[str, Array]) -> dict[str, Array]:
        """NmcError NMC-R024 where the samples are not what the model takes, or it fails."""
        if samples.keys() != self._inputs.keys():
            needs, gets = (", ".join(map(repr, names)) for names in (self._inputs, samples))
            raise bad_file("NMC-R024", f"the model takes {needs} and the samples are {gets}", self.where)
        given = {name: self._cast(name, array) for name, array in samples.items()}
        count = len(next(iter(given.values())))
        size = self._batch or count
        made: dict[str, list[Array]] = {name: [] for name in self.outputs}
        try:
            for low in range(0, count, size):
                rows = np.minimum(np.arange(low, low + size), count - 1)
                part = self._session.run(None, {name: array[rows] for name, array in given.items()})
                for name, values in zip(made, part, strict=True):
                    made[name].append(np.asarray(values))
            return {name: np.concatenate(parts)[:count] for name, parts in made.items()}
        except Exception as error:
            raise self._failed("the model fails on these samples", error) from error

    def _cast(self, name: str, array: Array) -> Array:
        """The samples in the model's dtype; a model of integers takes only samples that are such integers."""
        kind = self._inputs[name].type
        if kind not in DTYPES:
            raise bad_file("NMC-R024", f"the model's input {name!r} is {kind}, which samples are not", self.where)
        with np.errstate(over="ignore", invalid="ignore"):
            cast = array.astype(DTYPES[kind])
        if cast.dtype.kind != "f" and not np.array_equal(cast, array):
            raise bad_file(
                "NMC-R024", f"the model's input {name!r} is {kind}, which does not hold the samples", self.where
            )
        return cast

    def _failed(self, what: str, error: Exception) -> NmcError:
        return bad_file("NMC-R024", what, self.where, str(error).strip().partition("\n")[0])
