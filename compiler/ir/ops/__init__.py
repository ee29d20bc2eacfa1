"""All ops. Importing this package registers them for the text form."""

from .base import REGISTRY, IllegalOp, Op
from .elementwise import Add, BatchNorm, Clip, Mul, Relu
from .integer import Dequantize, Quantize, Unary
from .linear import Conv, ConvTranspose, Dense
from .pool import AvgPool, MaxPool, Mean
from .shape import Concat, Pad, Reshape, Slice, Transpose

__all__ = [
    "REGISTRY",
    "Add",
    "AvgPool",
    "BatchNorm",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Dequantize",
    "IllegalOp",
    "MaxPool",
    "Mean",
    "Mul",
    "Op",
    "Pad",
    "Quantize",
    "Relu",
    "Reshape",
    "Slice",
    "Transpose",
    "Unary",
]
