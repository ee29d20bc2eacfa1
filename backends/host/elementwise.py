"""Layers that treat every element alone, and softmax."""

from __future__ import annotations

from collections.abc import Callable

from ...compiler.ir.ops import Activation, Clip, Function, Mask, Softmax, Threshold
from .proto import FLOAT, Site

FUNCTIONS = {
    "acos": "Acos",
    "acosh": "Acosh",
    "asin": "Asin",
    "asinh": "Asinh",
    "atan": "Atan",
    "atanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "exp": "Exp",
    "floor": "Floor",
    "log": "Log",
    "reciprocal": "Reciprocal",
    "round": "Round",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "sqrt": "Sqrt",
    "tan": "Tan",
}


def plain(op_type: str) -> Callable[[Site], None]:
    """The emitter of what one ONNX operator without attributes says."""

    def emit(site: Site) -> None:
        site.result(op_type, *site.operands)

    return emit


def clip(site: Site) -> None:
    op = site.op
    assert isinstance(op, Clip)
    if op.low is None and op.high is None:
        site.result("Identity", site.x)
        return
    bounds = ["" if bound is None else site.number(bound) for bound in (op.low, op.high)]
    site.result("Clip", site.x, *(bounds if bounds[1] else bounds[:1]))


def _times_sigmoid(site: Site, alpha: float) -> None:
    x = site.x if alpha == 1 else site.part("Mul", site.x, site.number(alpha))
    site.result("Mul", site.x, site.part("Sigmoid", x))


ACTIVATIONS: dict[str, Callable[[Site, float], None]] = {
    "celu": lambda site, alpha: site.result("Celu", site.x, alpha=alpha),
    "elu": lambda site, alpha: site.result("Elu", site.x, alpha=alpha),
    "erf": lambda site, alpha: site.result("Erf", site.x),
    "gelu": lambda site, alpha: site.result("Gelu", site.x),
    "gelu_tanh": lambda site, alpha: site.result("Gelu", site.x, approximate="tanh"),
    "hard_sigmoid": lambda site, alpha: site.result("HardSigmoid", site.x, alpha=1 / 6, beta=0.5),
    "hard_swish": lambda site, alpha: site.result("HardSwish", site.x),
    "leaky_relu": lambda site, alpha: site.result("LeakyRelu", site.x, alpha=alpha),
    "mish": lambda site, alpha: site.result("Mish", site.x),
    "selu": lambda site, alpha: site.result("Selu", site.x),
    "sigmoid": lambda site, alpha: site.result("Sigmoid", site.x),
    "silu": lambda site, alpha: _times_sigmoid(site, 1.0),
    "softplus": lambda site, alpha: site.result("Softplus", site.x),
    "softsign": lambda site, alpha: site.result("Softsign", site.x),
    "swish": _times_sigmoid,
    "tanh": lambda site, alpha: site.result("Tanh", site.x),
    "thresholded_relu": lambda site, alpha: site.result("ThresholdedRelu", site.x, alpha=alpha),
}


def activation(site: Site) -> None:
    assert isinstance(site.op, Activation)
    ACTIVATIONS[site.op.kind](site, site.op.alpha)


def function(site: Site) -> None:
    assert isinstance(site.op, Function)
    site.result(FUNCTIONS[site.op.name], site.x)


def mask(site: Site) -> None:
    keep = site.data("keep")
    assert isinstance(site.op, Mask) and keep is not None
    site.result("Where", site.array(keep != 0), site.x, site.number(site.op.value))


def softmax(site: Site) -> None:
    assert isinstance(site.op, Softmax)
    site.result("LogSoftmax" if site.op.log else "Softmax", site.x, axis=site.op.axis)


def threshold(site: Site) -> None:
    assert isinstance(site.op, Threshold)
    fires = site.part("Greater" if site.op.strict else "GreaterOrEqual", *site.operands)
    site.result("Cast", fires, to=FLOAT)
