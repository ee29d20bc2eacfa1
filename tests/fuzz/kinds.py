"""The kinds of random networks: how each is drawn, what is fed, what has to hold."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from akida_nets import Clip, Growing, Image
from akida_programs import random_frames, random_program
from dyadic_nets import STEPS as SPIKING_STEPS
from dyadic_nets import random_net as random_spiking
from spiking_integer import feeds_for
from spiking_random import random_net as random_integers
from test_cri_unary import images, networks

from nmc.backends.cri.lower import Lowering
from nmc.backends.cri.spiking import SpikingLowering
from nmc.backends.cri.target import PROFILES
from nmc.compiler.driver import Compilation, compile_verbose
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, print_graph, steps_of
from nmc.compiler.manager import Manager
from nmc.runtime.program import AkidaProgram

from .agreement import assert_counts, assert_exact_spikes, assert_layers, assert_spikes, run_everywhere
from .drawn import Array, Drawn
from .extremes import events, stretch_thresholds, with_ends
from .relations import RELATIONS, CriRelation

SAMPLES = 2
# Leaks below 0 are not held under hw_l6 and hw_l6_legacy, so most networks that leak are made for the others.
LEAKING = ("sim", "hw2024", "sim", "hw2024", "sim", "hw2024", "sim", "hw2024", "hw_l6", "hw_l6_legacy")


class Subject(Protocol):
    """A random network. `text` shows it; `check` compiles it, compares all there is to compare, and returns the names
    of the engines that ran beside the reference. NmcError if nmc does not take it, any other exception is a bug."""

    def text(self) -> str: ...

    def check(self) -> list[str]: ...


def digest_of(arrays: Mapping[str, Array]) -> str:
    """Twelve digits that stand for the arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()[:12]


def compiled(graph: Graph, target: str, options: Mapping[str, Any]) -> Compilation:
    with tempfile.TemporaryDirectory() as folder:
        return compile_verbose(graph, target, manager=Manager(reproducer=Path(folder)), **options)


class _Imported:
    """A network in floats that came from an ONNX model, its options, and samples to calibrate it with."""

    def __init__(self, grown: Growing, options: dict[str, Any]):
        with tempfile.TemporaryDirectory() as folder:
            self.graph = import_onnx(grown.net.save(Path(folder)))
        self.samples = grown.samples(SAMPLES)
        self.feeds = {name: with_ends(values) for name, values in self.samples.items()}
        self.options = options

    def text(self) -> str:
        return f"# options {self.options}\n{print_graph(self.graph)}"


class AkidaFloats(_Imported):
    """A network of images or clips for Akida."""

    def __init__(self, grown: Growing, rng: Drawn):
        super().__init__(grown, {
            "ranges": rng.pick(("mse", "minmax", "percentile")),
            "weight_bits": rng.pick((8, 8, 8, 4)),
            "activation_bits": rng.pick((8, 8, 8, 4)),
            "equalize": rng.pick(("auto", "off")),
        })  # fmt: skip

    def check(self) -> list[str]:
        program = compiled(self.graph, "akida", {**self.options, "calibration": self.samples}).program
        result, ran = run_everywhere(program, self.feeds)
        assert result.counters["out_of_range"] == 0, "an accumulator that was proved to fit did not"
        assert_layers(program, self.feeds, result)
        return ran


class AkidaLayers:
    """Layers of an Akida program with any parameters that the machine takes, whatever they compute."""

    def __init__(self, rng: Drawn):
        self.program: AkidaProgram = random_program(rng)
        frames = random_frames(self.program, rng)
        self.feeds = {name: with_ends(values.astype(np.float32)) for name, values in frames.items()}

    def text(self) -> str:
        numbers = [digest_of(layer.variables) for layer in self.program.layers]
        return "\n".join(
            f"{layer.name} = {layer.kind}{layer.inbounds} {layer.parameters} variables {digest}"
            for layer, digest in zip(self.program.layers, numbers, strict=True)
        )

    def check(self) -> list[str]:
        result, ran = run_everywhere(self.program, self.feeds)
        assert_layers(self.program, self.feeds, result)
        return ran


class SmallImage(Image):
    """A network of images whose activations have a unary code."""

    def activation(self, x: str) -> str:
        kind = self.pick("Relu", "Relu6", "Clip")
        return self.net.op("Relu", x) if kind == "Relu" else self.net.clip(x, 0.0, 6.0 if kind == "Relu6" else 1.0)


class CriFloats(_Imported):
    """A network of images for the unary code."""

    def __init__(self, rng: Drawn):
        super().__init__(SmallImage(rng), {
            "timesteps": rng.pick((3, 1, 2, 7)),
            "weight_bits": rng.pick((8, 4, 2)),
            "ranges": rng.pick(("mse", "minmax", "percentile")),
            "profile": rng.pick(list(PROFILES)),
        })  # fmt: skip

    def check(self) -> list[str]:
        done = compiled(self.graph, "cri", {**self.options, "calibration": self.samples})
        result, ran = run_everywhere(done.program, self.feeds)
        assert result.counters["out_of_range"] == 0, "a potential that was proved to fit did not"
        assert_counts(done.lowered, self.feeds, done.program, result)
        return ran


class CriIntegers:
    """An integer network of images, in the unary code under a profile."""

    def __init__(self, rng: Drawn):
        self.graph: Graph = rng.draw(networks())
        self.profile = PROFILES[rng.pick(list(PROFILES))]
        self.feeds = {"x": images(self.graph, 3)}

    def text(self) -> str:
        return f"# profile {self.profile.name}\n{print_graph(self.graph)}"

    def check(self) -> list[str]:
        program = Lowering(self.graph, self.profile).run({})
        result, ran = run_everywhere(program, self.feeds)
        assert result.counters["out_of_range"] == 0
        assert_counts(self.graph, self.feeds, program, result)
        return ran


class CriSpikes:
    """A spiking network of floats, all of whose numbers are multiples of 1/16."""

    def __init__(self, rng: Drawn):
        self.graph = random_spiking(rng)
        stretch_thresholds(self.graph, rng)
        self.feeds = {"x": events(rng, 4, rng.pick((SPIKING_STEPS, 1)), *self.graph.inputs[0].type.shape[1:])}
        self.options = {"profile": rng.pick(LEAKING), "weight_bits": rng.pick((16, 8, 4))}

    def text(self) -> str:
        return f"# options {self.options}\n{print_graph(self.graph)}"

    def check(self) -> list[str]:
        done = compiled(self.graph, "cri", self.options)
        result, ran = run_everywhere(done.program, self.feeds)
        assert_spikes(done.lowered, self.feeds, done.program, result)
        assert_exact_spikes(self.graph, done, self.feeds, result)
        return ran


class CriTrains:
    """An integer spiking network, with thresholds out of the usual."""

    def __init__(self, rng: Drawn):
        self.profile = PROFILES[rng.pick(list(PROFILES))]
        leaks = 0.1 if self.profile.leak == "logical" else 0.6
        self.graph = random_integers(rng, self.profile.soft_reset, leaky=rng.random() < leaks)
        stretch_thresholds(self.graph, rng)
        self.feeds = feeds_for(self.graph, steps_of(self.graph), 3, rng)

    def text(self) -> str:
        return f"# profile {self.profile.name}\n{print_graph(self.graph)}"

    def check(self) -> list[str]:
        program = SpikingLowering(self.graph, self.profile).run({})
        result, ran = run_everywhere(program, self.feeds)
        assert_spikes(self.graph, self.feeds, program, result)
        return ran


# The kinds of a campaign; each relation is also a kind of its own.
CAMPAIGN: dict[str, Any] = {
    "akida-image": lambda rng: AkidaFloats(Image(rng), rng),
    "akida-video": lambda rng: AkidaFloats(Clip(rng), rng),
    "akida-layers": AkidaLayers,
    "cri-image": CriFloats,
    "cri-integers": CriIntegers,
    "cri-spikes": CriSpikes,
    "cri-trains": CriTrains,
    "cri-relations": CriRelation,
}
KINDS: dict[str, Any] = {**CAMPAIGN, **{f"relation-{name}": partial(CriRelation, name=name) for name in RELATIONS}}
