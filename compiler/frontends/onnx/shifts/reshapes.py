"""Transpose and reshapes of tensors whose samples are not axis 0, and those that take them away from there.

Where the samples are after a reshape follows from the elements in front of them: they begin with an axis that has as
many in front of it as before.
"""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ...common.problems import Refusal, require
from ..call import Call
from ..inside import Inside, Ints, placed, turned
from .node import Handler, Results, Shifted


def transpose(s: Shifted, handler: Handler) -> Results:
    return [turned(s.call, s.x, _perm(s.call, s.x.shape))]


def _perm(call: Call, shape: Ints) -> Ints:
    given, axes = call.integers("perm"), range(len(shape))
    perm = tuple(reversed(axes)) if given is None else given
    require(sorted(perm) == list(axes), "NMC-I012", f"perm {list(perm)} for an input {list(shape)}")
    return perm


def reshape(s: Shifted, handler: Handler) -> Results:
    return [_reshaped(s.call, s.x.value, s.x.shape, s.x.samples)]


def _reshaped(call: Call, value: Value, before: Ints, samples: int) -> Value | Inside:
    """A tensor of the file in the shape that a Reshape asks for: 0 copies a size unless it means none, -1 is what is
    left."""
    target = _target(call)
    after = _sizes(call, before)
    copied = not _means_none(call) and target[samples : samples + 1] == (0,)
    stated = samples if copied else target.index(-1) if call.model.several and -1 in target else None
    return placed(call, value, after, _axis_after(call, before, samples, after, stated))


def _target(call: Call) -> Ints:
    return call.optional_integers(1, "shape") or ()


def _means_none(call: Call) -> bool:
    return call.opset >= 14 and call.flag("allowzero")


def _sizes(call: Call, shape: Ints) -> Ints:
    """The target with copied and open sizes filled in. Refusal if it has not as many elements."""
    target, copies = _target(call), not _means_none(call)
    copied = [shape[i] if not size and copies and i < len(shape) else size for i, size in enumerate(target)]
    total, known = math.prod(shape), math.prod(size for size in copied if size != -1)
    found = tuple(total // max(known, 1) if size == -1 else size for size in copied)
    fits = copied.count(-1) <= 1 and min(found, default=1) > 0 and math.prod(found) == total
    require(fits, "NMC-I012", f"{list(shape)} does not reshape to {list(target)}")
    return found


def _axis_after(call: Call, before: Ints, samples: int, after: Ints, stated: int | None) -> int:
    """Which axis holds the samples then. Refusal where the file, for several samples, would put them elsewhere."""
    axis = after_reshape(before, samples, after, stated)
    why = f"it turns {list(before)} (one sample) into {list(after)}, where other axes grow with the samples"
    apart = stated in (None, axis) or not call.model.several
    require(apart, "NMC-I015", why, "export with a batch of one sample")
    return axis


def after_reshape(before: Ints, samples: int, after: Ints, stated: int | None = None) -> int:
    """Which axis holds the samples in the new shape: one that begins where they began.

    Of several such, the one that the file states; for samples that are alone one of length 1, the same one as before if
    that fits; the first. Refusal if they would lie between parts of another axis.
    """
    ahead = math.prod(before[:samples])
    places = [axis for axis in range(len(after)) if math.prod(after[:axis]) == ahead]
    if not places:
        raise Refusal(
            "NMC-I015", f"it turns {list(before)} into {list(after)}: the samples (axis {samples}) fall apart"
        )
    alone = [axis for axis in (samples, *places) if axis in places and after[axis] == before[samples] == 1]
    return stated if stated in places else (alone or places)[0]


def flatten(s: Shifted, handler: Handler) -> Results:
    given = s.call.integer("axis", 1)
    split = given if given == s.rank else s.call.axis(given, s.rank)
    shape = (math.prod(s.x.shape[:split]), math.prod(s.x.shape[split:]))
    axis = _axis_after(s.call, s.x.shape, s.x.samples, shape, int(s.x.samples >= split))
    return [placed(s.call, s.x.value, shape, axis)]


def squeeze(s: Shifted, handler: Handler) -> Results:
    axes = s.integers("axes", 1, 13)
    require(axes is not None, "NMC-I015", "without axes it removes every axis of length 1", "name the axes")
    gone = s.axes(axes or ())
    require(all(s.x.shape[a] == 1 for a in gone), "NMC-I012", f"axes {list(gone)} of {list(s.x.shape)}")
    shape, letters = s.x.value.type.shape, s.x.value.type.axes
    kept = [i for i in range(len(shape)) if i not in {s.x.inner(axis) for axis in gone}]
    value = s.call.reshape(s.x.value, tuple(shape[i] for i in kept), "".join(letters[i] for i in kept))
    return [s.made(value, s.x.samples - sum(a < s.x.samples for a in gone))]


def unsqueeze(s: Shifted, handler: Handler) -> Results:
    given = s.integers("axes", 1, 13) or ()
    rank = s.rank + len(given)
    new, old = s.call.axes(given, rank), iter(range(s.rank))
    origin = [None if i in new else next(old) for i in range(rank)]
    shape = tuple(1 if i is None else s.x.shape[i] for i in origin)
    return [placed(s.call, s.x.value, shape, origin.index(s.x.samples))]


def leaves_front(call: Call) -> Results | None:
    """The result of a Transpose that moves the samples away from axis 0 or of a Reshape that joins them with others
    there; None for every other node."""
    x = call.operands[0] if call.operands else None
    if not isinstance(x, Value) or call.op not in ("Transpose", "Reshape"):
        return None
    call.raw(0)
    if call.op == "Transpose":
        perm = _perm(call, x.type.shape)
        return [turned(call, x, perm)] if perm and perm[0] else None
    return [_reshaped(call, x, x.type.shape, 0)] if _joins(call, x) else None


def _joins(call: Call, x: Value) -> bool:
    """Has axis 0 more than the samples in it after this Reshape?"""
    if not isinstance(call.raw(1), np.ndarray):
        return False
    try:
        return _sizes(call, x.type.shape)[:1] not in ((), (1,))
    except Refusal:  # its handler knows better why, or that a size stands for the samples
        return False
