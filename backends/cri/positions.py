"""Dense layers over the last axis of several positions (frames, pixels with channels last): convolutions of size 1.

dense(x)  with x (N, …, C)    → transpose(conv(transpose(x)))    channels second, a kernel of ones
"""

from __future__ import annotations

from ...compiler.ir import Graph, Node
from ...compiler.ir.ops import Conv, Dense, Reshape, Transpose
from ...compiler.passes.base import Context


def dense_per_position(graph: Graph, node: Node, context: Context) -> bool:
    """The rule, for 1 to 3 axes of positions, none of which holds the channels."""
    x, spatial = node.x, node.x.type.rank - 2
    if not isinstance(node.op, Dense) or not 1 <= spatial <= 3 or "C" in x.type.axes[:-1]:
        return False
    weight = node.operands[1]
    assert weight is not None
    y, last = node.result, x.type.rank - 1
    made = graph.add(Transpose((0, last, *range(1, last))), x, name=f"{y.name}.first", origin=y.origin, before=node)
    if made.type.axes[:2] != "NC":
        axes = "NC" + "".join("_" if letter in "NC" else letter for letter in made.type.axes[2:])
        made = graph.add(Reshape(made.type.shape, axes), made, name=f"{y.name}.named", origin=y.origin, before=node)
    ones = (1,) * spatial
    kernel = graph.constant(f"{y.name}.kernel", weight.data.reshape(*weight.type.shape, *ones))
    op = Conv(ones, ((0, 0),) * spatial, ones)
    conv = graph.add(op, made, kernel, *node.operands[2:], name=f"{y.name}.conv", origin=y.origin, before=node)
    back = graph.add(Transpose((0, *range(2, last + 1), 1)), conv, name=f"{y.name}.last", origin=y.origin, before=node)
    graph.rewrite(node, Reshape(y.type.shape, y.type.axes), back)
    return True
