"""The operators that are imported: one function each, from a `Call` to the value (or values) it stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..call import Call, Result
from .activation import (
    celu,
    elu,
    erf,
    gelu,
    hard_sigmoid,
    hard_swish,
    leaky_relu,
    mish,
    prelu,
    selu,
    sigmoid,
    softplus,
    softsign,
    swiglu,
    swish,
    tanh,
)
from .attention import attention, rotary_embedding
from .clip import clip
from .conv import conv, conv_transpose
from .dense import gemm, matmul
from .dynamic import conv_integer, dynamic_quantize_linear, matmul_integer
from .einsum import einsum
from .elementwise import (
    abs_,
    add,
    batch_norm,
    cast,
    cast_like,
    div,
    dropout,
    identity,
    mul,
    neg,
    pow_,
    relu,
    sub,
)
from .microsoft import MICROSOFT
from .norm import group_norm, instance_norm, layer_norm, lp_norm, lrn, mean_variance_norm, rms_norm
from .picks import gather_elements, gather_nd, trilu
from .pool import average_pool, global_average_pool, max_pool, reduce_mean
from .qonnx import QONNX, QONNX_DOMAINS
from .quantized import QLINEAR, dequantize_linear, qlinear_conv, qlinear_matmul, quantize_linear
from .recurrent import gru, lstm, rnn
from .reduce import (
    cum_sum,
    global_max_pool,
    reduce_l1,
    reduce_l2,
    reduce_log_sum,
    reduce_log_sum_exp,
    reduce_max,
    reduce_min,
    reduce_prod,
    reduce_sum,
    reduce_sum_square,
)
from .repeat import depth_to_space, expand, space_to_depth, tile
from .resize import resize, upsample
from .several import max_, mean, min_, sum_, where
from .shape import concat, flatten, pad, reshape, squeeze, transpose, unsqueeze
from .slices import gather, shape, size, slice_, split
from .softmax import log_softmax, softmax
from .state import causal_conv_with_state
from .unary import function, shrink, thresholded_relu

Handler = Callable[[Call], Result | Sequence[Result]]

HANDLERS: dict[str, Handler] = {
    "Abs": abs_,
    "Acos": function("acos"),
    "Acosh": function("acosh"),
    "Add": add,
    "Asin": function("asin"),
    "Asinh": function("asinh"),
    "Atan": function("atan"),
    "Atanh": function("atanh"),
    "Attention": attention,
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "Cast": cast,
    "CastLike": cast_like,
    "CausalConvWithState": causal_conv_with_state,
    "Ceil": function("ceil"),
    "Celu": celu,
    "Clip": clip,
    "Concat": concat,
    "Conv": conv,
    "ConvInteger": conv_integer,
    "ConvTranspose": conv_transpose,
    "Cos": function("cos"),
    "Cosh": function("cosh"),
    "CumSum": cum_sum,
    "DepthToSpace": depth_to_space,
    "DequantizeLinear": dequantize_linear,
    "Div": div,
    "Dropout": dropout,
    "DynamicQuantizeLinear": dynamic_quantize_linear,
    "Einsum": einsum,
    "Elu": elu,
    "Erf": erf,
    "Exp": function("exp"),
    "Expand": expand,
    "Flatten": flatten,
    "Floor": function("floor"),
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "GroupNormalization": group_norm,
    "GRU": gru,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Identity": identity,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "LeakyRelu": leaky_relu,
    "Log": function("log"),
    "LogSoftmax": log_softmax,
    "LpNormalization": lp_norm,
    "LRN": lrn,
    "LSTM": lstm,
    "MatMul": matmul,
    "MatMulInteger": matmul_integer,
    "Max": max_,
    "MaxPool": max_pool,
    "Mean": mean,
    "MeanVarianceNormalization": mean_variance_norm,
    "Min": min_,
    "Mish": mish,
    "Mul": mul,
    "Neg": neg,
    "Pad": pad,
    "Pow": pow_,
    "PRelu": prelu,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QuantizeLinear": quantize_linear,
    "Reciprocal": function("reciprocal"),
    "ReduceL1": reduce_l1,
    "ReduceL2": reduce_l2,
    "ReduceLogSum": reduce_log_sum,
    "ReduceLogSumExp": reduce_log_sum_exp,
    "ReduceMax": reduce_max,
    "ReduceMean": reduce_mean,
    "ReduceMin": reduce_min,
    "ReduceProd": reduce_prod,
    "ReduceSum": reduce_sum,
    "ReduceSumSquare": reduce_sum_square,
    "Relu": relu,
    "Reshape": reshape,
    "Resize": resize,
    "RMSNormalization": rms_norm,
    "RNN": rnn,
    "RotaryEmbedding": rotary_embedding,
    "Round": function("round"),
    "Selu": selu,
    "Shape": shape,
    "Shrink": shrink,
    "Sigmoid": sigmoid,
    "Sign": function("sign"),
    "Sin": function("sin"),
    "Sinh": function("sinh"),
    "Size": size,
    "Slice": slice_,
    "Softmax": softmax,
    "Softplus": softplus,
    "Softsign": softsign,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Sqrt": function("sqrt"),
    "Squeeze": squeeze,
    "Sub": sub,
    "Sum": sum_,
    "SwiGLU": swiglu,
    "Swish": swish,
    "Tan": function("tan"),
    "Tanh": tanh,
    "ThresholdedRelu": thresholded_relu,
    "Tile": tile,
    "Transpose": transpose,
    "Trilu": trilu,
    "Unsqueeze": unsqueeze,
    "Upsample": upsample,
    "Where": where,
}

# Operators of other domains, by domain and name.
ELSEWHERE: Mapping[tuple[str, str], Handler] = {
    ("com.microsoft", op): handler for op, handler in (MICROSOFT | QLINEAR).items()
} | {(domain, op): handler for domain in QONNX_DOMAINS for op, handler in QONNX.items()}
