"""Pools and means."""

from __future__ import annotations

from ....ir import Value
from ....ir.ops import AvgPool, MaxPool, Mean
from ...common.moves import image
from ..call import Call
from .reduce import reduced_axes
from .window import Window, read_window


def pool_window(call: Call, dilations: bool) -> tuple[Window, bool]:
    """The window and ceil_mode, which means nothing where auto_pad settles the output size."""
    kernel = call.integers("kernel_shape")
    if not kernel:
        call.require(False, "NMC-I011", "attribute 'kernel_shape' is missing")
    ceil = call.flag("ceil_mode") and call.text("auto_pad", "NOTSET") == "NOTSET"
    return read_window(call, kernel or (), dilations), ceil


def max_pool(call: Call) -> Value:
    call.ignore("storage_order")  # concerns the indices, which nothing may use
    window, ceil = pool_window(call, dilations=True)
    x = image(call, call.value(), len(window.kernel))
    pads = window.pads_for(x.type.shape[2:])
    return call.emit(MaxPool(window.kernel, window.stride, pads, window.dilation, ceil), x)


def average_pool(call: Call) -> Value:
    include = call.flag("count_include_pad")
    window, ceil = pool_window(call, dilations=call.opset >= 19)
    x = image(call, call.value(), len(window.kernel))
    pads = window.pads_for(x.type.shape[2:])
    return call.emit(AvgPool(window.kernel, window.stride, pads, window.dilation, ceil, include), x)


def global_average_pool(call: Call) -> Value:
    x = call.value()
    call.require(x.type.rank >= 3, "NMC-I012", f"there is no space to average over in {x.type}")
    return call.emit(Mean(tuple(range(2, x.type.rank))), x)


def reduce_mean(call: Call) -> Value:
    """Mean over axes; none given means all."""
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    return call.emit(Mean(dims, keep), x) if dims else x
