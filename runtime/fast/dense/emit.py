"""Functions written in LLVM's own terms, because only there are the processor's instructions for products of bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from .routes import LANES

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
POINTER = ir.PointerType()


def vector(kind: Any, lanes: int = LANES) -> Any:
    return ir.VectorType(kind, lanes)


V = vector(I32)


def constant(value: int, kind: Any = V) -> Any:
    """A vector with that value in all lanes."""
    return ir.Constant(kind, [value] * kind.count)


class Emitter:
    """A function of int64 arguments, in the making. Addresses are int64, too."""

    def __init__(self, module: Any, name: str, arguments: Sequence[str]):
        self.module = module
        kinds = ir.FunctionType(ir.VoidType(), [I64] * len(arguments))
        self.function = ir.Function(module, kinds, name)
        self.function.linkage = "internal"
        self.b = ir.IRBuilder(self.function.append_basic_block())
        self.given = dict(zip(arguments, self.function.args, strict=True))

    def load(self, address: Any, kind: Any) -> Any:
        return self.b.load(self.b.inttoptr(address, POINTER), typ=kind, align=1)

    def store(self, value: Any, address: Any) -> None:
        self.b.store(value, self.b.inttoptr(address, POINTER), align=1)

    def sum(self, first: Any, *others: Any) -> Any:
        """Of int64; Python's numbers among them are constants."""
        for other in others:
            first = self.b.add(first, I64(other) if isinstance(other, int) else other)
        return first

    def times(self, value: Any, factor: int) -> Any:
        return self.b.mul(value, I64(factor))

    def entry(self, table: Any, number: Any) -> Any:
        """Entry `number` of a table of int32, as int64."""
        return self.b.sext(self.load(self.sum(table, number), I32), I64)

    def splat(self, scalar: Any, kind: Any = V) -> Any:
        none = ir.Constant(kind, ir.Undefined)
        return self.b.shuffle_vector(
            self.b.insert_element(none, scalar, I32(0)), none, constant(0, vector(I32, kind.count))
        )

    def called(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """What one of LLVM's own functions gives."""
        kinds = ir.FunctionType(result, [argument.type for argument in arguments])
        found = self.module.globals.get(name) or ir.Function(self.module, kinds, name)
        return self.b.call(found, arguments)

    def loop(self, count: Any, body: Callable[[Any], None]) -> None:
        """The body for 0 … count − 1, count ≥ 1."""
        before, inside = self.b.block, self.function.append_basic_block()
        self.b.branch(inside)
        self.b.position_at_end(inside)
        step = self.b.phi(I64)
        step.add_incoming(I64(0), before)
        body(step)
        following = self.sum(step, 1)
        step.add_incoming(following, self.b.block)
        outside = self.function.append_basic_block()
        self.b.cbranch(self.b.icmp_signed("<", following, count), inside, outside)
        self.b.position_at_end(outside)
