"""Layers that only move elements."""

from __future__ import annotations

from ...compiler.ir.ops import AvgPool, Concat, Delay, MaxPool, Pad, Reshape, Slice, Transpose
from .linear import onnx_pads
from .proto import Site


def reshape(site: Site) -> None:
    op = site.op
    assert isinstance(op, Reshape)
    shape = (-1, *op.shape[1:]) if site.type.batched else op.shape
    site.result("Reshape", site.x, site.integers(shape))


def transpose(site: Site) -> None:
    assert isinstance(site.op, Transpose)
    site.result("Transpose", site.x, perm=site.op.perm)


def pad(site: Site) -> None:
    """In front of a pool under a further axis: onnxruntime's optimizer would make the elements a pool's own padding,
    which counts otherwise."""
    op, rank = site.op, len(site.shape)
    assert isinstance(op, Pad)
    value = site.number(op.value)
    if not any(isinstance(user.op, MaxPool | AvgPool) for user, _ in site.node.result.uses):
        site.result("Pad", site.x, site.integers(onnx_pads(op.pads)), value)
        return
    x = site.part("Unsqueeze", site.x, site.integers([rank]))
    padded = site.part("Pad", x, site.integers(onnx_pads((*op.pads, (0, 0)))), value)
    site.result("Squeeze", padded, site.integers([rank]))


def slice_(site: Site) -> None:
    op = site.op
    assert isinstance(op, Slice)
    axes = [i for i, (r, size) in enumerate(zip(op.ranges, site.shape, strict=True)) if r != (0, size, 1)]
    if not axes:
        site.result("Identity", site.x)
        return
    starts, stops, steps = zip(*(op.ranges[i] for i in axes), strict=True)
    site.result("Slice", site.x, *map(site.integers, (starts, stops, axes, steps)))


def concat(site: Site) -> None:
    """A constant is repeated for each sample."""
    op = site.op
    assert isinstance(op, Concat)
    names = site.operands
    values = [value for value in site.node.operands if value is not None]
    computed = next((name for name, value in zip(names, values, strict=True) if not value.is_constant), "")
    for i, value in enumerate(values):
        if computed and value.is_constant and site.type.batched:
            samples = site.part("Shape", computed, start=0, end=1)
            shape = site.part("Concat", samples, site.integers(value.type.shape[1:]), axis=0)
            names[i] = site.part("Expand", names[i], shape)
    site.result("Concat", *names, axis=op.dim)


def delay(site: Site) -> None:
    """The clip moved back behind zeros."""
    op = site.op
    assert isinstance(op, Delay)
    length = site.shape[op.dim]
    frames = min(op.frames, length)
    pads = tuple((frames, 0) if i == op.dim else (0, 0) for i in range(len(site.shape)))
    padded = site.part("Pad", site.x, site.integers(onnx_pads(pads)), site.number(0.0))
    site.result("Slice", padded, *(site.integers([number]) for number in (0, length, op.dim)))
