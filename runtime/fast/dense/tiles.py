"""The innermost loops: sums of products for a few pixels and vectors of 16 channels at once, held in registers.

A dense tile of P pixels and V vectors computes, for each of its 16·V channels f and each of its pixels p,

    sum[p, f] = INIT[f] + Σ_r Σ_k input[pixels[p] + runs[r] + k] · weights[r, k, f]        (k = 0 … 4·groups − 1)

of unsigned input bytes and signed weight bytes, modulo 2^32. The weights lie as [r][k // 4][V][16][k % 4]. A depthwise
tile has one vector and one product per run: input[pixels[p] + runs[r] + f] · weights[r][f].

A call computes the tiles of pixels start … stop − 1. The last one ends with the last pixel; some of its sums have been
made before then, and are the same.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

from ..jit import address_of
from .dots import DOTS, Dot
from .emit import I8, I16, I32, I64, Emitter, V, vector
from .routes import DEPTHWISE, LANES, available
from .tail import FIELDS, INIT

ARGUMENTS = (
    *("start", "stop", "input", "pixels", "runs", "run_count", "groups", "weights", "numbers", "sums", "stride"),
)
"""All int64. Addresses of the input (bytes), of pixels (int32) and runs (int64), of the weights, of the numbers of the
channels (see tail.py), and of the sums of pixel 0, int32 [pixel][channel]; `stride` bytes from one pixel's sums to the
next one's. stop − start must be as many pixels as a tile has, at least."""


@register_jitable
def key(route: int, pixels: int, vectors: int) -> int:
    """The number of a tile in `run_tile`."""
    return (route * 16 + pixels) * 4 + vectors


class _Tile(Emitter):
    """The function of one kind of tile; `dot` is None for a depthwise one."""

    def __init__(self, module: Any, name: str, pixels: int, vectors: int, dot: Dot | None):
        super().__init__(module, f"{name}.{pixels}.{vectors}", ARGUMENTS)
        self.pixels, self.vectors, self.dot = pixels, vectors, dot
        self.totals = [[self.b.alloca(V) for _ in range(vectors)] for _ in range(pixels)]

    def build(self) -> Any:
        """The function."""
        b, start, stop = self.b, self.given["start"], self.given["stop"]
        last = b.sub(stop, I64(self.pixels))
        count = b.sdiv(self.sum(b.sub(stop, start), self.pixels - 1), I64(self.pixels))

        def tile(number: Any) -> None:
            first = self.sum(start, self.times(number, self.pixels))
            self.tile(b.select(b.icmp_signed("<", first, last), first, last))

        self.loop(count, tile)
        b.ret_void()
        return self.function

    def tile(self, first: Any) -> None:
        given, table = self.given, self.sum(self.given["pixels"], self.times(first, 4))
        address = [self.sum(given["input"], self.entry(table, 4 * p)) for p in range(self.pixels)]
        for v in range(self.vectors):
            value = self.load(self.sum(given["numbers"], _number(v)), V)
            for row in self.totals:
                self.b.store(value, row[v])

        def run(r: Any) -> None:
            start = self.load(self.sum(given["runs"], self.times(r, 8)), I64)
            if self.dot is None:
                self.channels(r, [self.sum(each, start) for each in address])
            else:
                self.groups(self.dot, r, start, address)

        self.loop(given["run_count"], run)
        place = self.sum(given["sums"], self.b.mul(first, given["stride"]))
        for row in self.totals:
            for v, total in enumerate(row):
                self.store(self.b.load(total, typ=V), self.sum(place, 4 * LANES * v))
            place = self.sum(place, given["stride"])

    def groups(self, dot: Dot, r: Any, start: Any, address: list[Any]) -> None:
        """Add the products of a run, four input bytes at a time."""
        groups, size = self.given["groups"], 4 * LANES * self.vectors
        first = self.sum(self.given["weights"], self.times(self.b.mul(r, groups), size))

        def group(g: Any) -> None:
            ahead, weights = self.sum(start, self.times(g, 4)), self.sum(first, self.times(g, size))
            held = [self.load(self.sum(weights, 4 * LANES * v), V) for v in range(self.vectors)]
            for each, row in zip(address, self.totals, strict=True):
                four = self.splat(self.load(self.sum(each, ahead), I32))
                for total, w in zip(row, held, strict=True):
                    self.b.store(dot(self, self.b.load(total, typ=V), four, w), total)

        self.loop(groups, group)

    def channels(self, r: Any, address: list[Any]) -> None:
        """Add the products of a run of a depthwise tile."""
        words = vector(I16)
        w = self.b.sext(self.load(self.sum(self.given["weights"], self.times(r, LANES)), vector(I8)), words)
        for each, row in zip(address, self.totals, strict=True):
            x = self.b.zext(self.load(each, vector(I8)), words)
            product = self.b.sext(self.b.mul(x, w), V)  # 255 · −128 fits into 16 bits
            self.b.store(self.b.add(self.b.load(row[0], typ=V), product), row[0])


def _number(v: int) -> int:
    """Where the INIT of vector v lies among the numbers."""
    return 4 * LANES * (len(FIELDS) * v + INIT)


def _tiles(module: Any) -> dict[int, Any]:
    """The functions of all tiles that this processor can run, by key."""
    made: dict[int, Any] = {}
    for route in (*available(), DEPTHWISE):
        for pixels in route.pixels:
            for vectors in range(1, route.vectors + 1):
                tile = _Tile(module, f"tile.{route.name}", pixels, vectors, DOTS.get(route.name))
                made[key(route.number, pixels, vectors)] = tile.build()
    return made


@intrinsic
def _choose(typingctx: Any, which: Any, arguments: Any) -> Any:
    """Compute the tile with the key `which`; `arguments` is the tuple of ARGUMENTS."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        which, packed = given
        values = [builder.extract_value(packed, i) for i in range(len(ARGUMENTS))]
        done = builder.append_basic_block()
        switch = builder.switch(which, done)
        for number, function in _tiles(builder.module).items():
            block = builder.append_basic_block()
            switch.add_case(I64(number), block)
            builder.position_at_end(block)
            builder.call(function, values)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(types.int64, types.UniTuple(types.int64, len(ARGUMENTS))), code


def _tile(
    which: int,
    start: int,
    stop: int,
    x: int,
    pixels: int,
    runs: int,
    count: int,
    groups: int,
    weights: int,
    numbers: int,
    sums: int,
    stride: int,
) -> None:
    arguments = start, stop, x, pixels, runs, count, groups, weights, numbers, sums, stride
    _choose(which, arguments)  # pyright: ignore[reportCallIssue]


@cache
def tile_address() -> int:
    """Of the function that computes tiles; `run_tile` calls it."""
    return address_of(_tile, types.void(*[types.int64] * (1 + len(ARGUMENTS))))


@intrinsic
def run_tile(typingctx: Any, address: Any, which: Any, arguments: Any) -> Any:
    """Compute the tile with the key `which`; `address` as above, `arguments` is the tuple of ARGUMENTS."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        address, which, packed = given
        values = [builder.extract_value(packed, i) for i in range(len(ARGUMENTS))]
        kind = ir.FunctionType(ir.VoidType(), [I64] * (1 + len(ARGUMENTS)))
        builder.call(builder.inttoptr(address, kind.as_pointer()), [which, *values])
        return context.get_dummy_value()

    numbers = types.UniTuple(types.int64, len(ARGUMENTS))
    return types.void(types.int64, types.int64, numbers), code
