"""A network as bare arrays, the layout for large ones: see docs/hs_api.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....runtime.program.cri import NeuronModel
from ....runtime.program.cri_check import MAX_MODELS
from .hs_api_network import Network, Synapses
from .hs_api_npz import Array
from .hs_api_problems import Findings, Refusal, short

CSR = ("indptr", "target", "weight")
NEEDED = (*(f"{part}/{name}" for part in ("axons", "neurons") for name in CSR), "neuron_model", "models", "outputs")
NAMES = ("axons/names", "neurons/names")
WORDS = ("code", "threshold", "leak", "shift")


def network_of_arrays(arrays: dict[str, Array], found: Findings) -> Network:
    """The network of the arrays NEEDED and, if there are any, NAMES; problems go to `found`.

    Refusal NMC-F030 if arrays are missing, unknown or of another kind than the layout's.
    """
    _check_arrays(arrays)
    neurons = len(arrays["neuron_model"])
    models = arrays["models"]
    if len(models) > MAX_MODELS:
        found.add("F031", f"models: {len(models)} of them, and {MAX_MODELS} is the most")
    _within("neuron_model", arrays["neuron_model"], len(models), "models", found)
    _within("outputs", arrays["outputs"], neurons, "neurons", found)
    if len(np.unique(arrays["outputs"])) < len(arrays["outputs"]):
        found.add("F032", "outputs: a neuron is given twice")
    from_axons, from_neurons = (_synapses(part, arrays, neurons, found) for part in ("axons", "neurons"))
    if len(from_neurons.indptr) - 1 != neurons:
        found.add("F031", f"neurons/indptr: must list {neurons:,} neurons")
    names = _names(arrays, (len(from_axons.indptr) - 1, neurons), found)
    slots = [dict(zip(WORDS, row, strict=True)) for row in models.tolist()]
    return Network(
        names=names,
        axons=from_axons,
        neurons=from_neurons,
        models=tuple(NeuronModel(**slot) for slot in slots),
        neuron_model=arrays["neuron_model"].astype(np.int64),
        outputs=arrays["outputs"].astype(np.int64),
    )


def _check_arrays(arrays: dict[str, Array]) -> None:
    missing, unknown = sorted(set(NEEDED) - arrays.keys()), sorted(arrays.keys() - {*NEEDED, *NAMES})
    if missing or unknown:
        raise Refusal("F030", f"arrays missing: {missing or 'none'}; unknown: {short(unknown) if unknown else 'none'}")
    for name, array in arrays.items():
        axes, kinds = 2 if name == "models" else 1, "U" if name in NAMES else "iuf" if name.endswith("weight") else "iu"
        if array.ndim != axes or array.dtype.kind not in kinds:
            what = {"U": "text", "iuf": "numbers", "iu": "integers"}[kinds]
            raise Refusal("F030", f"{name} must be {what} with {axes} axes, not {array.dtype} {array.shape}")
        if array.dtype.kind == "u" and array.size and int(array.max()) >= 2**63:
            raise Refusal("F030", f"{name} holds numbers beyond 64 bits with a sign")
    if arrays["models"].shape[1] != len(WORDS):
        raise Refusal("F030", f"models must have the columns {', '.join(WORDS)}")


def _synapses(part: str, arrays: dict[str, Array], neurons: int, found: Findings) -> Synapses:
    indptr, target, weight = (arrays[f"{part}/{name}"] for name in CSR)
    bounds = indptr.astype(np.int64)
    spans = len(bounds) > 0 and bounds[0] == 0 and bounds[-1] == len(target) == len(weight)
    if not spans or not np.all(bounds[:-1] <= bounds[1:]):
        found.add("F031", f"{part}/indptr: must rise from 0 to the number of synapses, {len(target):,}")
    _within(f"{part}/target", target, neurons, "neurons", found)
    with np.errstate(invalid="ignore"):
        wrong = (weight < -(2**15)) | (weight > 2**15 - 1) | (weight != np.trunc(weight))
    if wrong.any():
        first = int(wrong.argmax())
        what = f"{int(wrong.sum()):,} are no whole numbers of 16 bits, the first is {weight[first]} at {first:,}"
        found.add("F033", f"{part}/weight: {what}")
        weight = np.zeros(len(weight), np.int16)
    return Synapses(bounds, target.astype(np.int32), weight.astype(np.int16))


def _within(where: str, index: Array, count: int, what: str, found: Findings) -> None:
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < count:
        found.add("F032", f"{where}: {index.min()} to {index.max()} must lie within {count:,} {what}")


def _names(arrays: dict[str, Array], counts: tuple[int, int], found: Findings) -> Any:
    """Names of axons and neurons, None if there are none."""
    given = [arrays[name].tolist() for name in NAMES if name in arrays]
    if not given:
        return None
    if [len(names) for names in given] != list(counts):
        found.add("F031", f"names: {' and '.join(NAMES)} must have {counts[0]:,} and {counts[1]:,} entries")
        return None
    together = [*given[0], *given[1]]
    if len(set(together)) < len(together):
        found.add("F032", "names: some are given twice")
    return given[0], given[1]
