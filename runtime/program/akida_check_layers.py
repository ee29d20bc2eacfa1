"""What consistent layers of an Akida program are: kinds, parameters, wiring, variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .akida import Layer
from .akida_kinds import (
    BOTH_SHIFTS,
    FLAGS,
    INBOUNDS,
    LEFT_SHIFTS,
    MAX_LEFT_SHIFT,
    MIN_RIGHT_SHIFT,
    PARAMETERS,
    RANGES,
    TRANSPOSED,
    WORDS,
)
from .akida_shapes import ShapeError, Signal, Variable, infer, variables
from .problems import Problems

MAX_INPUT_BITS = 8


class LayerProblems(Problems):
    """What can be wrong with the layers. `signals` holds what each layer gives, None where that is unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.signals: dict[str, Signal | None] = {}

    def layers(self, layers: Sequence[Layer]) -> None:
        for i, layer in enumerate(layers):
            where = f"layers/{i}"
            signal = None
            known = layer.kind in PARAMETERS
            self.need(known, "F013", f"{where}/kind", f"unknown kind {layer.kind!r}")
            if known and self._inbounds(where, layer) & self._parameters(where, layer):
                signal = self._signal(where, layer, [self.signals[name] for name in layer.inbounds])
            self.plain_json(f"{where}/proof", layer.proof)
            self.signals[layer.name] = signal

    def _inbounds(self, where: str, layer: Layer) -> bool:
        least, most = INBOUNDS[layer.kind]
        names = layer.inbounds
        count = least <= len(names) and (most is None or len(names) <= most)
        span = f"{least} or more" if most is None else f"{least} to {most}"
        counted = self.need(count, "F013", f"{where}/inbounds", f"{layer.kind} reads {span} layers, not {len(names)}")
        distinct = len(set(names)) == len(names)
        self.need(distinct, "F013", f"{where}/inbounds", "must be distinct layers")
        unknown = [name for name in names if name not in self.signals]
        there = self.need(not unknown, "F012", f"{where}/inbounds", f"no earlier layer is called {unknown}")
        return counted and distinct and there

    def _parameters(self, where: str, layer: Layer) -> bool:
        p, names = layer.parameters, PARAMETERS[layer.kind]
        what = f"{layer.kind} has {sorted(names)}, got {sorted(map(str, p))}"
        if not self.need(p.keys() == set(names), "F009", f"{where}/parameters", what):
            return False
        fits = [self._parameter(f"{where}/parameters/{name}", name, p[name]) for name in names]
        return all(fits) and self._combination(f"{where}/parameters", layer)

    def _parameter(self, where: str, name: str, value: Any) -> bool:
        if name in FLAGS:
            return self.need(type(value) is bool, "F009", where, f"must be true or false, not {value!r}")
        if name in WORDS:
            known = ", ".join(WORDS[name])
            return self.need(value in WORDS[name], "F013", where, f"must be one of {known}, not {value!r}")
        if not self.need(type(value) is int, "F009", where, f"must be an integer, not {value!r}"):
            return False
        low, high = RANGES[name]
        return self.need(low <= value <= high, "F013", where, f"must be {low} to {high}, not {value}")

    def _combination(self, where: str, layer: Layer) -> bool:
        """Parameters that are fine alone and not together."""
        p, before = layer.parameters, len(self.found)
        if layer.kind in TRANSPOSED:
            self.need(p["kernel_size"] in (3, 4), "F013", where, "a transposed convolution has kernel_size 3 or 4")
        if layer.kind == "InputConv2D":
            self.need(p["input_channels"] in (1, 3), "F013", where, "InputConv2D has 1 or 3 input_channels")
        if "weights_bits" in p:
            self.need(p["weights_bits"] in (4, 8), "F013", where, "weights_bits must be 4 or 8")
        if layer.kind == "InputData":
            signed = p["input_bits"] > 4
            self.need(
                p["input_signed"] == signed, "F013", where, "inputs of at most 4 bits are unsigned, others signed"
            )
        if layer.kind == "Quantizer":
            self.need(p["output_bits"] <= MAX_INPUT_BITS, "F013", where, "a Quantizer gives at most 8 bits")
        if "pool_type" in p:
            self._pool(where, p)
        return len(self.found) == before

    def _pool(self, where: str, p: dict[str, Any]) -> None:
        pool = p["pool_size"], p["pool_stride"]
        if p["pool_type"] == "max":
            self.need(min(pool) >= 1, "F013", where, f"max pooling needs a pool_size and pool_stride, not {pool}")
            self.need(p["padding"] != "sameupper", "F013", where, "max pooling has no sameupper padding")
            self.need(p["activation"] != "lut", "F013", where, "max pooling with a lut is not defined")
        else:
            self.need(pool == (-1, -1), "F013", where, f"pool_size and pool_stride must be -1 unused, not {pool}")

    def _signal(self, where: str, layer: Layer, inbounds: list[Signal | None]) -> Signal | None:
        """What the layer gives; checks its variables on the way. None where a layer before is at fault."""
        given = [signal for signal in inbounds if signal is not None]
        if len(given) < len(inbounds):
            return None
        try:
            signal = infer(layer, given)
            expected = variables(layer, given)
        except ShapeError as error:
            self.need(False, "F013", where, f"{layer.kind} {layer.name!r}: {error}")
            return None
        stray = sorted(map(str, layer.variables.keys() - expected.keys()))
        self.need(not stray, "F010", f"{where}/variables", f"{layer.kind} has no {', '.join(stray)}")
        for name, variable in expected.items():
            self._variable(f"{where}/variables/{name}", name, variable, layer)
        return signal

    def _variable(self, where: str, name: str, expected: Variable, layer: Layer) -> None:
        array = layer.variables.get(name)
        fits = isinstance(array, np.ndarray) and array.dtype == expected.dtype and array.shape == expected.shape
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        got = "nothing" if array is None else got
        wanted = f"{np.dtype(expected.dtype)} {expected.shape}"
        if not self.need(fits, "F010", where, f"must be {wanted}, not {got}") or array is None:
            return
        if expected.dtype is np.float32:
            self.need(bool(np.isfinite(array).all()), "F013", where, "must be finite")
            return
        low, high = int(array.min()), int(array.max())
        if name in LEFT_SHIFTS or name in BOTH_SHIFTS:
            least = 0 if name in LEFT_SHIFTS else MIN_RIGHT_SHIFT
            self._within(where, low, high, least, MAX_LEFT_SHIFT)
        if name == "weights" and layer.parameters["weights_bits"] == 4:
            self._within(where, low, high, -8, 7)
        if name == "zero_points" and layer.parameters["output_signed"]:
            self.need(high == 0, "F013", where, "must be 0 where the output is signed")

    def _within(self, where: str, low: int, high: int, least: int, most: int) -> None:
        self.need(least <= low and high <= most, "F013", where, f"{low} to {high} must lie within {least} to {most}")
