"""The dense engine beside the reference: what every layer gives, frame by frame, and what both counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from akida_programs import FRAMES, random_frames, random_program

from nmc.runtime.fast.dense.machine import FastAkidaMachine, machine
from nmc.runtime.program import AkidaProgram
from nmc.runtime.reference.akida import AkidaMachine

Array = np.ndarray[Any, Any]
Frames = Mapping[str, Array]
RESET = FRAMES + 1  # frames before a reset, not a whole number of clips


def check_values(fast: FastAkidaMachine, slow: AkidaMachine, note: str = "") -> None:
    """Of the last frame, and all counters."""
    assert list(fast.values) == list(slow.values)
    for name, values in slow.values.items():
        assert fast.values[name].dtype == values.dtype
        np.testing.assert_array_equal(fast.values[name], values, err_msg=f"layer {name} {note}")
    assert fast.clamps == slow.clamps, note
    assert fast.zeros == slow.zeros, note
    assert (fast.macs, fast.frames) == (slow.macs, slow.frames)


def check_steps(fast: FastAkidaMachine, slow: AkidaMachine, steps: Iterable[Frames], note: str = "") -> None:
    for number, frames in enumerate(steps):
        fast.step(frames)
        slow.step(frames)
        check_values(fast, slow, f"frame {number} {note}")


def check_program(
    program: AkidaProgram, steps: Iterable[Frames], way: str | None = None, threads: int | None = None
) -> FastAkidaMachine:
    """The streams of `steps` through both machines."""
    frames = list(steps)
    streams = len(next(iter(frames[0].values())))
    fast = machine(program, streams, threads, way)
    check_steps(fast, AkidaMachine(program, streams), frames)
    return fast


def check_random(seed: int, way: str | None = None, streams: int = 3) -> FastAkidaMachine:
    """A random program, before and after a reset. `way`: the processor's way to multiply, as in routes.py."""
    program = random_program(seed)
    clips = random_frames(program, seed, streams)
    steps = [{name: clip[:, t % FRAMES] for name, clip in clips.items()} for t in range(RESET + FRAMES)]
    fast, slow = machine(program, streams, way=way), AkidaMachine(program, streams)
    check_steps(fast, slow, steps[:RESET], f"seed {seed}")
    fast.reset()
    slow.reset()
    check_values(fast, slow, f"seed {seed}, after the reset")
    check_steps(fast, slow, steps[RESET:], f"seed {seed}, after the reset")
    return fast
