"""Conv and ConvTranspose."""

from __future__ import annotations

from ....ir import Value
from ....ir.ops import Conv, ConvTranspose
from ...common.emit import Array
from ...common.moves import image
from ..call import Call
from .window import Window, read_window


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
    groups = call.integer("group", 1)
    weight = call.constant(1, "weight")
    window = _weight_window(call, weight)
    w, b = call.weight("weight", weight), _bias(call)
    x = image(call, call.value(), len(window.kernel))
    pads = window.pads_for(x.type.shape[2:])
    return call.emit(Conv(window.stride, pads, window.dilation, groups), x, w, b)


def conv_transpose(call: Call) -> Value:
    groups = call.integer("group", 1)
    call.require(
        call.integers("output_shape") is None, "NMC-I011", "it has output_shape", "give pads and output_padding"
    )
    weight = call.constant(1, "weight")
    window = _weight_window(call, weight)
    call.require(not window.auto, "NMC-I011", f"it has auto_pad {window.auto}", "give explicit pads")
    extra = call.integers("output_padding") or (0,) * len(window.kernel)
    call.require(min(extra) >= 0, "NMC-I012", f"output_padding {extra} must not be negative")
    w, b = call.weight("weight", weight), _bias(call)
    x = image(call, call.value(), len(window.kernel))
    return call.emit(ConvTranspose(window.stride, window.pads, window.dilation, extra, groups), x, w, b)
