"""Attributes of a node, read by type; what nobody asked for is known afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from onnx import AttributeProto, NodeProto

from ..common.problems import Refusal, require

T = TypeVar("T")


class Attributes:
    """The attributes of one node. Refusal where one is of another kind than the operator defines."""

    def __init__(self, proto: NodeProto):
        self.proto = proto
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}
        self._asked: set[str] = set()

    def _attribute(self, name: str, kind: AttributeProto.AttributeType, field: str, default: T) -> T:
        self._asked.add(name)
        attribute = self._attributes.get(name)
        if attribute is None:
            return default
        if attribute.type != kind or attribute.ref_attr_name:
            raise Refusal("NMC-I011", f"attribute {name!r} is not of the kind the operator defines")
        return getattr(attribute, field)

    def integer(self, name: str, default: int) -> int:
        return self._attribute(name, AttributeProto.INT, "i", default)

    def has(self, name: str) -> bool:
        return name in self._attributes

    def required_integer(self, name: str) -> int:
        require(self.has(name), "NMC-I011", f"attribute {name!r} is missing")
        return self.integer(name, 0)

    def flag(self, name: str, default: bool = False) -> bool:
        """An attribute that is 0 or 1."""
        found = self.integer(name, int(default))
        require(found in (0, 1), "NMC-I011", f"attribute {name!r} is {found}, not 0 or 1")
        return found == 1

    def number(self, name: str, default: T) -> float | T:
        return self._attribute(name, AttributeProto.FLOAT, "f", default)

    def finite(self, name: str, default: float) -> float:
        found = self.number(name, default)
        require(math.isfinite(found), "NMC-I011", f"attribute {name!r} is {found}")
        return found

    def integers(self, name: str) -> tuple[int, ...] | None:
        values = self._attribute(name, AttributeProto.INTS, "ints", None)
        return None if values is None else tuple(map(int, values))

    def floats(self, name: str) -> tuple[float, ...] | None:
        values = self._attribute(name, AttributeProto.FLOATS, "floats", None)
        return None if values is None else tuple(map(float, values))

    def text(self, name: str, default: str) -> str:
        value: bytes = self._attribute(name, AttributeProto.STRING, "s", default.encode())
        return value.decode("utf-8", "replace")

    def ignore(self, *names: str) -> None:
        """These attributes do not matter for inference."""
        self._asked.update(names)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; none given means an empty list."""
        values: Sequence[bytes] = self._attribute(name, AttributeProto.STRINGS, "strings", ())
        return tuple(value.decode("utf-8", "replace") for value in values)

    def unseen(self) -> list[str]:
        """Attributes that are given and were not asked for."""
        return [name for name in self._attributes if name not in self._asked]
