"""Random integer frame graphs of spiking networks: layers, pools, gates, residual sums, recurrence, inputs, outputs."""

from __future__ import annotations

from typing import Any

from spiking_integer import NONE, Net

from nmc.compiler.ir import Graph, Value

SIDE = 4


class RandomNet(Net):
    """Trains (C, 4, 4) that layers are put on at random. `plain` leaves out what only some profiles hold."""

    def __init__(self, seed: int, soft: bool, leaky: bool):
        super().__init__(steps=1, seed=seed)
        self.steps = self.pick(1, 4, 6)
        self.soft, self.leaky = soft, leaky
        self.trains: list[Value] = []

    def pick(self, *of: Any) -> Any:
        return of[int(self.rng.integers(len(of)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def train(self) -> Value:
        return self.pick(*self.trains)

    def neurons(self, x: Value) -> Value:
        """Spikes of a sum."""
        channels = x.type.shape[1]
        shape = (1, channels, 1, 1)
        threshold = self.rng.integers(1, 16, shape) if self.chance(0.3) else int(self.rng.integers(1, 16))
        leak: Any = NONE
        if self.chance(0.2):
            leak = 0
        elif self.leaky and self.chance(0.5):
            leak = self.rng.choice([1, 2, 3, NONE], shape) if self.chance(0.3) else self.pick(1, 2, 3, 5, 40, 63)
        return self.spike(x, threshold, leak, self.soft and self.chance(0.5))

    def layer(self, x: Value, out: int) -> Value:
        kernel, groups = self.pick(1, 3), self.pick(1, 1, x.type.shape[1]) if out == x.type.shape[1] else 1
        made = self.conv(x, out, kernel, 1, kernel // 2, groups)
        return self.add(made, self.rng.integers(-5, 6, (1, out, 1, 1))) if self.chance(0.4) else made

    def grow(self) -> None:
        """One more train from those there are."""
        x = self.train()
        channels = x.type.shape[1]
        kind = self.pick("layer", "layer", "residual", "pool", "gate", "concat", "recurrent", "delay", "scaled")
        if kind == "layer":
            made = self.neurons(self.layer(x, self.pick(1, 2, 3)))
        elif kind == "residual":
            other = self.pick(*(t for t in self.trains if t.type.shape == x.type.shape))
            made = self.neurons(self.add(self.layer(x, channels), other))
        elif kind == "pool" and not self.is_input(x):
            made = self.pool(x, 3, 1, 1)
        elif kind == "gate":
            other = self.pick(*(t for t in self.trains if t.type.shape == x.type.shape))
            if self.chance(0.5):
                made = self.spike(self.add(x, other), 2, 0, name="and")
            else:
                made = self.spike(self.add(self.scaled(x, -1), self.add(other, 1)), self.pick(0, 1, 2), 0, name="gate")
        elif kind == "concat":
            made = self.neurons(self.layer(self.concat(x, self.swapped(self.train())), 2))
        elif kind == "recurrent":
            state = self.state(channels, SIDE, SIDE)
            made = self.neurons(self.add(self.layer(x, channels), self.layer(state, channels)))
            self.graph.close(state, made)
        elif kind == "delay" and not self.zero_point(x):
            state = self.state(*x.type.shape[1:])
            self.graph.close(state, x)
            if self.chance(0.5):
                again = self.state(*x.type.shape[1:])
                self.graph.close(again, state)
                state = again
            made = self.neurons(self.layer(state, 2))
        else:
            made = self.neurons(self.layer(self.scaled(x, self.rng.integers(-2, 4, (1, channels, 1, 1))), 2))
        self.trains.append(made)

    def is_input(self, x: Value) -> bool:
        return x.producer is not None and x.producer.op.mnemonic == "quantize"

    def zero_point(self, x: Value) -> bool:
        return self.is_input(x) and bool(x.producer.op.zero_point)  # type: ignore[union-attr]

    def finish(self) -> Graph:
        leaks = (None, None, 0, NONE, NONE) + ((1, 3) if self.leaky else ())
        for number in range(self.pick(1, 2, 4)):
            x = self.train()
            if self.chance(0.4):
                x = self.dense(self.flat(x), 3, bias=True, low=-9 if self.leaky or self.chance(0.5) else 0)
            elif self.chance(0.3):
                x = self.add(x, self.pick(*(t for t in self.trains if t.type.shape == x.type.shape)))
            self.output(f"y{number}", x, self.pick(*leaks), last=self.chance(0.3), mean=self.chance(0.3))
        return self.graph


def random_net(seed: int, soft: bool = False, leaky: bool = True) -> Graph:
    net = RandomNet(seed, soft, leaky)
    for _ in range(net.pick(1, 1, 2)):
        bits = net.pick(1, 1, 1, 3)
        zero = net.pick(0, 2) if bits > 1 else 0
        net.trains.append(net.input(2, SIDE, SIDE, bits=bits, scale=0.25, zero=zero, held=net.chance(0.25)))
    for _ in range(net.pick(1, 3, 6)):
        net.grow()
    return net.finish()
