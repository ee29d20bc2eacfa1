"""Data sets that are Python objects: a sequence of (events, label), as those of the package tonic are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..aedat import Events
from ..arith import Ints
from ..frames import pixels_of
from ..label_lists import stop
from ..program.container import Program
from ..program.diagnostics import Diagnostic, usage
from .binning import POLARITIES, Binning
from .files import made_events
from .samples import Take


class EventDataset(Protocol):
    """What a data set must have: its length, and items of structured events (fields t in µs, x, y, p) and a label."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[Any, Any]: ...


@dataclass(frozen=True)
class EventObjects:
    """Samples low … high−1 of a data set; `labels` and `names` as `Labelled`. To other processes it goes by pickle."""

    take: Take
    dataset: EventDataset
    labels: Ints
    names: tuple[str, ...] = ()
    low: int = 0

    def facts(self) -> dict[str, Any]:
        """How the samples were made, as JSON data."""
        return {"format": type(self.dataset).__name__, "split": None, **self.take.facts()}

    def cut(self, low: int, high: int) -> EventObjects:
        return replace(self, labels=self.labels[low:high], low=self.low + low)

    def digest(self) -> str:
        """Of all events and labels, which are read for it, and how frames are made."""
        total = hashlib.sha256(repr((self.facts(), self.labels.tolist())).encode())
        for index in range(len(self.labels)):
            events = self._events(index)
            for array in (events.t, events.x, events.y, events.on):
                total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()

    def read(self, low: int, high: int) -> dict[str, NDArray[np.float32]]:
        """(high − low, *shape); NmcError NMC-R005 with all samples whose events are none, or do not make frames."""
        made = np.zeros((len(self.labels[low:high]), *self.take.pixels.shape), np.float32)
        problems = []
        for index, sample in enumerate(made, low):
            try:
                sample[...] = self.take(self._events(index))
            except ValueError as error:
                where = f"sample {self.low + index} of {type(self.dataset).__name__}"
                problems.append(Diagnostic("NMC-R005", "the recording does not make frames", where, str(error)))
        stop(problems)
        return {self.take.pixels.name: made}

    def _events(self, index: int) -> Events:
        events = np.asarray(self.dataset[self.low + index][0])
        names = events.dtype.names or ()
        if not {"t", "x", "y", "p"} <= set(names):
            raise ValueError(f"events must have the fields t, x, y and p, not {', '.join(names) or 'none'}")
        return made_events(events["t"], events["x"], events["y"], events["p"])


def from_objects(
    dataset: EventDataset,
    program: Program,
    names: Sequence[str] = (),
    how: Binning | None = None,
    limit: int | None = None,
) -> EventObjects:
    """Samples of a data set of the package tonic, or of any object like it, for a program with an input of 2 channels.

    The sensor is `how.sensor`, or the data set's `sensor_size` (width, height, 2). Class names are `names`, the
    program's, or the data set's `classes` where those are different texts. Labels are its `targets`, if it has any and
    no `target_transform`, else those of its items.

        from_objects(tonic.datasets.NMNIST("data", train=False), program, limit=1000)

    A transform of the data set must leave structured events. NmcError NMC-R004, R005, R020.
    """
    how = how or Binning()
    pixels = pixels_of(program, (POLARITIES,))
    found: Any = how.sensor or getattr(dataset, "sensor_size", None)
    if found is None:
        hint = "give Binning(sensor=(width, height))"
        raise usage("NMC-R020", "the size of the event camera is not known", type(dataset).__name__, hint=hint)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    labels = _labels(dataset, count)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        what = f"labels must be {count} integers, not {labels.dtype} of shape {labels.shape}"
        raise usage("NMC-R020", what, type(dataset).__name__)
    stated = tuple(getattr(dataset, "classes", None) or ())
    stated = stated if all(isinstance(name, str) for name in stated) and len(set(stated)) == len(stated) else ()
    take = Take(pixels, how, (int(found[0]), int(found[1])))
    return EventObjects(take, dataset, labels.astype(np.int64), tuple(names) or program.task.classes or stated)


def _labels(dataset: EventDataset, count: int) -> NDArray[Any]:
    targets = getattr(dataset, "targets", None)
    changed = any(getattr(dataset, name, None) is not None for name in ("target_transform", "transforms"))
    if not count:
        return np.empty(0, np.int64)
    if targets is not None and not changed:
        return np.asarray(targets)[:count]
    return np.array([dataset[index][1] for index in range(count)])
