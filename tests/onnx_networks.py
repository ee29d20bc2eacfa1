"""Random valid ONNX networks: each layer draws its attributes within the operator's own rules and says what comes out.

A network is a chain over 1, 2 or 3 axes of space (or time), with branches that join again, then a head. Functions with
jumps (Floor, Sign, …) are left out: at a jump float32 and float64 rightly differ.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from hypothesis import strategies as st

from onnx_models import Net, newest_opset

OPSETS = (9, 11, 13, 17, 20)
MOST_FEATURES = 600


class Chain:
    """A network under construction: the value the next layer reads, its channels, and its extents."""

    def __init__(self, draw: st.DrawFn, net: Net, value: str, channels: int, size: list[int]):
        self.draw, self.net = draw, net
        self.value, self.channels, self.size = value, channels, size

    def pick(self, *choices: int | float | str | None) -> int | float | str | None:
        return self.draw(st.sampled_from(choices))

    def whole(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def coin(self) -> bool:
        return self.draw(st.booleans())

    @property
    def rank(self) -> int:
        return 2 + len(self.size)

    def to(self, value: str, channels: int | None = None, size: list[int] | None = None) -> None:
        self.value = value
        self.channels = self.channels if channels is None else channels
        self.size = self.size if size is None else size


def conv(c: Chain) -> None:
    groups = c.draw(st.sampled_from([g for g in (1, 2, c.channels) if c.channels % g == 0]))
    outputs, kernel = groups * c.whole(1, 3), [c.whole(1, min(3, n)) for n in c.size]
    dilation = [c.whole(1, 2) if (k - 1) * 2 < n else 1 for k, n in zip(kernel, c.size, strict=True)]
    stride, pads = [c.whole(1, 2) for _ in c.size], [c.whole(0, 2) for _ in c.size * 2]
    bias = [c.net.weight(outputs)] if c.coin() else []
    spelled = {"dilations": dilation} if c.coin() or max(dilation) > 1 else {}
    weight = c.net.weight(outputs, c.channels // groups, *kernel)
    y = c.net.op("Conv", c.value, weight, *bias, group=groups, strides=stride, pads=pads, **spelled)
    grown = [n + pads[i] + pads[i + len(c.size)] for i, n in enumerate(c.size)]
    c.to(y, outputs, [(n - (k - 1) * d - 1) // s + 1
                      for n, k, d, s in zip(grown, kernel, dilation, stride, strict=True)])  # fmt: skip


def conv_same(c: Chain) -> None:
    """auto_pad; the sizes follow from the strides alone, which no kernel is shorter than."""
    stride, outputs = [c.whole(1, 2) for _ in c.size], c.whole(1, 4)
    weight = c.net.weight(outputs, c.channels, *(c.whole(s, 3) for s in stride))
    mode = c.pick("SAME_UPPER", "SAME_LOWER")
    c.to(c.net.op("Conv", c.value, weight, strides=stride, auto_pad=mode), outputs,
         [-(-n // s) for n, s in zip(c.size, stride, strict=True)])  # fmt: skip


def conv_transpose(c: Chain) -> None:
    outputs, kernel, stride = c.whole(1, 3), [c.whole(1, 3) for _ in c.size], [c.whole(1, 2) for _ in c.size]
    y = c.net.op("ConvTranspose", c.value, c.net.weight(c.channels, outputs, *kernel), strides=stride)
    c.to(y, outputs, [(n - 1) * s + k for n, k, s in zip(c.size, kernel, stride, strict=True)])


def pool(c: Chain) -> None:
    kernel = [c.whole(1, min(3, n)) for n in c.size]
    stride = [c.whole(1, k) for k in kernel]
    pads = [c.whole(0, (k - 1) // 2) for k in kernel]
    op = c.draw(st.sampled_from(("MaxPool", "AveragePool")))
    counted = {"count_include_pad": c.whole(0, 1)} if op == "AveragePool" else {}
    y = c.net.op(op, c.value, kernel_shape=kernel, strides=stride, pads=pads * 2, **counted)
    c.to(y, size=[(n + 2 * p - k) // s + 1 for n, k, s, p in zip(c.size, kernel, stride, pads, strict=True)])


def residual(c: Chain) -> None:
    """A branch of its own that joins by a sum, a product, or a maximum."""
    kept = c.value
    c.to(c.net.op("Conv", kept, c.net.weight(c.channels, c.channels, *(3,) * len(c.size)), pads=[1] * 2 * len(c.size)))
    activation(c)
    op = c.draw(st.sampled_from(("Add", "Add", "Sub", "Mul", "Max")))
    c.to(c.net.op(op, *c.draw(st.permutations((kept, c.value)))))


def gate(c: Chain) -> None:
    """Squeeze and excitation."""
    y = c.net.op("GlobalAveragePool", c.value)
    y = c.net.op("Conv", y, c.net.weight(c.channels, c.channels, *(1,) * len(c.size)))
    c.to(c.net.op("Mul", c.value, c.net.op(c.draw(st.sampled_from(("Sigmoid", "HardSigmoid"))), y)))


_FUNCTIONS = (
    "Relu",
    "Sigmoid",
    "LeakyRelu",
    "Tanh",
    "Elu",
    "Selu",
    "HardSigmoid",
    "Softplus",
    "Softsign",
    "Abs",
    "Neg",
)


def activation(c: Chain) -> None:
    newer = [("HardSwish", 14), ("Mish", 18), ("Gelu", 20)]
    known = (*_FUNCTIONS, *(name for name, since in newer if c.net.opset >= since))
    op = c.draw(st.sampled_from(("Clip", "Clip", "Relu", "PRelu", "Softmax", *known)))
    if op == "Clip":
        low, high = c.pick(None, 0.0, -0.5), c.pick(None, 1.5, 6.0)
        c.to(c.net.clip(c.value, low, high))
    elif op == "PRelu":
        c.to(c.net.op(op, c.value, c.net.weight(c.channels, *(1,) * len(c.size))))
    elif op == "Softmax":
        c.to(c.net.op(op, c.value, axis=c.rank - 1))  # the last axis, where the old and the new operator agree
    else:
        c.to(c.net.op(op, c.value))


def norm(c: Chain) -> None:
    kind = c.draw(
        st.sampled_from(("batch", "batch", "instance", "layer") if c.net.opset >= 17 else ("batch", "instance"))
    )
    if kind == "batch":
        variance = c.net.const(c.net.rng.uniform(0.2, 2, c.channels))
        c.to(c.net.op("BatchNormalization", c.value, *(c.net.weight(c.channels) for _ in range(3)), variance))
    elif kind == "instance":
        scale, bias = c.net.weight(c.channels), c.net.weight(c.channels)
        c.to(c.net.op("InstanceNormalization", c.value, scale, bias, epsilon=0.1))
    else:
        c.to(c.net.op("LayerNormalization", c.value, c.net.weight(c.size[-1]), epsilon=0.1))


def pad(c: Chain) -> None:
    least = -1 if min(c.size) > 2 else 0
    pads = [c.whole(least, 2) for _ in c.size * 2]
    half = len(c.size)
    y = c.net.pad(c.value, [0, 0, *pads[:half], 0, 0, *pads[half:]], c.pick(None, 0.5))
    c.to(y, size=[n + pads[i] + pads[i + half] for i, n in enumerate(c.size)])


def concat(c: Chain) -> None:
    other = c.net.op("Relu", c.value) if c.coin() else c.net.weight(1, c.channels, *c.size)
    if c.channels <= 8:
        c.to(c.net.op("Concat", *c.draw(st.permutations((c.value, other))), axis=c.pick(1, 1 - c.rank)), 2 * c.channels)


def split(c: Chain) -> None:
    """Two parts of the channels: the second, both exchanged, or their sum."""
    if c.channels % 2:
        return
    half = c.channels // 2
    if c.net.opset >= 13:
        first = c.net.op("Split", c.value, c.net.const([half, half], np.int64), outputs=2, axis=1)
    else:
        first = c.net.op("Split", c.value, outputs=2, axis=1, split=[half, half])
    kind = c.draw(st.sampled_from(("second", "exchanged", "sum")))
    if kind == "second":
        c.to(f"{first}.1", half)
    elif kind == "sum":
        c.to(c.net.op("Add", first, f"{first}.1"), half)
    else:
        c.to(c.net.op("Concat", f"{first}.1", first, axis=1))


def cut(c: Chain) -> None:
    """A slice of one axis, forwards or backwards."""
    axis = c.whole(0, len(c.size))
    count = c.channels if axis == 0 else c.size[axis - 1]
    start = c.whole(0, count - 1)
    stop = c.whole(start + 1, count)
    step = 1 if c.net.opset < 10 else c.whole(1, 2)
    y = c.net.slice(c.value, [start], [stop], [axis + 1], [step] if step > 1 else None)
    size, left = list(c.size), -(-(stop - start) // step)
    if axis:
        size[axis - 1] = left
    c.to(y, left if axis == 0 else None, size)


def scale(c: Chain) -> None:
    op = c.draw(st.sampled_from(("Add", "Sub", "Mul", "Div")))
    shape = c.draw(st.sampled_from(((c.channels, *(1,) * len(c.size)), (), (1,), (1, 1, *c.size))))
    constant = c.net.const(np.asarray(c.net.rng.uniform(0.5, 2, shape), np.float32))
    reversible = op in ("Add", "Sub", "Mul") and c.coin()
    c.to(c.net.op(op, constant, c.value) if reversible else c.net.op(op, c.value, constant))


def shuffle(c: Chain) -> None:
    """Channel shuffle, or a reshape there and back."""
    groups = 2 if c.channels % 2 == 0 else 1
    y = c.net.reshape(c.value, [-1, groups, c.channels // groups, *c.size] if c.coin()
                      else [0, groups, c.channels // groups, prod(c.size)])  # fmt: skip
    rank = 3 + (len(c.size) if c.net.nodes[-1].input[0] == c.value and _is_open(c.net) else 1)
    y = c.net.op("Transpose", y, perm=[0, 2, 1, *range(3, rank)])
    c.to(c.net.reshape(y, [-1, c.channels, *c.size]))


def _is_open(net: Net) -> bool:
    """Did the last reshape keep the axes of space apart?"""
    from onnx import numpy_helper

    return numpy_helper.to_array(net.initializers[-1])[0] == -1


def moved(c: Chain) -> None:
    """Channels to the end, something there, and back."""
    there = [0, *range(2, c.rank), 1]
    y = c.net.op("Transpose", c.value, perm=there)
    if c.coin():
        width = c.whole(1, 4)
        y = c.net.op("MatMul", y, c.net.weight(c.channels, width))
        y = c.net.op("Add", y, c.net.weight(width))
        c.channels = width
    c.to(c.net.op("Transpose", y, perm=[0, c.rank - 1, *range(1, c.rank - 1)]))


def squeezed(c: Chain) -> None:
    y = c.net.unsqueeze(c.value, [c.rank])
    c.to(c.net.squeeze(c.net.op("Relu", y), [c.rank]))


def resize(c: Chain) -> None:
    if c.net.opset < 11 or max(c.size) > 12:
        return
    factors = [c.whole(1, 2) for _ in c.size]
    y = c.net.resize(c.value, scales=[1, 1, *factors], mode="nearest", coordinate_transformation_mode="asymmetric",
                     nearest_mode="floor")  # fmt: skip
    c.to(y, size=[n * f for n, f in zip(c.size, factors, strict=True)])


def mixed(c: Chain) -> None:
    """Every position attends to every other one."""
    if prod(c.size) > 64:
        return
    y = c.net.reshape(c.value, [-1, c.channels, prod(c.size)])
    turned = c.net.op("Transpose", y, perm=[0, 2, 1])
    scores = c.net.op("Mul", c.net.op("MatMul", turned, y), c.net.const(np.float32(0.2)))
    weights = c.net.op("Softmax", scores, axis=2)
    c.to(
        c.net.reshape(c.net.op("MatMul", y, c.net.op("Transpose", weights, perm=[0, 2, 1])), [-1, c.channels, *c.size])
    )


LAYERS: tuple[Callable[[Chain], None], ...] = (
    conv, conv, conv_same, conv_transpose, pool, residual, gate, activation, activation, norm, pad, concat, split, cut,
    scale, shuffle, moved, squeezed, resize, mixed,
)  # fmt: skip


def head(c: Chain) -> str:
    """How networks end; returns the output's name."""
    kind = c.draw(st.sampled_from(("mean", "global", "flatten", "max", "none")))
    features = c.channels * prod(c.size)
    if kind == "none" or (kind == "flatten" and features > MOST_FEATURES):
        return c.net.op("Transpose", c.value, perm=[0, *range(2, c.rank), 1])
    axes = list(range(2, c.rank))
    if kind == "mean":
        y = c.net.reduce_mean(c.value, axes if c.coin() else [axis - c.rank for axis in axes], keepdims=0)
    elif kind == "flatten":
        y = c.net.op("Flatten", c.value)
    else:
        y = c.net.op("GlobalAveragePool" if kind == "global" else "GlobalMaxPool", c.value)
    features = features if kind == "flatten" else c.channels
    y = c.net.op("Gemm", c.net.reshape(y, [-1, features]), c.net.weight(features, 3), c.net.weight(3))
    return c.net.op("Softmax", y, axis=1) if c.coin() else y


@st.composite
def networks(draw: st.DrawFn) -> Net:
    """A whole model, whose batch axis is 1 or open."""
    net = Net(draw(st.sampled_from((*OPSETS, newest_opset()))), seed=draw(st.integers(0, 99)))
    most = {1: 24, 2: 11, 3: 6}[rank := draw(st.sampled_from((1, 2, 2, 2, 3)))]
    size, channels = [draw(st.integers(most // 2, most)) for _ in range(rank)], draw(st.sampled_from((2, 4)))
    value = net.input("x", (draw(st.sampled_from((1, "N"))), channels, *size))
    chain = Chain(draw, net, value, channels, size)
    for _ in range(draw(st.integers(1, 8))):
        draw(st.sampled_from(LAYERS))(chain)
    net.output(head(chain))
    if draw(st.booleans()):
        net.output(chain.value, "inner")
    return net
