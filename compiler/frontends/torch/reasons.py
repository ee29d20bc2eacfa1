"""Why an operation is not supported and what to try instead, for those that networks use most."""

from __future__ import annotations

_STEP = (
    "one step of a recurrent layer, with a state that the code passes on, is not imported",
    "use nn.LSTM, nn.GRU or nn.RNN over the clip, with batch_first=True, or causal convolutions over time",
)
_ATTENTION = ("nmc has no import rule for it", "write it with nn.Linear and nn.MultiheadAttention")
_COMPARE = (
    "comparisons make spikes or masks at run time",
    "choose with constants only; spiking neurons are imported as modules of a neuron library, not as comparisons",
)
_LARGEST = ("there is no maximum over a whole axis", "use max pooling with the kernel size spelled out, or a mean")
_INDICES = (
    "it gives indices, not activations",
    "return its operand instead: `nmc evaluate` and `nmc live` compute the class from the raw outputs",
)
_ACTIVATION = ("nmc has no such activation", "train with ReLU, ReLU6 or LeakyReLU in its place")
_SHUFFLE = ("moving elements between channels and space has no counterpart", "use ConvTranspose2d to enlarge")

_REASONS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell", "rnn_tanh_cell", "lstm_cell", "gru_cell"), _STEP),
    **dict.fromkeys(("Transformer", "TransformerEncoder", "TransformerDecoder"), _ATTENTION),
    **dict.fromkeys(("TransformerEncoderLayer", "TransformerDecoderLayer", "einsum"), _ATTENTION),
    **dict.fromkeys(("baddbmm",), _ATTENTION),
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne", "where", "heaviside", "masked_fill"), _COMPARE),
    **dict.fromkeys(("max", "amax", "min", "amin"), _LARGEST),
    **dict.fromkeys(("argmax", "argmin", "topk", "sort", "nonzero", "unique"), _INDICES),
    **dict.fromkeys(("logsigmoid", "log_sigmoid"), _ACTIVATION),
    **dict.fromkeys(("tanhshrink", "hardshrink", "softshrink", "threshold", "rrelu", "glu"), _ACTIVATION),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "grid_sample"), _SHUFFLE),
    "cumsum": ("running sums are not imported", "give one result a frame and average on the host"),
}


def reason(op: str) -> tuple[str, str]:
    """(why, what to try) for an operation or module that has no handler; the second is empty if nothing is known."""
    return _REASONS.get(op, ("nmc has no import rule for it", ""))
