"""What an operation on trains does in one timestep: one rule for each kind of operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.fx.node import map_arg

from ..common.problems import Refusal, require
from . import over_time, step_moves
from .handlers import handler_of, row_of, word
from .layout import Layout
from .shapes import fake_of
from .spiking_classes import is_neuron, step_mode
from .step import FOLD, WHOLE, Rewrite, Step, one_step, rank_of, train_of


def _pointwise(step: Step) -> Rewrite:
    """Element by element: every operand's time axis must be the same one, counted from the last axis."""
    trains = [node for node in step.moving() if (layout := step.layouts[node]) is not None and layout.time is not None]
    rank = len(step.shape)
    ends = {rank_of(node) - train_of(step, node)[2] for node in trains}
    require(len(ends) == 1, "NMC-I011", "the time axes of its operands are not the same axis", WHOLE)
    time = rank - ends.pop()
    merged = any(train_of(step, node)[1].merged for node in trains if rank_of(node) == rank)
    layout = Layout(step.when(), time, merged)
    swapped = {}
    for node in step.node.all_input_nodes:
        own = step.layouts[node]
        axis = rank_of(node) - (rank - time)
        if own is None and axis >= 0:
            swapped[node] = one_step(step, node, axis, merged)
        elif own is not None and own.time is None and axis >= 0:
            size = fake_of(node).shape[axis]
            require(size == 1 and merged, "NMC-I011", "one of its operands is a frame, aligned with the time axis")
    new = {**step.made, **swapped}
    args, kwargs = map_arg((step.node.args, step.node.kwargs), new.__getitem__)
    return Rewrite(step.emit(step.node, step.node.op, step.node.target, args, kwargs), layout)


def _filled(step: Step) -> Rewrite:
    """A constant of the shape of x."""
    x, layout, _ = train_of(step, step.first)
    alike = step.shape == tuple(fake_of(x).shape)
    require(alike, "NMC-I011", f"its shape {list(step.shape)} is not that of its input, which holds all timesteps")
    args = (x, layout.frame(step.shape), *step.node.args[2:])
    args, kwargs = map_arg((args, step.node.kwargs), step.made.__getitem__)
    return Rewrite(step.emit(step.node, step.node.op, step.node.target, args, kwargs), layout)


def _window(step: Step) -> Rewrite:
    """Layers on (N, C, …): timesteps must be in the place of the samples."""
    _, layout, time = train_of(step, step.first)
    why = f"it would work across timesteps, which are axis {time} of its input"
    require(layout.merged, "NMC-I011", why, FOLD)
    return step.same(layout)


def _last_axis(step: Step) -> Rewrite:
    """Products over the last axis."""
    x = next(node for node in step.moving() if step.layouts[node] is not None)
    _, layout, time = train_of(step, x)
    require(time != rank_of(x) - 1, "NMC-I011", f"it would mix timesteps, which are axis {time} of its input", FOLD)
    return step.same(layout)


def _mean(step: Step, over_steps: Any = over_time.mean_over_steps) -> Rewrite:
    """Over the time axis it is one result a sample: what the last step's running mean is."""
    x, layout, time = train_of(step, step.first)
    given = inspect.signature(lambda input, dim=None, keepdim=False, *, dtype=None: None)
    found = given.bind(*step.node.args, **step.node.kwargs)
    found.apply_defaults()
    dim, keepdim = found.arguments["dim"], bool(found.arguments["keepdim"])
    require(dim is not None and dim != (), "NMC-I015", "no axes are given, which means all of them")
    dims = [step_moves.axis_of(step, d, rank_of(x)) for d in (dim if isinstance(dim, tuple | list) else [dim])]
    function = torch.mean if over_steps is over_time.mean_over_steps else torch.sum
    rest = [step_moves.frame_axis(layout, d) for d in dims if d != time]
    if time not in dims:
        behind = layout.at(time if keepdim else time - sum(d < time for d in dims))
        return step.call(function, behind, x, rest, keepdim)
    require(
        not layout.merged,
        "NMC-I015",
        "axis 0 holds the samples together with the timesteps",
        "use x.mean(0) on (T, N, …)",
    )
    new = step.made[x]
    if rest:
        new = step.emit(step.node, "call_function", function, (new, rest, keepdim), {})
    new = step.emit(step.node, "call_function", over_steps, (new,), {})
    if tuple(fake_of(new).shape) != step.shape:
        new = step.emit(step.node, "call_function", torch.reshape, (new, step.shape), {})
    return Rewrite(new, Layout("last"))


def _sum(step: Step) -> Rewrite:
    return _mean(step, over_time.sum_over_steps)


def _neuron(step: Step) -> Rewrite:
    """A neuron, in the step mode that it is set to."""
    module = step.traced.root.get_submodule(str(step.node.target))
    x = step.operand()
    layout = step.layout(x)
    require(layout is not None, "NMC-I011", "its input is a constant")
    assert layout is not None
    shape = list(fake_of(x).shape)
    hooks = [vars(module).get(name) for name in ("_forward_hooks", "_forward_pre_hooks")]
    require(not any(hooks), "NMC-I011", "it has forward hooks, which may change what it gives", "remove them first")
    require(layout.when != "last", "NMC-I011", "its input is one result of the whole run, not one a timestep")
    if step_mode(module) == "m":
        hint = "functional.set_step_mode(net, 's') makes it take one timestep; or give inputs (T, N, …)"
        why = f"its step_mode is 'm', and its input {shape} does not have the timesteps as axis 0"
        require(layout.time == 0, "NMC-I011", why, hint)
        why = f"its input {shape} has timesteps and samples in one axis, it needs (T, N, …)"
        apart = not layout.merged or shape[1:2] == [1]
        require(apart, "NMC-I015", why, "flatten from axis 2 on: layer.Flatten(step_mode='m') or x.flatten(2)")
    else:
        why = f"its step_mode is 's', and its input {shape} holds all timesteps at once"
        require(layout.time is None, "NMC-I011", why, "functional.set_step_mode(net, 'm')")
        looped = any(node.target is over_time.every_step for node in step.traced.graph.nodes)
        why = "its step_mode is 's', and other modules take all timesteps at once"
        require(layout.when == "step" or looped, "NMC-I011", why, "functional.set_step_mode(net, 'm')")
    return step.same(Layout("step", layout.time, layout.merged))


def _marker(step: Step) -> Rewrite | None:
    """The operations of `over_time`."""
    target, x = step.node.target, step.operand()
    layout = step.layout(x)
    assert layout is not None
    more: list[Any] = list(step.node.args[1:])
    if target is over_time.each_step:
        fits = layout.time == more[0] and not layout.merged
        why = f"axis {more[0]} of its input {list(fake_of(x).shape)} does not hold the timesteps"
        require(fits, "NMC-I011", why, "give inputs (T, N, …)")
        return Rewrite(step.made[x], Layout("step"))
    if target is over_time.every_step:
        return Rewrite(step.made[x], Layout("step", more[1]))
    return step.same(Layout("step"))


def _one_step_only(step: Step) -> Rewrite:
    """Operations whose axes would be those of all timesteps."""
    name = word(step.node)
    raise Refusal("NMC-I011", f"{name} counts axes, and its input holds all timesteps at once", FOLD)


def _product(step: Step) -> Rewrite:
    """A product with a constant matrix; two trains would have to have their time axes in the same place."""
    trains = [x for x in step.moving() if (layout := step.layouts[x]) is not None and layout.time is not None]
    return _one_step_only(step) if len(trains) > 1 else _last_axis(step)


Rule = Callable[[Step], Rewrite | None]

_MARKERS = {over_time.each_step, over_time.every_step, over_time.previous, over_time.remember}
RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("flatten", "ravel", "reshape", "reshape_as", "squeeze", "unflatten", "unsqueeze"), step_moves.reshape
    ),
    **dict.fromkeys(("view", "view_as"), step_moves.reshape),
    **dict.fromkeys(
        ("movedim", "moveaxis", "permute", "swapaxes", "swapdims", "t", "transpose", "getattr"), step_moves.permute
    ),
    **dict.fromkeys(("cat", "concat", "concatenate"), step_moves.join),
    **dict.fromkeys(("addmm", "linear"), _last_axis),
    **dict.fromkeys(("matmul", "mm"), _product),
    **dict.fromkeys(
        ("softmax", "log_softmax", "layer_norm", "rms_norm", "group_norm", "instance_norm"), _one_step_only
    ),
    **dict.fromkeys(("_softmax", "_log_softmax", "native_layer_norm", "native_group_norm"), _one_step_only),
    **dict.fromkeys(("bmm", "scaled_dot_product_attention"), _one_step_only),
    **dict.fromkeys(("batch_norm", "interpolate", "prelu", "convolution"), _window),
    **dict.fromkeys(("expand", "expand_as", "repeat", "tile", "broadcast_to"), step_moves.repeat),
    "chunk": lambda step: step_moves.along(step, torch.chunk, "chunks"),
    "getitem": step_moves.getitem,
    "index_select": lambda step: step_moves.along(step, torch.index_select, "index"),
    "mean": _mean,
    **dict.fromkeys(("new_full", "new_ones", "new_zeros"), _filled),
    "narrow": lambda step: step_moves.along(step, torch.narrow, "start", "length"),
    "pad": step_moves.pad,
    "select": lambda step: step_moves.along(step, torch.select, "index", drops=True),
    "split": lambda step: step_moves.along(step, torch.split, "split_size_or_sections"),
    "stack": step_moves.stack,
    "sum": _sum,
    "unbind": lambda step: step_moves.along(step, torch.unbind, drops=True),
}
RULES |= {
    f"{layer}{dims}d": _window
    for dims in (1, 2, 3)
    for layer in ("conv", "conv_transpose", "max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool")
}


def _plain(step: Step) -> Rewrite:
    """No operand has a time axis: the operation as it is."""
    return step.same(Layout(step.when()) if step.moving() else None)


def rule_of(step: Step) -> Rule:
    """The rule for a node."""
    node = step.node
    if node.op == "call_module" and is_neuron(step.traced.root.get_submodule(str(node.target))):
        return _neuron
    if node.target in _MARKERS:
        return _marker
    layouts = [layout for operand in step.moving() if (layout := step.layouts[operand]) is not None]
    if layouts and all(layout.when == "held" for layout in layouts):
        return lambda step: step_moves.held(step) or _by_name(step, layouts)
    return lambda step: _by_name(step, layouts)


def _by_name(step: Step, layouts: list[Layout]) -> Rewrite | None:
    if all(layout.time is None for layout in layouts):
        return _plain(step)
    name = word(step.node)
    if step.node.op == "call_module":
        known = row_of(step.traced.root.get_submodule(str(step.node.target)))
        return _pointwise(step) if known else None
    if name in RULES:
        return RULES[name](step)
    return _pointwise(step) if handler_of(step.node) is not None else None
