"""The best next thing to try for a program that loses too much, from what each layer's rounding costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .sensitivity import LayerCost, Sensitivity

MOSTLY = 0.5
GOOD_DB = 35.0
TRAINING = "fine-tune the network with fake quantization (examples/gestures_qat)"


def advice(found: Sensitivity, options: Mapping[str, Any], target: str) -> list[str]:
    """Sentences for the user; `options` are those that the program was compiled with."""
    if not found.layers:
        return ["no layer rounds anything"]
    worst = max(found.layers, key=lambda layer: layer.alone.noise)
    if not worst.alone.noise:
        return ["no layer loses anything on these samples"]
    sentences = []
    floats, whole = found.floats.accuracy, found.whole.accuracy
    if floats is not None and whole is not None:
        lost = 100 * (floats - whole)
        sentences.append("no accuracy is lost" if lost <= 0 else f"{lost:.2f} points of accuracy are lost")
    weights = worst.weights is not None and (worst.values is None or worst.weights.noise >= worst.values.noise)
    part = "the code of this input" if worst.kind == "input" else "its weights" if weights else "the values it gives"
    sentences.append(f"{worst.name} loses most: {100 * worst.share:.0f} % of the noise at the outputs, by {part}")
    if found.whole.sqnr_db >= GOOD_DB and not (floats or 0) > (whole or 0):
        return [*sentences, f"{found.whole.sqnr_db:.1f} dB at the outputs: there is little left to gain"]
    return [*sentences, f"try {_next(worst, weights, options, target)}"]


def _next(worst: LayerCost, weights: bool, options: Mapping[str, Any], target: str) -> str:
    best = options.get("optimize", 1) == 2
    harder = TRAINING if best else "--optimize 2"
    if worst.kind == "input":
        return "inputs that are scaled to the range that they use"
    if weights:
        return "--weight-bits 8" if worst.weight_bits == 4 else harder
    if worst.clipped > MOSTLY:
        less = "" if options.get("ranges") == "minmax" else "--ranges minmax, or "
        return f"{less}more calibration samples: most of it is clipped, not rounded"
    if target == "cri":
        return f"--timesteps {2 * worst.levels + 1}"
    if worst.levels == 15:
        return "--activation-bits 8"
    return "--ranges mse" if options.get("ranges") == "minmax" else harder
