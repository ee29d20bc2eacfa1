"""Random valid Akida programs, and frames for them; the same seed gives the same program.

Programs take clips of FRAMES frames, and every layer that no other reads is an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from akida_numbers import random_parameters, random_variables

from nmc.runtime.program import AkidaProgram, GraphInput, GraphOutput, Layer, Timing
from nmc.runtime.program.akida_check import validate
from nmc.runtime.program.akida_kinds import NEURAL, TRANSPOSED
from nmc.runtime.program.akida_shapes import ShapeError, Signal, hosted, infer, signals

Array = np.ndarray[Any, Any]
FRAMES = 4
MAX_EXTENT, MAX_CHANNELS = 8, 8


def random_program(seed: int) -> AkidaProgram:
    """3 to 9 layers of all kinds and Dequantizers, with branches."""
    program = clips(_Growing(seed).grow())
    validate(program)
    return program


def random_frames(program: AkidaProgram, seed: int, streams: int = 3) -> dict[str, Array]:
    """What a host could feed, (streams, FRAMES, X, Y, C), by layer: codes of the input's range, or float32."""
    rng = np.random.default_rng(seed)
    fed: dict[str, Array] = {}
    for layer in program.layers:
        if layer.inbounds:
            continue
        signal = hosted(layer)
        shape = (streams, FRAMES, *signal.shape)
        if signal.bits:
            low = -(1 << (signal.bits - 1)) if signal.signed else 0
            codes = rng.integers(low, low + (1 << signal.bits), shape)
            fed[layer.name] = codes * (rng.random(shape) < rng.choice([0.3, 1.0]))
        else:
            # Halves of a step, where rounding is decided, and any numbers.
            halves = rng.integers(-300, 600, shape) / (2 * layer.variables["scales"])
            fed[layer.name] = np.where(rng.random(shape) < 0.5, halves, rng.normal(size=shape) * 300).astype(np.float32)
    return fed


def clips(layers: Sequence[Layer]) -> AkidaProgram:
    """The layers as a program that takes clips of FRAMES frames, in the layers' own codes and layout."""
    found = signals(AkidaProgram(tuple(layers), (), ()))
    read = {name for layer in layers for name in layer.inbounds}
    timing = Timing(0, length=FRAMES, axis=1)
    hosts = [(layer.name, hosted(layer)) for layer in layers if not layer.inbounds]
    inputs = [GraphInput(n, n, (FRAMES, *s.shape), 1, "HWC", 1.0, 0, s.bits, s.signed) for n, s in hosts]
    ends = [layer.name for layer in layers if layer.name not in read]
    outputs = [GraphOutput(name, name, (FRAMES, *found[name].shape), "HWC", timing) for name in ends]
    return AkidaProgram(tuple(layers), tuple(inputs), tuple(outputs))


class _Growing:
    """Layers in the making, and what they give."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.layers: list[Layer] = []
        self.signals: dict[str, Signal] = {}

    def grow(self) -> list[Layer]:
        wanted = self.rng.integers(3, 10)
        self.start()
        while len(self.layers) < wanted:
            self.more()
        for name in self.unread():
            if self.rng.random() < 0.5:
                self.add("Dequantizer", [name], {})
        return self.layers

    def start(self) -> None:
        """A layer that the host feeds; one in four is a Quantizer with an InputConv2D behind it."""
        x, y = (int(extent) for extent in self.rng.integers(2, MAX_EXTENT, 2))
        frame = {"input_width": x, "input_height": y}
        kind = self.pick("InputData", "Quantizer", "InputConv2D", "both")
        if kind == "InputData":
            bits = self.pick(8, 8, 5, 4, 1)
            channels = {"input_channels": self.pick(1, 2, 3, 4)}
            self.add(kind, [], {**frame, **channels, "input_bits": bits, "input_signed": bits > 4})
            return
        image = {"input_x": x, "input_y": y, "input_channels": self.pick(1, 3)}
        if kind != "InputConv2D":
            code = {"output_bits": self.pick(8, 8, 5), "output_signed": self.pick(True, False), "channels_first": False}
            code |= {"output_bits": 8, "output_signed": False} if kind == "both" else {}
            self.add("Quantizer", [], {**frame, "input_channels": image["input_channels"], **code})
        if kind != "Quantizer":
            self.neural("InputConv2D", list(self.signals), image)

    def more(self) -> None:
        """One more layer, mostly on what no other reads yet; or none, where the kind drawn does not fit there."""
        waiting = self.unread()
        name = self.pick(*waiting) if waiting and self.rng.random() < 0.8 else self.pick(*self.signals)
        x, y, _ = self.signals[name].shape
        kind = self.pick(*NEURAL[1:], "Add", "Concatenate", "Concatenate")
        if kind == "Add":
            self.sum(name)
        elif kind == "Concatenate":
            self.join(name)
        elif kind not in TRANSPOSED or 2 * max(x, y) <= MAX_EXTENT:
            self.neural(kind, [name], {})

    def neural(self, kind: str, reads: list[str], given: dict[str, Any]) -> None:
        """A layer with parameters drawn until its windows fit into what it reads."""
        while True:
            parameters = random_parameters(self.rng, kind) | given
            try:
                infer(Layer("", kind, (), parameters), [self.signals[name] for name in reads])
            except ShapeError:
                continue
            self.add(kind, reads, parameters)
            return

    def sum(self, name: str) -> None:
        """`name` and a layer like it. Where there is none, a convolution of `name` becomes one."""
        signal = self.signals[name]
        if not signal.signed:
            return
        others = [other for other in self.signals if other != name and self.signals[other] == signal]
        if not others and signal.bits > 4:
            window = {"kernel_size": 3, "kernel_stride": 1, "padding": "same"}
            pool = {"pool_type": "none", "pool_size": -1, "pool_stride": -1}
            self.neural("Conv2D", [name], {"filters": signal.shape[2], "output_bits": signal.bits, **window, **pool})
            others = [self.layers[-1].name]
        if others:
            both = [name, self.pick(*others)]
            self.rng.shuffle(both)
            self.add("Add", both, random_parameters(self.rng, "Add"))

    def join(self, name: str) -> None:
        """The channels of `name` and of one or two layers of equal size, bits and sign, in any order."""

        def frame(n: str) -> tuple[Any, ...]:
            signal = self.signals[n]
            return signal.shape[:2], signal.bits, signal.signed

        alike = [name, *(n for n in self.signals if n != name and frame(n) == frame(name))][:3]
        self.rng.shuffle(alike)
        if len(alike) > 1 and sum(self.signals[n].shape[2] for n in alike) <= MAX_CHANNELS:
            self.add("Concatenate", alike, {})

    def unread(self) -> list[str]:
        read = {name for layer in self.layers for name in layer.inbounds}
        return [name for name in self.signals if name not in read]

    def add(self, kind: str, reads: list[str], parameters: dict[str, Any]) -> None:
        given = [self.signals[name] for name in reads]
        layer = Layer(f"{kind.lower()}{len(self.layers)}", kind, tuple(reads), parameters)
        layer = replace(layer, variables=random_variables(self.rng, layer, given))
        self.layers.append(layer)
        if kind != "Dequantizer":
            self.signals[layer.name] = infer(layer, given)

    def pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]
