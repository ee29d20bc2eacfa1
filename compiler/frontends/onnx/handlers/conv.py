"""Conv and ConvTranspose."""

from __future__ import annotations

from ....ir import Value
from ....ir.ops import Conv, ConvTranspose
from ...common.emit import Array
from ...common.moves import image
from ..call import Call
from .window import Ints, Pads, Window, read_window


def _weight_window(call: Call, weight: Array) -> Window:
    """The window of a layer whose kernel size may be stated beside the weight."""
    call.require(weight.ndim >= 3, "NMC-I012", f"its weight has shape {list(weight.shape)}")
    kernel = weight.shape[2:]
    stated = call.integers("kernel_shape") or kernel
    call.require(
        stated == kernel, "NMC-I012", f"kernel_shape {list(stated)} for a weight of shape {list(weight.shape)}"
    )
    return read_window(call, kernel)


def _bias(call: Call) -> Value | None:
    bias = call.optional_constant(2, "bias")
    return None if bias is None else call.weight("bias", bias)


def conv(call: Call) -> Value:
    return convolution(call, call.value(), call.constant(1, "weight"), call.optional_constant(2, "bias"))


def convolution(call: Call, x: Value, weight: Array, bias: Array | None, part: str = "") -> Value:
    """The convolution that the attributes of the node say, of any node that has those of Conv."""
    groups = call.integer("group", 1)
    window = _weight_window(call, weight)
    w, b = call.weight("weight", weight), None if bias is None else call.weight("bias", bias)
    x = image(call, x, len(window.kernel))
    pads = window.pads_for(x.type.shape[2:])
    return call.emit(Conv(window.stride, pads, window.dilation, groups), x, w, b, part=part)


def _output_pads(call: Call, window: Window, sizes: Ints, extra: Ints) -> tuple[Pads, Ints]:
    """Pads and output padding of a transposed convolution: given, or what its output shape or auto_pad SAME leaves to
    be cut off, or to be added at the end."""
    shape = call.integers("output_shape")
    if shape is None and not window.auto:
        return window.pads, extra
    wanted = shape[-len(sizes) :] if shape is not None else [s * n for s, n in zip(window.stride, sizes, strict=True)]
    call.require(len(wanted) == len(sizes), "NMC-I012", f"output_shape {shape} for {len(sizes)} axes")
    numbers = zip(sizes, window.kernel, window.stride, window.dilation, extra, wanted, strict=True)
    total = [(n - 1) * s + d * (k - 1) + 1 + e - w for n, k, s, d, e, w in numbers]
    longer = tuple(e + max(0, -t) for e, t in zip(extra, total, strict=True))
    halves = [(max(0, t) // 2, max(0, t) - max(0, t) // 2) for t in total]
    upper = window.auto == "SAME_UPPER"
    return tuple((less, more) if upper else (more, less) for less, more in halves), longer


def conv_transpose(call: Call) -> Value:
    groups = call.integer("group", 1)
    weight = call.constant(1, "weight")
    window = _weight_window(call, weight)
    extra = call.integers("output_padding") or (0,) * len(window.kernel)
    call.require(len(extra) == len(window.kernel), "NMC-I012", f"output_padding {extra} needs one entry an axis")
    call.require(min(extra) >= 0, "NMC-I012", f"output_padding {extra} must not be negative")
    w, b = call.weight("weight", weight), _bias(call)
    x = image(call, call.value(), len(window.kernel))
    pads, longer = _output_pads(call, window, x.type.shape[2:], extra)
    return call.emit(ConvTranspose(window.stride, pads, window.dilation, longer, groups), x, w, b)
