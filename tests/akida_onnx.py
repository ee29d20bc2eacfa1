"""Akida programs in onnxruntime: the model of `nmc export --format onnx`, which the simulator has no part in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nmc.backends.akida.export.onnx_stream import onnx_stream
from nmc.runtime.program import AkidaProgram, GraphInput
from nmc.runtime.program.akida import AT_ONCE
from nmc.runtime.program.akida_shapes import hosted
from onnx_models import session

Array = np.ndarray[Any, Any]
IN, OUT, LAYER = ".state.in", ".state.out", ".out"


def run_onnx(program: AkidaProgram, frames: Mapping[str, Array]) -> dict[str, Array]:
    """What every layer gives, frame by frame from empty FIFOs: (streams, frames, X, Y, F), int64 or float32.

    `frames` holds what the host feeds, (streams, frames, X, Y, C), by the name of the layer that takes it.
    """
    layers = {layer.name: layer for layer in program.layers}
    signals = {entry.layer: hosted(layers[entry.layer]) for entry in program.inputs}
    plain = [GraphInput(n, n, s.shape, -1, "HWC", 1.0, 0, s.bits, s.signed) for n, s in signals.items()]
    ends = tuple(replace(output, shape=output.frame_shape, timing=AT_ONCE) for output in program.outputs)
    results = run_stream(onnx_stream(replace(program, inputs=tuple(plain), outputs=ends), layers=True), frames)
    return {name: results[f"{name}{LAYER}"] for name in layers}


def run_stream(model: bytes, frames: Mapping[str, Array], runtime: Any = None) -> dict[str, Array]:
    """Every output of the model but its states, (streams, frames, …), from states of zero; `runtime` may be given."""
    runtime = session(model) if runtime is None else runtime
    names = [output.name for output in runtime.get_outputs()]
    streams, count = next(iter(frames.values())).shape[:2]
    states = [entry for entry in runtime.get_inputs() if entry.name not in frames]
    state = {entry.name: np.zeros((streams, *entry.shape[1:]), np.int32) for entry in states}
    results: dict[str, list[Array]] = {name: [] for name in names if not name.endswith(OUT)}
    for j in range(count):
        fed = {name: array[:, j].astype(np.float32) for name, array in frames.items()}
        found = dict(zip(names, map(np.asarray, runtime.run(names, {**fed, **state})), strict=True))
        state = {name: found[name.removesuffix(IN) + OUT] for name in state}
        for name, values in results.items():
            values.append(found[name])
    return {name: np.stack(values, axis=1) for name, values in results.items()}
