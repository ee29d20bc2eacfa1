"""A zoo of small SpikingJelly networks: every kind of neuron, layer and wiring that is imported, with spikes in it.

Each is made from a seed: batch norms have statistics, weights are such that neurons fire in 5 to 40 % of the steps.
`net.build()` gives the module, `net.inputs()` random spikes, `reference` what the framework computes from them.
"""

from __future__ import annotations

from collections.abc import Callable

from spiking_parts import (
    IF,
    IMAGE,
    ROW,
    Encoded,
    Net,
    Over,
    OwnShapes,
    conv,
    conv_net,
    dense_net,
    held,
    lif,
    multi,
    multi_recurrent,
    plif,
    recurrent,
    reference,
    residual_net,
    same,
    sequence,
    soft,
)
from spikingjelly.activation_based import layer, neuron, surrogate
from torch import nn

__all__ = ["NETS", "Net", "named", "reference"]

NETS: list[Net] = []

# Drive and seed, where they are not 1 and 0: with them neurons fire in 10 to 30 % of the steps.
# fmt: off
_TUNED: dict[str, tuple[float, int]] = {
    "if-conv-max": (0.75, 0), "if-conv-avg": (1.2, 0), "if-conv-max-m": (0.75, 0), "if-conv-avg-m": (1.2, 0),
    "if-conv-analog": (1.5, 0), "if-conv-soft": (0.6, 0), "if-stride": (1.5, 0), "if-adaptive": (1.5, 0),
    "if-reset-below": (1.3, 0), "if-threshold": (0.5, 0), "if-half": (1.3, 0), "if-sew-ADD": (1.2, 0),
    "if-sew-AND": (1.5, 2), "if-sew-IAND": (1.2, 1), "if-sew-plain": (1.2, 0), "if-sew-cat": (1.2, 0),
    "if-sew-ADD-m": (1.2, 0), "if-seq-to-ann": (0.98, 0), "if-own-shapes": (1.2, 0), "if-mean": (0.75, 0),
    "if-held": (0.75, 0), "if-held-mean": (1.5, 1), "if-encoded": (0.98, 0), "surrogate": (1.2, 0), "lif-2": (2, 4),
    "lif-2-plain": (1.17, 0), "lif-4": (7, 1), "lif-4-plain": (1.5, 0), "lif-16-plain": (1.2, 0),
    "lif-1.5": (1.8, 0), "lif-soft": (1.6, 0), "lif-reset": (4.5, 0), "lif-m": (1.8, 0), "lif-sew": (1.44, 5),
    "plif": (3.12, 0), "plif-plain": (2.25, 6), "cuba": (0.88, 0),
}
# fmt: on


def _add(name: str, make: Callable[[], nn.Module], frame: tuple[int, ...], tags: str, mode: str = "s") -> None:
    drive, seed = _TUNED.get(name, (1.0, 0))
    NETS.append(Net(name, make, frame, mode, drive, frozenset(tags.split()), seed))


_add("if-dense", lambda: dense_net(IF), ROW, "if hard both")
_add("if-dense-soft", lambda: dense_net(soft), ROW, "if soft both")
_add("if-dense-analog", lambda: dense_net(IF, end=False), ROW, "if hard both analog")
_add("if-conv-max", lambda: conv_net(IF, layer.MaxPool2d(2)), IMAGE, "if hard both")
_add("if-conv-avg", lambda: conv_net(IF, layer.AvgPool2d(2)), IMAGE, "if hard both")
_add("if-conv-max-m", lambda: multi(conv_net(IF, layer.MaxPool2d(2))), IMAGE, "if hard both", "m")
_add("if-conv-avg-m", lambda: multi(conv_net(IF, layer.AvgPool2d(2))), IMAGE, "if hard both", "m")
_add("if-conv-analog", lambda: conv_net(IF, layer.AvgPool2d(2), end=False), IMAGE, "if hard both analog")
_add("if-conv-soft", lambda: conv_net(soft, layer.MaxPool2d(2)), IMAGE, "if soft both")
_add(
    "if-stride",
    lambda: nn.Sequential(conv(2, 4, 2, 5), IF(), conv(4, 6, 2, 5), IF(), layer.Flatten(), layer.Linear(24, 4), IF()),
    IMAGE,
    "if hard both",
)
_add(
    "if-grouped",
    lambda: nn.Sequential(
        conv(2, 4), IF(), layer.Conv2d(4, 8, 3, groups=2), IF(), layer.Conv2d(8, 8, 3, groups=8, dilation=2), IF()
    ),
    IMAGE,
    "if hard both",
)
_add(
    "if-conv1d",
    lambda: nn.Sequential(
        layer.Conv1d(2, 6, 3, padding=1), layer.BatchNorm1d(6), IF(), layer.MaxPool1d(2), layer.Conv1d(6, 4, 3), IF()
    ),
    (2, 16),
    "if hard both",
)
_add(
    "if-transposed",
    lambda: nn.Sequential(conv(2, 4, 2), IF(), layer.ConvTranspose2d(4, 3, 2, 2), IF()),
    IMAGE,
    "if hard both",
)
_add(
    "if-adaptive",
    lambda: nn.Sequential(
        conv(2, 8),
        layer.BatchNorm2d(8),
        IF(),
        layer.AdaptiveAvgPool2d((1, 1)),
        layer.Flatten(),
        layer.Linear(8, 5),
        IF(),
    ),
    IMAGE,
    "if hard both",
)
_add(
    "if-dropout",
    lambda: nn.Sequential(layer.Linear(20, 16), IF(), layer.Dropout(0.5), layer.Linear(16, 5), IF()),
    ROW,
    "if hard both",
)
_add("if-reset-below", lambda: dense_net(lambda: IF(v_reset=-0.25)), ROW, "if both reset")
_add("if-threshold", lambda: dense_net(lambda: IF(v_threshold=0.5, v_reset=0.125)), ROW, "if both reset")
_add(
    "if-half",
    lambda: dense_net(lambda: neuron.HalfThresholdIFNode(v_threshold=1.5)),
    ROW,
    "if soft both start",
)
for _kind in ("ADD", "AND", "IAND", "plain", "cat"):
    _add(f"if-sew-{_kind}", lambda k=_kind: residual_net(k, IF), IMAGE, "if hard both sew")
_add("if-sew-ADD-m", lambda: multi(residual_net("ADD", IF)), IMAGE, "if hard both sew", "m")
_add("if-voting", lambda: nn.Sequential(layer.Linear(20, 30), IF(), layer.VotingLayer(10)), ROW, "if hard both analog")
_add(
    "if-voting-m",
    lambda: multi(nn.Sequential(layer.Linear(20, 30), IF(), layer.VotingLayer(5))),
    ROW,
    "if hard both analog",
    "m",
)
for _kind in ("linear", "deep", "element"):
    _add(f"if-recurrent-{_kind}", lambda k=_kind: recurrent(k, IF), ROW, "if hard recurrent")
_add("if-recurrent-m", lambda: multi_recurrent(), ROW, "if hard recurrent", "m")
_add(
    "if-seq-to-ann",
    lambda: nn.Sequential(
        sequence(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4)),
        IF(step_mode="m"),
        sequence(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)),
        IF(step_mode="m"),
    ),
    IMAGE,
    "if hard",
    "m",
)
_add(
    "if-multi-step",
    lambda: nn.Sequential(
        layer.MultiStepContainer(nn.Linear(20, 16), IF()), layer.StepModeContainer(True, "m", nn.Linear(16, 5), IF())
    ),
    ROW,
    "if hard",
    "m",
)
_add(
    "if-time-last",
    lambda: Over(
        layer.TLastMultiStepContainer(nn.Linear(20, 16), IF()),
        lambda x: x.permute(1, 2, 0),
        lambda y: y.permute(2, 0, 1),
    ),
    ROW,
    "if hard",
    "m",
)
_add("if-own-shapes", OwnShapes, IMAGE, "if hard", "m")
_add(
    "if-mean",
    lambda: Over(multi(conv_net(IF, layer.MaxPool2d(2))), same, lambda y: y.mean(0)),
    IMAGE,
    "if hard last analog",
    "m",
)
_add("if-sum", lambda: Over(multi(dense_net(IF)), same, lambda y: y.sum(dim=0)), ROW, "if hard last analog", "m")
_add("if-batch-first", lambda: Over(multi(dense_net(IF)), lambda x: x.transpose(0, 1), same), ROW, "if hard", "batch")
_add("if-held", lambda: Over(multi(conv_net(IF, layer.MaxPool2d(2))), held, same), IMAGE, "if hard held", "held")
_add(
    "if-held-mean",
    lambda: Over(multi(conv_net(IF, layer.AvgPool2d(2))), held, lambda y: y.mean(0)),
    IMAGE,
    "if hard held last analog",
    "held",
)
_add("if-encoded", lambda: Encoded(), IMAGE, "if hard held last analog", "held")
_add(
    "if-delay",
    lambda: nn.Sequential(layer.Linear(20, 16), IF(), layer.Delay(3), layer.Linear(16, 5), IF()),
    ROW,
    "if hard both delay",
)
_add(
    "surrogate",
    lambda: nn.Sequential(
        Over(layer.Linear(20, 16), same, lambda y: y - 1.0), surrogate.ATan(), layer.Linear(16, 5), IF()
    ),
    ROW,
    "if hard",
)
_add("lif-2", lambda: conv_net(lif(2.0), layer.MaxPool2d(2)), IMAGE, "lif hard both")
_add("lif-2-plain", lambda: conv_net(lif(2.0, False), layer.MaxPool2d(2)), IMAGE, "lif hard both leak")
_add("lif-4", lambda: dense_net(lif(4.0)), ROW, "lif hard both")
_add("lif-4-plain", lambda: dense_net(lif(4.0, False)), ROW, "lif hard both leak")
_add("lif-16-plain", lambda: dense_net(lif(16.0, False)), ROW, "lif hard both leak")
_add("lif-1.5", lambda: dense_net(lif(1.5, False)), ROW, "lif hard both")
_add("lif-soft", lambda: dense_net(lif(2.0, False, None)), ROW, "lif soft both leak")
_add("lif-reset", lambda: dense_net(lif(2.0, True, -0.25)), ROW, "lif both reset")
_add("lif-m", lambda: multi(conv_net(lif(2.0, False), layer.AvgPool2d(2))), IMAGE, "lif hard both leak", "m")
_add("lif-sew", lambda: residual_net("ADD", lif(2.0, False)), IMAGE, "lif hard both leak sew")
_add("plif", lambda: dense_net(lambda: plif(True)), ROW, "lif hard both")
_add("plif-plain", lambda: conv_net(lambda: plif(False), layer.AvgPool2d(2)), IMAGE, "lif hard both")
_add(
    "cuba",
    lambda: dense_net(lambda: neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75, v_threshold=1.0)),
    ROW,
    "cuba hard",
)


def named(tag: str) -> list[Net]:
    """The networks with a tag."""
    return [net for net in NETS if tag in net.tags]
