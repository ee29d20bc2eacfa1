"""Clip, of real numbers and of codes."""

from __future__ import annotations

from ....ir.ops import FakeQuantize
from ...common.problems import Refusal
from ..call import Call, Result
from ..codes import TYPES, Coded
from .elementwise import clip as clip_real


def clip(call: Call) -> Result:
    """Clip of real numbers, or of codes."""
    x = call.raw(0)
    return _clip_codes(call, x) if isinstance(x, Coded) else clip_real(call)


def _clip_codes(call: Call, x: Coded) -> Result:
    """Clip between QuantizeLinear and DequantizeLinear: codes of fewer bits."""
    codes = x.codes
    low, high = (call.optional_constant(i, role) for i, role in ((1, "min"), (2, "max")))
    _, signed = TYPES[codes.dtype]
    bounds = tuple(None if b is None or b.size != 1 else int(b.reshape(-1)[0]) for b in (low, high))
    for bits in range(2, 17):
        for narrow in (False, True):
            op = FakeQuantize(bits, signed, codes.axis if codes.scale.ndim else 1, narrow)
            if op.limits == bounds:
                scale = call.weight("scale", codes.scale)
                zero = call.graph.constant(f"{call.name}.zero_point", codes.zero_point)
                return Coded(call.emit(op, x.value, scale, zero), codes)
    raise Refusal(
        "NMC-I011", f"it clips codes to {bounds}, the range of no number of bits", "clip real numbers instead"
    )
