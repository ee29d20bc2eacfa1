"""Sums of products of four unsigned bytes of x and four signed bytes of w, added to `total`: int32, in every lane.

One function per route. All are exact, modulo 2^32. (The instruction vpmaddubsw, used for this elsewhere, is not: it
saturates at 16 bits.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from .emit import I16, I32, Emitter, V, constant, vector
from .routes import LANES

HALF = vector(I32, LANES // 2)
Dot = Callable[[Emitter, Any, Any, Any], Any]


def vnni512(e: Emitter, total: Any, x: Any, w: Any) -> Any:
    return e.called("llvm.x86.avx512.vpdpbusd.512", V, [total, x, w])


def vnni256(e: Emitter, total: Any, x: Any, w: Any) -> Any:
    return _in_halves(e, [total, x, w], lambda parts: e.called("llvm.x86.avx512.vpdpbusd.256", HALF, parts))


def avx512(e: Emitter, total: Any, x: Any, w: Any) -> Any:
    for pair in _pairs(e, x, w):
        total = e.b.add(total, e.called("llvm.x86.avx512.pmaddw.d.512", V, pair))
    return total


def avx2(e: Emitter, total: Any, x: Any, w: Any) -> Any:
    def half(parts: list[Any]) -> Any:
        total, x, w = parts
        for pair in _pairs(e, x, w):
            total = e.b.add(total, e.called("llvm.x86.avx2.pmadd.wd", HALF, pair))
        return total

    return _in_halves(e, [total, x, w], half)


def plain(e: Emitter, total: Any, x: Any, w: Any) -> Any:
    b = e.b
    for bit in (0, 8, 16, 24):
        byte = b.and_(b.lshr(x, constant(bit)), constant(255))
        signed = b.ashr(b.shl(w, constant(24 - bit)), constant(24))
        total = b.add(total, b.mul(byte, signed))
    return total


def _pairs(e: Emitter, x: Any, w: Any) -> list[list[Any]]:
    """[x, w] with bytes 0 and 2, and with bytes 1 and 3, as 16 bits each: products of pairs are added in 32 bits."""
    b, words = e.b, vector(I16, 2 * x.type.count)
    eight, low = constant(8, words), constant(255, words)
    x, w = b.bitcast(x, words), b.bitcast(w, words)
    return [[b.and_(x, low), b.ashr(b.shl(w, eight), eight)], [b.lshr(x, eight), b.ashr(w, eight)]]


def _in_halves(e: Emitter, parts: list[Any], half: Callable[[list[Any]], Any]) -> Any:
    found = []
    for first in (0, LANES // 2):
        lanes = ir.Constant(HALF, list(range(first, first + LANES // 2)))
        found.append(half([e.b.shuffle_vector(part, part, lanes) for part in parts]))
    return e.b.shuffle_vector(found[0], found[1], ir.Constant(V, list(range(LANES))))


DOTS: dict[str, Dot] = {"vnni512": vnni512, "avx512": avx512, "vnni256": vnni256, "avx2": avx2, "plain": plain}
