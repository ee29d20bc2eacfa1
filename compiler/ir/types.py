"""Types of values: shape, dtype, and a name for every axis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# Short names as they stand in the text form.
DTYPES: dict[str, np.dtype] = {
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "i8": np.dtype(np.int8),
    "u8": np.dtype(np.uint8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "bool": np.dtype(np.bool_),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class TensorType:
    """Shape, dtype and axes of a tensor, e.g. `f32[1,8,28,28]NCHW`.

    Axes are letters: N samples, C channels or features, T time, H and W (D) space; `_` is an axis without a name.
    A pass asks for `axis("T")`, never for a position. Samples axis N, where present, comes first and has length 1:
    a graph describes one sample, the interpreter runs any number of them.
    """

    shape: tuple[int, ...]
    dtype: str
    axes: str

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"unknown dtype {self.dtype!r}")
        if len(self.axes) != len(self.shape):
            raise ValueError(f"{len(self.axes)} axes ({self.axes}) for a shape of rank {len(self.shape)}")
        named = [letter for letter in self.axes if letter != "_"]
        if len(set(named)) != len(named):
            raise ValueError(f"an axis is named twice in {self.axes}")

    @classmethod
    def of(cls, data: np.ndarray, axes: str | None = None) -> TensorType:
        """The type of an array; axes default to unnamed."""
        return cls(tuple(map(int, data.shape)), dtype_name(data.dtype), "_" * data.ndim if axes is None else axes)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype[0] == "f"

    @property
    def batched(self) -> bool:
        """Is axis 0 the samples axis?"""
        return self.axes[:1] == "N"

    @property
    def elements(self) -> int:
        """Number of elements of one sample."""
        return int(np.prod(self.shape, dtype=np.int64))

    def axis(self, letter: str) -> int | None:
        """Position of the named axis, or None."""
        position = self.axes.find(letter)
        return None if position < 0 else position

    def with_shape(self, shape: tuple[int, ...], axes: str | None = None) -> TensorType:
        return replace(self, shape=tuple(map(int, shape)), axes=self.axes if axes is None else axes)

    def with_dtype(self, dtype: str) -> TensorType:
        return replace(self, dtype=dtype)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]{self.axes}"


def dtype_name(dtype: np.dtype) -> str:
    """The IR's name of a numpy dtype; ValueError for dtypes the IR does not hold (complex, strings, float16, …)."""
    try:
        return _NAMES[np.dtype(dtype)]
    except KeyError:
        raise ValueError(f"dtype {dtype} has no place in the IR") from None
