"""The network in this folder as what hs_api takes, and the axons that fire in each timestep. Written by nmc.

Needs Python 3.10 or later and numpy; `cri_network` needs hs_api too.

    net = load("net.hs_api")
    network = cri_network(net)
    for axons in step_inputs(net, {"image": image}):
        spikes = network.step(axons)

`results` makes the outputs of what the network did.
"""

import json
from importlib import import_module
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CLASSES = {0: "ANN_neuron", 2: "LIF_neuron", 3: "IF_neuron"}


class Model(NamedTuple):
    """Parameters of a neuron: the class of hs_api and what its constructor takes. `soft`: keeps V - threshold when it
    fires, where others are set to 0."""

    kind: str
    threshold: int
    shift: int
    leak: int
    soft: bool = False


class Network(NamedTuple):
    """hs_api's three structures, with Model for its objects; `program` and `arrays` say how the host drives them."""

    axons: dict[Any, list[tuple[Any, int]]]
    connections: dict[Any, tuple[list[tuple[Any, int]], Model]]
    outputs: list[Any]
    names: tuple[list[Any], list[Any]]
    program: dict[str, Any]
    arrays: dict[str, Any]


def load(folder: str | Path) -> Network:
    """Read network.json and network.npz of a folder."""
    data = json.loads((Path(folder) / "network.json").read_text(encoding="utf-8"))
    with np.load(Path(folder) / "network.npz", allow_pickle=False) as file:
        arrays = dict(file)
    if data.get("hs_api_network") != 1 or str(arrays["digest"]) != data["digest"]:
        raise ValueError(f"{folder}: network.json and network.npz belong to different exports, or to a newer format")
    axons, neurons, program = data["axons"], data["neurons"], data["program"]
    models = [
        Model(CLASSES[m["code"]], m["threshold"], m["shift"], m["leak"], m.get("soft", False))
        for m in program["models"]
    ]
    outgoing = zip(neurons, _lists(arrays, "neurons", neurons), arrays["neuron_model"].tolist(), strict=True)
    return Network(
        axons=dict(zip(axons, _lists(arrays, "axons", neurons), strict=True)),
        connections={name: (synapses, models[m]) for name, synapses, m in outgoing},
        outputs=data["outputs"],
        names=(axons, neurons),
        program=program,
        arrays=arrays,
    )


def _lists(arrays: dict[str, Any], sources: str, neurons: list[Any]) -> Any:
    """For each source its list of (target, weight)."""
    bounds = arrays[f"{sources}/indptr"].tolist()
    for start, stop in pairwise(bounds):
        targets, weights = (arrays[f"{sources}/{part}"][start:stop].tolist() for part in ("target", "weight"))
        yield [(neurons[target], weight) for target, weight in zip(targets, weights, strict=True)]


def step_inputs(net: Network, sample: dict[str, Any]) -> list[list[Any]]:
    """For each timestep the axons that fire for one sample: by name the array of each input, without a samples axis."""
    steps: list[list[int]] = [[] for _ in range(net.program["steps"])]
    for phase in net.program["schedule"]:
        for step in range(phase["start"], phase["stop"] + 1, phase["period"]):
            steps[step] += range(phase["first"], phase["first"] + phase["count"])
    for entry in net.program["inputs"]:
        values = np.asarray(sample[entry["name"]], np.float64).reshape(entry["shape"])
        code = np.rint(values / entry["scale"]) + entry["zero_point"]
        code = np.clip(code, 0, 2 ** entry["bits"] - 1).astype(np.int64).reshape(-1, 1)
        bits = (code >> np.arange(entry["bits"])) & 1
        every, repeat = entry.get("every", 0), entry.get("repeat", 1)  # above 0 the first axis is time; held that long
        for row, axons in enumerate(bits.reshape(entry["shape"][0] if every else 1, -1)):
            for step in range(entry["step"] + row * every, entry["step"] + row * every + repeat):
                steps[step] += (entry["first"] + np.flatnonzero(axons)).tolist()
    return [[net.names[0][axon] for axon in sorted(set(step))] for step in steps]


def results(net: Network, spikes: list[Any], potentials: list[dict[Any, int]]) -> dict[str, Any]:
    """The network's outputs for one sample: from the names that fired in each timestep, and the potentials after it."""
    made = {}
    for i, readout in enumerate(net.program["readouts"]):
        neuron, offset, scale = (net.arrays[f"readouts/{i}/{part}"] for part in ("neuron", "offset", "scale"))
        names = [net.names[1][n] for n in neuron.tolist()]
        kind, rows, mean = readout["kind"], readout.get("rows", 0), readout.get("mean", False)
        first = readout.get("first", 0)
        window = slice(first, first + rows) if rows else slice(None)
        if kind in ("count", "spikes"):
            steps = [[int(name in fired) for name in names] for fired in map(set, spikes[window])]
        else:
            steps = [[after[name] for name in names] for after in potentials[window]]
        if kind == "potential":
            steps = steps[-1:]
        seen = np.array(steps, np.int64).reshape(-1, len(names))
        integers = (seen.sum(axis=0, keepdims=True) if kind == "count" or mean else seen) + offset
        values = integers * scale / (rows if mean else 1)
        made[readout["name"]] = values.astype(np.float32).reshape(readout["shape"])
    return made


def cri_network(net: Network) -> Any:
    """hs_api's network: on its simulator where the program is for that, else on the board it is for."""
    api, classes = import_module("hs_api.api"), import_module("hs_api.neuron_models")
    models = {model: _make(classes, model) for model in {m for _, m in net.connections.values()}}
    given: dict[str, Any] = {
        "axons": net.axons,
        "connections": {name: (synapses, models[m]) for name, (synapses, m) in net.connections.items()},
        "outputs": net.outputs,
        "target": "simpleSim" if net.program["profile"]["name"] == "sim" else "CRI",
    }
    if "config" in signature(api.CRI_network).parameters:  # later versions take none
        given["config"] = {"neuron_type": "I&F", "global_neuron_params": {"v_thr": 0}}
    return api.CRI_network(**given)


def _make(classes: Any, model: Model) -> Any:
    """By position: branches of hs_api name the parameters differently. Only IF_neuron has a soft reset."""
    leak = () if model.kind == "IF_neuron" else (model.leak,)
    soft = {"soft_reset": True} if model.soft else {}
    return getattr(classes, model.kind)(model.threshold, model.shift, *leak, **soft)
