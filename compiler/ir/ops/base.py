"""What every op is: a frozen record of attributes with a type rule and float (or integer) semantics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..types import TensorType

Array = np.ndarray[Any, np.dtype[Any]]


class IllegalOp(ValueError):
    """An op's attributes and operand types do not fit together; the text says which rule is broken."""


@dataclass(frozen=True)
class Op:
    """An operation, defined once.

    A subclass is a frozen dataclass whose fields are the attributes. It states its operands by name (`bias?` may be
    absent, `*x` takes one or more), gives the type of the result in `infer` (raising IllegalOp where the operands do
    not fit), and computes it in `evaluate`: floats in float64, integers exactly in int64, any number of samples on
    axis N.
    """

    mnemonic: ClassVar[str] = ""
    operands: ClassVar[tuple[str, ...]] = ("x",)
    constant_operands: ClassVar[frozenset[str]] = frozenset()

    def infer(self, *args: Any, **kwargs: Any) -> TensorType:
        raise NotImplementedError(self.mnemonic)

    def evaluate(self, *args: Any, **kwargs: Any) -> Array:
        raise NotImplementedError(self.mnemonic)

    @classmethod
    def check_arity(cls, count: int) -> None:
        """IllegalOp unless `count` operands may be given (absent optional ones in the middle count as given)."""
        if cls.operands[0].startswith("*"):
            if count < 1:
                raise IllegalOp(f"{cls.mnemonic} takes one or more operands")
            return
        required = sum(not name.endswith("?") for name in cls.operands)
        if not required <= count <= len(cls.operands):
            raise IllegalOp(f"{cls.mnemonic} takes {', '.join(cls.operands)}, got {count} operands")

    @classmethod
    def operand_index(cls, name: str) -> int:
        return [operand.rstrip("?") for operand in cls.operands].index(name)


REGISTRY: dict[str, type[Op]] = {}
T = TypeVar("T", bound=type[Op])


def register(cls: T) -> T:
    """Class decorator: make the op known to the text form under its mnemonic."""
    if cls.mnemonic in REGISTRY:
        raise ValueError(f"op {cls.mnemonic!r} is defined twice")
    REGISTRY[cls.mnemonic] = cls
    return cls


def require(condition: bool, rule: str) -> None:
    """IllegalOp with the broken rule unless the condition holds."""
    if not condition:
        raise IllegalOp(rule)


def result_dtype(*types: TensorType) -> str:
    """dtype of sums and products: f64 or f32 if any operand is float, else i64 (exact)."""
    names = {t.dtype for t in types}
    if "f64" in names:
        return "f64"
    return "f32" if "f32" in names else "i64"


def working(array: Array) -> Array:
    """The array in the precision ops compute in: float64 for floats, int64 for integers."""
    return np.asarray(array, np.float64 if array.dtype.kind == "f" else np.int64)
