"""Arrays of the vendor's JSON: nested lists of numbers to numpy, then to the dtype that a layer has."""

from __future__ import annotations

import math
from itertools import chain
from reprlib import repr as short
from typing import Any

import numpy as np

from ....runtime.program.akida import Array
from ....runtime.program.problems import MAX_AXES

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float32", "float64")
ENTRIES = ("shape", "dtype", "bitwidth", "data")


class ArrayError(ValueError):
    """Data is not the array it claims to be; the text says why."""


def read_array(entry: Any) -> Array:
    """The array of a variable {shape, dtype, bitwidth, data}; only `data`, nested lists row-major, has to be there.

    Integers come as the dtype stated (int64 if none is), others as float64. ArrayError.
    """
    _need(isinstance(entry, dict), f"must be an object, not {short(entry)}")
    unknown = sorted(entry.keys() - set(ENTRIES))
    _need(not unknown, f"has unknown keys: {', '.join(map(repr, unknown))}")
    _need("data" in entry, "has no data")
    shape, numbers = _flat(entry["data"])
    stated = entry.get("shape", list(shape))
    _need(_same(stated, list(shape)), f"has the shape {list(shape)}, not {short(stated)}")
    kinds = set(map(type, numbers))
    _need(kinds <= {int, float}, "must hold numbers only")
    dtype = entry.get("dtype", "float64" if float in kinds else "int64")
    _need(isinstance(dtype, str) and dtype in (*INTEGERS, *FLOATS), f"has the dtype {short(dtype)}")
    bits = 8 * np.dtype(dtype).itemsize
    width = entry.get("bitwidth", bits)
    _need(type(width) is int and 1 <= width <= bits, f"has the bitwidth {short(width)}, {dtype} has {bits}")
    if dtype in FLOATS:
        return _floats(numbers).reshape(shape)
    _need(float not in kinds, f"must hold integers: it is {dtype}")
    _within(numbers, dtype)
    return np.array(numbers, dtype).reshape(shape)


def cast(array: Array, dtype: type[np.generic]) -> Array:
    """An array from `read_array` as `dtype`. ArrayError if integers would change or a float would be infinite.

    Decimal numbers become the nearest float32.
    """
    if np.issubdtype(dtype, np.integer):
        _need(array.dtype.kind in "iu", "must hold integers")
        if array.size:
            _within([int(array.min()), int(array.max())], np.dtype(dtype).name)
        return array.astype(dtype)
    with np.errstate(over="ignore"):
        values = array.astype(dtype)
    _need(bool(np.isfinite(values).all()), f"exceeds {np.dtype(dtype)}")
    exact = array.dtype.kind == "f" or [int(v) for v in values.flat] == array.ravel().tolist()
    _need(exact, f"holds integers that {np.dtype(dtype)} does not")
    return values


def _flat(data: Any) -> tuple[tuple[int, ...], list[Any]]:
    """Shape and entries of nested lists."""
    _need(type(data) is list, f"data must be a list, not {short(data)}")
    shape, level = [len(data)], data
    while level and all(type(item) is list for item in level):
        lengths = set(map(len, level))
        _need(len(lengths) == 1, f"data is ragged: lists of {sorted(lengths)[:5]} entries side by side")
        shape.append(lengths.pop())
        _need(len(shape) <= MAX_AXES, f"data has more than {MAX_AXES} axes")
        level = list(chain.from_iterable(level))
    _need(not any(type(item) is list for item in level), "data is ragged: lists and numbers side by side")
    return tuple(shape), level


def _floats(numbers: list[int | float]) -> Array:
    try:
        values = np.array([float(number) for number in numbers], np.float64)
    except OverflowError as error:
        raise ArrayError("must be finite") from error
    _need(all(map(math.isfinite, numbers)), "must be finite")
    return values


def _within(numbers: list[int], dtype: str) -> None:
    info = np.iinfo(dtype)
    low, high = min(numbers, default=0), max(numbers, default=0)
    _need(info.min <= low and high <= info.max, f"holds {short(low)} to {short(high)}, which {dtype} does not")


def _same(stated: Any, shape: list[int]) -> bool:
    return type(stated) is list and all(type(extent) is int for extent in stated) and stated == shape


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise ArrayError(what)
