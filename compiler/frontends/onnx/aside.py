"""Nodes whose operands have their samples elsewhere than on axis 0 (see `samples.py`).

Most become the same node on the value with samples in front: its axes are renamed, its constants turned alike. Moves
say where the samples are afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from ...ir import Value
from ...ir.ops import Transpose
from ..common.axes import reshaped_letters
from ..common.moves import cut
from ..common.problems import Refusal
from .call import Call, Operand, Result
from .samples import Moved, Origin, SamplesMoved

_ALONE = {"Abs", "Cast", "Celu", "Clip", "Dropout", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "Identity"}
_ALONE |= {"LeakyRelu", "Mish", "Neg", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh"}
_TOGETHER = {"Add", "Sub", "Mul", "Div", "Concat"}
_RECURRENT = {"GRU", "LSTM", "RNN"}

Plain = Callable[[Call], Result | Sequence[Result]]


def transposed(call: Call, x: Value | Moved, perm: tuple[int, ...]) -> Value | Moved:
    """A Transpose that takes the samples from one axis to another."""
    if isinstance(x, Value):
        refusal = Refusal("NMC-I015", f"perm {list(perm)} moves axis 0", "keep the batch axis in front")
        x = Moved(x, 0, Origin(call.op, call.label.where, refusal))
    axes = [x.inner(axis) for axis in perm]
    order = (0, *(axis for axis in axes if axis))
    value = x.value if order == tuple(range(len(order))) else call.emit(Transpose(order), x.value)
    return x.after(value, axes.index(0))


def aside(call: Call, handler: Plain) -> Sequence[Operand]:
    """The results of a node with a Moved operand; `handler` is what there is for the node otherwise. SamplesMoved if
    nothing can be made of it."""
    moved = next(operand for operand in call.operands if isinstance(operand, Moved))
    if call.op in _RECURRENT:
        found = handler(call)
        return found if isinstance(found, Sequence) else [found]
    rank, first = len(moved.shape), moved is call.operands[0]
    call.take_all()
    if call.op == "Shape":
        return [np.array(moved.shape[call.integer("start", 0) : call.integer("end", 2**31 - 1)], np.int64)]
    if call.op in _TOGETHER:
        return _together(call, moved, handler)
    if first and call.op in _MOVES:
        return [_MOVES[call.op](call, moved)]
    untouched = call.op in _ALONE or (call.op == "MatMul" and moved.axis < rank - 1)
    untouched |= call.op == "LayerNormalization" and moved.axis < call.integer("axis", -1) % rank
    if first and untouched and not any(isinstance(operand, Value | Moved) for operand in call.operands[1:]):
        return [moved.after(_inner(call, handler, [moved.value, *call.operands[1:]]), moved.axis)]
    raise SamplesMoved(moved)


def _inner(
    call: Call, handler: Plain, operands: Sequence[Operand], attributes: Mapping[str, Any] | None = None
) -> Value:
    """What the node makes of these operands, with these attributes in the place of its own."""
    proto = NodeProto()
    proto.CopyFrom(call.proto)
    for name, value in (attributes or {}).items():
        kept = [attribute for attribute in proto.attribute if attribute.name != name]
        del proto.attribute[:]
        proto.attribute.extend([*kept, helper.make_attribute(name, value)])
    made = Call(call.model, proto, list(operands))
    found = handler(made)
    made.check_complete(1)
    if not isinstance(found, Value):
        raise Refusal("NMC-I011", "it has several results")
    return found


def _together(call: Call, moved: Moved, handler: Plain) -> list[Operand]:
    """Sums, products and concatenations of tensors that have samples on the same axis, and constants."""
    rank, operands = len(moved.shape), []
    for operand in call.operands:
        if isinstance(operand, Moved) and (operand.axis, len(operand.shape)) == (moved.axis, rank):
            operands.append(operand.value)
        elif isinstance(operand, np.ndarray) and operand.ndim <= rank:
            whole = operand.reshape((1,) * (rank - operand.ndim) + operand.shape)
            if whole.shape[moved.axis] != 1:
                raise SamplesMoved(moved)
            operands.append(np.moveaxis(whole, moved.axis, 0))
        else:
            raise SamplesMoved(moved)
    attributes = {}
    if call.op == "Concat":
        axis = call.axis(call.required_integer("axis"), rank)
        if axis == moved.axis:
            raise SamplesMoved(moved)
        attributes["axis"] = moved.inner(axis)
    return [moved.after(_inner(call, handler, operands, attributes), moved.axis)]


# --- moves ---


def _transpose(call: Call, x: Moved) -> Value | Moved:
    rank = len(x.shape)
    perm = call.integers("perm") or tuple(reversed(range(rank)))
    call.require(sorted(perm) == list(range(rank)), "NMC-I012", f"perm {list(perm)} for {rank} axes")
    return transposed(call, x, perm)


def _squeeze(call: Call, x: Moved) -> Value | Moved:
    given = call.integers("axes") if call.opset < 13 else call.optional_integers(1, "axes")
    gone = call.axes(given or (), len(x.shape))
    if not gone or x.axis in gone:
        raise SamplesMoved(x)
    call.require(all(x.shape[i] == 1 for i in gone), "NMC-I012", f"axes {list(gone)} are not of length 1")
    shape, letters = x.value.type.shape, x.value.type.axes
    keep = [i for i in range(len(shape)) if i not in {x.inner(axis) for axis in gone}]
    value = call.reshape(x.value, tuple(shape[i] for i in keep), "".join(letters[i] for i in keep))
    return x.after(value, x.axis - sum(axis < x.axis for axis in gone))


def _reshape(call: Call, x: Moved) -> Value | Moved:
    """The samples are where as many elements as before come in front of them, on the same axis if that fits."""
    target, have = call.optional_integers(1, "shape") or (), x.shape
    copies = not (call.opset >= 14 and call.flag("allowzero"))
    call.require(not copies or 0 not in target[len(have) :], "NMC-I012", f"shape {list(target)} for {len(have)} axes")
    shape = [have[i] if size == 0 and copies else size for i, size in enumerate(target)]
    known = math.prod(size for size in shape if size != -1)
    if shape.count(-1) == 1 and known > 0:
        shape[shape.index(-1)] = math.prod(have) // known
    fits = min(shape, default=0) >= 1 and math.prod(shape) == math.prod(have)
    call.require(fits, "NMC-I012", f"{list(have)} does not reshape to {list(target)}")
    front = math.prod(have[: x.axis])
    places = [i for i, size in enumerate(shape) if size == 1 and math.prod(shape[:i]) == front]
    if x.axis not in places and len(places) != 1:
        raise SamplesMoved(x)
    place = x.axis if x.axis in places else places[0]
    several = call.model.open_batch or bool(call.model.batches)
    kept = target[place] == -1 or (target[place] == 0 and place == x.axis)
    if several and -1 in target and not kept:  # with more samples, what stands for -1 would grow
        raise SamplesMoved(x)
    inner = (1, *(size for i, size in enumerate(shape) if i != place))
    letters = reshaped_letters(x.value.type.shape, x.value.type.axes, inner)
    return x.after(call.reshape(x.value, inner, letters), place)


def _gather(call: Call, x: Moved) -> Value | Moved:
    """One element of an axis, which goes."""
    axis, index = call.axis(call.integer("axis", 0), len(x.shape)), call.constant(1, "indices")
    if axis == x.axis or index.ndim or index.dtype.kind not in "iu":
        raise SamplesMoved(x)
    size = x.shape[axis]
    call.require(-size <= int(index) < size, "NMC-I012", f"index {int(index)} of {size} elements")
    at, dim = int(index) % size, x.inner(axis)
    shape, letters = x.value.type.shape, x.value.type.axes
    ranges = [(at, at + 1, 1) if i == dim else (0, n, 1) for i, n in enumerate(shape)]
    picked = cut(call, x.value, ranges, "element")
    value = call.reshape(picked, (*shape[:dim], *shape[dim + 1 :]), letters[:dim] + letters[dim + 1 :])
    return x.after(value, x.axis - (axis < x.axis))


_MOVES: Mapping[str, Callable[[Call, Moved], Value | Moved]] = {
    "Gather": _gather,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
}
