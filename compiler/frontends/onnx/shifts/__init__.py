"""Operators on tensors whose samples are not axis 0 (`inside`): their axes count from one place later.

Each rule changes a copy of the node (attributes, constant operands) so that the operator's handler can be called on the
values as the IR has them, and says which axis of the result holds the samples. An operator without a rule is refused,
and so is whatever would mix, reduce or cut the samples.
"""

from __future__ import annotations

from onnx import helper

from ....ir import Value
from ...common.problems import DependsOnRefused, Refusal
from ..call import Call, Unknown
from ..codes import COMPUTES, HINT, Coded
from ..inside import Inside
from .elements import normalized, reduced, same, softmax
from .moves import concat, cut, expand, gather, pad, shape, size, split
from .node import Handler, Results, Rule, Shifted, Tensor
from .products import channels_second, gemm, global_average, matmul, recurrent, window
from .reshapes import after_reshape, flatten, leaves_front, reshape, squeeze, transpose, unsqueeze

__all__ = ["RULES", "after_reshape", "leaves_front", "on_inside"]

_ELEMENTWISE = """
    Abs Acos Acosh Add Asin Asinh Atan Atanh Cast CastLike Ceil Celu Clip Cos Cosh Div Dropout Elu Erf Exp Floor Gelu
    HardSigmoid HardSwish Identity LeakyRelu Log Max Mean Min Mish Mul Neg Pow PRelu Reciprocal Relu Round Selu Shrink
    Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum SwiGLU Swish Tan Tanh ThresholdedRelu
    Where
"""
RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE.split(), same),
    **dict.fromkeys(("ReduceMax", "ReduceMin", "ReduceMean", "ReduceL1", "ReduceL2"), reduced(18)),
    **dict.fromkeys(("Softmax", "LogSoftmax"), softmax),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), normalized),
    **dict.fromkeys(("Conv", "ConvTranspose", "MaxPool", "AveragePool"), window),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), recurrent),
    "BatchNormalization": channels_second,
    "Concat": concat,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": gemm,
    "GlobalAveragePool": global_average,
    "MatMul": matmul,
    "Pad": pad,
    "ReduceSum": reduced(13),
    "Reshape": reshape,
    "Shape": shape,
    "Size": size,
    "Slice": cut,
    "Split": split,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
_ANY_OPERAND = (same, matmul, concat)


def on_inside(call: Call, handler: Handler) -> Results:
    """The results of a node on such operands."""
    operands: list[Tensor] = []
    for operand in call.operands:
        if isinstance(operand, Unknown):
            raise DependsOnRefused
        if isinstance(operand, Coded):
            raise Refusal("NMC-I011", COMPUTES, HINT)
        operands.append(Inside(operand, 0, True) if isinstance(operand, Value) else operand)
    tensors = [operand for operand in operands if isinstance(operand, Inside)]
    attributes = {a.name: helper.get_attribute_value(a) for a in call.proto.attribute}
    shifted = Shifted(call, tensors[0], operands, attributes)
    rule = RULES.get(call.op)
    if rule is None or (rule not in _ANY_OPERAND and operands[0] is not tensors[0]):
        raise shifted.mixes(f"nmc does not follow them through {call.op}")
    call.raw(0)
    results = rule(shifted if all(x.alone for x in tensors) else shifted.whole(), handler)
    call.check_complete(len(results))
    return results
