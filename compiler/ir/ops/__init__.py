"""All ops. Importing this package registers them for the text form."""

from .activation import Activation
from .base import REGISTRY, IllegalOp, Op
from .elementwise import Add, BatchNorm, Clip, Mul, Relu
from .fake_quantize import FakeQuantize
from .host import Divide, Function, Mask, MatMul, Maximum, Minimum, Normalize, Power, Softmax
from .integer import Dequantize, Quantize, Unary
from .linear import Conv, ConvTranspose, Dense
from .neuron import NO_LEAK, Li, Lif, Potential, Spike, Threshold
from .pool import AvgPool, MaxPool, Mean
from .recurrent import Gru, Lstm, Recurrent, Rnn
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
    "Divide",
    "FakeQuantize",
    "Fifo",
    "Function",
    "Gru",
    "IllegalOp",
    "Li",
    "Lif",
    "Lstm",
    "Mask",
    "MatMul",
    "MaxPool",
    "Maximum",
    "Mean",
    "Minimum",
    "Mul",
    "Normalize",
    "Op",
    "Pad",
    "Potential",
    "Power",
    "Quantize",
    "Recurrent",
    "Relu",
    "Reshape",
    "Rnn",
    "RunningMean",
    "Slice",
    "Softmax",
    "Spike",
    "Stateful",
    "Threshold",
    "Transpose",
    "Unary",
]
