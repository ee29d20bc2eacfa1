"""Convolutions over time and space become a convolution over time and one over space.

    y = b + W ∗ x   with W of size τ×k×k     →     z = V ∗ x (τ×1×1, no bias),   y = b + U ∗ z (1×k×k)

or the other way round, space first. Stride, pads and dilation go with their axes. The first of the two has no bias, so
it makes zeros of zeros and the padding of the second means what it meant before. Where U and V come from, and what is
lost if there are few channels between them: analysis/factorization.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NAME = "factorize-conv3d"
ORDERS = ("auto", "temporal-first", "spatial-first")
LEAST_WEIGHT = 1e-3
WEIGHT_MANTISSA = 16


@dataclass(frozen=True)
class Factorized:
    """What became of one convolution.

    rank, full_rank   channels between its two parts, and how many make any kernel of its size exact (both per group)
    weights, macs     before and after: weights without bias; multiplications of one clip
    weight_error      norm of the difference of the kernels / norm of the kernel (weighted if the pass is)
    output_error      the same for the layer's output on the calibration samples, None without samples
    """

    name: str
    order: str
    rank: int
    full_rank: int
    weights: tuple[int, int]
    macs: tuple[int, int]
    weight_error: float
    output_error: float | None


def table(records: Sequence[Factorized]) -> str:
    """The records as a plain text table with a line of totals."""
    rows = [("layer", "order", "rank", "weights", "MACs per clip", "weight error", "output error")]
    for r in records:
        output = "-" if r.output_error is None else f"{r.output_error:.2e}"
        counts = (_arrow(r.weights), _arrow(r.macs))
        rows.append((r.name, r.order, f"{r.rank} of {r.full_rank}", *counts, f"{r.weight_error:.2e}", output))
    weights, macs = (np.sum([getattr(r, what) for r in records] or [(0, 0)], axis=0) for what in ("weights", "macs"))
    rows.append(("total", "", "", _arrow(weights), _arrow(macs), "", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _arrow(numbers: Sequence[int] | Array) -> str:
    return f"{numbers[0]:,} -> {numbers[1]:,}"


@dataclass(frozen=True)
class _Plan:
    """One convolution and the two that take its place; the weights are in the layout of the IR."""

    node: Node
    order: str
    ops: tuple[Conv, Conv]
    weights: tuple[Array, Array]
    factors: Factors

    def evaluate(self, x: Array) -> Array:
        bias = self.node.operand("bias")
        between = self.ops[0].evaluate(x, self.weights[0])
        return self.ops[1].evaluate(between, self.weights[1], None if bias is None else bias.data)


def _is_full(node: Node) -> bool:
    """Is the node a 3-D convolution with more than one tap in time and in space?"""
    weight = node.operand("weight") if isinstance(node.op, Conv) else None
    if weight is None or weight.type.rank != 5:
        return False
    time = node.x.type.axis("T")
    taps = prod(weight.type.shape[2:])
    # Where no axis is time, the question is open: `_obstacle` says so.
    return taps > 1 if time is None else 1 < weight.type.shape[time] < taps


def _obstacle(node: Node) -> str | None:
    """Why a full convolution cannot be factorized, None if it can."""
    weight = node.operand("weight")
    assert weight is not None
    if node.x.type.axis("T") is None:
        return f"none of the axes {node.x.type.axes} of its input is time (T)"
    if not weight.is_constant:
        return f"its weight %{weight.name} is not a constant"
    if not weight.type.elements:
        return f"its weight @{weight.name} is empty"
    if not np.isfinite(weight.data).all():
        return f"its weight @{weight.name} holds NaN or infinity"
    return None


def _reads_input(value: Value) -> bool:
    """Is the value made of graph inputs by moving elements only?"""
    node = value.producer
    if node is None:
        return not value.is_constant
    moves = isinstance(node.op, Concat | Pad | Reshape | Slice | Transpose)
    return moves and all(v is not None and _reads_input(v) for v in node.operands)


def _only(op: Conv, axes: Sequence[int]) -> Conv:
    """The op with its stride, pads and dilation on these kernel axes, and none on the others."""
    plain = Conv.plain(len(op.stride), op.groups)

    def pick[T](own: tuple[T, ...], other: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(own[i] if i in axes else other[i] for i in range(len(own)))

    return Conv(pick(op.stride, plain.stride), pick(op.pads, plain.pads), pick(op.dilation, plain.dilation), op.groups)


@dataclass(frozen=True)
class FactorizeConv3d(Pass):
    """Make a temporal (τ×1×1) and a spatial (1×k×k) convolution of each one over time and space.

    rank      channels between the two: exact (as many as the kernel needs), r2plus1d (as many as keep the number of
              weights), a number, energy=0.99 (the fewest that keep this share of the squared singular values),
              error=0.05 (the fewest whose product is that close to the kernel); per group
    order     temporal-first, spatial-first, or auto: spatial-first where the layer reads the graph's input
    weighted  count an error more where the calibration samples make the layer's input channels large
    """

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("canonical",)

    rank: str = "exact"
    order: str = "auto"
    weighted: bool = False

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order must be {', '.join(ORDERS[:-1])} or {ORDERS[-1]}, not {self.order!r}")
        # An approximation is not expected to keep the outputs, so --verify-each only reports what it changes.
        object.__setattr__(self, "preserves", Rank.parse(self.rank).is_exact)

    def run(self, graph: Graph, context: Context) -> int:
        nodes = []
        for node in filter(_is_full, graph.nodes):
            why = _obstacle(node)
            if why is None:
                nodes.append(node)
            else:
                context.decline(NAME, node.result.name, why)
        weights: dict[str, Array] = {}
        if self.weighted and context.samples is None:
            context.warnings.append(f"{NAME}: without calibration samples, errors are not weighted")
        elif self.weighted and context.samples is not None:
            weights = _channel_weights(graph, context.samples, {node.x.name for node in nodes})
        plans = [self._plan(node, weights.get(node.x.name)) for node in nodes]
        errors = {} if context.samples is None else _output_errors(graph, context.samples, plans)
        for plan in plans:
            _rewrite(graph, plan)
            report = _report(plan, errors.get(plan.node.result.name))
            context.reports.setdefault(NAME, []).append(report)
        return len(plans)

    def ensures(self, graph: Graph) -> None:
        assert not any(_is_full(node) and _obstacle(node) is None for node in graph.nodes)

    def _plan(self, node: Node, weights: Array | None) -> _Plan:
        op, weight, time = node.op, node.operand("weight"), node.x.type.axis("T")
        assert isinstance(op, Conv) and weight is not None and time is not None
        order = self.order
        if order == "auto":
            order = "spatial-first" if _reads_input(node.x) else "temporal-first"
        turn = order == "spatial-first"
        # Kernel (groups, o, c, taps of the first, taps of the second).
        shape = np.moveaxis(weight.data, time, 2).shape
        kernel = np.moveaxis(weight.data, time, 2).reshape(op.groups, -1, *shape[1:3], prod(shape[3:]))
        kernel = kernel.swapaxes(3, 4) if turn else kernel
        factors = factorize(kernel, Rank.parse(self.rank), None if weights is None else weights.reshape(op.groups, -1))
        sizes = [(shape[2], 1, 1), (1, *shape[3:])]
        ops = [_only(op, [time - 2]), _only(op, [i for i in range(3) if i != time - 2])]
        if turn:
            sizes.reverse()
            ops.reverse()
        first, second = (
            np.moveaxis(part.reshape(-1, part.shape[2], *size), 2, time).astype(weight.data.dtype)
            for part, size in zip((factors.first, factors.second), sizes, strict=True)
        )
        return _Plan(node, order, (ops[0], ops[1]), (first, second), factors)


def _channel_weights(graph: Graph, samples: Mapping[str, Array], names: set[str]) -> dict[str, Array]:
    """Root mean square of each channel of the named values; a channel that is (nearly) 0 still counts a little."""
    squares: dict[str, Array] = {}
    counts: dict[str, int] = {}

    def visit(name: str, array: Array) -> None:
        if name in names:
            axes = tuple(i for i in range(array.ndim) if i != 1)
            squares[name] = squares.get(name, 0.0) + np.square(array).sum(axis=axes)
            counts[name] = counts.get(name, 0) + array.size // array.shape[1]

    observe(graph, samples, visit)
    found = {}
    for name, total in squares.items():
        roots = arith.round_mantissa(np.sqrt(total / max(1, counts[name])), WEIGHT_MANTISSA)
        top = roots.max(initial=0.0)
        found[name] = np.maximum(roots, top * LEAST_WEIGHT) if top > 0 else np.ones(len(roots))
    return found


def _output_errors(graph: Graph, samples: Mapping[str, Array], plans: Sequence[_Plan]) -> dict[str, float]:
    """For each planned layer, by name: ‖new output − output‖ / ‖output‖ on what the layer reads in this graph."""
    readers: dict[str, list[_Plan]] = {}
    for plan in plans:
        readers.setdefault(plan.node.x.name, []).append(plan)
    waiting: dict[str, Array] = {}
    sums: dict[str, Array] = {}

    def visit(name: str, array: Array) -> None:
        if name in waiting:
            squares = [float(np.square(a).sum()) for a in (waiting.pop(name) - array, array)]
            sums[name] = sums.get(name, np.zeros(2)) + squares
        for plan in readers.get(name, []):
            waiting[plan.node.result.name] = plan.evaluate(array)

    observe(graph, samples, visit)
    return {name: float(np.sqrt(error / (total or 1.0))) for name, (error, total) in sums.items()}


def _rewrite(graph: Graph, plan: _Plan) -> None:
    """The node computes the second part, a new node before it the first."""
    node, weight = plan.node, plan.node.operand("weight")
    assert weight is not None
    parts = ("temporal", "spatial") if plan.order == "temporal-first" else ("spatial", "temporal")
    first, second = (
        graph.constant(f"{weight.name}.{part}", data, weight.type.axes)
        for part, data in zip(parts, plan.weights, strict=True)
    )
    name, origin = f"{node.result.name}.{parts[0]}", node.result.origin
    between = graph.add(plan.ops[0], node.x, first, name=name, origin=origin, before=node)
    bias = node.operand("bias")
    graph.rewrite(node, plan.ops[1], between, second, *(() if bias is None else (bias,)))


def _report(plan: _Plan, output_error: float | None) -> Factorized:
    """Counted after the rewrite."""
    first, second = plan.node.x.producer, plan.node
    assert first is not None and isinstance(first.op, Conv)
    groups = plan.ops[0].groups
    full = plan.factors
    _, outputs, _, late = full.second.shape
    _, rank, inputs, early = full.first.shape
    before = groups * outputs * inputs * early * late
    positions = [prod(node.result.type.shape[2:]) for node in (first, second)]
    sizes = [data.size for data in plan.weights]
    return Factorized(
        second.result.name,
        plan.order,
        rank,
        full.full,
        (before, sum(sizes)),
        (before * positions[1], sum(p * size for p, size in zip(positions, sizes, strict=True))),
        full.error,
        output_error,
    )
