"""Operators that repeat elements or move them between space and channels."""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ....ir.ops import Mul, Transpose
from ...common.moves import MAX_KERNEL, MAX_PIECES, picked, reshaped
from ..call import Call


def _one_sample(call: Call, size: tuple[int, ...]) -> bool:
    """Does a size of axis 0 stand for the samples?"""
    return size == (1,) or set(size) <= call.model.batches


def expand(call: Call) -> Value:
    """x repeated along axes of length 1: x · ones, which is exact."""
    target = call.optional_integers(1, "shape") or ()
    x = call.value()
    rank = x.type.rank
    front = len(target) <= rank and (len(target) < rank or _one_sample(call, target[:1]))
    call.require(front, "NMC-I015", f"shape {list(target)} repeats {x.type} along axis 0, or puts an axis before it")
    want = (1,) * (rank - len(target)) + target
    fits = all(size in (1, have) or have == 1 for size, have in zip(want[1:], x.type.shape[1:], strict=True))
    call.require(fits and min(want) > 0, "NMC-I012", f"{x.type} does not expand to {list(target)}")
    ones = (1, *(size if have == 1 else 1 for size, have in zip(want[1:], x.type.shape[1:], strict=True)))
    if math.prod(ones) == 1:
        return x
    call.require(math.prod(ones) <= MAX_KERNEL, "NMC-I016", f"it repeats elements {math.prod(ones)} times")
    return call.emit(Mul(), x, call.weight("ones", np.ones(ones, np.float32)))


def tile(call: Call) -> Value:
    repeats = call.optional_integers(1, "repeats") or ()
    x = call.value()
    call.require(len(repeats) == x.type.rank, "NMC-I012", f"repeats {list(repeats)} for {x.type}")
    call.require(repeats[:1] == (1,), "NMC-I015", "it repeats samples along axis 0")
    call.require(min(repeats) > 0, "NMC-I012", f"repeats {list(repeats)} leave nothing")
    why = f"it repeats {max(repeats)} times, at most {MAX_PIECES} are supported"
    call.require(max(repeats) <= MAX_PIECES, "NMC-I011", why)
    for dim, times in enumerate(repeats):
        x = picked(call, x, dim, [(0, x.type.shape[dim], 1)] * times)
    return x


def depth_to_space(call: Call) -> Value:
    """Channels become blocks of b × b pixels. DCR: channel (row, column, c); CRD: channel (c, row, column)."""
    b, mode = call.required_integer("blocksize"), call.text("mode", "DCR") if call.opset >= 11 else "DCR"
    call.require(mode in ("DCR", "CRD"), "NMC-I011", f"its mode is {mode!r}")
    x = call.value()
    call.require(x.type.rank == 4, "NMC-I012", f"it takes an input of rank 4, this one is {x.type}")
    _, c, h, w = x.type.shape
    call.require(b > 0 and c % (b * b) == 0, "NMC-I012", f"{c} channels do not make blocks of {b} × {b}")
    c //= b * b
    parts, perm = ((1, b, b, c, h, w), (0, 3, 4, 1, 5, 2))
    if mode == "CRD":
        parts, perm = ((1, c, b, b, h, w), (0, 1, 4, 2, 5, 3))
    moved = call.emit(Transpose(perm), call.reshape(x, parts, "N_____", "blocks"), part="moved")
    return call.reshape(moved, (1, c, h * b, w * b), x.type.axes)


def space_to_depth(call: Call) -> Value:
    """Blocks of b × b pixels become channels. DCR: channel (row, column, c); CRD: channel (c, row, column)."""
    b, mode = call.required_integer("blocksize"), call.text("mode", "DCR") if call.opset >= 28 else "DCR"
    call.require(mode in ("DCR", "CRD"), "NMC-I011", f"its mode is {mode!r}")
    x = call.value()
    call.require(x.type.rank == 4, "NMC-I012", f"it takes an input of rank 4, this one is {x.type}")
    _, c, h, w = x.type.shape
    call.require(b > 0 and h % b == w % b == 0, "NMC-I012", f"{h} × {w} pixels do not divide into blocks of {b} × {b}")
    blocks = reshaped(call, x, (1, c, h // b, b, w // b, b))
    perm = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    moved = call.emit(Transpose(perm), blocks, part="moved")
    return call.reshape(moved, (1, c * b * b, h // b, w // b), x.type.axes)
