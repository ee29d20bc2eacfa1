"""Numpy's scalars as they stand in pickles: a dtype and bytes, made Python's numbers and text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from .hs_api_problems import Refusal, short

NUMBERS = frozenset(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
TEXT = re.compile(r"U[1-9]\d{0,5}")


@dataclass(eq=False)
class Dtype:
    """A numpy dtype: a number of NUMBERS or a text `U<characters>`, and its byte order.

    One object like the dtype it stands for: pickles set the byte order of one that they already keep for reuse.
    """

    name: str
    order: str = "|"

    @property
    def bytes(self) -> int:
        return int(self.name[1:]) * (4 if self.name[0] == "U" else 1)


def make_dtype(name: str) -> Dtype:
    """The dtype of a name as numpy pickles it. Refusal NMC-F034 for those that are no plain numbers or text."""
    if name not in NUMBERS and not TEXT.fullmatch(name):
        raise Refusal("F034", f"the pickle has numpy values of dtype {short(name)}")
    return Dtype(name)


def set_byte_order(dtype: Dtype, state: Any) -> None:
    """Give the dtype the byte order of its pickled state. Refusal NMC-F034 if that has more to say: fields, a shape."""
    plain = type(state) is tuple and len(state) == 8 and state[2:5] == (None, None, None)
    if not plain or state[1] not in ("<", ">", "|"):
        raise Refusal("F034", f"the pickle has numpy values of a dtype with more to it than {dtype.name}")
    dtype.order = state[1]


def to_python(dtype: Dtype, data: bytes) -> int | float | str:
    """The number or text of a pickled scalar. Refusal NMC-F030 if the bytes are not one."""
    if len(data) != dtype.bytes:
        raise Refusal("F030", f"damaged pickle: {len(data)} bytes for a numpy {dtype.name}")
    if dtype.name[0] != "U":
        return np.frombuffer(data, dtype.order + dtype.name).item()
    try:
        return data.decode("utf-32-be" if dtype.order == ">" else "utf-32-le").rstrip("\0")
    except UnicodeDecodeError as error:
        raise Refusal("F030", f"damaged pickle: a numpy text is none: {error}") from error
