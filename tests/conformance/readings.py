"""How a case becomes a network with a samples axis, which nmc needs and which the suite's nodes rarely have.

A reading keeps what the model computes. The first input is fed; the others are its weights, or are fed too. Either
axis 0 of the data already holds samples, or the data is one sample and gets axes of length 1 in front; then axes that
the node counts from the front move by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .suite import Case
from .time_first import is_time_first, move_samples

Array = np.ndarray[Any, Any]
Keep = tuple[int, ...]

# Ops without axes of their own: with axes of length 1 in front of all operands they compute the same.
_PLAIN = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh Cast CastLike Ceil Celu Clip Constant Cos Cosh Div Dropout Elu
    Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less
    LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink Sigmoid Sign
    Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
"""
PLAIN = frozenset(_PLAIN.split())


@dataclass(frozen=True)
class Reading:
    """A model for nmc, its inputs, and the outputs to expect, as (samples, …)."""

    how: str
    model: ModelProto
    shapes: dict[str, tuple[int, ...]]
    feeds: dict[str, Array]
    expected: list[Array]


def _attribute(node: NodeProto, name: str) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)


def _set(node: NodeProto, name: str, value: Any) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def _moved(axes: Any) -> list[int]:
    return [int(axis) + (axis >= 0) for axis in np.asarray(axes).reshape(-1)]


class _Shift:
    """Moves the axes of one node by one. The weights are changed in place; KeyError where that cannot be done."""

    def __init__(self, node: NodeProto, weights: dict[str, Array], rank: int):
        self.node, self.weights, self.rank = node, weights, rank

    def operand(self, index: int) -> Array | None:
        """A weight; None if the node has no such operand."""
        name = self.node.input[index] if index < len(self.node.input) else ""
        return self.weights[name] if name else None

    def put(self, index: int, values: Any, dtype: Any = np.int64) -> None:
        """Replace an operand, or add it."""
        name = self.node.input[index] if index < len(self.node.input) else ""
        if not name:
            name = f"{self.node.op_type}.operand{index}"
            del self.node.input[index:]
            self.node.input.extend([""] * (index - len(self.node.input)) + [name])
        self.weights[name] = np.asarray(values, dtype)

    def axis(self, default: int = 0) -> None:
        found = _attribute(self.node, "axis")
        _set(self.node, "axis", _moved(default if found is None else found)[0])

    def axes(self, index: int, default: range | None = None) -> None:
        """Axes in an attribute or an operand; `default` says what their absence means (in the newest opsets)."""
        attribute = _attribute(self.node, "axes")
        given = self.operand(index) if attribute is None else attribute
        if given is None or not np.size(given):
            if default is None:
                return
            self.put(index, _moved(list(default)))
        elif attribute is None:
            self.put(index, _moved(given))
        else:
            _set(self.node, "axes", _moved(given))

    def number(self, index: int) -> None:
        """An axis in an operand of its own."""
        given = self.operand(index)
        if given is not None:
            self.put(index, np.asarray(_moved(given)[0]))

    def reduce(self) -> None:
        nothing = bool(_attribute(self.node, "noop_with_empty_axes"))
        self.axes(1, None if nothing else range(self.rank))

    def slice(self) -> None:
        starts = self.operand(1)
        self.axes(3, range(0 if starts is None else starts.size))

    def pad(self) -> None:
        pads = self.operand(1)
        if len(self.node.input) > 3 and self.node.input[3]:
            self.axes(3)
        elif pads is not None:
            half = pads.size // 2
            self.put(1, [0, *pads[:half], 0, *pads[half:]])

    def transpose(self) -> None:
        perm = _attribute(self.node, "perm") or list(reversed(range(self.rank)))
        _set(self.node, "perm", [0, *(axis + 1 for axis in perm)])

    def front(self, index: int) -> None:
        """A list of sizes, one an axis."""
        given = self.operand(index)
        if given is not None and given.size:
            self.put(index, [1, *given], given.dtype)

    def resize(self) -> None:
        if _attribute(self.node, "axes") is not None:
            self.axes(0)
        else:
            self.front(2)
            self.front(3)


_REDUCE = "Max Mean Min Prod Sum L1 L2 LogSum LogSumExp SumSquare"
_SHIFTS: dict[str, Callable[[_Shift], None]] = {
    **{f"Reduce{kind}": _Shift.reduce for kind in _REDUCE.split()},
    **{op: lambda shift: shift.axis(-1) for op in ("Softmax", "LogSoftmax", "Hardmax", "LayerNormalization")},
    **{op: lambda shift: shift.axis(-1) for op in ("RMSNormalization", "LpNormalization")},
    "Concat": _Shift.axis,
    "CumSum": lambda shift: shift.number(1),
    "Expand": lambda shift: shift.front(1),
    "Gather": _Shift.axis,
    "MatMul": lambda shift: None,
    "Pad": _Shift.pad,
    "Reshape": lambda shift: shift.front(1),
    "Resize": _Shift.resize,
    "Slice": _Shift.slice,
    "Split": _Shift.axis,
    "Squeeze": lambda shift: shift.axes(1),
    "Tile": lambda shift: shift.front(1),
    "Transpose": _Shift.transpose,
    "Unsqueeze": lambda shift: shift.axes(1),
}
SHIFTED = sorted(_SHIFTS)
_SHARED = {"Concat"}  # all their operands are data, and get the axis


def _is_array(thing: Any) -> bool:
    return isinstance(thing, np.ndarray) and (thing.dtype.kind in "fiub" or thing.dtype.name == "bfloat16")


def _fed(array: Any) -> Any:
    """What the interpreter takes: half-precision floats that numpy does not know are widened, which is exact."""
    return array.astype(np.float32) if _is_array(array) and array.dtype.name == "bfloat16" else array


def _bound(case: Case, keep: Keep, inputs: list[Any]) -> tuple[ModelProto, dict[str, Array], dict[str, Array]]:
    """A copy of the model in which the inputs at the positions `keep` are fed, those, and the weights that the others
    become."""
    model = ModelProto()
    model.CopyFrom(case.model)
    constant = {tensor.name for tensor in model.graph.initializer}
    declared = [value for value in model.graph.input if value.name not in constant]
    names = [value.name for value in declared]
    given = [(name, array) for name, array in zip(names, inputs, strict=False) if array is not None]
    fed = {name: _fed(array) for i, (name, array) in enumerate(given) if i in keep}
    weights = {name: array for i, (name, array) in enumerate(given) if i not in keep and _is_array(array)}
    left = [value for value in declared if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(left)
    return model, fed, weights


def _finish(model: ModelProto, weights: dict[str, Array], shapes: dict[str, tuple[int, ...]]) -> None:
    """Put the weights into the model, and the inputs' shapes; the outputs' shapes are for the importer to find."""
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    for value in model.graph.input:
        if value.name in shapes:
            kind: TensorProto.DataType = value.type.tensor_type.elem_type  # type: ignore[assignment]
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shapes[value.name]))


def _as_samples(case: Case, keep: Keep, inputs: list[Any], expected: list[Array]) -> Reading | None:
    """Axis 0 of the data holds the samples."""
    model, feeds, weights = _bound(case, keep, inputs)
    ranks = [array.ndim for array in feeds.values()] if all(map(_is_array, feeds.values())) else []
    counts = {len(array) for array in feeds.values()} if min(ranks, default=0) >= 1 else set()
    if len(counts) > 1:
        return None
    _finish(model, weights, {})
    one = {name: (1, *array.shape[1:]) for name, array in feeds.items()} if counts - {1} else {}
    return Reading("samples", model, one, feeds, expected)


def _as_one(case: Case, keep: Keep, inputs: list[Any], expected: list[Array]) -> Reading | None:
    """The data is one sample. None where the model's ops do not allow that."""
    model, feeds, weights = _bound(case, keep, inputs)
    arrays = [*feeds.values(), *expected]
    if not feeds or not all(map(_is_array, arrays)):
        return None
    nodes = model.graph.node
    domains = {node.domain for node in nodes}
    if domains <= {"", "ai.onnx"} and all(node.op_type in PLAIN for node in nodes):
        rank = 1 + max(1, *(a.ndim for a in (*arrays, *weights.values())))
    elif len(nodes) == 1 and nodes[0].op_type in _SHIFTS and not domains - {"", "ai.onnx"}:
        rank = 1 + next(iter(feeds.values())).ndim
        try:
            _SHIFTS[nodes[0].op_type](_Shift(nodes[0], weights, rank - 1))
        except KeyError:
            return None
        if nodes[0].op_type in _SHARED:
            weights = {name: array[None] for name, array in weights.items()}
    else:
        return None
    front = {name: array.reshape((1,) * (rank - array.ndim) + array.shape) for name, array in feeds.items()}
    _finish(model, weights, {name: array.shape for name, array in front.items()})
    if all(node.op_type in PLAIN for node in nodes):
        results = [array.reshape((1,) * (rank - array.ndim) + array.shape) for array in expected]
    else:
        results = [array[None] for array in expected]
    return Reading("one sample", model, {}, front, results)


def _as_time_first(case: Case, keep: Keep, inputs: list[Any], expected: list[Array]) -> Reading | None:
    """Axis 1 of the data holds the samples, as recurrent nodes have it: they are moved to the front and back."""
    if not is_time_first(case.model) or keep != (0,) or not all(map(_is_array, expected)):
        return None
    model, feeds, weights = _bound(case, keep, inputs)
    ((name, x),) = feeds.items()
    fed, wanted = move_samples(model, x, expected)
    _finish(model, weights, {name: (1, *fed.shape[1:])})
    return Reading("samples on axis 1", model, {}, {name: fed}, wanted)


def readings(case: Case, inputs: list[Any], expected: list[Any]) -> Iterator[Reading]:
    """The readings of a case with these data, in the order in which they are tried."""
    given = [array for array in inputs if array is not None]
    first, everything = (0,), tuple(range(len(given)))
    ways = (_as_time_first, _as_samples, _as_one)
    tried = [(read, keep) for keep in dict.fromkeys((first, everything)) for read in ways]
    alike = tuple(i for i, array in enumerate(given) if _is_data(array, given[0]))
    if alike not in (first, everything, ()):
        tried.append((_as_samples, alike))
    for read, keep in tried:
        found = read(case, keep, inputs, expected)
        if found is not None:
            yield found


def _is_data(array: Any, first: Any) -> bool:
    """Is it a float array with as many samples and axes as the first input?"""
    floats = _is_array(array) and array.dtype.kind not in "iub" and _is_array(first)
    return floats and array.ndim == first.ndim > 1 and len(array) == len(first)
