"""The shipped digit networks, all test digits: the spiking program is the integer network, bit for bit."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from nmc.compiler import compile_verbose
from nmc.compiler.ir import trace
from nmc.runtime import Session

FOLDER = Path(__file__).parent.parent / "examples" / "digits"
sys.path.insert(0, str(FOLDER))
from data import load_split  # noqa: E402

# Points of accuracy on the test half that the spiking program may lose against the float network.
ALLOWED_LOSS = {7: 2.0, 15: 0.5, 31: 0.25}


@pytest.mark.slow
@pytest.mark.parametrize("timesteps", ALLOWED_LOSS)
@pytest.mark.parametrize("name", ["digits", "digits_residual"])
def test_every_spike_count_and_logit(name: str, timesteps: int) -> None:
    x_train, _, x_test, y_test = load_split()
    assert (len(x_train), len(x_test)) == (898, 899)
    model = FOLDER / f"{name}.onnx"
    done = compile_verbose(model, "cri", calibration=x_train, timesteps=timesteps)
    result = Session(done.program).run(x_test, trace=True)

    expected = trace(done.lowered, {"image": x_test})
    hidden = [p for p in done.program.populations if p.kind != "readout"]
    assert len(hidden) >= 5
    for population in hidden:
        np.testing.assert_array_equal(result.trace[population.name], expected[population.name])
    (output,) = done.lowered.outputs.values()
    assert output.producer is not None
    np.testing.assert_array_equal(result.integers["logits"], expected[output.producer.x.name])
    assert result.counters["input_clipped"] == result.counters["out_of_range"] == 0

    (logits,) = onnxruntime.InferenceSession(model).run(None, {"image": x_test})
    exact = float(np.mean(np.asarray(logits).argmax(axis=1) == y_test))
    spiking = float(np.mean(result.outputs["logits"].argmax(axis=1) == y_test))
    assert 100 * (exact - spiking) <= ALLOWED_LOSS[timesteps]


@pytest.mark.parametrize("name", ["digits", "digits_residual"])
def test_one_digit_under_every_profile(name: str) -> None:
    x_train, _, x_test, _ = load_split()
    integers = []
    for profile in ("sim", "hw2024", "hw_l6", "hw_l6_legacy"):
        program = compile_verbose(
            FOLDER / f"{name}.onnx", "cri", calibration=x_train[:100], timesteps=7, profile=profile
        ).program
        integers.append(Session(program).run(x_test[:2]).integers["logits"])
    assert all(np.array_equal(integers[0], other) for other in integers[1:])


def test_shipped_models_are_small_and_name_no_folder() -> None:
    for name in ("digits", "digits_residual"):
        data = (FOLDER / f"{name}.onnx").read_bytes()
        assert len(data) < 200_000
        assert b"/home" not in data and b".py" not in data
