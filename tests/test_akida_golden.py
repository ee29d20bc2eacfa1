"""The reference machine against golden vectors of single Akida layers, to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmc.runtime.program import AkidaProgram, GraphInput, GraphOutput, Layer
from nmc.runtime.program.akida_check import validate
from nmc.runtime.program.akida_kinds import PARAMETERS, TEMPORAL
from nmc.runtime.program.akida_shapes import signals
from nmc.runtime.reference.akida import AkidaMachine

pytestmark = pytest.mark.golden

FOLDER = Path(__file__).parent / "golden" / "akida"
CASES = sorted(path.stem for path in FOLDER.glob("*.npz"))
# What the files leave out because it is the same everywhere.
CONSTANT = {"weights_bits": 8, "pool_size": -1, "pool_stride": -1}


def golden(name: str) -> dict[str, Any]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def program_of(case: dict[str, Any]) -> AkidaProgram:
    """The layer as a program: behind InputData, unless it takes the host's pixels itself."""
    kind, frames = str(case["layer"]), case["input"]
    x, y, c = frames.shape[-3:]
    given = {**CONSTANT, **json.loads(str(case["parameters"])), "input_x": x, "input_y": y, "input_channels": c}
    given["filters"] = given["units"] = case["output"].shape[-1]
    pixels = kind == "InputConv2D"
    sources = [] if pixels else ["a", "b"] if kind == "Add" else ["a"]
    frame = {"input_width": x, "input_height": y, "input_channels": c, "input_bits": 8, "input_signed": True}
    layer = Layer(
        "layer",
        kind,
        tuple(sources),
        {name: given[name] for name in PARAMETERS[kind]},
        {name.removeprefix("var_"): array for name, array in case.items() if name.startswith("var_")},
    )
    layers = (*(Layer(name, "InputData", (), frame) for name in sources), layer)
    inputs = tuple(GraphInput(name, name, (x, y, c), -1, "HWC", 1.0, 0, 8, not pixels) for name in sources or ["layer"])
    shape = case["output"].shape[1:]
    return AkidaProgram(layers, inputs, (GraphOutput("y", "layer", shape, "HWC"),))


def test_all_cases_are_here() -> None:
    assert len(CASES) == 80


@pytest.mark.parametrize("name", CASES)
def test_every_output(name: str) -> None:
    case = golden(name)
    program = program_of(case)
    validate(program)
    kind = program.layers[-1].kind
    operands = case["input"] if kind == "Add" else case["input"][None]
    fed = {entry.layer: operand for entry, operand in zip(program.inputs, operands, strict=True)}
    if kind in TEMPORAL:
        machine = AkidaMachine(program)
        outputs = [machine.step({"a": frame[None]})["layer"][0] for frame in fed["a"]]
    else:
        machine = AkidaMachine(program, len(operands[0]))
        outputs = machine.step(fed)["layer"]
    np.testing.assert_array_equal(outputs, case["output"])
    signal = signals(program)["layer"]
    assert signal.shape == case["output"].shape[1:]
    assert signal.signed == json.loads(str(case["parameters"]))["signed"]


@pytest.mark.parametrize("name", [name for name in CASES if "btc" in name])
def test_streams_in_a_batch_do_not_touch_each_other(name: str) -> None:
    """Stream 0 gets the golden frames, stream 1 zeros, stream 2 the golden frames again."""
    case = golden(name)
    machine, alone = AkidaMachine(program_of(case), 3), AkidaMachine(program_of(case))
    for frame, expected in zip(case["input"], case["output"], strict=True):
        silent = np.zeros_like(frame)
        (still,) = alone.step({"a": silent[None]})["layer"]
        together = machine.step({"a": np.stack([frame, silent, frame])})["layer"]
        np.testing.assert_array_equal(together, [expected, still, expected])


def test_saturation_happens_inside_and_at_the_output() -> None:
    inside = outside = 0
    for name in CASES:
        program, case = program_of(golden(name)), golden(name)
        if program.layers[-1].kind in ("Conv2D", "DepthwiseConv2D"):
            machine = AkidaMachine(program, len(case["input"]))
            machine.step({"a": case["input"]})
            clamps = machine.clamps["layer"]
            inside, outside = inside + clamps.buffer + clamps.scale, outside + clamps.output
    assert inside > 0
    assert outside > 0
