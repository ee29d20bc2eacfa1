"""Sessions of Akida programs on the dense engine: the same results and counters, from any array a user may give."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from akida_programs import random_frames, random_program
from numba import types
from numba.core.ccallback import CFunc
from test_akida_reference import Build
from test_akida_session import clips_of, video

from nmc.runtime import Session
from nmc.runtime.akida_engines import ReferenceMachine
from nmc.runtime.compare.engines import differing_parts
from nmc.runtime.fast import jit
from nmc.runtime.fast.dense.machine import FastAkidaMachine, machine
from nmc.runtime.program import AkidaProgram, GraphInput, GraphOutput, NmcError

Array = np.ndarray[Any, Any]
ORDERS = ("HWC", "HCW", "WHC", "WCH", "CHW", "CWH")
ONE = {"weights": np.ones((1, 1, 1, 1), np.int8)}
DTYPES = (np.float32, np.float64, np.float16, np.int64, np.uint8, np.bool_)


def check_run(program: AkidaProgram, inputs: dict[str, Array] | Array) -> None:
    """Whole runs, in batches that do not divide the samples."""
    slow = Session(program, "reference").run(inputs, trace=True)
    fast = Session(program, "fast").run(inputs, trace=True, batch=2)
    assert differing_parts(slow, fast) == ()


@pytest.mark.parametrize("seed", range(24))
def test_runs_of_random_programs(seed: int) -> None:
    program = random_program(seed)
    frames = {name: clip.astype(np.float32) for name, clip in random_frames(program, seed).items()}
    check_run(program, frames)


def test_runs_of_clips() -> None:
    program = video()
    check_run(program, clips_of(0, 5))


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("order", ORDERS)
def test_inputs_in_every_order_and_dtype(order: str, signed: bool) -> None:
    """Codes are rounded half to even, clipped and counted like the host's."""
    rng = np.random.default_rng(0)
    bits = 8 if signed else 3
    build = Build().data("x", (3, 4, 5), input_bits=bits, input_signed=signed)
    extents = {"H": 3, "W": 4, "C": 5}
    shape = tuple(extents[letter] for letter in order)
    entry = GraphInput("x", "x", shape, -1, order, 0.25, 3 if signed else 0, bits, signed)
    program = build.program(GraphOutput("y", "x", (3, 4, 5), "HWC"), inputs=(entry,))
    fast, slow = machine(program, 2), ReferenceMachine(program, 2)
    for dtype in DTYPES:
        frames = (rng.integers(-200, 200, (2, *shape)) / 8).astype(dtype)
        frames[0, 0, 0, :2] = 10_000 if dtype != np.uint8 else 255
        assert fast.step_inputs({"x": frames}) == slow.step_inputs({"x": frames})
        np.testing.assert_array_equal(fast.values["x"], slow.values["x"])
        reversed_ = frames[:, ::-1]
        assert fast.step_inputs({"x": reversed_}) == slow.step_inputs({"x": reversed_})
        np.testing.assert_array_equal(fast.values["x"], slow.values["x"])
    assert (fast.zeros, fast.clamps) == (slow.zeros, slow.clamps)


def test_values_far_out_of_range_are_clipped() -> None:
    build = Build().data("x", (1, 1, 4))
    entry = GraphInput("x", "x", (1, 1, 4), -1, "HWC", 1e-30, 0, 8, True)
    program = build.program(inputs=(entry,))
    frames = np.array([[[[1e30, -1e30, 3e38, 0.0]]]], np.float32)
    fast, slow = machine(program), ReferenceMachine(program)
    assert fast.step_inputs({"x": frames}) == slow.step_inputs({"x": frames}) == 3
    assert fast.values["x"].tolist() == slow.values["x"].tolist() == [[[[127, -128, 127, 0]]]]


def test_single_steps_and_batches_of_a_session() -> None:
    program = video()
    single = replace(program.inputs[0], shape=program.inputs[0].frame_shape, axis=-1)
    fast, slow = Session(program, "fast"), Session(program, "reference")
    assert isinstance(fast.machine, FastAkidaMachine)
    rng = np.random.default_rng(1)
    for batch in (2, 2, 3, 3, 0, 1):
        frames = rng.normal(size=(batch, *single.shape))
        given, wanted = fast.step(frames), slow.step(frames)
        for name in wanted:
            np.testing.assert_array_equal(given[name], wanted[name])
        assert fast.input_clipped == slow.input_clipped
    fast.reset()
    slow.reset()
    frames = rng.normal(size=(1, *single.shape))
    assert all(
        np.array_equal(x, y) for x, y in zip(fast.step(frames).values(), slow.step(frames).values(), strict=True)
    )


@pytest.mark.parametrize(
    ("switch", "why"),
    [
        ("os.environ['NUMBA_DISABLE_JIT'] = '1'", "switched off"),
        ("sys.modules['numba'] = None", "cannot be imported"),
    ],
)
def test_without_numba_the_reference_runs(switch: str, why: str) -> None:
    lines = (
        f"import os, sys; {switch}",
        "from test_akida_session import clips_of, video",
        "from nmc.runtime import Session",
        "from nmc.runtime.program import NmcError",
        "program = video()",
        "session = Session(program)",
        "print(type(session.machine).__name__, session.run(clips_of(0, 1)).counters['macs'])",
        "try: Session(program, 'fast')",
        "except NmcError as error: print(error)",
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, env=environment, check=True
    )
    expected = Session(video(), "fast").run(clips_of(0, 1)).counters["macs"]
    assert f"ReferenceMachine {expected}" in done.stdout
    assert why in done.stdout and "NMC-R009" in done.stdout


def test_frames_beyond_its_tables_are_left_to_the_reference() -> None:
    build = Build().data("x", (50_000, 50_000, 1))
    program = build.add("y", "Conv2D", "x", variables=ONE, filters=1, kernel_size=1).program()
    assert isinstance(Session(program).machine, ReferenceMachine)
    with pytest.raises(NmcError, match="NMC-R009") as caught:
        Session(program, "fast")
    assert "2^31 entries" in str(caught.value)


# --- compiled code on disk ---


def test_code_is_made_from_all_files_of_the_engines() -> None:
    names = [name for name, _, _ in jit.stamp()]
    assert {"jit.py", "kernel.py", "dense/tiles.py", "dense/values.py"} <= {name.replace(os.sep, "/") for name in names}


def test_an_address_is_there_without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: CFunc) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(CFunc, "enable_caching", refused)
    assert jit.address_of(lambda x: x, types.int64(types.int64)) > 0
