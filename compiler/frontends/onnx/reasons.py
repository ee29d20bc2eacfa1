"""Why an operator is not supported and what to try instead, for the operators that exported networks use most."""

from __future__ import annotations

_NORM = "it needs the statistics of each input at run time"
_SPIKES = "an unrolled spiking network has to be rolled up to be mapped, which nmc does not do from ONNX"
_QUANT = "nmc imports float networks and quantizes them itself"
_QUANT_HINT = "export the float model from before quantization"
_GATE = "one computed value would multiply or select another"
_LIST_END = "end the network at the raw outputs and do this step on the host"

_REASONS: dict[str, tuple[str, str]] = {
    "Softmax": (
        "it divides by a sum over computed values",
        "at the end of a classifier leave it out: the largest output stays the largest",
    ),
    "LSTM": ("recurrent layers have no counterpart", "use causal convolutions over time instead"),
    "Attention": ("it multiplies computed values by one another", "use convolutional or dense layers instead"),
    "BatchNormalization": (_NORM, "call model.eval() before exporting"),
    "InstanceNormalization": (_NORM, "use BatchNorm, which is constant after training"),
    "GridSample": ("interpolation has no counterpart", "use ConvTranspose, or resize the input on the host"),
    "QuantizeLinear": (_QUANT, _QUANT_HINT),
    "GreaterOrEqual": ("comparisons make spikes or masks at run time", _SPIKES),
    "Where": (_GATE, "choose with constants only, or restructure the model"),
    "ArgMax": ("it gives indices, not activations", _LIST_END),
    "Loop": ("its length is not fixed in the file", "unroll it, or export with fixed shapes"),
    "SequenceAt": ("lists of tensors have no counterpart", "export with the exporter's optimizer on (optimize=True)"),
    "ScatterND": ("writing into a tensor at indices has no counterpart", "use Concat of slices"),
}
_SAME: dict[str, str] = {
    "LogSoftmax": "Softmax",
    **dict.fromkeys(("GRU", "RNN"), "LSTM"),
    **dict.fromkeys(("MultiHeadAttention", "Einsum"), "Attention"),
    **dict.fromkeys(
        ("LayerNormalization", "GroupNormalization", "RMSNormalization", "LpNormalization", "LRN"),
        "InstanceNormalization",
    ),
    "AffineGrid": "GridSample",
    **dict.fromkeys(
        ("DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"),
        "QuantizeLinear",
    ),
    **dict.fromkeys(("Greater", "Less", "LessOrEqual", "Equal"), "GreaterOrEqual"),
    **dict.fromkeys(("TopK", "NonMaxSuppression", "NonZero", "ArgMin", "Unique"), "ArgMax"),
    "Scan": "Loop",
    **dict.fromkeys(("SplitToSequence", "SequenceConstruct", "ConcatFromSequence"), "SequenceAt"),
    **dict.fromkeys(("ScatterElements", "Scatter", "GatherND", "GatherElements"), "ScatterND"),
}
_ACTIVATIONS = ["ThresholdedRelu", "Exp", "Log", "Sin", "Cos"]


def reason(op: str) -> tuple[str, str]:
    """(why, what to try) for an operator of the default domain that has no handler."""
    if op in _ACTIVATIONS:
        return "nmc has no such activation", "train with ReLU, ReLU6 (Clip) or LeakyReLU in its place"
    default = ("nmc has no import rule for it", "replace it in the model; docs/import.md lists what is imported")
    return _REASONS.get(_SAME.get(op, op), default)
