"""Why an operation is not supported and what to try instead, for those that networks use most."""

from __future__ import annotations

_NORM = ("it needs the statistics of each input at run time", "use BatchNorm, which is constant after training")
_SOFTMAX = (
    "it divides by a sum over computed values",
    "at the end of a classifier leave it out: the largest output stays the largest",
)
_RECURRENT = ("recurrent layers have no counterpart", "use causal convolutions over time instead")
_ATTENTION = ("it multiplies computed values by one another", "use convolutional or dense layers instead")
_COMPARE = (
    "comparisons make spikes or masks at run time",
    "choose with constants only; spiking neurons are imported as modules of a neuron library, not as comparisons",
)
_LARGEST = ("there is no maximum over a whole axis", "use max pooling with the kernel size spelled out, or a mean")
_INDICES = ("it gives indices, not activations", "end the network at the raw outputs and do this step on the host")
_ACTIVATION = ("nmc has no such activation", "train with ReLU, ReLU6 or LeakyReLU in its place")
_SHUFFLE = ("moving elements between channels and space has no counterpart", "use ConvTranspose2d to enlarge")
_SUM = ("sums over axes are imported as means only", "use mean() and scale the next layer's weights")

_REASONS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("softmax", "log_softmax", "logsumexp", "normalize"), _SOFTMAX),
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"), _NORM),
    **dict.fromkeys(("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "lstm", "gru"), _RECURRENT),
    **dict.fromkeys(("MultiheadAttention", "Transformer", "TransformerEncoder", "TransformerDecoder"), _ATTENTION),
    **dict.fromkeys(("TransformerEncoderLayer", "TransformerDecoderLayer", "bmm", "einsum"), _ATTENTION),
    **dict.fromkeys(("scaled_dot_product_attention", "baddbmm"), _ATTENTION),
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne", "where", "heaviside", "sign", "masked_fill"), _COMPARE),
    **dict.fromkeys(("max", "amax", "min", "amin", "maximum", "minimum"), _LARGEST),
    **dict.fromkeys(("argmax", "argmin", "topk", "sort", "nonzero", "unique"), _INDICES),
    **dict.fromkeys(("exp", "log", "sin", "cos", "sqrt", "rsqrt", "abs", "logsigmoid", "log_sigmoid"), _ACTIVATION),
    **dict.fromkeys(("tanhshrink", "hardshrink", "softshrink", "threshold", "rrelu", "glu"), _ACTIVATION),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "grid_sample"), _SHUFFLE),
    "sum": _SUM,
    "cumsum": ("running sums are not imported", "give one result a frame and average on the host"),
}


def reason(op: str) -> tuple[str, str]:
    """(why, what to try) for an operation or module that has no handler; the second is empty if nothing is known."""
    return _REASONS.get(op, ("nmc has no import rule for it", ""))
