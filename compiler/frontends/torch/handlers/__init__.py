"""What is imported: one function for each operation of PyTorch, and one for each module that is a node of its own.

A handler gets a `Call` and the operation's own arguments, and returns the value (or values) it stands for. Its
signature is that of the operation: what it does not name is refused. Functions of torch, torch.nn.functional and
operator, methods of tensors and ATen operations of the same name share a handler.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import torch
from torch import fx, nn
from torch._ops import OpOverload

from ....ir.ops import Gru, Lstm, Rnn
from .. import over_time as marks
from ..call import Call
from ..spiking_classes import changed_methods, is_neuron, is_surrogate, library_class
from . import (
    activation,
    arithmetic,
    dense,
    host,
    over_time,
    plain,
    recurrent,
    shape,
    slices,
    snntorch,
    spikingjelly,
    window,
)

Handler = Callable[..., Any]

NAMES: dict[str, Handler] = {
    "add": arithmetic.add,
    "addmm": dense.addmm,
    "alias": plain.same,
    "batch_norm": dense.batch_norm,
    "bfloat16": plain.cast,
    "cat": shape.cat,
    "celu": activation.celu,
    "chunk": slices.chunk,
    "clamp": arithmetic.clamp,
    "clamp_max": arithmetic.clamp_max,
    "clamp_min": arithmetic.clamp_min,
    "clip": arithmetic.clamp,
    "clone": plain.same,
    "concat": shape.cat,
    "concatenate": shape.cat,
    "contiguous": plain.same,
    "convolution": window.convolution,
    "cpu": plain.same,
    "detach": plain.same,
    "div": arithmetic.div,
    "divide": arithmetic.div,
    "double": plain.cast,
    "dropout": plain.dropout,
    "elu": activation.elu,
    "erf": activation.plain("erf"),
    "expand": shape.expand,
    "expand_as": shape.expand,
    "flatten": shape.as_said,
    "float": plain.cast,
    "full_like": plain.filled(None),
    "gelu": activation.gelu,
    "getitem": slices.getitem,
    "half": plain.cast,
    "hardsigmoid": activation.plain("hard_sigmoid"),
    "hardswish": activation.plain("hard_swish"),
    "hardtanh": activation.hardtanh,
    "index_select": slices.index_select,
    "interpolate": shape.interpolate,
    "leaky_relu": activation.leaky_relu,
    "linear": dense.linear,
    "matmul": dense.matmul,
    "mean": window.mean,
    "mish": activation.plain("mish"),
    "mm": dense.matmul,
    "moveaxis": shape.movedim,
    "movedim": shape.movedim,
    "mul": arithmetic.mul,
    "multiply": arithmetic.mul,
    "narrow": slices.narrow,
    "neg": arithmetic.neg,
    "negative": arithmetic.neg,
    "new_full": plain.filled(None),
    "new_ones": plain.filled(1.0),
    "new_zeros": plain.filled(0.0),
    "ones_like": plain.filled(1.0),
    "pad": shape.padded,
    "permute": shape.permute,
    "pow": arithmetic.power,
    "prelu": activation.prelu,
    "ravel": shape.as_said,
    "relu": activation.relu,
    "relu6": activation.relu6,
    "reshape": shape.as_said,
    "reshape_as": shape.as_said,
    "rsub": arithmetic.rsub,
    "select": slices.select,
    "selu": activation.plain("selu"),
    "sigmoid": activation.plain("sigmoid"),
    "silu": activation.plain("silu"),
    "softplus": activation.softplus,
    "softsign": activation.plain("softsign"),
    "split": slices.split,
    "split_with_sizes": slices.split,
    "square": arithmetic.square,
    "squeeze": shape.squeeze,
    "stack": shape.stack,
    "sub": arithmetic.sub,
    "subtract": arithmetic.sub,
    "swapaxes": shape.transpose,
    "swapdims": shape.transpose,
    "t": shape.turned,
    "tanh": activation.plain("tanh"),
    "to": plain.cast,
    "transpose": shape.transpose,
    "true_divide": arithmetic.div,
    "truediv": arithmetic.div,
    "type_as": plain.cast,
    "unbind": slices.unbind,
    "unflatten": shape.as_said,
    "unsqueeze": shape.unsqueeze,
    "view": shape.view,
    "view_as": shape.as_said,
    "zeros_like": plain.filled(0.0),
}
# What a host runs.
NAMES |= {
    name: host.function(name) for name in ("ceil", "cos", "exp", "floor", "log", "reciprocal", "round", "sign", "sin")
}
NAMES |= {name: host.function(name) for name in ("acos", "asin", "atan", "cosh", "sinh", "sqrt", "tan")}
NAMES |= {
    "abs": host.absolute,
    "bmm": dense.matmul,
    "group_norm": host.group_norm,
    "instance_norm": host.instance_norm,
    "layer_norm": host.layer_norm,
    "log_softmax": host.log_softmax,
    "maximum": host.larger,
    "minimum": host.smaller,
    "rms_norm": host.rms_norm,
    "rsqrt": host.reciprocal_root,
    "scaled_dot_product_attention": host.attention,
    "softmax": host.softmax,
    "sum": host.total,
}
_DIMS = (1, 2, 3)
for _dims in _DIMS:
    NAMES |= {
        f"conv{_dims}d": partial(window.conv, dims=_dims),
        f"conv_transpose{_dims}d": partial(window.conv_transpose, dims=_dims),
        f"max_pool{_dims}d": partial(window.max_pool, dims=_dims),
        f"avg_pool{_dims}d": partial(window.avg_pool, dims=_dims),
        f"adaptive_avg_pool{_dims}d": partial(window.adaptive_avg_pool, dims=_dims),
        f"adaptive_max_pool{_dims}d": partial(window.adaptive_max_pool, dims=_dims),
        f"dropout{_dims}d": plain.dropout,
    }

# Operations that ATen alone has, or whose arguments come in another order there.
ATEN: dict[str, Handler] = {
    "_log_softmax": host.log_softmax,
    "_native_batch_norm_legit_no_training": dense.native_batch_norm,
    "_softmax": host.softmax,
    "_to_copy": plain.cast,
    "_unsafe_view": shape.as_said,
    "batch_norm": dense.aten_batch_norm,
    "constant_pad_nd": shape.constant_pad,
    "feature_dropout": plain.dropout,
    "instance_norm": host.aten_instance_norm,
    "gru": recurrent.aten(Gru()),
    "index": slices.index,
    "lstm": recurrent.aten(Lstm()),
    "mT": shape.last_swapped,
    "native_group_norm": host.native_group_norm,
    "native_layer_norm": host.native_layer_norm,
    "numpy_T": shape.turned,
    "rnn_relu": recurrent.aten(Rnn(activation="relu")),
    "rnn_tanh": recurrent.aten(Rnn()),
    "slice": slices.slice_,
}
for _dims in _DIMS:
    ATEN |= {
        f"_adaptive_avg_pool{_dims}d": partial(window.adaptive_avg_pool, dims=_dims),
        f"_upsample_nearest_exact{_dims}d": shape.interpolate,
        f"adaptive_max_pool{_dims}d": partial(window.adaptive_max_pool_with_indices, dims=_dims),
        f"max_pool{_dims}d_with_indices": partial(window.max_pool_with_indices, dims=_dims),
        f"upsample_nearest{_dims}d": shape.interpolate,
    }


def refused(call: Call, module: nn.Module, *operands: Any, **named: Any) -> NoReturn:
    """A layer of PyTorch that has no counterpart, and whose inner operations are of no interest to the user. The
    importer refuses it by its name."""
    raise NotImplementedError(call.op)


# Modules that are one node of a trace, called with the `Call`, the module, and the operands of its `forward`.
MODULES: dict[type[nn.Module], Handler] = dict.fromkeys(
    (
        *(nn.RNNCell, nn.LSTMCell, nn.GRUCell),
        *(nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer),
    ),
    refused,
)
MODULES |= dict.fromkeys((nn.RNN, nn.LSTM, nn.GRU), recurrent.module)

# Operations over time, by the function of `over_time` that stands for them in a trace.
_OVER_TIME: dict[Any, Handler] = {
    marks.mean_over_steps: over_time.mean_over_steps,
    marks.previous: over_time.previous,
    marks.remember: over_time.remember,
    marks.sum_over_steps: over_time.sum_over_steps,
}

_SPACES: tuple[Any, ...] = (torch, nn.functional, operator)
_IN_PLACE = {f"i{name}": name for name in ("add", "sub", "mul", "truediv", "pow")}
# Functions by themselves, so that another library's function of the same name is not taken for PyTorch's.
_FUNCTIONS: dict[Any, str] = {
    getattr(space, spelling): name
    for space in _SPACES
    for name in NAMES
    for spelling in (name, f"{name}_")
    if hasattr(space, spelling)
} | {getattr(operator, spelling): name for spelling, name in _IN_PLACE.items()}


def word(node: fx.Node) -> str:
    """What the node's operation is called, without the marks of in-place and reflected spellings: `relu`, `add`."""
    if isinstance(node.target, OpOverload):
        name = node.target.overloadpacket.__name__
    else:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    name = name.strip("_") if name.startswith("__") else name.removesuffix("_")
    return _IN_PLACE.get(name, name)


def handler_of(node: fx.Node) -> Handler | None:
    """The handler of a function, method or ATen operation; None if there is none."""
    name = word(node)
    if isinstance(node.target, OpOverload):
        return (ATEN.get(name) or NAMES.get(name)) if node.target.namespace == "aten" else None
    if node.op == "call_method":
        return NAMES.get(name)
    if node.target is getattr:
        return shape.attribute
    return _OVER_TIME.get(node.target) or NAMES.get(_FUNCTIONS.get(node.target, ""))


def row_of(module: nn.Module) -> Handler | None:
    """The handler of a module that is a node of its own, by its class or the one whose `forward` it inherits."""
    kinds = [kind for kind in type(module).__mro__ if kind in MODULES]
    inherited = bool(kinds) and type(module).forward is kinds[0].forward and "forward" not in vars(module)
    return MODULES[kinds[0]] if inherited else _library_row(module)


def other_neuron(call: Call, module: nn.Module, *operands: Any, **named: Any) -> NoReturn:
    """A neuron that nmc does not know. The importer refuses it by its name."""
    raise NotImplementedError(call.op)


def _library_row(module: nn.Module) -> Handler | None:
    """The handler of a module of a spiking library; None for those whose `forward` is followed."""
    base = library_class(module)
    if base is None:
        return None
    if is_surrogate(module):
        return spikingjelly.surrogate
    rows = spikingjelly.NEURONS if base.__module__.startswith("spikingjelly.") else snntorch.NEURONS
    found = rows.get(base.__name__)
    if found is None or changed_methods(module):
        return other_neuron if is_neuron(module) else None
    return found
