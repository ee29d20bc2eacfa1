"""Random networks with parts that the Akida machine cannot hold, in random places."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from akida_nets import Clip, Growing, Image
from hybrid_nets import composed

from nmc.compiler import compile_verbose
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import evaluate
from nmc.compiler.manager import without_edges
from nmc.runtime import Session
from nmc.runtime.program import HybridProgram

FAST, SLOW = 6, 20


class HostImage(Image):
    """With gates, products, softmax, norms and moves that mix channels and pixels."""

    def step(self) -> None:
        if self.chance(0.6):
            super().step()
        else:
            self.pick(self.gate, self.product, self.function, self.softmax, self.shuffle)()

    def gate(self) -> None:
        factors = self.conv(self.net.op("GlobalAveragePool", self.value), (self.channels, self.channels, 1, 1))
        self.value = self.net.op("Mul", self.value, self.net.op("Sigmoid", factors))

    def product(self) -> None:
        self.value = self.net.op("Mul", self.branch(), self.value)

    def function(self) -> None:
        self.value = self.net.op(self.pick("Sin", "Cos", "Atan"), self.value)

    def softmax(self) -> None:
        self.value = self.net.op("Softmax", self.value, axis=self.pick(1, 3))

    def shuffle(self) -> None:
        if self.channels % 4 == 0 and max(self.size) <= 8:
            self.value = self.net.op("DepthToSpace", self.value, blocksize=2)
            self.channels, self.size = self.channels // 4, [2 * n for n in self.size]


class HostClip(Clip):
    """With maxima over time, gates of every frame, and functions."""

    def point(self) -> None:
        self.pick(super().point, self.longest, self.gate, self.function)()

    def longest(self) -> None:
        self.value = self.net.op("MaxPool", self.value, kernel_shape=[2, 1, 1], pads=[1, 0, 0, 0, 0, 0])

    def gate(self) -> None:
        mean = self.net.reduce_mean(self.value, (3, 4), keepdims=1)
        factors = self.net.op("Sigmoid", self.conv(mean, (self.channels, self.channels, 1, 1, 1)))
        self.value = self.net.op("Mul", self.value, factors)

    def function(self) -> None:
        self.value = self.net.op(self.pick("Sin", "Atan"), self.value)


def check_random(kind: type[Growing], seed: int) -> None:
    """Compiled or refused; then the outputs are those of the segments put together, and the graph is the network."""
    net = kind(seed)
    with TemporaryDirectory() as folder:
        graph = import_onnx(net.net.save(Path(folder)))
    samples = net.samples(3)
    try:
        done = compile_verbose(graph, "akida", calibration=samples, host_fallback=True)
    except NmcError as error:
        assert {d.code for d in error.diagnostics} <= {"NMC-A003", "NMC-V001"}, error
        return
    found = Session(done.program, "reference").run(samples).outputs
    exact, wanted = evaluate(done.lowered, samples), evaluate(graph, samples)
    for output in done.program.outputs:
        apart = without_edges(exact[output.name] - wanted[output.name], output.timing)
        assert np.abs(apart).max(initial=0) <= 1e-6 * max(np.abs(wanted[output.name]).max(), 1)
    if isinstance(done.program, HybridProgram):
        for name, values in composed(done.program, samples).items():
            assert np.array_equal(found[name], values)


@pytest.mark.parametrize("seed", range(FAST))
def test_images(seed: int) -> None:
    check_random(HostImage, seed)


@pytest.mark.parametrize("seed", range(FAST))
def test_clips(seed: int) -> None:
    check_random(HostClip, seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [HostImage, HostClip])
def test_more(kind: type[Growing]) -> None:
    for seed in range(FAST, SLOW):
        check_random(kind, seed)
