"""Protobuf tensors become read-only arrays. External data is read only from inside the model's folder."""

from __future__ import annotations

import math
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..common.emit import Array

# Element types by their size in bytes; other types have no use in what nmc imports.
FLOATS = {TensorProto.FLOAT: 4, TensorProto.DOUBLE: 8, TensorProto.FLOAT16: 2, TensorProto.BFLOAT16: 2}
INTEGERS = {
    TensorProto.UINT8: 1,
    TensorProto.INT8: 1,
    TensorProto.BOOL: 1,
    TensorProto.UINT16: 2,
    TensorProto.INT16: 2,
    TensorProto.UINT32: 4,
    TensorProto.INT32: 4,
    TensorProto.UINT64: 8,
    TensorProto.INT64: 8,
}
SIZES: dict[int, int] = {**FLOATS, **INTEGERS}
# Two elements in a byte: codes of quantized weights.
HALVES = {TensorProto.INT4, TensorProto.UINT4}


class TensorProblem(Exception):
    """A tensor cannot be read: code, what is wrong, why, and what to try. Equal ones are reported together."""

    def __init__(self, code: str, what: str, why: str = "", hint: str = ""):
        super().__init__(what)
        self.key = (code, what, why, hint)


def type_name(data_type: int) -> str:
    """ONNX's name of an element type, e.g. FLOAT16."""
    try:
        return TensorProto.DataType.Name(data_type)  # type: ignore[arg-type]
    except ValueError:
        return f"type {data_type}"


def _real(path: Path) -> Path:
    """The path without symbolic links; the root where they have no end."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle, by the version of Python
        return Path(path.anchor)


def _external_file(location: str, folder: Path) -> Path:
    """The side file, which must lie in the model's folder also after following symbolic links."""
    parts = PureWindowsPath(location).parts  # splits at both / and \
    outside = not location or "\0" in location or ".." in parts
    outside = outside or PurePosixPath(location).is_absolute() or bool(PureWindowsPath(location).anchor)
    home = folder.resolve()
    if outside or not _real(home / location).is_relative_to(home):
        what = f"the weight file {location!r} lies outside the model's folder"
        raise TensorProblem("NMC-I003", what, hint="save the model again with its data file beside it (no links)")
    return home / location


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise TensorProblem("NMC-I002", f"a tensor's external data has {what} {text[:20]!r}")
    return int(text)


def _external_bytes(tensor: TensorProto, folder: Path, needed: int) -> bytes:
    given = {str(entry.key): str(entry.value) for entry in tensor.external_data}
    location = given.get("location", "")
    file = _external_file(location, folder)
    offset, length = (
        _number(given.get("offset") or "0", "offset"),
        _number(given.get("length") or str(needed), "length"),
    )
    hint = "keep the .onnx file and its data file together, as they were exported, and copy both again"
    try:
        if not file.is_file():
            raise TensorProblem("NMC-I003", f"the weight file {location!r} is missing", f"expected at {file}", hint)
        if length != needed:
            why = f"a tensor of {needed} bytes is said to have {length} there"
            raise TensorProblem("NMC-I003", f"the weight file {location!r} does not fit the model", why, hint)
        if offset + needed > file.stat().st_size:
            why = f"it has {file.stat().st_size} bytes, more are needed"
            raise TensorProblem("NMC-I003", f"the weight file {location!r} is too short", why, hint)
        with file.open("rb") as stream:
            stream.seek(offset)
            return stream.read(needed)
    except OSError as error:
        why = error.strerror or str(error)
        raise TensorProblem("NMC-I003", f"the weight file {location!r} cannot be read", why) from None


def read_tensor(tensor: TensorProto, folder: Path) -> Array:
    """The tensor as a read-only array in its own dtype. TensorProblem if it is damaged or of another kind."""
    if tensor.data_type not in SIZES.keys() | HALVES:
        what = f"constants of element type {type_name(tensor.data_type)} are not supported"
        raise TensorProblem("NMC-I011", what, "weights are floats, shapes and indices are integers")
    dims = tuple(tensor.dims)
    halves = math.prod(dims) * 2 * SIZES.get(tensor.data_type, 0) or math.prod(dims)
    needed = (halves + 1) // 2
    if any(size < 0 for size in dims) or tensor.HasField("segment"):
        raise TensorProblem("NMC-I002", "a tensor of the model is damaged", f"its shape is {dims}")
    try:
        if tensor.data_location == TensorProto.EXTERNAL:
            content = _external_bytes(tensor, folder, needed)
            if sys.byteorder == "little" and tensor.data_type not in {TensorProto.BFLOAT16, *HALVES}:
                array = np.frombuffer(content, helper.tensor_dtype_to_np_dtype(tensor.data_type)).reshape(dims)
            else:
                plain = TensorProto(data_type=tensor.data_type, dims=dims, raw_data=content)
                array = numpy_helper.to_array(plain).reshape(dims)
        else:
            array = numpy_helper.to_array(tensor).reshape(dims)
    except (ValueError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        why = f"its data does not fill its shape {dims}: {error}"
        raise TensorProblem("NMC-I002", "a tensor of the model is damaged", why) from None
    array.setflags(write=False)
    return array
