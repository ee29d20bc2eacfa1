"""Activations that exporters spell with operators which nmc does not import by themselves, as one operator again.

    Where(x > t, x, Softplus(x))            is Softplus(x)
    Where(b·x > t, x, Softplus(b·x) / b)    is Softplus(b·x) / b
    x / (1 + |x|)                           is Softsign(x)
    choices by a comparison                 in `choices`

PyTorch replaces softplus by x above a threshold t (20 by default). There softplus(x) = x + log(1 + e^−x) exceeds x by
less than half of the last bit of a float32, so both are the same number.
"""

from __future__ import annotations

import math
from pathlib import Path

from onnx import GraphProto, NodeProto, helper

from .choices import activation
from .made import Made
from .read import DEFAULT_DOMAINS

HALF_BIT = 2.0**-25  # of a float32, relative to its value


def _softplus(made: Made, node: NodeProto) -> NodeProto | None:
    """The Where of a softplus with a threshold as the softplus that it chooses."""
    if len(node.input) != 3:
        return None
    condition, x, smooth = node.input
    scaled, limit = made.pair(condition, "Greater")
    threshold = made.number(limit)
    if threshold is None or threshold <= 0 or math.log1p(math.exp(-threshold)) > HALF_BIT * threshold:
        return None
    plain = scaled == x and made.operands(smooth, "Softplus") == (x,)
    if plain or _is_scaled_softplus(made, smooth, x, scaled):
        return helper.make_node("Identity", [smooth], list(node.output), node.name)
    return None


def _is_scaled_softplus(made: Made, value: str, x: str, scaled: str) -> bool:
    """Is the value Softplus(scaled) / b, where scaled is b · x?"""
    divided, product = made.operands(value, "Div"), made.operands(scaled, "Mul")
    if divided is None or product is None or made.operands(divided[0], "Softplus") != (scaled,):
        return False
    beta = made.number(divided[1])
    others = [name for name in product if name != x]
    return beta is not None and len(others) == 1 and made.number(others[0]) == beta


def _softsign(made: Made, node: NodeProto) -> NodeProto | None:
    """x / (1 + |x|) as Softsign(x)."""
    if len(node.input) != 2:
        return None
    x, below = node.input
    summands = made.operands(below, "Add") or ()
    sizes = [name for name in summands if made.operands(name, "Abs") == (x,)]
    ones = [name for name in summands if made.number(name) == 1.0]
    if len(sizes) != 1 or len(ones) != 1:
        return None
    return helper.make_node("Softsign", [x], list(node.output), node.name)


def _where(made: Made, node: NodeProto) -> NodeProto | None:
    return _softplus(made, node) or activation(made, node)


_RULES = {"Where": _where, "Div": _softsign}


def restore(graph: GraphProto, folder: Path) -> list[NodeProto]:
    """The graph's nodes, each that completes such a spelling replaced. What only those needed is still among them."""
    made = Made(graph, folder)
    nodes = []
    for node in graph.node:
        rule = _RULES.get(node.op_type) if node.domain in DEFAULT_DOMAINS else None
        found = rule(made, node) if rule is not None else None
        if found is not None:
            found.metadata_props.extend(node.metadata_props)  # what the user calls the layer
        nodes.append(node if found is None else found)
    return nodes
