"""Spike trains against spike trains: what differs in each layer and step, and where it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Departure:
    """The first place where two sets of trains differ: a neuron `element` of a layer in a step of one sample. All that
    the layer reads is still equal there."""

    layer: str
    sample: int
    step: int
    element: tuple[int, ...]
    wanted: int
    found: int


def differing(wanted: Array, found: Array) -> list[int]:
    """How many spikes of trains (samples, T, …) differ in each step."""
    return (wanted != found).reshape(*wanted.shape[:2], -1).sum(axis=(0, 2)).tolist()


def first_departure(wanted: Mapping[str, Array], found: Mapping[str, Array]) -> Departure | None:
    """Of trains (samples, T, …) by layer, in the order of the network: the first step in which any sample differs, of
    its samples the first, and there the first layer. None where all are equal."""
    earliest: tuple[int, int] | None = None
    for name, train in wanted.items():
        places = np.argwhere((train != found[name]).reshape(*train.shape[:2], -1).any(axis=2).T)
        if len(places) and (earliest is None or tuple(places[0]) < earliest):
            earliest = int(places[0][0]), int(places[0][1])
    if earliest is None:
        return None
    step, sample = earliest
    for name, train in wanted.items():
        places = np.argwhere(train[sample, step] != found[name][sample, step])
        if len(places):
            element = tuple(places[0].tolist())
            spikes = (int(trains[(sample, step, *element)]) for trains in (train, found[name]))
            return Departure(name, sample, step, element, *spikes)
    raise AssertionError("the step that differs has a layer that does")
