"""What became of a quantized model's scales and weights: facts in each layer's proof, sentences for the user."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ...compiler.passes.base import GivenScale
from ...runtime import arith
from ...runtime.program.akida import Layer
from .floats import Array, FloatLayer, FloatNet
from .given import filters_of
from .scales import passes_on
from .weights import GAIN, Quantized

UNHELD = "the file has no integers of the machine's bits around zero or a layer's inputs have steps of their own"


def weight_facts(layer: FloatLayer, found: Quantized, step: Array) -> dict[str, Any]:
    """How many of a layer's filters kept the model's integers, and by how much their gains are off at most."""
    if layer.units is None:
        return {}
    assert layer.weight is not None
    used = filters_of(layer).any(axis=0)
    wanted = layer.units * (step[0] if np.all(step == step[0]) else np.nan)
    alike = (np.rint(filters_of(layer) / layer.units) == found.weights.reshape(len(filters_of(layer)), -1)).all(axis=0)
    off = np.abs(found.unit / wanted - 1)
    kept = used & alike & (off <= GAIN)
    largest = float(arith.round_mantissa(off[kept].max(initial=0.0), 10))
    return {"filters": int(used.sum()), "kept_filters": int(kept.sum()), "gain_error": largest}


def tell(
    net: FloatNet, layers: Sequence[Layer], steps: Mapping[str, Array], given: Mapping[str, GivenScale], bounded: bool
) -> tuple[list[str], bool]:
    """Note in each layer's proof where its scale comes from; sentences for the user about the whole, and whether any
    range comes from samples. `steps` are the layers' scales, `given` what the model says of the net's values, `bounded`
    whether averages and tables have the range that they can need."""
    fed = {entry.layer for entry in net.inputs if entry.name in given}
    asked = [layer for layer in net.layers.values() if layer.name not in fed and _needs_range(net, layer)]
    names = [layer.name for layer in asked if not bounded or layer.inside is None]
    held = {id(given[entry.name]) for entry in net.inputs if entry.name in given}
    for layer in layers:
        source = net.layers[layer.name]
        if source.scale is not None and not _is_raw(net, source):
            held.add(id(source.scale))
        layer.proof.update(_scale_facts(net, source, steps[layer.name], names))
    free = sum(id(scale) not in held for scale in given.values())
    return _summary([layer.proof for layer in layers], names, free), bool(names)


def tell_weights(layers: Sequence[Layer]) -> str:
    """A sentence for the user about a model in which only weights are integers."""
    weights = {layer.name: layer.proof for layer in layers if "kept_filters" in layer.proof}
    anew = [f"%{name}" for name, proof in weights.items() if proof["kept_filters"] < proof["filters"]]
    gain = max((proof["gain_error"] for proof in weights.values()), default=0.0)
    said = f"weights of the model: {len(weights) - len(anew)} of {len(weights)} layers keep its integers"
    said += f", gains are off by up to {100 * gain:.2g} %" if gain else ""
    if anew:
        said += f"; rounded anew, where {UNHELD}: {', '.join(anew)}"
    return said


def _is_raw(net: FloatNet, layer: FloatLayer) -> bool:
    """Does it give its sums, with all their bits, to the host alone?"""
    return layer.neural and net.is_output(layer.name) and not net.readers(layer.name)


def _needs_range(net: FloatNet, layer: FloatLayer) -> bool:
    """Do only samples tell its range?"""
    if layer.function is not None and layer.inside is None:
        return True  # of what its table reads
    if layer.scale is not None or layer.kind == "Concatenate" or passes_on(layer):
        return False
    return not _is_raw(net, layer)


def _scale_facts(net: FloatNet, layer: FloatLayer, step: Array, names: Collection[str]) -> dict[str, Any]:
    """Where a layer's scale comes from, and for one of the model how much coarser the machine's step is."""
    if layer.name in names:
        return {"scales": "calibrated"}
    if _is_raw(net, layer):
        return {"scales": "sums"}
    if layer.scale is None:
        return {"scales": "as read" if layer.inside is None else "bound"}
    ratio = float(np.max(step / layer.scale.scale))
    return {"scales": "model", "model_step": float(layer.scale.scale.max()), "step_ratio": round(ratio, 4)}


def _summary(records: list[dict[str, Any]], names: list[str], free: int) -> list[str]:
    """Sentences for the user about a quantized model: what was kept, and what it cost. `names` are layers without a
    scale, `free` how many values it rounds that the program does not."""
    own = [r for r in records if r.get("scales") == "model"]
    weights = [r for r in records if "kept_filters" in r]
    kept = [r for r in weights if r["kept_filters"] == r["filters"]]
    said = [
        f"scales of the model: {len(own)} layers keep its ranges, {len(kept)} of {len(weights)} its integer weights"
    ]
    coarser = [r for r in own if r["step_ratio"] > 1.001]
    if coarser:
        worst = max(coarser, key=lambda r: r["step_ratio"])
        said[0] += (
            f"; {len(coarser)} have fewer levels than the model, steps up to {worst['step_ratio']:.3g} times as large"
            f" (values are rounded by up to {worst['model_step'] * worst['step_ratio'] / 2:.3g} instead of "
            f"{worst['model_step'] / 2:.3g})"
        )
    gain = max((r["gain_error"] for r in weights), default=0.0)
    said[0] += f"; gains are off by up to {100 * gain:.2g} %" if gain else ""
    said[0] += f"; values inside layers or at outputs that keep more bits than in the model: {free}" if free else ""
    if names:
        said.append(f"the model has no scales for {', '.join('%' + name for name in names)}: calibration gives theirs")
    return said
