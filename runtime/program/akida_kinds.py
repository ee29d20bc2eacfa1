"""The kinds of layers an Akida program has: how many inputs, which parameters, which values those may take."""

from __future__ import annotations

NEURAL = (
    "InputConv2D",
    "Conv2D",
    "DepthwiseConv2D",
    "BufferTempConv",
    "DepthwiseBufferTempConv",
    "Dense1D",
    "Conv2DTranspose",
    "DepthwiseConv2DTranspose",
)
CONVOLUTIONS = ("InputConv2D", "Conv2D", "DepthwiseConv2D")
DEPTHWISE = ("DepthwiseConv2D", "DepthwiseBufferTempConv", "DepthwiseConv2DTranspose")
TEMPORAL = ("BufferTempConv", "DepthwiseBufferTempConv")
TRANSPOSED = ("Conv2DTranspose", "DepthwiseConv2DTranspose")

_BITS = ("output_bits", "buffer_bits", "post_op_buffer_bits")
_COMMON = ("activation", *_BITS, "weights_bits")
_WINDOW = ("kernel_size", "kernel_stride", "padding", "pool_type", "pool_size", "pool_stride")
_IMAGE = ("input_x", "input_y", "input_channels")
_FRAME = ("input_width", "input_height", "input_channels")

PARAMETERS: dict[str, tuple[str, ...]] = {
    "InputConv2D": (*_IMAGE, "filters", *_WINDOW, *_COMMON),
    "InputData": (*_FRAME, "input_bits", "input_signed"),
    "Conv2D": ("filters", *_WINDOW, *_COMMON),
    "DepthwiseConv2D": (*_WINDOW, *_COMMON),
    "BufferTempConv": ("filters", "fifo_size", *_COMMON),
    "DepthwiseBufferTempConv": ("fifo_size", *_COMMON),
    "Dense1D": ("units", *_COMMON),
    "Conv2DTranspose": ("filters", "kernel_size", *_COMMON),
    "DepthwiseConv2DTranspose": ("kernel_size", *_COMMON),
    "Add": _BITS,
    "Concatenate": (),
    "Dequantizer": (),
    "Quantizer": (*_FRAME, "output_bits", "output_signed", "channels_first"),
}
"""The parameters of every kind. A layer has all of its kind and no others."""

INBOUNDS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(PARAMETERS, (1, 1)),
    "InputConv2D": (0, 1),
    "InputData": (0, 0),
    "Quantizer": (0, 0),
    "Add": (2, 2),
    "Concatenate": (2, None),
}
"""How many layers a layer reads: at least, at most (None: any number)."""

WORDS: dict[str, tuple[str, ...]] = {
    "activation": ("none", "relu", "lut"),
    "padding": ("valid", "same", "sameupper"),
    "pool_type": ("none", "max", "avg"),
}
FLAGS = ("input_signed", "output_signed", "channels_first")

MAX_EXTENT = 1 << 16
RANGES: dict[str, tuple[int, int]] = {
    **dict.fromkeys((*_IMAGE, *_FRAME, "filters", "units", "fifo_size"), (1, MAX_EXTENT)),
    **dict.fromkeys(("kernel_size", "kernel_stride"), (1, MAX_EXTENT)),
    **dict.fromkeys(("pool_size", "pool_stride"), (-1, MAX_EXTENT)),
    "input_bits": (1, 8),
    "output_bits": (1, 32),
    "buffer_bits": (2, 32),
    "post_op_buffer_bits": (2, 32),
    "weights_bits": (4, 8),
}

LEFT_SHIFTS = ("input_shift", "bias_shift", "max_value_shift", "a_shift", "b_shift")
BOTH_SHIFTS = ("output_shift", "activation_shift")
MAX_LEFT_SHIFT = 31
MIN_RIGHT_SHIFT = -32
