"""How a network's integers are found: what the options of the target come down to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...compiler.passes.base import Context

REPORT = "quantize-akida"


@dataclass(frozen=True)
class Methods:
    """The methods of one quantization.

    ranges         minmax, percentile, mse, kl
    search         ranges of outputs are searched in the integer network, starting from those
    equalize       off; auto: channels get ranges of their own where the next layer gains by it; bits: its weights'
                   own bits count
    correct        off; auto: biases make up for mean errors on the samples; analytic: for those of rounded weights only
    rounding       nearest; layer: learned for the integers that each layer reads; network: so that the errors of the
                   layers before it are made up for, too
    clip           weights of 4 bits may be clipped
    size_budget    bytes that all weights may take: as many layers as it takes get 4 bits; None: none
    """

    ranges: str = "mse"
    search: bool = False
    equalize: str = "auto"
    correct: str = "auto"
    rounding: str = "nearest"
    clip: bool = False
    size_budget: int | None = None

    def allowed(self, context: Context) -> Methods:
        """What the samples and a model's own integers allow; the rest is declined."""
        found = self
        if context.quantized:
            given = "the model brings scales of its own" if context.scales else "the model brings integer weights"
            if self.rounding != "nearest":
                context.decline(REPORT, "weights", f"{given}: its integers are kept as they are")
            if self.search and context.scales:
                context.decline(REPORT, "ranges", f"{given}: its ranges are kept as they are")
            if self.size_budget is not None:
                context.decline(REPORT, "size_budget", f"{given}: its weights keep their bits")
            search = self.search and not context.scales
            found = replace(self, rounding="nearest", clip=False, search=search, equalize="off", size_budget=None)
        return replace(found, correct="off") if context.made_up else found
