"""Why an operator is not supported and what to try instead, for the operators that exported networks use most."""

from __future__ import annotations

_SPIKES = "an unrolled spiking network has to be rolled up to be mapped, which nmc does not do from ONNX"
_LIST_END = (
    "end the network at its operand, onnx.utils.extract_model('net.onnx', 'cut.onnx', [inputs], [{operand!r}]): "
    "`nmc evaluate` computes the class from the raw outputs"
)

_REASONS: dict[str, tuple[str, str]] = {
    "GridSample": ("interpolation has no counterpart", "use ConvTranspose, or resize the input on the host"),
    "GreaterOrEqual": ("comparisons make spikes or masks at run time", _SPIKES),
    "ArgMax": ("it gives indices, not activations", _LIST_END),
    "SequenceAt": ("lists of tensors have no counterpart", "export with the exporter's optimizer on (optimize=True)"),
    "ScatterND": ("writing into a tensor at indices has no counterpart", "use Concat of slices"),
}
_SAME: dict[str, str] = {
    "AffineGrid": "GridSample",
    **dict.fromkeys(("Greater", "Less", "LessOrEqual", "Equal"), "GreaterOrEqual"),
    **dict.fromkeys(("TopK", "NonMaxSuppression", "NonZero", "ArgMin", "Unique"), "ArgMax"),
    **dict.fromkeys(("SplitToSequence", "SequenceConstruct", "ConcatFromSequence"), "SequenceAt"),
    **dict.fromkeys(("ScatterElements", "Scatter"), "ScatterND"),
}


def reason(op: str, operand: str = "") -> tuple[str, str]:
    """(why, what to try) for an operator of the default domain that has no handler, and reads this value first."""
    default = ("nmc has no import rule for it", "replace it in the model; docs/import.md lists what is imported")
    why, hint = _REASONS.get(_SAME.get(op, op), default)
    return why, hint.format(operand=operand)
