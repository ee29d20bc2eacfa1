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
    swiglu,
    swish,
    tanh,
)
from .conv import conv, conv_transpose
from .dense import gemm, matmul
from .elementwise import (
    abs_,
    add,
    batch_norm,
    cast,
    cast_like,
    clip,
    div,
    dropout,
    identity,
    mul,
    neg,
    pow_,
    relu,
    sub,
)
from .pool import average_pool, global_average_pool, max_pool, reduce_mean
from .reduce import global_max_pool, reduce_l1, reduce_max, reduce_min, reduce_sum, reduce_sum_square
from .repeat import depth_to_space, expand, space_to_depth, tile
from .resize import resize, upsample
from .several import max_, mean, min_, sum_
from .shape import concat, flatten, pad, reshape, squeeze, transpose, unsqueeze
from .slices import gather, shape, size, slice_, split

Handler = Callable[[Call], Result | Sequence[Result]]

HANDLERS: dict[str, Handler] = {
    "Abs": abs_,
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
    "DepthToSpace": depth_to_space,
    "Div": div,
    "Dropout": dropout,
    "Elu": elu,
    "Erf": erf,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Identity": identity,
    "LeakyRelu": leaky_relu,
    "MatMul": matmul,
    "Max": max_,
    "MaxPool": max_pool,
    "Mean": mean,
    "Min": min_,
    "Mish": mish,
    "Mul": mul,
    "Neg": neg,
    "Pad": pad,
    "Pow": pow_,
    "PRelu": prelu,
    "ReduceL1": reduce_l1,
    "ReduceMax": reduce_max,
    "ReduceMean": reduce_mean,
    "ReduceMin": reduce_min,
    "ReduceSum": reduce_sum,
    "ReduceSumSquare": reduce_sum_square,
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
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "Sub": sub,
    "Sum": sum_,
    "SwiGLU": swiglu,
    "Swish": swish,
    "Tanh": tanh,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Upsample": upsample,
}
