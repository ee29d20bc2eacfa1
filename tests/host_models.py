"""Written ONNX models run by onnxruntime, beside the reference interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime

from nmc.backends.host import HostModel, onnx_model
from nmc.compiler.ir import FrameSession, Graph, evaluate
from onnx_models import TOLERANCE

Array = np.ndarray[Any, Any]
ALL, NONE = (getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{level}") for level in ("ENABLE_ALL", "DISABLE_ALL"))


def session(written: HostModel, level: Any = NONE) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = level
    return onnxruntime.InferenceSession(written.model, options, providers=["CPUExecutionProvider"])


def feeds_for(graph: Graph, samples: int = 3, seed: int = 1) -> dict[str, Array]:
    """Random samples for every input; of a frame graph, 9 frames on axis 1."""
    rng = np.random.default_rng(seed)
    frames = (9,) if graph.stepped else ()
    sizes = {v.name: (samples, *frames, *v.type.shape[1:]) for v in graph.inputs}
    return {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}


def written_model(graph: Graph) -> HostModel:
    """The model; it is valid, says what it says of itself, and is the same when written again."""
    written = onnx_model(graph)
    proto = onnx.load_from_string(written.model)
    onnx.checker.check_model(proto, full_check=True)
    assert proto.ir_version == 10 and [(o.domain, o.version) for o in proto.opset_import] == [("", 21)]
    assert onnx_model(graph).model == written.model
    found = session(written)
    states = written.states
    assert [i.name for i in found.get_inputs()] == [*(n for n, _ in written.inputs), *(s.input for s in states)]
    assert [o.name for o in found.get_outputs()] == [*(n for n, _ in written.outputs), *(s.output for s in states)]
    return written


def close(found: Array, expected: Array, tolerance: float) -> bool:
    return found.shape == expected.shape and bool(
        np.abs(found - expected).max(initial=0) <= tolerance * max(1e-3, float(np.abs(expected).max(initial=0)))
    )


def check_written(
    graph: Graph, feeds: Mapping[str, Array] | None = None, tolerance: float = TOLERANCE, levels: Any = (NONE, ALL)
) -> HostModel:
    """onnxruntime computes from the written model what the graph means: all samples at once, or frame after frame."""
    feeds = feeds_for(graph) if feeds is None else feeds
    written = written_model(graph)
    for level in levels:
        runner = session(written, level)
        if graph.stepped:
            _check_frames(graph, written, runner, feeds, tolerance)
            continue
        expected = evaluate(graph, feeds)
        for (name, array), found in zip(expected.items(), runner.run(None, dict(feeds)), strict=True):
            assert close(found, array, tolerance), name
    return written


def _check_frames(graph: Graph, written: HostModel, runner: Any, feeds: Mapping[str, Array], tolerance: float) -> None:
    reference, first = FrameSession(graph), next(iter(feeds.values()))
    memory = {state.input: state.before(len(first)) for state in written.states}
    for frame in range(first.shape[1]):
        frames = {name: array[:, frame] for name, array in feeds.items()}
        expected = reference.step(frames)
        found = runner.run(None, {**frames, **memory})
        results, after = found[: len(written.outputs)], found[len(written.outputs) :]
        for (name, array), result in zip(expected.items(), results, strict=True):
            assert close(result, array, tolerance), (name, frame)
        memory = {state.input: array for state, array in zip(written.states, after, strict=True)}
