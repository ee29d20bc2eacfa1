"""Layers as a file gives them made those of a program: dtypes as the machine has them, defaults filled in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ....runtime.program.akida import Layer
from ....runtime.program.akida_check_layers import LayerProblems
from ....runtime.program.akida_shapes import Signal, Variable, variables, with_defaults
from ....runtime.program.diagnostics import Diagnostic
from ....runtime.program.problems import Problems
from .akida_json_arrays import ArrayError, cast

MAX_FILLED = 1 << 24
"""Values of one layer that a file may leave out: a small file must not ask for any amount of memory."""


def fitted(layers: Sequence[Layer]) -> tuple[tuple[Layer, ...], list[Diagnostic]]:
    """The layers with all of their variables, and what is wrong with them: an empty list, or they are no program's."""
    shapes = LayerProblems()
    shapes.layers([replace(layer, variables={}) for layer in layers])  # a layer's variables do not change what it gives
    problems = Problems()
    done = []
    for i, layer in enumerate(layers):
        given = [signal for name in layer.inbounds if (signal := shapes.signals.get(name)) is not None]
        known = shapes.signals[layer.name] is not None
        done.append(_fit(f"layers/{i}/variables", layer, given, problems) if known else layer)
    told = {_path(problem) for problem in problems.found}
    check = LayerProblems()
    check.layers(done)
    return tuple(done), [*problems.found, *(problem for problem in check.found if _path(problem) not in told)]


def _fit(where: str, layer: Layer, given: list[Signal], problems: Problems) -> Layer:
    expected = variables(layer, given)
    arrays = dict(layer.variables)
    for name in [name for name in expected if name in arrays]:
        try:
            arrays[name] = cast(arrays[name], expected[name].dtype)
        except ArrayError as error:
            problems.need(False, "F021", f"{where}/{name}", str(error))
    cast_layer = replace(layer, variables=arrays)
    absent = sum(_entries(v) for name, v in expected.items() if name not in arrays or arrays[name].shape != v.shape)
    if not problems.need(absent <= MAX_FILLED, "F021", where, f"the file leaves out {absent:,} values"):
        return cast_layer
    return with_defaults(cast_layer, given)


def _entries(variable: Variable) -> int:
    """How many values a default fills in."""
    return math.prod(variable.shape) if variable.default is not None else 0


def _path(problem: Diagnostic) -> str:
    return problem.what.partition(":")[0]
