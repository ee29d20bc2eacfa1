"""Random small networks of images and of clips, as ONNX models that the Akida machine holds; and what they are fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from onnx_models import Net

Array = np.ndarray[Any, Any]
KINDS = ("Tanh", "Sigmoid", "LeakyRelu", "HardSwish", "Softplus", "Elu", "Softsign", "HardSigmoid")


class Layers(Net):
    """An ONNX model whose values are called layer0, layer1, …: those of a model that checks another may be v0, v1, …"""

    def name(self, stem: str) -> str:
        return super().name("layer")


class Growing:
    """A network in the making. `value` is its last value, (N, channels, *size) or (N, channels, frames, *size)."""

    def __init__(self, seed: int):
        self.rng, self.size = np.random.default_rng(seed), [0, 0]
        self.value = self.activated = ""
        self.net = Layers(17, seed=seed)

    def samples(self, count: int) -> dict[str, Array]:
        """Typical inputs."""
        raise NotImplementedError

    def pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def weight(self, *shape: int) -> str:
        """Weights that keep the variance of what they read."""
        fan_in = max(int(np.prod(shape[1:])), 1)
        return self.net.weight(*shape, scale=float(np.sqrt(1.5 / fan_in)))

    def bias(self, channels: int) -> list[str]:
        return [self.net.weight(channels, scale=0.3)] if self.chance(0.7) else []

    def conv(self, x: str, shape: Sequence[int], groups: int = 1, **attributes: Any) -> str:
        operands = [self.weight(*shape), *self.bias(shape[0])]
        return self.net.op("Conv", x, *operands, group=groups, **attributes)

    def activate(self) -> None:
        """An activation of what a linear layer made: two in a row may leave nothing but zeros."""
        if self.value != self.activated:
            self.value = self.activated = self.activation(self.value)

    def alike(self) -> bool:
        """Can every second element be kept on both axes? One padding mode cannot drop the last of one axis only."""
        return self.size[0] % 2 == self.size[1] % 2 and min(self.size) >= 3

    def activation(self, x: str) -> str:
        kind = self.pick("Relu", "Relu", "Relu6", "Clip", "", *KINDS)
        if kind == "Relu6":
            return self.net.clip(x, 0.0, 6.0 if self.chance(0.5) else 1.0)
        if kind == "Clip":
            return self.net.clip(x, -1.0, 1.5)
        return self.net.op(kind, x) if kind else x


class Image(Growing):
    """A network of images."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self.channels = self.pick(1, 2, 3, 3, 4)
        self.size = [int(n) for n in self.rng.integers(6, 13, 2)]
        last = self.chance(0.3)
        shape = (*self.size, self.channels) if last else (self.channels, *self.size)
        x = self.net.input("x", (1, *shape))
        self.value = self.net.op("Transpose", x, perm=[0, 3, 1, 2]) if last else x
        if last or self.chance(0.8):
            self.spatial()
        for _ in range(self.rng.integers(2, 6)):
            self.step()
        self.head()

    def step(self) -> None:
        steps = (self.spatial, self.spatial, self.depthwise, self.pool, self.average, self.residual, self.join)
        self.pick(*steps, self.up, self.norm, self.activate, self.slice)()

    def spatial(self) -> None:
        kind = self.pick("centred", "centred", "centred", "even", "dilated", "valid", "grouped", "flat")
        filters = self.pick(2, 3, 4, 6)
        if kind == "even" and self.alike():
            self.value = self.conv(self.value, (filters, self.channels, 2, 2), strides=[2, 2])
            self.size = [n // 2 for n in self.size]
        elif kind == "dilated" and min(self.size) > 2:
            pads: dict[str, Any] = {"pads": [2] * 4, "dilations": [2, 2]}
            self.value = self.conv(self.value, (filters, self.channels, 3, 3), **pads)
        elif kind == "valid" and min(self.size) > 4:
            self.value = self.conv(self.value, (filters, self.channels, 3, 3))
            self.size = [n - 2 for n in self.size]
        elif kind == "flat":
            self.value = self.conv(self.value, (filters, self.channels, 1, 3), pads=[0, 1, 0, 1])
        elif kind == "grouped" and self.channels % 2 == 0:
            filters = self.pick(2, 4)
            self.value = self.conv(self.value, (filters, self.channels // 2, 3, 3), 2, pads=[1] * 4)
        else:
            kernel, stride = self.pick(1, 3, 3, 5, 7), self.pick(1, 1, 2)
            window: dict[str, Any] = {"pads": [kernel // 2] * 4, "strides": [stride] * 2}
            self.value = self.conv(self.value, (filters, self.channels, kernel, kernel), **window)
            self.size = [-(-n // stride) for n in self.size]
        self.channels = filters
        self.activate()

    def depthwise(self) -> None:
        kernel, stride = self.pick(1, 3, 3, 5), self.pick(1, 1, 2)
        window = {"pads": [kernel // 2] * 4, "strides": [stride] * 2}
        self.value = self.conv(self.value, (self.channels, 1, kernel, kernel), self.channels, **window)
        self.size = [-(-n // stride) for n in self.size]
        self.activate()

    def pool(self) -> None:
        kernel, stride, pad, ceil = self.pick((2, 2, 0, 0), (2, 2, 0, 1), (3, 2, 1, 0), (3, 1, 1, 0), (2, 1, 0, 0))
        if min(self.size) <= 2:
            return
        window = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": ceil}
        self.value = self.net.op("MaxPool", self.value, **window)
        spare = (stride - 1) * ceil
        self.size = [(n + 2 * pad - kernel + spare) // stride + 1 for n in self.size]

    def average(self) -> None:
        if self.alike():
            self.value = self.net.op("AveragePool", self.value, kernel_shape=[2, 2], strides=[2, 2])
            self.size = [n // 2 for n in self.size]

    def residual(self) -> None:
        given, channels = self.value, self.channels
        self.value = self.activation(self.conv(given, (channels, channels, 3, 3), pads=[1] * 4))
        self.value = self.net.op("Add", *((self.value, given) if self.chance(0.5) else (given, self.value)))
        self.activate()

    def join(self) -> None:
        parts = [self.value if self.chance(0.3) else self.branch() for _ in range(self.pick(2, 2, 3))]
        self.value = self.net.op("Concat", *parts, axis=1)
        self.channels *= len(parts)

    def branch(self) -> str:
        return self.activation(self.conv(self.value, (self.channels, self.channels, 1, 1)))

    def up(self) -> None:
        if max(self.size) > 8:
            return
        if self.chance(0.3):
            self.value = self.net.resize(
                self.value,
                [1, 1, 2, 2],
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        else:
            kernel, pad = self.pick((2, 0), (4, 1))
            operands = [self.weight(self.channels, self.channels, kernel, kernel), *self.bias(self.channels)]
            self.value = self.net.op("ConvTranspose", self.value, *operands, strides=[2, 2], pads=[pad] * 4)
        self.size = [2 * n for n in self.size]
        self.activate()

    def norm(self) -> None:
        c = self.channels
        numbers = [self.net.const(self.rng.uniform(0.5, 1.5, c)), *(self.net.weight(c, scale=0.3) for _ in range(2))]
        self.value = self.net.op(
            "BatchNormalization", self.value, *numbers, self.net.const(self.rng.uniform(0.5, 2, c))
        )

    def slice(self) -> None:
        if self.channels > 2:
            self.value = self.net.slice(self.value, [1], [self.channels], [1])
            self.channels -= 1

    def head(self) -> None:
        kind = self.pick("mean", "flatten", "map", "last", "two")
        if kind in ("map", "last", "two"):
            found = self.conv(self.value, (3, self.channels, 1, 1))
            self.net.output(self.net.op("Transpose", found, perm=[0, 2, 3, 1]) if kind == "last" else found, "y")
            if kind != "two":
                return
        features, x = self.channels, self.value
        if kind == "flatten":
            features *= self.size[0] * self.size[1]
        else:
            x = self.net.op("GlobalAveragePool", x)
        flat = self.net.op("Flatten", x)
        weight = self.net.weight(5, features, scale=float(np.sqrt(1.5 / features)))
        scores = self.net.op("Gemm", flat, weight, self.net.weight(5, scale=0.3), transB=1)
        self.net.output(self.activation(scores) if self.chance(0.2) else scores, "scores")

    def samples(self, count: int) -> dict[str, Array]:
        """Smooth pictures: in [0, 1], grey levels, or around 0."""
        (x,) = self.net.inputs
        shape = [d.dim_value for d in x.type.tensor_type.shape.dim][1:]
        values = self.rng.random((count, *shape))
        kind = self.pick("unit", "grey", "levels", "signed")
        if kind == "signed":
            return {"x": (2 * values - 1).astype(np.float32)}
        values = values if kind == "unit" else np.round(255 * values) / (255 if kind == "levels" else 1)
        return {"x": values.astype(np.float32)}


class Clip(Growing):
    """A network of clips."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self.channels = self.pick(1, 2, 3)
        self.frames, self.size = int(self.rng.integers(5, 10)), [int(n) for n in self.rng.integers(4, 9, 2)]
        self.symmetric = self.chance(0.4)
        last = self.chance(0.2)
        shape = (self.frames, *self.size, self.channels) if last else (self.channels, self.frames, *self.size)
        x = self.net.input("x", (1, *shape))
        self.value = self.net.op("Transpose", x, perm=[0, 4, 1, 2, 3]) if last else x
        self.spatial()
        self.temporal()
        for _ in range(self.rng.integers(1, 5)):
            self.pick(self.spatial, self.temporal, self.residual, self.pool, self.up, self.point, self.join)()
        self.head()

    def temporal(self) -> None:
        taps, dilation, depthwise = self.pick(2, 3, 4, 5), self.pick(1, 1, 1, 2), self.chance(0.3)
        filters = self.channels if depthwise else self.pick(2, 3, 4)
        self.value = self.past(self.value, filters, taps, dilation, self.channels if depthwise else 1)
        self.channels = filters
        self.activate()

    def past(self, x: str, filters: int, taps: int, dilation: int, groups: int) -> str:
        """A convolution over time: causal, or padded on both sides alike."""
        reach = (taps - 1) * dilation
        before = reach // 2 if self.symmetric and reach % 2 == 0 else reach
        window = {"pads": [before, 0, 0, reach - before, 0, 0], "dilations": [dilation, 1, 1]}
        return self.conv(x, (filters, self.channels // groups, taps, 1, 1), groups, **window)

    def spatial(self) -> None:
        kernel, stride = self.pick(1, 3, 3), self.pick(1, 1, 2)
        depthwise = self.chance(0.2)
        filters = self.channels if depthwise else self.pick(2, 3, 4)
        shape = (filters, 1 if depthwise else self.channels, 1, kernel, kernel)
        pad = kernel // 2
        window = {"pads": [0, pad, pad] * 2, "strides": [1, stride, stride]}
        self.value = self.conv(self.value, shape, self.channels if depthwise else 1, **window)
        self.channels, self.size = filters, [-(-n // stride) for n in self.size]
        self.activate()

    def point(self) -> None:
        filters = self.pick(2, 3, 4)
        self.value = self.conv(self.value, (filters, self.channels, 1, 1, 1))
        self.channels = filters
        self.activate()

    def residual(self) -> None:
        given = self.value
        made = (
            self.past(given, self.channels, 3, 1, 1)
            if self.chance(0.6)
            else self.conv(given, (self.channels, self.channels, 1, 3, 3), pads=[0, 1, 1] * 2)
        )
        self.value = self.net.op("Add", self.activation(made), given)
        self.activate()

    def join(self) -> None:
        other = self.conv(self.value, (2, self.channels, 1, 1, 1))
        self.value = self.net.op("Concat", self.value, other, axis=1)
        self.channels += 2

    def pool(self) -> None:
        if self.alike():
            op = self.pick("MaxPool", "AveragePool")
            self.value = self.net.op(op, self.value, kernel_shape=[1, 2, 2], strides=[1, 2, 2])
            self.size = [n // 2 for n in self.size]

    def up(self) -> None:
        if max(self.size) > 6:
            return
        operands = [self.weight(self.channels, self.channels, 1, 2, 2), *self.bias(self.channels)]
        self.value = self.net.op("ConvTranspose", self.value, *operands, strides=[1, 2, 2])
        self.size = [2 * n for n in self.size]
        self.activate()

    def head(self) -> None:
        kind = self.pick("clip", "frames", "frames", "map", "sequence")
        if kind == "map":
            self.net.output(self.conv(self.value, (2, self.channels, 1, 1, 1)), "y")
            return
        if kind == "clip":
            mean = self.net.op("GlobalAveragePool", self.value)
            scores = self.net.op("Gemm", self.net.op("Flatten", mean), self.weight(5, self.channels), transB=1)
            self.net.output(scores, "y")
            return
        x = self.net.reduce_mean(self.value, [3, 4], keepdims=0)
        if kind == "sequence":
            self.net.output(self.conv(x, (3, self.channels, 1)), "y")
            return
        rows = self.net.op("Transpose", x, perm=[0, 2, 1])
        self.net.output(self.net.op("MatMul", rows, self.net.weight(self.channels, 3, scale=0.7)), "y")

    def samples(self, count: int) -> dict[str, Array]:
        (x,) = self.net.inputs
        shape = [d.dim_value for d in x.type.tensor_type.shape.dim][1:]
        values = self.rng.normal(size=(count, *shape))
        if self.chance(0.4):
            values = (self.rng.random(values.shape) < 0.3) * np.sign(values)
        return {"x": values.astype(np.float32)}
