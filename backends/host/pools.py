"""Pools and means. Runtimes differ on ceil_mode and on pads beside dilations, so those are spelled out."""

from __future__ import annotations

import math

import numpy as np

from ...compiler.ir.ops import AvgPool, MaxPool, Mean
from ...compiler.ir.ops.window import Pads, ceil_pads
from .linear import onnx_pads
from .proto import Site


def _pads(site: Site) -> Pads:
    """The pool's pads, with what ceil_mode adds at the ends."""
    op = site.op
    assert isinstance(op, MaxPool | AvgPool)
    return ceil_pads(site.shape[2:], op.kernel, op.stride, op.dilation, op.pads, site.type.shape[2:])


def _padded(site: Site, pads: Pads, value: float) -> str:
    """x with the padding as elements of their own, for windows that ONNX does not let pad so much. (Under a further
    axis, see moves.pad.)"""
    if not any(map(any, pads)):
        return site.x
    last = site.integers([len(site.shape)])
    whole = site.integers(onnx_pads(((0, 0), (0, 0), *pads, (0, 0))))
    padded = site.part("Pad", site.part("Unsqueeze", site.x, last), whole, site.number(value))
    return site.part("Squeeze", padded, last)


def max_pool(site: Site) -> None:
    op, pads = site.op, _pads(site)
    assert isinstance(op, MaxPool)
    window = {"kernel_shape": op.kernel, "strides": op.stride, "dilations": op.dilation}
    if all(max(ends) < size for ends, size in zip(pads, op.kernel, strict=True)):
        site.result("MaxPool", site.x, **window, pads=onnx_pads(pads))
    else:
        site.result("MaxPool", _padded(site, pads, -math.inf), **window)


def avg_pool(site: Site) -> None:
    """An AveragePool where it counts as the pool does, else the mean over padded windows times size by count."""
    op, pads = site.op, _pads(site)
    assert isinstance(op, AvgPool)
    window = {"kernel_shape": op.kernel, "strides": op.stride}
    dense = max(op.dilation) == 1 and all(max(ends) < size for ends, size in zip(pads, op.kernel, strict=True))
    if dense and (pads == op.pads or not op.include_pad):
        site.result("AveragePool", site.x, **window, pads=onnx_pads(pads), count_include_pad=int(op.include_pad))
        return
    mean = site.part("AveragePool", _padded(site, pads, 0.0), **window, dilations=op.dilation)
    factor = math.prod(op.kernel) / op.counts(site.shape[2:])
    site.result("Mul", mean, site.array(factor[None, None].astype(np.float32)))


def mean(site: Site) -> None:
    op = site.op
    assert isinstance(op, Mean)
    site.result("ReduceMean", site.x, site.integers(op.dims), keepdims=int(op.keepdims))
