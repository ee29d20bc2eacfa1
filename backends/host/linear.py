"""Convolutions, dense layers, norms."""

from __future__ import annotations

import numpy as np

from ...compiler.ir.ops import BatchNorm, Conv, ConvTranspose, Normalize
from ...compiler.ir.ops.window import Pads
from .proto import Site


def onnx_pads(pads: Pads) -> list[int]:
    """(begin, end) an axis as ONNX has them: all begins, then all ends."""
    return [begin for begin, _ in pads] + [end for _, end in pads]


def conv(site: Site) -> None:
    op = site.op
    assert isinstance(op, Conv)
    window = {"strides": op.stride, "pads": onnx_pads(op.pads), "dilations": op.dilation, "group": op.groups}
    site.result("Conv", *site.operands, **window)


def conv_transpose(site: Site) -> None:
    """What output_pads add to an end is first taken off the pads there. ONNX has room for the rest below the stride, if
    something is left without it; else ends are put on and cut off by themselves."""
    op = site.op
    assert isinstance(op, ConvTranspose)
    kept = [min(end, extra) for (_, end), extra in zip(op.pads, op.output_pads, strict=True)]
    pads = tuple((begin, end - cut) for (begin, end), cut in zip(op.pads, kept, strict=True))
    rest = [extra - cut for extra, cut in zip(op.output_pads, kept, strict=True)]
    window = {"strides": op.stride, "dilations": op.dilation, "group": op.groups}
    sizes = zip(rest, op.stride, site.type.shape[2:], strict=True)
    if all(extra < min(stride, size) for extra, stride, size in sizes):
        site.result("ConvTranspose", *site.operands, **window, pads=onnx_pads(pads), output_padding=rest)
        return
    full = site.part("ConvTranspose", *site.operands[:2], **window)
    ends = site.integers(onnx_pads(((0, 0), (0, 0), *((0, extra) for extra in op.output_pads))))
    padded = site.part("Pad", full, ends, site.number(0.0))
    starts = [begin for begin, _ in op.pads]
    stops = [begin + size for begin, size in zip(starts, site.type.shape[2:], strict=True)]
    cut_off = site.part("Slice", padded, *map(site.integers, (starts, stops, range(2, len(site.shape)))))
    bias = site.data("bias")
    shaped = np.zeros(1) if bias is None else bias.reshape(-1, *(1,) * len(rest))
    site.result("Add", cut_off, site.array(shaped.astype(np.float32)))


def dense(site: Site) -> None:
    """Gemm takes matrices only; over the last axis of any other tensor it is a product and a sum."""
    if len(site.shape) == 2:
        site.result("Gemm", *site.operands, transB=1)
        return
    weight, bias = site.operands[1], site.operand("bias")
    rows = site.part("Transpose", weight, perm=[1, 0])
    if not bias:
        site.result("MatMul", site.x, rows)
    else:
        site.result("Add", site.part("MatMul", site.x, rows), bias)


def batch_norm(site: Site) -> None:
    assert isinstance(site.op, BatchNorm)
    site.result("BatchNormalization", *site.operands, epsilon=site.op.epsilon)


def normalize(site: Site) -> None:
    op = site.op
    assert isinstance(op, Normalize)
    axes = site.integers(op.axes)
    x = site.part("Sub", site.x, site.part("ReduceMean", site.x, axes)) if op.centered else site.x
    variance = site.part("ReduceMean", site.part("Mul", x, x), axes)
    spread = site.part("Sqrt", site.part("Add", variance, site.number(op.epsilon)))
    site.result("Div", x, spread)
