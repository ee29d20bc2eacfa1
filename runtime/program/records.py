"""Dataclasses to JSON and arrays, and back: one field of a record is one key, an array goes beside it under its path.

A record is a dataclass whose fields are str, int, float, bool, tuples of those, one-dimensional arrays, free-form
dicts, dicts of arrays, or records and tuples of records. A field that is one of several records says which under the
key `record`. `Table.weight` of a program's field `axons` has the path
`axons/weight`, the array `neuron` of its second readout `readouts/1/neuron`. Of a dict of arrays the JSON holds the
shapes by name; the arrays lie beside it flattened, row-major.
"""

from __future__ import annotations

import math
import operator
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]
MAX_AXES = 30
CHOICE = "record"
OPTIONAL: Mapping[str, bool] = {"optional": True}
"""Metadata of a field that came later: its key is left out where it has its default, so older files stay valid."""

# Numpy scalars become the Python numbers that JSON has; int takes no fraction in passing.
_PLAIN: dict[Any, Callable[[Any], Any]] = {str: str, int: operator.index, float: float, bool: bool}


class FieldError(ValueError):
    """A key is missing, unknown, or of another type; the text names its path."""


class ArrayMissing(ValueError):
    """An array is missing; the text is its path."""


def encode(value: Any, hint: Any, path: str, arrays: Arrays) -> Any:
    """`value` of type `hint` as JSON data; arrays are added to `arrays` instead."""
    if _is_choice(hint):
        return {CHOICE: type(value).__name__, **encode(value, type(value), path, arrays)}
    if is_dataclass(hint):
        absent = {n for n, default in _optional(hint).items() if getattr(value, n) == default}
        hints = {n: h for n, h in _hints(hint).items() if n not in absent}
        encoded = {n: encode(getattr(value, n), h, _below(path, n), arrays) for n, h in hints.items()}
        return {n: item for n, item in encoded.items() if not _is_array(hints[n])}
    if _is_array(hint):
        arrays[path] = np.ascontiguousarray(value)
        return None
    if _is_array_dict(hint):
        arrays.update({_below(path, name): np.ascontiguousarray(item).reshape(-1) for name, item in value.items()})
        return {name: list(item.shape) for name, item in value.items()}
    if get_origin(hint) is tuple:
        entries = enumerate(_items(value, hint, path))
        return [encode(item, h, _below(path, str(i)), arrays) for i, (item, h) in entries]
    return _PLAIN[hint](value) if hint in _PLAIN else value


def decode(data: Any, hint: Any, path: str, arrays: Arrays) -> Any:
    """The inverse of `encode`; takes the arrays it uses out of `arrays`. FieldError, ArrayMissing."""
    if _is_choice(hint):
        return _decode_choice(data, hint, path, arrays)
    if is_dataclass(hint):
        return _decode_record(data, hint, path, arrays)
    if _is_array(hint):
        return _take(path, arrays)
    if _is_array_dict(hint):
        _expect(isinstance(data, dict), path, "an object", data)
        return {name: _shaped(_take(_below(path, name), arrays), data[name], _below(path, name)) for name in data}
    if get_origin(hint) is tuple:
        _expect(isinstance(data, list), path, "a list", data)
        entries = enumerate(_items(data, hint, path))
        return tuple(decode(item, h, _below(path, str(i)), arrays) for i, (item, h) in entries)
    if hint is float:
        _expect(type(data) in (int, float), path, "a number", data)
        return _finite(data, path)
    kind = dict if get_origin(hint) is dict else hint
    _expect(type(data) is kind, path, kind.__name__, data)
    return data


def _decode_record(data: Any, kind: Any, path: str, arrays: Arrays) -> Any:
    _expect(isinstance(data, dict), path, "an object", data)
    hints = _hints(kind)
    keys = {name for name, hint in hints.items() if not _is_array(hint)}
    optional = _optional(kind)
    if not keys - optional.keys() <= data.keys() <= keys:
        raise FieldError(f"{path or 'the program'} has keys {sorted(data)}, expected {sorted(keys)}")
    present = {n: hint for n, hint in hints.items() if n in data or n not in optional}
    made = {n: decode(data.get(n), hint, _below(path, n), arrays) for n, hint in present.items()}
    for name in made.keys() & optional.keys():
        _expect(made[name] != optional[name], _below(path, name), "left out where it has its default", made[name])
    return kind(**made)


def _decode_choice(data: Any, hint: Any, path: str, arrays: Arrays) -> Any:
    kinds = {kind.__name__: kind for kind in get_args(hint)}
    name = data.get(CHOICE) if isinstance(data, dict) else None
    _expect(isinstance(name, str) and name in kinds, path, f"a record, one of {', '.join(kinds)}", name)
    return decode({key: item for key, item in data.items() if key != CHOICE}, kinds[name], path, arrays)


def _take(path: str, arrays: Arrays) -> np.ndarray[Any, np.dtype[Any]]:
    if path not in arrays:
        raise ArrayMissing(path)
    return arrays.pop(path)


def _shaped(flat: np.ndarray[Any, np.dtype[Any]], shape: Any, path: str) -> np.ndarray[Any, np.dtype[Any]]:
    whole = isinstance(shape, list) and len(shape) <= MAX_AXES and all(type(n) is int and n >= 0 for n in shape)
    _expect(whole and math.prod(shape) == flat.size, path, f"the shape of an array of {flat.size} entries", shape)
    return flat.reshape(shape)


def _items(values: Any, hint: Any, path: str) -> list[tuple[Any, Any]]:
    """The entries of a tuple, each with its type."""
    kinds = get_args(hint)
    if kinds[-1] is Ellipsis:
        return [(value, kinds[0]) for value in values]
    _expect(len(values) == len(kinds), path, f"{len(kinds)} entries", len(values))
    return list(zip(values, kinds, strict=True))


def _finite(data: int | float, path: str) -> float:
    try:
        number = float(data)
    except OverflowError:
        number = math.inf
    _expect(math.isfinite(number), path, "a finite number", data)
    return number


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return {name: _present(hint) for name, hint in get_type_hints(kind).items()}


def _present(hint: Any) -> Any:
    """The type of a value that there is: X of `X | None`. None is never written: such a field is OPTIONAL."""
    rest = [kind for kind in get_args(hint) if kind is not type(None)]
    return rest[0] if _is_choice(hint) and len(rest) == 1 else hint


@cache
def _optional(kind: Any) -> dict[str, Any]:
    """Default by name of the fields that may be left out."""
    return {entry.name: entry.default for entry in fields(kind) if entry.metadata.get("optional")}


def _is_choice(hint: Any) -> bool:
    return get_origin(hint) in (types.UnionType, Union)


def _is_array(hint: Any) -> bool:
    return get_origin(hint) is np.ndarray


def _is_array_dict(hint: Any) -> bool:
    return get_origin(hint) is dict and _is_array(get_args(hint)[1])


def _below(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _expect(holds: bool, path: str, expected: str, got: object) -> None:
    if not holds:
        raise FieldError(f"{path} must be {expected}, not {repr(got)[:80]}")
