"""What operations that move, pick or join elements of trains do in one timestep."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_arg

from ..common.problems import Refusal, require
from .handlers import word
from .layout import Layout, reshaped
from .shapes import fake_of
from .step import FOLD, WHOLE, Rewrite, Step, one_step, rank_of, train_of


def axis_of(step: Step, value: Any, rank: int) -> int:
    require(isinstance(value, int) and -rank <= value < rank, "NMC-I012", f"axis {value!r} of a tensor of rank {rank}")
    return value % rank


def frame_axis(layout: Layout, axis: int) -> int:
    """An axis of the whole as one of the frame."""
    assert layout.time is not None
    return axis if layout.merged else axis - (axis > layout.time)


def reshape(step: Step) -> Rewrite:
    """Anything that keeps the order of elements: view, flatten, squeeze, …"""
    x, layout, _ = train_of(step, step.first)
    before = list(fake_of(x).shape)
    name = word(step.node)
    keeps = layout.merged and name in ("flatten", "squeeze", "unsqueeze")  # a view is meant to be (T, N, …) again
    found = reshaped(before, step.shape, layout, keeps, name in ("squeeze", "unsqueeze"))
    if found is None:
        why = f"it mixes timesteps (axis {layout.time} of {before}) with other axes in {list(step.shape)}"
        raise Refusal("NMC-I011", why, "keep T apart, e.g. x.flatten(2) for (T, N, …)")
    return step.same(found) if keeps and found.merged else step.as_shape(x, found)


def permute(step: Step) -> Rewrite:
    """Transposes, whose order of axes is asked of torch."""
    x, layout, time = train_of(step, step.first)
    probe = torch.empty(tuple(range(2, rank_of(x) + 2)), device="meta")
    args = (probe, *step.node.args[1:])
    if step.node.op == "call_method":
        moved = getattr(probe, str(step.node.target))(*args[1:], **step.node.kwargs)
    else:
        assert callable(step.node.target)
        moved = step.node.target(*args, **step.node.kwargs)
    perm = [size - 2 for size in moved.shape]
    at = perm.index(time)
    if layout.merged:
        require(at == 0, "NMC-I015", "it moves the samples, which its input has together with the timesteps")
        return step.same(layout)
    rest = [frame_axis(layout, axis) for axis in perm if axis != time]
    made = layout.at(at)
    if rest == sorted(rest):
        return Rewrite(step.made[x], made)
    return step.call(torch.permute, made, x, rest)


def join(step: Step) -> Rewrite:
    """cat: along any axis but that of the timesteps."""
    given = step.bound()
    tensors = list(given["tensors"])
    x = next(operand for operand in tensors if step.layout(operand) is not None)
    _, layout, time = train_of(step, x)
    rank = rank_of(x)
    axis = axis_of(step, given["dim"] if given["axis"] is None else given["axis"], rank)
    require(axis != time, "NMC-I011", "it joins along the time axis", WHOLE)
    others = [own for operand in tensors if (own := step.layout(operand)) is not None]
    alike = all((own.time, own.merged) == (layout.time, layout.merged) for own in others)
    require(alike, "NMC-I011", "the time axes of its operands are not the same axis", WHOLE)
    frames = [step.made[t] if step.layout(t) else one_step(step, t, time, layout.merged) for t in tensors]
    made = Layout(step.when(), time, layout.merged)
    return Rewrite(step.emit(step.node, "call_function", torch.cat, (frames, frame_axis(layout, axis)), {}), made)


def stack(step: Step) -> Rewrite:
    """stack: the new axis may lie before the time axis or behind it."""
    given = step.bound()
    tensors = list(given["tensors"])
    x = next(operand for operand in tensors if step.layout(operand) is not None)
    _, layout, time = train_of(step, x)
    same = all(step.layout(operand) == layout for operand in tensors)
    require(same and not layout.merged, "NMC-I011", "the time axes of its operands are not the same axis", WHOLE)
    axis = axis_of(step, given["dim"], rank_of(x) + 1)
    made = layout.at(time + (axis <= time))
    return step.call(torch.stack, made, tensors, axis - (axis > time))


def getitem(step: Step) -> Rewrite:
    """Indices and slices of other axes than time."""
    source, index = step.operand(), step.node.args[1]
    if isinstance(fake_of(source), tuple | list):
        return step.same(step.layout(source))
    x, layout, time = train_of(step, source)
    items = list(index) if isinstance(index, tuple) else [index]
    used = sum(item is not None and item is not Ellipsis for item in items)
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    items[at : at + 1] = [slice(None)] * (rank_of(x) - used)
    kept, axis, place, after = [], 0, 0, 0
    for item in items:
        if item is None:
            after += 1
            kept.append(item)
            continue
        if axis == time:
            steps = fake_of(x).shape[time]
            full = isinstance(item, slice) and item.indices(steps) == (0, steps, 1)
            require(full, "NMC-I011", f"it picks timesteps, which are axis {time} of its input", WHOLE)
            place = after
            kept += [slice(None)] if layout.merged else []
        else:
            kept.append(item)
        after += not isinstance(item, int)
        axis += 1
    made = layout.at(place)
    require(not layout.merged or place == 0, "NMC-I015", "it puts an axis before the samples")
    if all(item == slice(None) for item in kept):
        return Rewrite(step.made[x], made)
    new = map_arg(tuple(kept), step.made.__getitem__)
    return Rewrite(step.emit(step.node, "call_function", operator.getitem, (step.made[x], new), {}), made)


def along(step: Step, function: Any, *names: str, drops: bool = False) -> Rewrite:
    """Operations along one axis `dim`, which may not be that of the timesteps."""
    given = step.bound()
    x, layout, time = train_of(step, given["input"])
    axis = axis_of(step, given["dim"], rank_of(x))
    require(axis != time, "NMC-I011", f"it picks timesteps, which are axis {time} of its input", WHOLE)
    made = layout.at(time - (drops and axis < time))
    more = {name: given[name] for name in names}
    order = [more.get(name, frame_axis(layout, axis)) for name in _ORDER[function]]
    return step.call(function, made, x, *order)


_ORDER: dict[Any, tuple[str, ...]] = {
    torch.chunk: ("chunks", "dim"),
    torch.split: ("split_size_or_sections", "dim"),
    torch.narrow: ("dim", "start", "length"),
    torch.select: ("dim", "index"),
    torch.index_select: ("dim", "index"),
    torch.unbind: ("dim",),
}


def pad(step: Step) -> Rewrite:
    """Pads of axes behind the timesteps."""
    given = step.bound()
    x, layout, time = train_of(step, given["input"])
    fits = isinstance(given["pad"], tuple | list) and len(given["pad"]) // 2 < rank_of(x) - time
    require(fits, "NMC-I011", f"it pads the axis of the timesteps (axis {time}) or axes before it", FOLD)
    return step.same(layout)


def repeat(step: Step) -> Rewrite | None:
    """expand and repeat: a frame put into every timestep, or nothing at all."""
    x = step.operand()
    layout = step.layout(x)
    assert layout is not None
    before = tuple(fake_of(x).shape)
    if layout.time is not None and before == step.shape:
        return Rewrite(step.made[x], layout)
    if layout.when != "held":
        why = "it has no meaning in one timestep, and its input holds all of them"
        require(layout.time is None, "NMC-I011", why, WHOLE)
        return None
    padded = (*(1,) * (len(step.shape) - len(before)), *before)
    longer = [i for i, (a, b) in enumerate(zip(padded, step.shape, strict=True)) if a != b]
    if len(longer) == 1 and padded[longer[0]] == 1:
        return step.as_shape(x, Layout("step", longer[0]))
    return step.as_shape(x, Layout("held", 0)) if not longer and len(padded) == len(before) + 1 else None


def _copies(step: Step) -> Rewrite | None:
    """The same frame, held, joined with itself along a new axis (stack) or the one in front (cat)."""
    tensors = step.first
    if not isinstance(tensors, tuple | list) or len(set(tensors)) != 1:
        return None
    x = tensors[0]
    layout, given = step.layout(x), step.bound()
    assert isinstance(x, fx.Node) and layout is not None
    axis = axis_of(step, given["dim"], len(step.shape))
    if word(step.node) == "stack" or axis == layout.time:
        return step.as_shape(x, Layout("step", axis))
    return None


def _in_front(step: Step) -> bool:
    """Does it put a new axis before all others and nothing else: x.unsqueeze(0), x[None]?"""
    if word(step.node) == "unsqueeze":
        return axis_of(step, step.bound()["dim"], len(step.shape)) == 0
    index = step.node.args[1] if word(step.node) == "getitem" and isinstance(fake_of(step.operand()), Tensor) else ()
    items = index if isinstance(index, tuple) else (index,)
    return bool(items) and items[0] is None and all(item is Ellipsis or item == slice(None) for item in items[1:])


def held(step: Step) -> Rewrite | None:
    """A frame that is the same in every step may be given a time axis, by several ways; None for other operations."""
    name = word(step.node)
    if name in ("expand", "repeat", "tile", "broadcast_to"):
        return repeat(step)
    if name in ("stack", "cat"):
        return _copies(step)
    if name in ("unsqueeze", "getitem") and _in_front(step):
        return step.as_shape(step.operand(), Layout("held", 0))
    return None
