"""What follows the sums of a layer (steps 5 and 7 to 9 in docs/akida.md), 16 channels at once, in int32.

`bounds` makes the numbers so that nothing overflows and every result and count is the reference's.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .emit import I8, I32, I64, POINTER, Emitter, V, constant, vector
from .routes import LANES

FIELDS = INIT, FLOOR, CAP, LOW, HIGH, LEAST, MOST, SCALE, HALF, SHIFT = tuple(range(10))
"""The numbers of a channel, int32 [vector][field][16]. A sum begins with INIT. It is limited to FLOOR … CAP, counted
where it leaves LOW … HIGH, limited to LEAST … MOST, and becomes (sum · SCALE + HALF) >> SHIFT."""

ARGUMENTS = (
    "sums", "stride", "pixels", "numbers", "output", "places", "lanes", "wide", "bottom", "top", "zero", "counts",
)  # fmt: skip
"""All int64. Sums as in tiles.py, of so many pixels ≥ 1. Pixel p goes to output + places[p] (int32): bytes, to which
`zero` is added, or with `wide` int32 at output + 4 · places[p]. `lanes` ≤ 16 channels are there. Results are limited to
bottom … top. `counts`, int64: clamps in the scale, clamps in the output, zeros; added to."""


class _Tail(Emitter):
    def __init__(self, module: Any):
        super().__init__(module, "tail", ARGUMENTS)
        lanes = self.splat(self.b.trunc(self.given["lanes"], I32))
        self.there = self.b.icmp_signed("<", ir.Constant(V, list(range(LANES))), lanes)
        self.numbers = [self.load(self.sum(self.given["numbers"], 4 * LANES * field), V) for field in FIELDS]
        self.ends = [self.splat(self.b.trunc(self.given[name], I32)) for name in ("bottom", "top")]
        self.counts = [self.b.alloca(V) for _ in range(3)]

    def build(self) -> Any:
        for place in self.counts:
            self.b.store(constant(0), place)
        full = self.b.icmp_signed("==", self.given["lanes"], I64(LANES))
        with self.b.if_else(self.b.icmp_signed("==", self.given["wide"], I64(0))) as (narrow, wide):
            with narrow, self.b.if_else(full) as (whole, part):
                with whole:
                    self.pixels(True, True)
                with part:
                    self.pixels(True, False)
            with wide:
                self.pixels(False, False)
        for i, place in enumerate(self.counts):
            total = self.called("llvm.vector.reduce.add.v16i32", I32, [self.b.load(place, typ=V)])
            spot = self.sum(self.given["counts"], 8 * i)
            self.store(self.b.add(self.load(spot, I64), self.b.zext(total, I64)), spot)
        self.b.ret_void()
        return self.function

    def pixels(self, narrow: bool, full: bool) -> None:
        size = 1 if narrow else 4
        zero = self.splat(self.b.trunc(self.given["zero"], I32))

        def pixel(p: Any) -> None:
            sums = self.load(self.sum(self.given["sums"], self.b.mul(p, self.given["stride"])), V)
            result, events = self.scaled(sums)
            for place, event in zip(self.counts, events, strict=True):
                counted = event if full else self.b.and_(event, self.there)
                self.b.store(self.b.add(self.b.load(place, typ=V), self.b.zext(counted, V)), place)
            spot = self.entry(self.given["places"], self.times(p, 4))
            address = self.sum(self.given["output"], self.times(spot, size))
            values = self.b.trunc(self.b.add(result, zero), vector(I8)) if narrow else result
            if full:
                self.store(values, address)
            else:
                name = f"llvm.masked.store.v{LANES}i{8 * size}.p0"
                pointer = self.b.inttoptr(address, POINTER)
                self.called(name, ir.VoidType(), [values, pointer, I32(1), self.there])

        self.loop(self.given["pixels"], pixel)

    def scaled(self, x: Any) -> tuple[Any, list[Any]]:
        """The result, and where it was clamped in the scale, clamped in the output, or is 0."""
        b, n = self.b, self.numbers
        x = self.limit(x, n[FLOOR], n[CAP])
        beyond = b.or_(b.icmp_signed(">", x, n[HIGH]), b.icmp_signed("<", x, n[LOW]))
        product = b.mul(self.limit(x, n[LEAST], n[MOST]), n[SCALE])
        exact = b.ashr(b.add(product, n[HALF]), n[SHIFT])
        result = self.limit(exact, *self.ends)
        return result, [beyond, b.icmp_signed("!=", exact, result), b.icmp_signed("==", result, constant(0))]

    def limit(self, x: Any, low: Any, high: Any) -> Any:
        above = self.b.select(self.b.icmp_signed("<", x, low), low, x)
        return self.b.select(self.b.icmp_signed(">", above, high), high, above)


@intrinsic
def run_tail(typingctx: Any, arguments: Any) -> Any:
    """The tail of a vector of channels; `arguments` is the tuple of ARGUMENTS."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        values = [builder.extract_value(given[0], i) for i in range(len(ARGUMENTS))]
        builder.call(builder.module.globals.get("tail") or _Tail(builder.module).build(), values)
        return context.get_dummy_value()

    return types.void(types.UniTuple(types.int64, len(ARGUMENTS))), code
