"""Operators on tensors whose samples are not axis 0 (`inside`): their axes count from one place later.

Each rule changes a copy of the node (attributes, constant operands) so that the operator's handler can be called on the
values as the IR has them, and says which axis of the result holds the samples. An operator without a rule is refused,
and so is whatever would mix, reduce or cut the samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from ...ir import Value
from ...ir.ops import Mean, Transpose
from ..common.emit import Array
from ..common.problems import DependsOnRefused, Refusal, require
from .call import Call, Operand, Unknown
from .inside import Inside, Ints, after_reshape, lifted, placed, put, settled
from .samples import Moved

Results = Sequence[Operand]
Handler = Callable[[Call], Any]
MIXED = "the samples of its input lie in axis {axis} of {shape}: {what}"


@dataclass
class Shifted:
    """One node on such tensors: `call` as the file has it, the operands and attributes that its handler shall see."""

    call: Call
    x: Inside
    operands: list[Operand]
    attributes: dict[str, Any]

    @property
    def rank(self) -> int:
        return len(self.x.shape)

    def mixes(self, what: str) -> Refusal:
        """The refusal of what would act on the samples."""
        return Refusal("NMC-I015", MIXED.format(axis=self.x.samples, shape=list(self.x.shape), what=what))

    def axis(self, axis: int) -> int:
        """An axis of the file from the front; not that of the samples."""
        found = self.call.axis(axis, self.rank)
        if found == self.x.samples:
            raise self.mixes("it acts on that axis")
        return found

    def axes(self, axes: Sequence[int]) -> Ints:
        return tuple(self.axis(axis) for axis in axes)

    def constant(self, index: int) -> Array | None:
        return self.call.optional_constant(index, f"operand {index + 1}")

    def integers(self, name: str, index: int, since: int) -> Ints | None:
        """A list that is an attribute before an opset and an operand from it on."""
        if self.call.opset < since:
            found = self.attributes.get(name)
            return None if found is None else tuple(found)
        return self.call.optional_integers(index, name)

    def put_integers(self, name: str, index: int, since: int, values: Sequence[int]) -> None:
        if self.call.opset < since:
            self.attributes[name] = list(values)
            return
        self.operands += [None] * (index + 1 - len(self.operands))
        self.operands[index] = np.array(values, np.int64)

    def run(self, handler: Handler) -> list[Value]:
        """What the handler gives."""
        proto = NodeProto()
        proto.CopyFrom(self.call.proto)
        del proto.attribute[:]
        proto.attribute.extend(helper.make_attribute(name, value) for name, value in self.attributes.items())
        call = Call(self.call.model, proto, self.operands)
        call.inner = 1
        found = handler(call)
        results = [found] if isinstance(found, Value) else list(found)
        call.check_complete(len(results))
        return results


Rule = Callable[[Shifted, Handler], Results]


def _same(s: Shifted, handler: Handler) -> Results:
    """Every element by itself, with operands that broadcast."""
    rank = max(len(o.shape) if isinstance(o, Inside) else o.ndim for o in s.operands if o is not None)  # type: ignore
    samples = s.x.samples - s.rank  # counted from the end
    for i, operand in enumerate(s.operands):
        if not isinstance(operand, Inside):
            continue
        shape = operand.shape
        if operand.samples - len(shape) != samples:
            raise s.mixes(f"in operand {i + 1} they lie elsewhere")
        s.operands[i] = put(s.call, operand.value, (1,) * (rank - len(shape)) + shape, f"operand{i + 1}")
    results = s.run(handler)
    if any(y.type.shape[1 + rank + samples] != s.x.shape[samples] for y in results):
        raise s.mixes("it repeats that axis")
    return [settled(s.call, y, samples + rank) for y in results]


def _one(s: Shifted, handler: Handler) -> Results:
    """Attributes that count no axes."""
    s.operands[0] = s.x.value
    return [settled(s.call, y, s.x.samples) for y in s.run(handler)]


def _transpose(s: Shifted, handler: Handler) -> Results:
    perm = list(s.attributes.get("perm", reversed(range(s.rank))))
    require(sorted(perm) == list(range(s.rank)), "NMC-I012", f"perm {perm} for an input {list(s.x.shape)}")
    order = (0, *(axis + 1 for axis in perm))
    return [settled(s.call, s.call.emit(Transpose(order), s.x.value), perm.index(s.x.samples))]


def _reshape(s: Shifted, handler: Handler) -> Results:
    target = s.call.optional_integers(1, "shape") or ()
    allowzero = bool(s.attributes.get("allowzero", 0)) and s.call.opset >= 14
    sizes = _sizes(s.x.shape, target, allowzero)
    return [placed(s.call, s.x.value, sizes, _checked(s.call, s.x.shape, s.x.samples, sizes, target))]


def _sizes(shape: Ints, target: Ints, allowzero: bool) -> Ints:
    """The target with copied and open sizes filled in."""
    copied = [shape[i] if not size and not allowzero and i < len(shape) else size for i, size in enumerate(target)]
    total, known = math.prod(shape), math.prod(size for size in copied if size != -1)
    found = tuple(total // max(known, 1) if size == -1 else size for size in copied)
    fits = copied.count(-1) <= 1 and min(found, default=1) > 0 and math.prod(found) == total
    require(fits, "NMC-I012", f"{list(shape)} does not reshape to {list(target)}")
    return found


def _checked(call: Call, before: Ints, samples: int, after: Ints, target: Ints) -> int:
    """Where the samples are after a reshape. Refusal where the file, for several samples, would put them elsewhere."""
    axis = after_reshape(before, samples, after)
    several = call.model.open_batch or bool(call.model.batches)
    apart = not several or -1 not in target or target.index(-1) == axis
    why = f"it turns {list(before)} (one sample) into {list(target)}, where other axes grow with the samples"
    require(apart, "NMC-I015", why, "export with a batch of one sample")
    return axis


def _flatten(s: Shifted, handler: Handler) -> Results:
    given = s.attributes.get("axis", 1)
    split = given if given == s.rank else s.call.axis(given, s.rank)
    shape = (math.prod(s.x.shape[:split]), math.prod(s.x.shape[split:]))
    return [placed(s.call, s.x.value, shape, after_reshape(s.x.shape, s.x.samples, shape))]


def _squeeze(s: Shifted, handler: Handler) -> Results:
    axes = s.integers("axes", 1, 13)
    require(axes is not None, "NMC-I015", "without axes it removes every axis of length 1", "name the axes")
    gone = s.axes(axes or ())
    require(all(s.x.shape[a] == 1 for a in gone), "NMC-I012", f"axes {list(gone)} of {list(s.x.shape)}")
    shape = tuple(size for i, size in enumerate(s.x.shape) if i not in gone)
    return [placed(s.call, s.x.value, shape, s.x.samples - sum(a < s.x.samples for a in gone))]


def _unsqueeze(s: Shifted, handler: Handler) -> Results:
    given = s.integers("axes", 1, 13) or ()
    rank = s.rank + len(given)
    new, old = s.call.axes(given, rank), iter(range(s.rank))
    origin = [None if i in new else next(old) for i in range(rank)]
    shape = tuple(1 if i is None else s.x.shape[i] for i in origin)
    return [placed(s.call, s.x.value, shape, origin.index(s.x.samples))]


def _gather(s: Shifted, handler: Handler) -> Results:
    axis, indices = s.axis(s.attributes.get("axis", 0)), s.constant(1)
    require(indices is not None, "NMC-I011", "its indices are missing")
    s.operands[0], s.attributes["axis"] = s.x.value, axis + 1
    moved = indices.ndim - 1 if indices is not None and axis < s.x.samples else 0
    return [settled(s.call, y, s.x.samples + moved) for y in s.run(handler)]


def _along(default: int) -> Rule:
    """One axis in attribute `axis`."""

    def rule(s: Shifted, handler: Handler) -> Results:
        s.attributes["axis"] = s.axis(s.attributes.get("axis", default)) + 1
        return _one(s, handler)

    return rule


def _softmax(s: Shifted, handler: Handler) -> Results:
    old = s.call.opset < 13  # over all axes from `axis` on
    axis = s.axis(s.attributes.get("axis", 1 if old else -1))
    if old and axis < s.x.samples:
        raise s.mixes("it acts on all axes from one before it on")
    s.attributes["axis"] = axis + 1
    return _one(s, handler)


def _normalized(s: Shifted, handler: Handler) -> Results:
    """Over all axes from `axis` on."""
    axis = s.axis(s.attributes.get("axis", -1))
    if axis < s.x.samples:
        raise s.mixes("it normalizes over all axes from one before it on")
    s.attributes["axis"] = axis + 1
    return _one(s, handler)


def _reduced(since: int) -> Rule:
    def rule(s: Shifted, handler: Handler) -> Results:
        given = s.integers("axes", 1, since)
        if given is None or not given:
            raise s.mixes("it reduces every axis")
        axes = s.axes(given)
        s.put_integers("axes", 1, since, [axis + 1 for axis in axes])
        s.operands[0] = s.x.value
        gone = 0 if s.attributes.get("keepdims", 1) else sum(axis < s.x.samples for axis in axes)
        return [settled(s.call, y, s.x.samples - gone) for y in s.run(handler)]

    return rule


def _slice(s: Shifted, handler: Handler) -> Results:
    starts, ends = s.integers("starts", 1, 10) or (), s.integers("ends", 2, 10) or ()
    given = s.integers("axes", 3, 10)
    axes = tuple(range(len(starts))) if given is None else tuple(s.call.axis(axis, s.rank) for axis in given)
    for axis, start, end in zip(axes, starts, ends, strict=False):
        if axis == s.x.samples and (start != 0 or end < s.x.shape[axis]):
            raise s.mixes("it cuts that axis")
    s.put_integers("axes", 3, 10, [axis + 1 for axis in axes])
    return _one(s, handler)


def _concat(s: Shifted, handler: Handler) -> Results:
    s.attributes["axis"] = s.axis(s.attributes.get("axis", 0)) + 1
    for i, operand in enumerate(s.operands):
        if isinstance(operand, Inside):
            if (len(operand.shape), operand.samples) != (s.rank, s.x.samples):
                raise s.mixes(f"in operand {i + 1} they lie elsewhere")
            s.operands[i] = operand.value
        elif isinstance(operand, np.ndarray):
            s.operands[i] = operand[None]
    return [settled(s.call, y, s.x.samples) for y in s.run(handler)]


def _pad(s: Shifted, handler: Handler) -> Results:
    given = s.integers("pads", 1, 11) or ()
    axes = s.call.optional_integers(3, "axes") if s.call.opset >= 18 else None
    named = tuple(range(s.rank)) if axes is None else tuple(s.call.axis(axis, s.rank) for axis in axes)
    require(len(given) == 2 * len(named), "NMC-I012", f"pads {list(given)} for axes {list(named)}")
    pads = np.zeros((2, s.rank + 1), np.int64)
    for i, axis in enumerate(named):
        pads[:, axis + 1] = given[i], given[i + len(named)]
    if pads[:, s.x.samples + 1].any():
        raise s.mixes("it pads that axis")
    s.put_integers("pads", 1, 11, pads.reshape(-1).tolist())
    if axes is not None:
        s.operands[3] = None
    return _one(s, handler)


def _expand(s: Shifted, handler: Handler) -> Results:
    shape = s.call.optional_integers(1, "shape") or ()
    rank = max(len(shape), s.rank)
    s.operands[0] = put(s.call, s.x.value, (1,) * (rank - s.rank) + s.x.shape, "input")
    s.operands[1] = np.array([1, *(1,) * (rank - len(shape)), *shape], np.int64)
    samples = s.x.samples + rank - s.rank
    (y,) = s.run(handler)
    if y.type.shape[samples + 1] != s.x.shape[s.x.samples]:
        raise s.mixes("it repeats that axis")
    return [settled(s.call, y, samples)]


def _matmul(s: Shifted, handler: Handler) -> Results:
    """Products over the last axes; those in front, among them the samples', broadcast."""
    insides = [operand for operand in s.operands if isinstance(operand, Inside)]
    left, right = s.operands
    rank = max(len(o.shape) if isinstance(o, Inside) else np.ndim(o) for o in (left, right))  # type: ignore[arg-type]
    ends = {inside.samples - len(inside.shape) for inside in insides}
    rows = isinstance(right, np.ndarray) and ends == {-2}  # the samples' axis may be the rows of x · B
    if len(ends) > 1 or not (rows or max(ends) < -2):
        raise s.mixes("the product runs over them")
    for i, operand in enumerate((left, right)):
        if isinstance(operand, Inside):
            shape = operand.shape
            s.operands[i] = put(s.call, operand.value, (1,) * (rank - len(shape)) + shape, f"operand{i + 1}")
    return [settled(s.call, y, ends.copy().pop() + rank) for y in s.run(handler)]


def _gemm(s: Shifted, handler: Handler) -> Results:
    if s.x.samples != 0 or not isinstance(s.operands[1], np.ndarray):
        raise s.mixes("the product runs over them")
    return _one(s, handler)


def _window(s: Shifted, handler: Handler) -> Results:
    """A layer over 1 or 2 axes of space, with frames, say, beside the samples in axis 0: a layer over those too, with a
    window of 1 there."""
    space = s.rank - 2
    if s.x.samples != 0 or not 1 <= space <= 2:
        raise s.mixes(f"{s.call.op} over {space} axes of space reads axis 0 alone as samples and others")
    for name, one in (("kernel_shape", [1]), ("strides", [1]), ("dilations", [1]), ("output_padding", [0])):
        if name in s.attributes:
            s.attributes[name] = one + list(s.attributes[name])
    if "pads" in s.attributes:
        pads = list(s.attributes["pads"])
        s.attributes["pads"] = [0, *pads[:space], 0, *pads[space:]]
    if s.call.op in ("Conv", "ConvTranspose"):
        weight = s.call.constant(1, "weight")
        s.operands[1] = weight[:, :, None]
    return _channels_second(s, handler)


def _channels_second(s: Shifted, handler: Handler) -> Results:
    """With the channels in front of what shares axis 0 with the samples, and back."""
    if s.x.samples != 0:
        raise s.mixes(f"{s.call.op} reads axis 0 alone as samples and others")
    swap = (0, 2, 1, *range(3, s.rank + 1))
    s.operands[0] = s.call.emit(Transpose(swap), s.x.value, part="channels")
    (y,) = s.run(handler)
    return [settled(s.call, s.call.emit(Transpose(swap), y, part="samples"), 0)]


def _global_average(s: Shifted, handler: Handler) -> Results:
    if s.x.samples > 1:
        raise s.mixes("it averages over that axis")
    return [settled(s.call, s.call.emit(Mean(tuple(range(3, s.rank + 1)), True), s.x.value), s.x.samples)]


def _shape(s: Shifted, handler: Handler) -> Results:
    """The sizes in the file."""
    start, end = s.attributes.get("start", 0), s.attributes.get("end", 2**31 - 1)
    sizes = np.array(s.x.shape, np.int64)
    return [sizes[start:end] if s.call.op == "Shape" else np.array(math.prod(s.x.shape), np.int64)]


_PLAIN = """
    Abs Acos Acosh Add Asin Asinh Atan Atanh Cast CastLike Ceil Celu Clip Cos Cosh Div Dropout Elu Erf Exp Floor Gelu
    HardSigmoid HardSwish Identity LeakyRelu Log Max Mean Min Mish Mul Neg Pow PRelu Reciprocal Relu Round Selu Shrink
    Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum SwiGLU Swish Tan Tanh ThresholdedRelu
    Where
"""
RULES: dict[str, Rule] = {
    **dict.fromkeys(_PLAIN.split(), _same),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceMean", "ReduceL1", "ReduceL2"), _reduced(18)),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _normalized),
    **dict.fromkeys(("Conv", "ConvTranspose", "MaxPool", "AveragePool"), _window),
    **dict.fromkeys(("Shape", "Size"), _shape),
    "BatchNormalization": _channels_second,
    "Concat": _concat,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average,
    "MatMul": _matmul,
    "Pad": _pad,
    "ReduceSum": _reduced(13),
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _along(0),
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
_ANY_OPERAND = (_same, _matmul, _concat)


def joins_samples(call: Call) -> Results | None:
    """The result of a Reshape that joins the samples in axis 0 with others; None for every other node."""
    x, *rest = call.operands or [None]
    if call.op != "Reshape" or not isinstance(x, Value) or not rest or not isinstance(rest[0], np.ndarray):
        return None
    target = call.optional_integers(1, "shape") or ()
    allowzero = bool(call.integer("allowzero", 0)) and call.opset >= 14
    try:
        sizes = _sizes(x.type.shape, target, allowzero)
    except Refusal:  # its handler knows better why, or that a size stands for the samples
        return None
    if sizes[:1] in ((), (1,)):
        return None
    return [placed(call, x, sizes, _checked(call, x.type.shape, 0, sizes, target))]


def follows(op: str) -> bool:
    """Is there a rule for the operator?"""
    return op in RULES


def on_inside(call: Call, handler: Handler) -> Results:
    """The results of a node on such operands."""
    if any(isinstance(operand, Unknown) for operand in call.operands):
        raise DependsOnRefused
    operands: list[Operand] = [
        lifted(call, o, f"operand{i + 1}") if isinstance(o, Value | Moved) else o for i, o in enumerate(call.operands)
    ]
    x = next(operand for operand in operands if isinstance(operand, Inside))
    attributes = {a.name: helper.get_attribute_value(a) for a in call.proto.attribute}
    shifted = Shifted(call, x, operands, attributes)
    rule = RULES.get(call.op)
    if rule is None or (rule not in _ANY_OPERAND and operands[0] is not x):
        raise shifted.mixes(f"nmc does not follow them through {call.op}")
    return rule(shifted, handler)
