"""A host segment on onnxruntime: one thread, no optimizations, so what runs is what stands in the program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .encode import Array
from .program.diagnostics import Diagnostic, Exit, NmcError
from .program.hybrid import HostSegment


class HostRun:
    """A host segment, ready to run. It keeps nothing: memories go in and out with each frame."""

    def __init__(self, segment: HostSegment):
        """NmcError NMC-R025 where onnxruntime is missing or does not take the model."""
        try:
            import onnxruntime
        except ImportError as error:
            raise _failed(segment, error) from error
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4  # errors come as exceptions
        self.segment = segment
        try:
            # Without fallback: it prints, and tries the same again.
            self._session = onnxruntime.InferenceSession(
                segment.model.tobytes(), options, ["CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # onnxruntime has an exception type of its own for every kind of failure
            raise _failed(segment, error) from error
        self._wanted = [port.name for port in segment.outputs] + [state.output for state in segment.states]

    def before(self, streams: int) -> list[Array]:
        """The memories before the first frame, (streams, *shape) each."""
        return [state.before(streams) for state in self.segment.states]

    def step(
        self, values: Mapping[str, Array], memories: Sequence[Array], streams: int
    ) -> tuple[dict[str, Array], list[Array]]:
        """One frame: what the segment gives, float32 (streams, *shape) by value name, and the memories behind it.

        `values` are float (streams, *shape) by name. NMC-R025 if onnxruntime fails.
        """
        segment = self.segment
        given = {port.name: np.ascontiguousarray(values[port.value], np.float32) for port in segment.inputs}
        given |= {state.input: array for state, array in zip(segment.states, memories, strict=True)}
        try:
            made: Sequence[Any] = self._session.run(self._wanted, given)
        except Exception as error:
            raise _failed(segment, error) from error
        arrays = [np.asarray(array) for array in made]
        shapes = [*(port.shape for port in segment.outputs), *(state.shape for state in segment.states)]
        for name, shape, array in zip(self._wanted, shapes, arrays, strict=True):
            if array.shape != (streams, *shape):
                raise _failed(segment, f"output {name!r} has shape {array.shape}, not {(streams, *shape)}")
        count = len(segment.outputs)
        return {port.value: array for port, array in zip(segment.outputs, arrays, strict=False)}, arrays[count:]


def _failed(segment: HostSegment, error: Exception | str) -> NmcError:
    why = str(error).strip().partition("\n")[0]
    what, hint = f"host segment {segment.name!r} cannot be run", "install onnxruntime 1.20 or newer"
    return NmcError(Diagnostic("NMC-R025", what, why=why, hint=hint), Exit.BAD_FILE)
