"""The operators that are imported: one function each, from a `Call` to the value (or values) it stands for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    swish,
    tanh,
)
from .conv import conv, conv_transpose
from .dense import gemm, matmul
from .elementwise import add, batch_norm, cast, cast_like, clip, div, dropout, identity, mul, neg, pow_, relu, sub
from .pool import average_pool, global_average_pool, max_pool, reduce_mean
from .resize import resize, upsample
from .shape import concat, flatten, pad, reshape, squeeze, transpose, unsqueeze
from .slices import gather, shape, size, slice_, split

Handler = Callable[[Call], Result | Sequence[Result]]

HANDLERS: dict[str, Handler] = {
    "Add": add,
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "Cast": cast,
    "CastLike": cast_like,
    "Celu": celu,
    "Clip": clip,
    "Concat": concat,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Div": div,
    "Dropout": dropout,
    "Elu": elu,
    "Erf": erf,
    "Flatten": flatten,
    "Gather": gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Identity": identity,
    "LeakyRelu": leaky_relu,
    "MatMul": matmul,
    "MaxPool": max_pool,
    "Mish": mish,
    "Mul": mul,
    "Neg": neg,
    "Pad": pad,
    "Pow": pow_,
    "PRelu": prelu,
    "ReduceMean": reduce_mean,
    "Relu": relu,
    "Reshape": reshape,
    "Resize": resize,
    "Selu": selu,
    "Shape": shape,
    "Sigmoid": sigmoid,
    "Size": size,
    "Slice": slice_,
    "Softplus": softplus,
    "Softsign": softsign,
    "Split": split,
    "Squeeze": squeeze,
    "Sub": sub,
    "Swish": swish,
    "Tanh": tanh,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Upsample": upsample,
}
