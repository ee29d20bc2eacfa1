"""The forms of operators that become ops of a host, for docs/reference/coverage.md."""

from __future__ import annotations

from typing import Any

from operator_forms import Form

X = Form.X
_FUNCTIONS = """
    Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Exp Floor Log Reciprocal Round Sign Sin Sinh Sqrt Tan
"""
_LOG_REDUCE = ("ReduceLogSum", "ReduceLogSumExp", "ReduceL2", "ReduceProd")
_C = (4,)
_ANGLES = ((8, 4), (8, 4), [list(range(8))])
_MASK = [[0.0, -1.0] * 4] * 8


def _form(op: str, what: str, *more: Any, opset: int = 17, **attributes: Any) -> Form:
    return Form(op, what, (X, *more), attributes, opset=opset)


def _self(op: str, what: str, *more: Any, opset: int = 23, data: str = "image", **attributes: Any) -> Form:
    """Three operands, all of them what the network computed before."""
    return Form(op, what, (X, X, X, *more), attributes, data=data, opset=opset)


NORMS = [
    *(_form(op, "default") for op in ("Softmax", "LogSoftmax")),
    *(_form(op, "axis 1 (channels)", axis=1) for op in ("Softmax", "LogSoftmax")),
    _form("Softmax", "axis 0 (samples)", axis=0),
    _form("LayerNormalization", "default", (8,), (8,)),
    _form("LayerNormalization", "axis, epsilon", (8, 8), (8, 8), axis=2, epsilon=1e-3),
    Form("LayerNormalization", "mean", (X, (8,)), outputs=2, used=1),
    _form("RMSNormalization", "default", (8,), opset=23),
    _form("RMSNormalization", "axis, epsilon", (8, 8), opset=23, axis=2, epsilon=1e-3),
    _form("InstanceNormalization", "default", _C, _C),
    _form("InstanceNormalization", "epsilon", _C, _C, epsilon=1e-3),
    _form("GroupNormalization", "2 groups", _C, _C, opset=21, num_groups=2),
    _form("GroupNormalization", "epsilon, scale a group", (2,), (2,), opset=18, num_groups=2, epsilon=1e-3),
    _form("LpNormalization", "default"),
    _form("LpNormalization", "p 1, axis 1 (channels)", p=1, axis=1),
    _form("LRN", "size 3", size=3),
    _form("LRN", "alpha, beta, bias", size=3, alpha=0.5, beta=0.5, bias=2.0),
    _form("MeanVarianceNormalization", "axes 2, 3", axes=[2, 3]),
]
PRODUCTS = [
    Form("MatMul", "of two computed values", (X, X)),
    _form("Einsum", "a weight", (4, 3), equation="nchw,cd->ndhw"),
    Form("Einsum", "of two computed values", (X, X), {"equation": "nchw,ncvw->nchv"}),
    _form("Einsum", "one operand", equation="nchw->nc"),
    _self("Attention", "4-D"),
    _self("Attention", "3-D", data="line", q_num_heads=2, kv_num_heads=2),
    _self("Attention", "scale, softcap", scale=0.5, softcap=4.0),
    _self("Attention", "is_causal", is_causal=1),
    _self("Attention", "a constant mask", _MASK),
    Form("Attention", "scores", (X, X, X), {"qk_matmul_output_mode": 3}, opset=23, outputs=4, used=3),
    Form("RotaryEmbedding", "4-D", (X, *_ANGLES), opset=23),
    Form("RotaryEmbedding", "3-D", (X, (4, 4), (4, 4), [[0, 1, 2, 3]]), {"num_heads": 1}, data="line", opset=23),
    Form("RotaryEmbedding", "interleaved, part of a head", (X, (8, 2), (8, 2), [list(range(8))]),
         {"interleaved": 1, "rotary_embedding_dim": 4}, opset=23),
]  # fmt: skip
OTHERS = [
    *(_form(op, "default") for op in _FUNCTIONS.split()),
    _form("ThresholdedRelu", "alpha", alpha=0.5),
    _form("Shrink", "bias = lambd (soft)", lambd=0.5, bias=0.5),
    _form("Shrink", "bias 0 (hard)", lambd=0.5),
    *(_form(op, "axes 2, 3", axes=[2, 3]) for op in _LOG_REDUCE),
    *(_form(op, "keepdims 0", axes=[2, 3], keepdims=0) for op in _LOG_REDUCE),
    *(_form(op, "noop_with_empty_axes", opset=18, noop_with_empty_axes=1) for op in _LOG_REDUCE),
    _form("CumSum", "axis 2", 2),
    _form("CumSum", "exclusive, reverse", 2, exclusive=1, reverse=1),
    _form("Trilu", "upper"),
    _form("Trilu", "lower", upper=0),
    _form("GatherElements", "axis 3", [[[[0, 2, 1]] * 8] * 4], axis=3),
    _form("GatherND", "batch_dims 1", [[[0], [2]]], batch_dims=1),
    Form("Where", "a constant condition", ([[[[True, False] * 4]]], X, X)),
    Form("Where", "and −∞", ([[[[True, False] * 4]]], X, [float("-inf")])),
    Form("Max", "of two computed values", (X, X)),
    Form("Min", "of two computed values", (X, X)),
    Form("Div", "of two computed values", (X, X)),
    _form("Pow", "exponent 0.5", 0.5),
    _form("Pow", "exponent 1.5", 1.5),
]
HOST_FORMS = [*NORMS, *PRODUCTS, *OTHERS]
HOST_WITHOUT_FORM = {
    "Attention": {"softmax_precision", "left_window_size", "right_window_size"},
    **{op: {"stash_type"} for op in ("GroupNormalization", "LayerNormalization", "RMSNormalization")},
}
