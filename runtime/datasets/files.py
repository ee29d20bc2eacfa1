"""Reads one recording of an event camera, by the end of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..aedat import AedatError, Events, read_events
from ..data import read_arrays
from ..program.diagnostics import bad_file

SUFFIXES = (".aedat", ".bin", ".npz", ".npy")
FIELDS = ("t", "x", "y", "p")
WORD = 5  # bytes of an event in a .bin file
OVERFLOW, STEP = 240, 1 << 13


def read_recording(path: Path) -> Events:
    """The events of a file in its order. NmcError NMC-R001 to R003, R006.

    .aedat  AEDAT 3.1 (`aedat`), the format of DVS128 Gesture
    .bin    events of 40 bits (`read_bin`), the format of N-MNIST
    .npz    integer arrays t (µs), x, y, p of one length, as SpikingJelly converts data sets
    .npy    one array (n, 4) with the columns x, y, p and t in milliseconds, as DVS128 Gesture comes with tonic
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".aedat":
            return read_events(path)
        if suffix == ".bin":
            return read_bin(path)
        return _read_arrays(path)
    except AedatError as error:
        raise bad_file("NMC-R002", "no AEDAT 3.1 file, or a damaged one", str(path), str(error)) from error
    except ValueError as error:
        raise bad_file("NMC-R002", "no recording of events, or a damaged one", str(path), str(error)) from error
    except OSError as error:
        raise bad_file("NMC-R001", "cannot read the file", str(path), error.strerror or str(error)) from error


def read_bin(path: Path) -> Events:
    """Events of five bytes: x, y, then bit 7 of the third brighter, the other 23 bits the time in µs, highest first.

    y = 240 is no event but a mark: from there on times are 2^13 µs later. ValueError, OSError.
    http://www.garrickorchard.com/datasets/n-mnist; the mark is that of the author's reader, event-Python on GitHub.
    """
    data = np.fromfile(path, np.uint8)
    if not len(data) or len(data) % WORD:
        raise ValueError(f"{len(data)} bytes are not events of {WORD} bytes")
    x, y, high, middle, low = data.reshape(-1, WORD).astype(np.int64).T
    mark = y == OVERFLOW
    t = ((high & 127) << 16 | middle << 8 | low) + np.cumsum(mark) * STEP
    kept = ~mark
    return Events(t[kept], x[kept].astype(np.int16), y[kept].astype(np.int16), high[kept] > 127)


def _read_arrays(path: Path) -> Events:
    given = read_arrays(path)
    if isinstance(given, dict):
        if set(given) != set(FIELDS):
            raise ValueError(f"it has the arrays {', '.join(map(repr, sorted(given)))}, not t, x, y and p")
        return made_events(*(given[name] for name in FIELDS))
    if given.ndim != 2 or given.shape[1] != len(FIELDS):
        raise ValueError(f"it has an array of shape {given.shape}, not (events, 4)")
    x, y, p, t = given.T
    return made_events(_whole("t", t) * 1000, x, y, p)


def made_events(t: NDArray[Any], x: NDArray[Any], y: NDArray[Any], p: NDArray[Any]) -> Events:
    """Events of arrays of one length: t in µs, p 1 for brighter and 0 for darker.

    ValueError for other shapes, numbers that are not whole, x and y beyond 15 bits, p other than 0 and 1.
    """
    if t.ndim != 1 or not t.shape == x.shape == y.shape == p.shape:
        raise ValueError(
            f"t, x, y and p must have one length, and have the shapes {t.shape, x.shape, y.shape, p.shape}"
        )
    t, x, y, p = (_whole(name, array) for name, array in zip(FIELDS, (t, x, y, p), strict=True))
    for name, array, most in (("x", x, 2**15 - 1), ("y", y, 2**15 - 1), ("p", p, 1)):
        if len(array) and not 0 <= array.min() <= array.max() <= most:
            raise ValueError(f"{name} must lie in 0 … {most}, and reaches from {array.min()} to {array.max()}")
    return Events(t, x.astype(np.int16), y.astype(np.int16), p.astype(np.bool_))


def _whole(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, not {values.dtype}")
    if (
        values.dtype.kind == "f"
        and not (np.isfinite(values) & (values == np.trunc(values)) & (abs(values) < 2**53)).all()
    ):
        raise ValueError(f"{name} holds numbers that are not whole")
    return values.astype(np.int64)
