"""Networks of one operator that a host runs, for the tests of what is imported and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from onnx_models import Net, check_import, newest_opset

Shape = tuple[int, ...]
Build = Callable[[Net, str], str]
IMAGE, TOKENS, HEADS = (1, 4, 5, 6), (1, 5, 8), (1, 2, 5, 4)
NEW = newest_opset()
MS = {"domain": "com.microsoft"}
RNG = np.random.default_rng(9)


Row = tuple[Shape, int, Build]


def unary(op: str, **attributes: Any) -> Build:
    return lambda n, x: n.op(op, x, **attributes)


def positive(n: Net, x: str) -> str:
    """Between 0.1 and 0.9."""
    scaled = n.op("Mul", n.op("Sigmoid", x), n.const(0.8))
    return n.op("Add", scaled, n.const(0.1))


def scaled(op: str, *shapes: Shape, **attributes: Any) -> Build:
    return lambda n, x: n.op(op, x, *(n.weight(*shape) for shape in shapes), **attributes)


def other(n: Net, x: str) -> str:
    """Another computed value of the same shape."""
    return n.op("Tanh", n.op("Mul", x, n.const(0.5)))


def einsum(equation: str, *weight: int) -> Build:
    """Of two computed values, or a computed one and a weight."""
    return lambda n, x: n.op("Einsum", x, n.weight(*weight) if weight else other(n, x), equation=equation)


def attend(*more: Any, heads: int = 0, kv_heads: int = 0, **attributes: Any) -> Build:
    """Attention with computed query, keys and values, all made of one input."""
    if heads:
        attributes |= {"q_num_heads": heads, "kv_num_heads": kv_heads or heads}

    def build(n: Net, x: str) -> str:
        keys, values = other(n, x), n.op("Neg", x)
        if kv_heads:
            keys, values = (n.op("MatMul", y, n.weight(8, 8 * kv_heads // heads)) for y in (keys, values))
        rest = ["" if m is None else n.const(m) for m in more]
        return n.op("Attention", x, keys, values, *rest, **attributes)

    return build


def rotary(rank: int, **attributes: Any) -> Build:
    def build(n: Net, x: str) -> str:
        half = attributes.get("rotary_embedding_dim", 4) // 2
        angles = RNG.normal(size=(9, half))
        return n.op(
            "RotaryEmbedding",
            x,
            n.const(np.cos(angles)),
            n.const(np.sin(angles)),
            n.const([[1, 0, 3, 4, 8]]),
            **attributes,
        )

    return build


def check_row(row: Row, folder: Path) -> None:
    """The operator is imported, and computes what onnxruntime computes."""
    shape, opset, build = row
    net = Net(opset)
    net.output(build(net, net.input("x", shape)))
    check_import(net, folder)
