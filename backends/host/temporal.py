"""Layers with a memory: what they hold goes in and out of the model beside the frame."""

from __future__ import annotations

import numpy as np

from ...compiler.ir.ops import Fifo, Lif, RunningMean
from .model import HostState
from .proto import DOUBLE, FLOAT, Site


def fifo(site: Site) -> None:
    """The memory holds all frames between the oldest tap and now, oldest first."""
    op = site.op
    assert isinstance(op, Fifo)
    _, channels, *space = site.shape
    longest = max(op.taps)
    window = site.part("Unsqueeze", site.x, site.integers([2]))
    if longest:
        memory = site.state("past", np.full((channels, longest, *space), op.fill, np.float32))
        window = site.part("Concat", memory.input, window, axis=2)
        site.next(memory, "Slice", window, *(site.integers([n]) for n in (1, longest + 1, 2)))
    if op.taps == tuple(reversed(range(longest + 1))):
        site.result("Identity", window)
    else:
        site.result("Gather", window, site.integers([longest - tap for tap in op.taps]), axis=2)


def counted(site: Site, start: int, period: int) -> tuple[str, str]:
    """Is this frame one of start, start + period, …, and how many there were up to now (at least 1); a memory holds the
    frame's number. Both have length 1 in every axis but the samples'."""
    frame = site.state("frame", np.zeros((1,) * (len(site.shape) - 1), np.int64))
    zero, one, apart, first = (site.array(np.int64(number)) for number in (0, 1, period, start))
    site.next(frame, "Add", frame.input, one)
    since = site.part("Sub", frame.input, first)
    begun = site.part("GreaterOrEqual", since, zero)
    counts = site.part("And", begun, site.part("Equal", site.part("Mod", since, apart), zero))
    return counts, site.part("Max", one, site.part("Add", site.part("Div", since, apart), one))


def running_mean(site: Site) -> None:
    """The sum so far in float64, by the number of frames that it is made of."""
    op = site.op
    assert isinstance(op, RunningMean)
    total = site.state("total", np.zeros(site.shape[1:], np.float64))
    counts, number = counted(site, op.start, op.period)
    x = site.part("Where", counts, site.part("Cast", site.x, to=DOUBLE), site.array(np.zeros(())))
    site.next(total, "Add", total.input, x)
    mean = site.part("Div", total.output, site.part("Cast", number, to=DOUBLE))
    site.result("Cast", mean, to=FLOAT)


# --- spiking neurons; see the equations in compiler/ir/ops/neuron.py ---


def _potential(site: Site) -> HostState:
    start = site.data("start")
    data = np.zeros(()) if start is None else start
    return site.state("v", np.broadcast_to(data, site.shape)[0].astype(np.float32))


def _integrated(site: Site, v: str) -> str:
    gain, offset = site.operand("gain"), site.operand("offset")
    x = site.part("Mul", site.x, gain) if gain else site.x
    y = site.part("Add", site.part("Mul", v, site.operand("decay")), x)
    return site.part("Add", y, offset) if offset else y


def li(site: Site) -> None:
    memory = _potential(site)
    v = _integrated(site, memory.input)
    site.next(memory, "Identity", v)
    site.result("Identity", v)


def lif(site: Site) -> None:
    op, memory = site.op, _potential(site)
    assert isinstance(op, Lif)
    v = _integrated(site, memory.input)
    fired = site.state("fired", np.zeros(site.shape[1:], np.float32)) if op.delayed else None
    if fired is not None:
        v = _after_reset(site, v, fired.input)
    fires = site.part("Greater" if op.strict else "GreaterOrEqual", v, site.operand("threshold"))
    site.result("Cast", fires, to=FLOAT)
    if fired is not None:
        site.next(fired, "Identity", site.name)
    site.next(memory, "Identity", v if op.delayed else _after_reset(site, v, site.name))


def _after_reset(site: Site, v: str, spikes: str) -> str:
    op = site.op
    assert isinstance(op, Lif)
    if op.reset == "none":
        return v
    if op.reset == "subtract":
        return site.part("Sub", v, site.part("Mul", site.operand("threshold"), spikes))
    fired = site.part("Greater", spikes, site.number(0.0))
    return site.part("Where", fired, site.operand("v_reset") or site.number(0.0), v)
