"""Where between two values by their comparison, where that is an activation: the bodies of ONNX's own functions.

    Where(a < b, b, a)                              is Max(a, b), and the other way round Min(a, b)
    Where(x < 0, s·x, x)                            is PRelu(x, s)
    Where(x < 0, a·(e^x − 1), x)                    is Elu(x)
    Where(x < 0, g·(a·e^x − a), g·x)                is Selu(x)
    Where(t < x, x, 0)                              is ThresholdedRelu(x)
    Where(x < −t, x + b, Where(t < x, x − b, 0))    is Shrink(x)

with each comparison in any of its spellings. Where both sides agree at the threshold, it does not matter which side
takes it. Any other choice by a comparison stays one, and is refused: that is how unrolled spiking networks fire.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from onnx import NodeProto, helper

from .made import Made


@dataclass(frozen=True)
class Choice:
    """`above` where low < high (low ≤ high if not strict), else `below`; all are names of values."""

    low: str
    high: str
    strict: bool
    above: str
    below: str


# (are the operands swapped?, is it strict?)
_COMPARISONS = {
    "Less": (False, True),
    "LessOrEqual": (False, False),
    "Greater": (True, True),
    "GreaterOrEqual": (True, False),
}


def _readings(made: Made, operands: tuple[str, ...]) -> Iterator[Choice]:
    """The choice that a Where of these operands makes, said in both ways."""
    if len(operands) != 3:
        return
    condition, then, other = operands
    for op, (swapped, strict) in _COMPARISONS.items():
        low, high = made.pair(condition, op)
        if low and high:
            low, high = (high, low) if swapped else (low, high)
            yield Choice(low, high, strict, then, other)
            yield Choice(high, low, not strict, other, then)


def _same(made: Made, a: str, b: str) -> bool:
    """Are both names of one value, or of constants of one number?"""
    return a == b or (made.number(a) is not None and made.number(a) == made.number(b))


def _product(made: Made, name: str, factor: str) -> str:
    """The other factor of a product with this one; '' if the value is no such product."""
    pair = made.pair(name, "Mul")
    return pair[1 - pair.index(factor)] if factor in pair else ""


def _scaled(made: Made, name: str) -> Iterator[tuple[float, str]]:
    """The value as a number times another value."""
    for scale, rest in (pair := made.pair(name, "Mul"), pair[::-1]):
        number = made.number(scale)
        if number is not None:
            yield number, rest


def _prelu(made: Made, choice: Choice, x: str, threshold: float) -> NodeProto | None:
    slope = _product(made, choice.below, x)
    fits = threshold == 0 and choice.above == x and made.constant(slope)
    return helper.make_node("PRelu", [x, slope], [""]) if fits else None


def _elu(made: Made, choice: Choice, x: str, threshold: float) -> NodeProto | None:
    if threshold != 0 or choice.above != x:
        return None
    for alpha, bent in [(1.0, choice.below), *_scaled(made, choice.below)]:
        power, one = made.pair(bent, "Sub")
        if made.operands(power, "Exp") == (x,) and made.number(one) == 1:
            return helper.make_node("Elu", [x], [""], alpha=alpha)
    return None


def _selu(made: Made, choice: Choice, x: str, threshold: float) -> NodeProto | None:
    gammas = [number for number, value in _scaled(made, choice.above) if value == x and threshold == 0]
    for gamma, bent in _scaled(made, choice.below):
        product, last = made.pair(bent, "Sub")
        alpha = made.number(last)
        grown = any(a == alpha and made.operands(power, "Exp") == (x,) for a, power in _scaled(made, product))
        if grown and gamma in gammas:
            return helper.make_node("Selu", [x], [""], alpha=alpha, gamma=gamma)
    return None


def _thresholded(made: Made, choice: Choice, x: str, threshold: float) -> NodeProto | None:
    if choice.above != x or made.number(choice.below) != 0 or not (choice.strict or threshold == 0):
        return None
    return helper.make_node("ThresholdedRelu", [x], [""], alpha=threshold)


def _shrink(made: Made, choice: Choice, x: str, threshold: float) -> NodeProto | None:
    """Read from below: x + b is what is taken where x < −t, so `above` is the inner choice, and x = −t goes there."""
    added, inner = made.pair(choice.below, "Add"), made.operands(choice.above, "Where")
    if choice.strict or x not in added or inner is None:
        return None
    bias = made.number(added[1 - added.index(x)])
    for second in _readings(made, inner):
        taken = made.pair(second.above, "Sub")
        fits = second.high == x and second.strict and made.number(second.low) == -threshold
        fits = fits and made.number(second.below) == 0 and taken[0] == x and made.number(taken[1]) == bias
        if fits and bias is not None and threshold <= 0:
            return helper.make_node("Shrink", [x], [""], bias=bias, lambd=-threshold)
    return None


_BY_NUMBER = (_prelu, _elu, _selu, _thresholded, _shrink)


def activation(made: Made, node: NodeProto) -> NodeProto | None:
    """The Where as the activation it chooses the two sides of; None if it is none."""
    for choice in _readings(made, tuple(node.input)):
        for op, above, below in (("Max", choice.high, choice.low), ("Min", choice.low, choice.high)):
            if _same(made, choice.above, above) and _same(made, choice.below, below):
                return _named(helper.make_node(op, [choice.low, choice.high], [""]), node)
        threshold = made.number(choice.low)
        if threshold is None or not math.isfinite(threshold) or made.constant(choice.high):
            continue
        for rule in _BY_NUMBER:
            found = rule(made, choice, choice.high, threshold)
            if found is not None:
                return _named(found, node)
    return None


def _named(found: NodeProto, node: NodeProto) -> NodeProto:
    found.name, found.output[0] = node.name, node.output[0]
    return found
