"""All ops. Importing this package registers them for the text form."""

from .activation import Activation
from .base import REGISTRY, IllegalOp, Op
from .elementwise import Add, BatchNorm, Clip, Mul, Relu
from .integer import Dequantize, Quantize, Unary
from .linear import Conv, ConvTranspose, Dense
from .neuron import NO_LEAK, Li, Lif, Potential, Spike, Threshold
from .pool import AvgPool, MaxPool, Mean
from .shape import Concat, Pad, Reshape, Slice, Transpose
from .temporal import Delay, Fifo, RunningMean, Stateful

__all__ = [
    "NO_LEAK",
    "REGISTRY",
    "Activation",
    "Add",
    "AvgPool",
    "BatchNorm",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Delay",
    "Dense",
    "Dequantize",
    "Fifo",
    "IllegalOp",
    "Li",
    "Lif",
    "MaxPool",
    "Mean",
    "Mul",
    "Op",
    "Pad",
    "Potential",
    "Quantize",
    "Relu",
    "Reshape",
    "RunningMean",
    "Slice",
    "Spike",
    "Stateful",
    "Threshold",
    "Transpose",
    "Unary",
]
