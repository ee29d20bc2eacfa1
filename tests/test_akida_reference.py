"""What Akida layers compute, by hand: rounding, saturation, sums of branches, floats in and out, FIFOs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmc.runtime.program import AkidaProgram, GraphInput, GraphOutput, Layer, Timing
from nmc.runtime.program.akida_check import validate
from nmc.runtime.program.akida_kinds import PARAMETERS
from nmc.runtime.program.akida_shapes import Signal, hosted, infer, padding, windows, with_defaults
from nmc.runtime.reference.akida import AkidaMachine
from nmc.runtime.reference.akida_tail import Clamps, activate

# --- programs to run ---

USUAL: dict[str, Any] = {
    "activation": "none",
    "output_bits": 8,
    "buffer_bits": 28,
    "post_op_buffer_bits": 32,
    "weights_bits": 8,
    "kernel_stride": 1,
    "padding": "same",
    "pool_type": "none",
    "pool_size": -1,
    "pool_stride": -1,
    "input_bits": 8,
    "input_signed": True,
    "output_signed": True,
    "channels_first": False,
}


class Build:
    """Layers one after the other, parameters and variables at their usual values where none are given."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.signals: dict[str, Signal] = {}

    def add(self, name: str, kind: str, *inbounds: str, variables: Any = (), **given: Any) -> Build:
        parameters = {key: given.pop(key, USUAL.get(key)) for key in PARAMETERS[kind]}
        assert not given
        reads = [self.signals[source] for source in inbounds]
        layer = with_defaults(Layer(name, kind, inbounds, parameters, dict(variables)), reads)
        self.layers.append(layer)
        self.signals[name] = infer(layer, reads)
        return self

    def data(self, name: str, shape: tuple[int, int, int], **given: Any) -> Build:
        frame = dict(zip(("input_width", "input_height", "input_channels"), shape, strict=True))
        return self.add(name, "InputData", **frame, **given)

    def program(self, *outputs: GraphOutput, inputs: tuple[GraphInput, ...] | None = None) -> AkidaProgram:
        """Inputs and outputs in the layers' own layout unless given; checked."""
        fed = [layer for layer in self.layers if not layer.inbounds]
        plain = tuple(
            GraphInput(layer.name, layer.name, hosted(layer).shape, -1, "HWC", 1.0, 0, *_code(layer)) for layer in fed
        )
        last = self.layers[-1].name
        read = outputs or (GraphOutput("y", last, self.signals[last].shape, "HWC"),)
        program = AkidaProgram(tuple(self.layers), plain if inputs is None else inputs, read)
        validate(program)
        return program


def _code(layer: Layer) -> tuple[int, bool]:
    return hosted(layer).bits, hosted(layer).signed


def i8(*values: Any) -> Any:
    return np.array(values, np.int8)


def u8(*values: Any) -> Any:
    return np.array(values, np.uint8)


def f32(*values: Any) -> Any:
    return np.array(values, np.float32)


def row(*values: Any) -> Any:
    """One frame of shape (1, 1, C)."""
    return np.array(values)[None, None, None]


def run(program: AkidaProgram, **frames: Any) -> tuple[list[Any], AkidaMachine]:
    """The last layer's result for one frame, flat, and the machine."""
    machine = AkidaMachine(program)
    result = machine.step(frames)[program.layers[-1].name]
    return result.ravel().tolist(), machine


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5))
def test_padding_keeps_every_window_inside(size: int, kernel: int, stride: int) -> None:
    low, high = padding(size, kernel, stride, "same")
    assert padding(size, kernel, stride, "sameupper") == (high, low)
    assert 0 <= high - low <= 1
    assert windows(size, kernel, stride, "same") == windows(size, kernel, stride, "sameupper") == -(-size // stride)
    assert windows(size, kernel, stride, "valid") == (size - kernel) // stride + 1


# --- the common tail ---


def dense(bits: int = 8, parameters: Any = (), **variables: Any) -> AkidaProgram:
    """y[f] = x[f] through the tail: a dense layer with identity weights."""
    count = len(next(iter(variables.values())))
    weights = {"weights": np.eye(count, dtype=np.int8), **variables}
    build = Build().data("x", (1, 1, count))
    return build.add(
        "y", "Dense1D", "x", variables=weights, units=count, output_bits=bits, **dict(parameters)
    ).program()


@pytest.mark.parametrize(
    ("scales", "shift", "x", "y"),
    [
        (1, 0, [-128, -1, 127], [-128, -1, 127]),
        (3, 0, [-128, 42, 43], [-128, 126, 127]),
        (1, 2, [-33, 31, 32], [-128, 124, 127]),
        (1, -1, [-3, 3, 1], [-1, 2, 1]),
        (128, -8, [-127, 127, 1], [-63, 64, 1]),
        (255, -32, [-128, 127, 0], [0, 0, 0]),
    ],
)
def test_scale_and_shift(scales: int, shift: int, x: list[int], y: list[int]) -> None:
    program = dense(output_scales=u8(*[scales] * 3), output_shift=i8(*[shift] * 3))
    assert run(program, x=row(*x))[0] == y


def test_four_bit_outputs_are_unsigned_and_wider_ones_signed() -> None:
    variables = {"bias": i8(0, 0, 0)}
    assert run(dense(4, **variables), x=row(-5, 9, 99))[0] == [0, 9, 15]
    assert run(dense(5, **variables), x=row(-50, 9, 99))[0] == [-16, 9, 15]


def test_bias_and_input_shift() -> None:
    program = dense(20, input_shift=u8(0, 1, 5), bias=i8(-1, 2, -128), bias_shift=u8(0, 3, 7))
    assert run(program, x=row(10, 10, 10))[0] == [9, 36, 320 - 16384]


def test_the_rectifier_has_an_upper_bound_for_each_channel() -> None:
    bounds = {"max_value": u8(3, 255, 0), "max_value_shift": u8(2, 0, 31)}
    program = dense(8, {"activation": "relu"}, **bounds)
    assert run(program, x=row(50, 50, 50))[0] == [12, 50, 0]
    assert run(program, x=row(-50, -50, -50))[0] == [0, 0, 0]


def test_a_table_is_looked_up_at_eleven_bits() -> None:
    table = np.arange(2048, dtype=np.int32)[::-1] * 10
    variables = {"activation_scales": u8(1, 16, 1), "activation_shift": i8(0, 0, -2), "lut_values": table}
    build = Build().data("x", (1, 1, 3))
    parameters = {"activation": "lut", "output_bits": 28}
    weights = {"weights": np.eye(3, dtype=np.int8)[None, None]}
    build.add("y", "Conv2D", "x", variables={**weights, **variables}, filters=3, kernel_size=1, **parameters)
    values, machine = run(build.program(), x=row(-100, 100, -6))
    # Indices −100, 1600 → 1023, −1.5 → −1; entry i + 1024 holds (2047 − i − 1024) · 10.
    assert values == [11230, 0, 10240]
    assert machine.clamps["y"] == Clamps(scale=1)


def test_activation_none_changes_nothing() -> None:
    layer = Layer("y", "Dense1D", (), {"activation": "none"})
    acc = np.array([-5, 0, 2**40])
    assert activate(acc, layer, Clamps()) is acc


def test_each_saturation_is_counted_where_it_happens() -> None:
    program = dense(8, {"buffer_bits": 10}, input_shift=u8(3, 0, 0), bias=i8(0, 127, 1), bias_shift=u8(0, 3, 0))
    values, machine = run(program, x=row(127, 100, 1))
    # 1016 → 511 in the buffer, then 127 at the output; 100 + 1016 → 511 → 127; 1 + 1.
    assert values == [127, 127, 2]
    assert machine.clamps["y"] == Clamps(buffer=2, output=2)
    program = dense(8, {"post_op_buffer_bits": 8}, output_scales=u8(2, 1, 1), output_shift=i8(-1, 0, 1))
    values, machine = run(program, x=row(100, 100, 100))
    assert values == [64, 100, 127]
    assert machine.clamps["y"] == Clamps(scale=1, output=1)


def test_saturations_add_up_over_frames() -> None:
    machine = AkidaMachine(dense(8, {"buffer_bits": 10}, input_shift=u8(3, 0), bias=i8(0, 127)))
    for frame, clamps in enumerate([Clamps(1, 0, 2), Clamps(2, 0, 4), Clamps(2, 0, 4)]):
        machine.step({"x": row(127, 100) if frame < 2 else row(1, 0)})
        assert machine.clamps["y"] == clamps


def test_max_pooling_comes_before_the_rectifier_and_ignores_padding() -> None:
    x = np.array([[-5, -3, -9], [-2, -8, -7], [-1, -4, -6]])[None, :, :, None]
    build = Build().data("x", (3, 3, 1))
    pool = {"pool_type": "max", "pool_size": 2, "pool_stride": 2}
    weights = {"weights": np.ones((1, 1, 1, 1), np.int8)}
    build.add("y", "Conv2D", "x", variables=weights, filters=1, kernel_size=1, **pool)
    assert run(build.program(), x=x)[0] == [-2, -7, -1, -6]


def test_average_pooling_is_a_sum_that_is_rounded_once() -> None:
    x = np.array([[1, 2], [2, 2]])[None, :, :, None]
    build = Build().data("x", (2, 2, 1))
    variables = {"weights": np.ones((1, 1, 1, 1), np.int8), "output_shift": i8(-2)}
    build.add("y", "Conv2D", "x", variables=variables, filters=1, kernel_size=1, pool_type="avg", activation="relu")
    assert run(build.program(), x=x)[0] == [2]  # 7 / 4 = 1.75
    assert run(build.program(), x=-x)[0] == [0]  # rectified before the sum


# --- layers without weights ---


def test_add_brings_both_inputs_to_one_scale() -> None:
    build = Build().data("a", (1, 1, 4)).data("b", (1, 1, 4))
    shifts = {"a_shift": u8(0, 2, 0, 1), "b_shift": u8(1, 0, 0, 0), "output_shift": i8(0, -2, 1, -1)}
    build.add("y", "Add", "a", "b", variables=shifts, buffer_bits=32)
    # 10 + 2·20;  (4·10 − 3) / 4 = 9.25;  2·(100 + 1) clips;  (2·−7 + 5) / 2 = −4.5 rounds up
    values, machine = run(build.program(), a=row(10, 10, 100, -7), b=row(20, -3, 1, 5))
    assert values == [50, 9, 127, -4]
    assert machine.clamps["y"] == Clamps(output=1)


def test_add_is_signed_even_with_four_bits() -> None:
    build = Build().data("a", (1, 1, 3)).data("b", (1, 1, 3))
    build.add("y", "Add", "a", "b", output_bits=4)
    assert run(build.program(), a=row(-5, 5, -1), b=row(-5, 5, 3))[0] == [-8, 7, 2]
    assert build.signals["y"].signed


def test_concatenate_appends_channels() -> None:
    build = Build()
    for name, channels in (("a", 1), ("b", 2), ("c", 1)):
        build.data(name, (2, 1, channels))
    program = build.add("y", "Concatenate", "c", "a", "b").program()
    a, b, c = (np.array(v).reshape(1, 2, 1, -1) for v in ([1, 2], [3, 4, 5, 6], [7, 8]))
    values, machine = run(program, a=a, b=b, c=c)
    assert values == [7, 1, 3, 4, 8, 2, 5, 6]
    assert (build.signals["y"].shape, machine.macs) == ((2, 1, 4), {})


def test_dequantizer_multiplies_once_in_float32() -> None:
    scales = f32(0.1, 1 / 3, 2.5)
    program = Build().data("x", (1, 1, 3)).add("y", "Dequantizer", "x", variables={"scales": scales}).program()
    result = AkidaMachine(program).step({"x": row(3, -100, 7)})["y"]
    assert result.dtype == np.float32
    assert result.ravel().tolist() == [np.float32(0.1) * np.float32(3), np.float32(1 / 3) * np.float32(-100), 17.5]


def test_large_integers_are_rounded_to_float32_before_the_multiplication() -> None:
    build = Build().data("x", (1, 1, 1))
    wide = {"weights": i8([1]), "bias": i8(1), "input_shift": u8(20)}
    build.add("acc", "Dense1D", "x", variables=wide, units=1, output_bits=28)
    program = build.add("y", "Dequantizer", "acc", variables={"scales": f32(1)}).program()
    assert run(program, x=row(127))[0] == [float(np.float32(127 * 2**20 + 1))]


@pytest.mark.parametrize(
    ("signed", "zero", "x", "q"),
    [
        (True, 0, [0.25, 0.75, -0.25, -0.75, 63.75, 1e30, -1e30], [1, 2, -1, -2, 127, 127, -128]),
        (False, 3, [0.25, -0.25, -1.0, -1.5, -2.0, 1e38, -1e38], [4, 2, 1, 0, 0, 255, 0]),
    ],
)
def test_quantizer_rounds_halves_away_from_zero(signed: bool, zero: int, x: list[float], q: list[int]) -> None:
    variables = {"scales": f32(*[2] * 7), "zero_points": u8(*[zero] * 7)}
    frame = {"input_width": 1, "input_height": 1, "input_channels": 7, "output_signed": signed}
    program = Build().add("y", "Quantizer", variables=variables, **frame).program()
    values, machine = run(program, y=row(*x).astype(np.float32))
    assert values == q
    assert machine.clamps["y"].output == 3


def test_the_quantizer_multiplies_in_float32() -> None:
    x, scale = np.float32(0.1), np.float32(45.0)  # 0.1f · 45 is a little above 4.5, in float32 4.5 itself
    assert float(x) * 45 > 4.5
    assert x * scale == 4.5
    frame = {"input_width": 1, "input_height": 1, "input_channels": 1}
    program = Build().add("y", "Quantizer", variables={"scales": f32(scale)}, **frame).program()
    assert run(program, y=row(-x))[0] == [-5]


def test_input_data_hands_on_what_it_gets() -> None:
    assert run(Build().data("y", (1, 1, 3)).program(), y=row(-128, 0, 127))[0] == [-128, 0, 127]


# --- time ---


def temporal(frames: int = 3) -> AkidaProgram:
    """y[t] = x[t] + 2·x[t−1] + 4·x[t−2]."""
    weights = np.array([4, 2, 1], np.int8)[-frames:].reshape(1, 1, frames, 1)
    build = Build().data("x", (1, 1, 1))
    return build.add("y", "BufferTempConv", "x", variables={"weights": weights}, filters=1, fifo_size=frames).program()


def test_a_fifo_starts_empty_and_forgets_at_a_reset() -> None:
    machine = AkidaMachine(temporal())
    series = [1, 0, 0, 0, 3, 5]
    answers = [int(machine.step({"x": row(x)})["y"].item()) for x in series]
    assert answers == [1, 2, 4, 0, 3, 11]
    machine.reset()
    assert [int(machine.step({"x": row(x)})["y"].item()) for x in series] == answers
    assert (machine.frames, machine.zeros["x"], machine.macs) == (12, 6, {"y": 36})


def test_the_fifo_is_time_major() -> None:
    weights = np.arange(1, 5, dtype=np.int8).reshape(1, 1, 4, 1)
    build = Build().data("x", (1, 1, 2))
    program = build.add("y", "BufferTempConv", "x", variables={"weights": weights}, filters=1, fifo_size=2).program()
    machine = AkidaMachine(program)
    machine.step({"x": row(1, 10)})
    assert machine.step({"x": row(2, 20)})["y"].item() == 1 * 1 + 2 * 10 + 3 * 2 + 4 * 20


def test_timing_says_when_elements_come() -> None:
    timing = Timing(offset=3, stride=2, length=4, axis=2, edges=(0,))
    assert (timing.last, list(timing.frames()), timing.latency(10)) == (9, [3, 5, 7, 9], 3)
    assert Timing(offset=9).latency(8) == 2
    assert Timing(offset=5).latency(8) == 0
