"""hs_api's three structures, the dictionaries `axons` and `connections` and the list `outputs`, made a Network."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np

from .hs_api_models import ModelReader
from .hs_api_names import Name
from .hs_api_network import Network, Synapses
from .hs_api_problems import Findings, Refusal, short

PARTS = ("axons", "connections", "outputs")
LOW, HIGH = -(2**15), 2**15 - 1
ALWAYS_ALLOWED = 1 << 20
"""Synapses that any file may have: a small file must not ask for any amount of memory by listing one list often."""


def network_of(data: Any, size: int, profile: str, found: Findings) -> Network:
    """The network of {axons, connections, outputs}, from a file of `size` bytes; problems go to `found`.

    Sources are in the order of the dictionaries. Refusal NMC-F030 if there are no such three parts, F035 if there are
    more synapses than such a file can list.
    """
    if not isinstance(data, dict) or data.keys() != set(PARTS):
        has = ", ".join(map(short, data)) if isinstance(data, dict) else type(data).__name__
        raise Refusal("F030", f"the file must hold {', '.join(PARTS)}, and holds {has[:200]}")
    axons, connections, outputs = (data[part] for part in PARTS)
    for part, value, kind in zip(PARTS, (axons, connections, outputs), (dict, dict, list), strict=True):
        if type(value) is not kind:
            raise Refusal("F030", f"{part} must be a {kind.__name__}, not {type(value).__name__}")
    reader = _Reader(connections, max(size, ALWAYS_ALLOWED), found)
    _check_names(axons, connections, found)
    from_axons = reader.synapses("axons", axons.items())
    models = ModelReader(profile, found)
    numbers = array("i")
    lists = []
    for name, value in connections.items():
        if isinstance(value, list | tuple) and len(value) == 2:
            lists.append((name, value[0]))
            numbers.append(models.number(f"connections/{short(name)}", value[1]))
        else:
            found.add("F031", f"connections/{short(name)}: must be a list of synapses and a neuron model")
    from_neurons = reader.synapses("connections", lists)
    return Network(
        names=(list(axons), list(connections)),
        axons=from_axons,
        neurons=from_neurons,
        models=models.models,
        neuron_model=np.array(numbers, np.int64),
        outputs=reader.outputs(outputs),
    )


def _check_names(axons: dict[Any, Any], connections: dict[Any, Any], found: Findings) -> None:
    for name in filter(connections.__contains__, axons):
        found.add("F032", f"{short(name)} names an axon and a neuron")
    for name in (*axons, *connections):
        if type(name) is int and not -(2**63) <= name < 2**63:
            found.add("F032", f"{short(name)} exceeds 64 bits, which no name may")


class _Reader:
    """Turns names into numbers; counts the entries it has seen against a limit."""

    def __init__(self, connections: dict[Any, Any], limit: int, found: Findings):
        self.index = {name: i for i, name in enumerate(connections)}
        self.left, self.limit, self.found = limit, limit, found

    def synapses(self, part: str, lists: Iterable[tuple[Name, Any]]) -> Synapses:
        """The lists (source, [(target, weight), …]) one after the other."""
        index = self.index
        ends, target, weight = array("q", [0]), array("i"), array("h")
        for source, entries in lists:
            for place, entry in enumerate(self._entries(part, source, entries)):
                # The plain case first: a network has millions of these.
                if type(entry) in (tuple, list) and len(entry) == 2:
                    post, value = entry
                    if type(post) in (str, int) and post in index and type(value) is int and LOW <= value <= HIGH:
                        target.append(index[post])
                        weight.append(value)
                        continue
                self._other(f"{part}/{short(source)}/{place}", entry, target, weight)
            ends.append(len(target))
        return Synapses(np.array(ends, np.int64), np.array(target, np.int32), np.array(weight, np.int16))

    def outputs(self, names: list[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
        numbers: dict[int, None] = {}
        for place, name in enumerate(names):
            number = self._neuron(f"outputs/{place}", name)
            if number in numbers:
                self.found.add("F032", f"outputs/{place}: {short(name)} is given twice")
            elif number is not None:
                numbers[number] = None
        return np.array(list(numbers), np.int64)

    def _entries(self, part: str, source: Name, entries: Any) -> list[Any] | tuple[Any, ...]:
        if type(entries) not in (list, tuple):
            self.found.add("F031", f"{part}/{short(source)}: synapses must be a list, not {short(entries)}")
            return []
        self.left -= len(entries)
        if self.left < 0:
            raise Refusal("F035", f"more than {self.limit:,} synapses, which is more than such a file can list")
        return entries

    def _other(self, where: str, entry: Any, target: Any, weight: Any) -> None:
        """An entry that is not plain: a whole number as a float, or a problem."""
        if type(entry) not in (tuple, list) or len(entry) != 2:
            delayed = type(entry) in (tuple, list) and len(entry) == 3
            why = "a third entry asks for a delay, which is not modelled" if delayed else f"not {short(entry)}"
            self.found.add("F031", f"{where}: a synapse must be (neuron, weight); {why}")
            return
        number = self._neuron(where, entry[0])
        value = entry[1]
        whole = type(value) is int or (type(value) is float and value.is_integer())
        if not whole or not LOW <= value <= HIGH:
            self.found.add("F033", f"{where}: the weight {short(value)} is no whole number from {LOW} to {HIGH}")
        elif number is not None:
            target.append(number)
            weight.append(int(value))

    def _neuron(self, where: str, name: Any) -> int | None:
        if type(name) in (str, int) and name in self.index:
            return self.index[name]
        other = _other_spelling(name)
        hint = f"; there is {other!r}" if other in self.index else ""
        self.found.add("F032", f"{where}: there is no neuron {short(name)}{hint}")
        return None


def _other_spelling(name: Any) -> Name | None:
    """The number 7 for the text "7", and the other way round; files mix them up."""
    if type(name) is int and 0 <= name < 2**63:
        return str(name)
    return int(name) if type(name) is str and len(name) < 19 and name.isdecimal() else None
