"""Translation validation: the zoo's networks, pass by pass and engine by engine.

Every pass is compared before and after, the program with its integer semantics, and the engines with each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.agreement import assert_counts, assert_layers, assert_spikes, run_everywhere

from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.frontends import import_model
from nmc.compiler.ir import Graph, steps_of
from nmc.compiler.manager import Manager
from nmc.compiler.passes import PASSES
from nmc.compiler.pipeline import load_class
from nmc.compiler.target import find_target
from nmc.runtime.golden.case import read_case
from nmc.runtime.program import AkidaProgram

pytestmark = pytest.mark.slow

ZOO = Path(__file__).parent / "golden_zoo"
Array = np.ndarray[Any, Any]
# Between float64 before and after a pass; weights are rounded to float32 once where a pass makes new ones.
CLOSE = 1e-6
SMALL = ["digits_t7", "digits_residual_t7", "gestures", "gestures_events", "moving_events_16", "moving_events_8"]


def stored(path: Path, samples: int) -> dict[str, Array]:
    with np.load(path) as found:
        return {name: found[name][:samples] for name in found.files}


def check_passes(graph: Graph, target: str, inputs: dict[str, Array], **options: Any) -> Compilation:
    """Compile; the passes that keep the outputs do."""
    done = compile_verbose(graph, target, manager=Manager(verify_each=True, inputs=inputs), **options)
    known = {**PASSES, **find_target(target).passes}
    assert len(done.records) >= 3
    for record in done.records:
        assert record.change is not None
        if load_class(known[record.name]).preserves:
            assert record.change <= CLOSE, record
    return done


def check_program(done: Compilation, inputs: dict[str, Array]) -> None:
    """The program is its integer semantics, on every engine."""
    result, _ = run_everywhere(done.program, inputs)
    assert result.counters["out_of_range"] == 0
    if isinstance(done.program, AkidaProgram):
        assert_layers(done.program, inputs, result)
    elif done.lowered.stepped:
        assert_spikes(done.lowered, inputs, done.program, result)
    else:
        assert_counts(done.lowered, inputs, done.program, result)


@pytest.mark.parametrize("name", SMALL)
def test_shipped_networks(name: str) -> None:
    case = read_case(ZOO / f"{name}.toml")
    assert isinstance(case.input, Path)
    inputs = stored(case.input, 2)
    calibration = stored(case.calibration, 20) if isinstance(case.calibration, Path) else None
    graph = import_model(case.model, case.input_shapes, case.state_dict).graph
    done = check_passes(graph, case.target, inputs, calibration=calibration, **case.options)
    check_program(done, inputs)


def test_every_case_of_the_zoo_is_here() -> None:
    cases = {path.stem for path in ZOO.glob("*.toml")}
    twins = {"digits_t15", "digits_residual_t15"}  # the same networks with more levels
    assert cases == {*SMALL, *twins, *TENN, "dvs_gesture"}


# --- networks in torch code, smaller than they are in the zoo ---

TENN = {"tenn_jester": (3, 16, 16, 16), "tenn_dvs128": (2, 15, 24, 24), "tenn_eye_tracking": (2, 20, 24, 20)}


@pytest.mark.slow
@pytest.mark.parametrize("name", TENN)
def test_tenn_networks(name: str) -> None:
    model, shape = read_case(ZOO / f"{name}.toml").model, TENN[name]
    graph = import_model(model, {"clip": (1, *shape)}).graph
    events = (np.random.default_rng(0).random((3, *shape)) < 0.1).astype(np.float32)
    inputs = {"clip": events[:1]}
    done = check_passes(graph, "akida", inputs, calibration={"clip": events[1:]})
    check_program(done, inputs)


@pytest.mark.slow
def test_the_dvs_gesture_network_with_few_channels() -> None:
    folder = ZOO.parents[1] / "examples" / "dvs_gesture"
    code, shape = f"{folder / 'network.py'}:narrow", (4, 1, 2, 63, 63)
    graph = import_model(code, {"events": shape}, folder / "narrow.safetensors").graph
    trains = (np.random.default_rng(0).random((1, steps_of(graph), *shape[2:])) < 0.1).astype(np.float32)
    inputs = {"events": trains}
    check_program(check_passes(graph, "cri", inputs), inputs)
