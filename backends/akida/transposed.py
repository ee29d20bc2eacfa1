"""Transposed convolutions in the machine's form: twice as many elements on both axes, kernel 3 or 4.

Along an axis, tap k of element p is added to result stride·p + offset[k], offset[k] = dilation·k − pads. The machine
has stride 2 and the offsets 0, 1, 2 (kernel 3) or −1, 0, 1, 2 (kernel 4). Others spread the elements with zeros between
them, by depthwise layers with a single 1.0, and convolve the result:

    out[j] = Σ_k w[k] · z[j − offset[k] + shift]       z[stride·p + shift] = x[p], zeros elsewhere
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import ConvTranspose
from ...compiler.ir.ops.linear import output_first
from ...compiler.ir.ops.window import Ints
from ...compiler.passes.base import Context
from .embedding import NAME, become_window, embedded, is_frame, one_tap, report, window_kind
from .geometry import Axis, offsets_of, plan, why_not

KERNELS = (3, 4)
MAX_STRIDE = 8


def machine_op(kernel: int, groups: int) -> ConvTranspose:
    """The transposed layer of the machine with that kernel size: it doubles both axes."""
    before = (kernel - 2) // 2
    return ConvTranspose((2, 2), ((before, kernel - 2 - before),) * 2, (1, 1), (0, 0), groups)


def nearest_by_steps(graph: Graph, node: Node, context: Context) -> bool:
    """Depthwise repetition of each element 4×4 or 8×8 times is repetition 2×2 times, twice or thrice."""
    op, weight = node.op, node.operands[1] if len(node.operands) > 1 else None
    if not isinstance(op, ConvTranspose) or not is_frame(node.x) or weight is None or weight.type.shape[1] != 1:
        return False
    channels, size = node.x.type.shape[1], op.stride[0]
    if op != ConvTranspose((size, size), ((0, 0),) * 2, (1, 1), (0, 0), channels) or size not in (4, 8):
        return False
    factor = weight.data[:, :, :1, :1]
    if weight.type.shape[2:] != (size, size) or np.any(weight.data != factor):
        return False
    name, origin, x = node.result.name, node.result.origin, node.x
    ones = np.pad(np.ones((channels, 1, 2, 2), np.float32), ((0, 0), (0, 0), (0, 1), (0, 1)))
    for scale in (2, 4)[: size.bit_length() - 2]:
        twice = graph.constant(f"{name}.twice", ones)
        x = graph.add(machine_op(3, channels), x, twice, name=f"{name}.x{scale}", origin=origin, before=node)
    last = graph.constant(f"{weight.name}.window", ones * factor)
    graph.rewrite(node, machine_op(3, channels), x, last, *node.operands[2:])
    report(context, node, "window", f"repetition {size}×{size} in steps of 2×2")
    return True


def fit_transposed(graph: Graph, node: Node, context: Context) -> bool:
    """A transposed convolution doubles both axes with kernel 3 or 4, or is a convolution of elements spread apart."""
    op, weight = node.op, node.operands[1] if len(node.operands) > 1 else None
    if not isinstance(op, ConvTranspose) or not is_frame(node.x) or weight is None:
        return False
    kernel, stride = weight.type.shape[2:], op.stride[0]
    if kernel in ((3, 3), (4, 4)) and op == machine_op(kernel[0], op.groups):
        return False
    if op.stride != (stride, stride):
        context.decline(NAME, node.result.name, f"its strides {op.stride} differ")
        return False
    if stride > MAX_STRIDE or stride & (stride - 1):
        why = f"transposed layers have stride 2, of which 4 and 8 are made, not {stride}"
        context.decline(NAME, node.result.name, why)
        return False
    offsets = offsets_of(op, kernel)
    return _double(graph, node, context, weight, offsets) or _spread(graph, node, context, weight, offsets)


def _double(graph: Graph, node: Node, context: Context, weight: Value, offsets: list[Ints]) -> bool:
    """One transposed layer, the kernel embedded in 3×3 or 4×4."""
    op, given, made = node.op, node.x.type.shape[2:], node.result.type.shape[2:]
    assert isinstance(op, ConvTranspose)
    if op.stride != (2, 2) or made != tuple(2 * n for n in given):
        return False
    # Roles are exchanged: a tap is used if it meets a result for some element.
    used = [Axis(m, n, 2, offset).used for m, n, offset in zip(made, given, offsets, strict=True)]
    for size in KERNELS:
        before = (size - 2) // 2
        taps = [tuple((k, offset[k] + before) for k in kept) for kept, offset in zip(used, offsets, strict=True)]
        if all(0 <= j < size for axis in taps for _, j in axis):
            report(context, node, "window", f"{weight.type.shape[2:]} becomes {size}×{size}")
            placed = graph.constant(f"{weight.name}.window", embedded(weight.data, taps, size))
            graph.rewrite(node, machine_op(size, op.groups), node.x, placed, *node.operands[2:])
            return True
    return False


def _spread(graph: Graph, node: Node, context: Context, weight: Value, offsets: list[Ints]) -> bool:
    """Zeros between the elements, then a convolution with stride 1."""
    op, x, name = node.op, node.x, node.result.name
    assert isinstance(op, ConvTranspose)
    stride, channels = op.stride[0], x.type.shape[1]
    kind = window_kind(graph, x, op.groups) if stride == 1 else "depthwise" if op.groups > 1 else "plain"
    shifts = list(product(range(stride), repeat=2))
    plans = [(plan(kind, _spread_axes(node, offsets, shift)), shift) for shift in shifts]
    fitting = [(found, shift) for found, shift in plans if found is not None]
    if not fitting:
        why = why_not(kind, _spread_axes(node, offsets, shifts[0]))
        context.decline(NAME, name, f"as a convolution of its input spread {stride}×: {why}" if stride > 1 else why)
        return False
    found, shift = min(fitting, key=lambda entry: entry[0].kernel)
    step = stride
    while step > 1:
        step //= 2
        constant = graph.constant(f"{name}.spread", one_tap(channels, (shift[0] // step % 2, shift[1] // step % 2)))
        scale, origin = stride // step, node.result.origin
        x = graph.add(machine_op(3, channels), x, constant, name=f"{name}.x{scale}", origin=origin, before=node)
    what = f"{weight.type.shape[2:]} becomes {found.kernel}×{found.kernel}, input spread {stride}×"
    report(context, node, "window", what)
    become_window(graph, node, x, output_first(op, weight.data), op.groups, found)
    return True


def _spread_axes(node: Node, offsets: list[Ints], shifts: Ints) -> list[Axis]:
    """The convolution with stride 1 that computes the node from its input spread apart."""
    assert isinstance(node.op, ConvTranspose)
    numbers = zip(node.x.type.shape[2:], node.result.type.shape[2:], node.op.stride, offsets, shifts, strict=True)
    return [Axis(s * n, m, 1, tuple(shift - o for o in offset)) for n, m, s, offset, shift in numbers]
