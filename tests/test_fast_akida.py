"""The dense engine: equal to the reference machine in every value and counter, on every way to multiply bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from akida_programs import FRAMES, random_frames, random_program
from fast_akida_checks import Array, check_program, check_random, check_steps
from test_akida_golden import CASES, OURS, PROGRAMS, golden, operands, program_of, stored_program
from test_akida_reference import Build

from nmc.runtime.fast.dense.machine import machine
from nmc.runtime.fast.dense.operation import ADD, COPY, FUSED, LOOPS, POOLED, SCALE, SETTLED, TILES, TOTALLED
from nmc.runtime.fast.dense.routes import ROUTES, available, route
from nmc.runtime.program import AkidaProgram
from nmc.runtime.program.akida_kinds import TEMPORAL
from nmc.runtime.reference.akida import AkidaMachine

WAYS = [each.name for each in available()]


# --- vectors and random programs ---


@pytest.mark.golden
@pytest.mark.parametrize("name", CASES + OURS)
def test_golden_layers(name: str) -> None:
    program, fed = program_of(golden(name)), operands(golden(name))
    temporal = program.layers[-1].kind in TEMPORAL
    names = [entry.layer for entry in program.inputs]
    steps = [[frame[None] for frame in clips] for clips in zip(*fed, strict=True)] if temporal else [fed]
    fast = check_program(program, [dict(zip(names, frames, strict=True)) for frames in steps])
    np.testing.assert_array_equal(
        fast.values["layer"], golden(name)["output"][-1:] if temporal else golden(name)["output"]
    )


@pytest.mark.golden
@pytest.mark.parametrize("name", PROGRAMS)
def test_golden_programs(name: str, tmp_path: Path) -> None:
    case = golden(name)
    program = stored_program(case, tmp_path)
    fed = {layer.name: case[f"input_{layer.name}"] for layer in program.layers if not layer.inbounds}
    frames = next(iter(fed.values())).shape[1]
    check_program(program, [{layer: clip[:, j] for layer, clip in fed.items()} for j in range(frames)])


def test_random_programs() -> None:
    found = set[tuple[int, int]]()
    for seed in range(48):
        found |= {(int(step["kind"]), int(step["then"])) for step in check_random(seed).plan.steps}
    assert {kind for kind, _ in found} == {TILES, LOOPS, ADD, COPY, SCALE}
    assert {then for kind, then in found if kind == TILES} == {FUSED, POOLED, TOTALLED, SETTLED}


@pytest.mark.parametrize("way", WAYS[1:])
def test_random_programs_in_other_ways(way: str) -> None:
    for seed in range(48, 58):
        assert check_random(seed, way).frames


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_more_random_programs(way: str) -> None:
    for seed in range(100, 160):
        assert check_random(seed, way).frames


def test_ways() -> None:
    assert WAYS[-1] == "plain"
    assert [each.number for each in ROUTES] == list(range(len(ROUTES)))
    assert route() is available()[0]
    with pytest.raises(ValueError, match="no route 'abacus'; this processor has"):
        route("abacus")


# --- shapes that the tiles divide differently ---


def spread(rng: np.random.Generator, shape: tuple[int, ...], bits: int = 8) -> Array:
    """Weights or codes, a third of them at the ends of their range."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    ends = rng.choice([low, high], shape)
    return np.where(rng.random(shape) < 1 / 3, ends, rng.integers(low, high + 1, shape))


def scaled(rng: np.random.Generator, weights: Array, **given: Any) -> dict[str, Array]:
    """Variables whose results use 8 bits, more or less."""
    channels = weights.shape[-1] if weights.shape[-1] > 1 or len(weights.shape) < 4 else weights.shape[2]
    found = {
        "weights": weights,
        "bias": rng.integers(-128, 128, channels),
        "bias_shift": rng.integers(0, 8, channels),
        "output_scales": rng.integers(0, 256, channels),
        "output_shift": -rng.integers(8, 22, channels),
        **given,
    }
    kinds = {"bias_shift": np.uint8, "output_scales": np.uint8, "input_shift": np.uint8}
    return {name: array.astype(kinds.get(name, np.int8)) for name, array in found.items()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("channels", "filters"), [(1, 1), (3, 15), (4, 16), (6, 17), (16, 48), (5, 49), (33, 130)])
def test_convolutions_of_all_widths(way: str, channels: int, filters: int) -> None:
    """1 to 40 pixels, with and without what a rectifier cuts off."""
    rng = np.random.default_rng(channels)
    for size, activation in ((1, "relu"), (2, "none"), (5, "relu"), (6, "none")):
        build = Build().data("x", (size, size + 1, channels))
        variables = scaled(rng, spread(rng, (3, 3, channels, filters)))
        build.add("y", "Conv2D", "x", variables=variables, filters=filters, kernel_size=3, activation=activation)
        variables = scaled(rng, spread(rng, (3, 3, filters, 1)))
        build.add("z", "DepthwiseConv2D", "y", variables=variables, kernel_size=3, kernel_stride=2)
        steps = [{"x": spread(rng, (2, size, size + 1, channels))} for _ in range(2)]
        fast = check_program(build.program(), steps, way)
        assert [int(step["kind"]) for step in fast.plan.steps] == [TILES, TILES]


def test_frames_that_many_layers_read() -> None:
    """A convolution, its neighbour's wider margin, and FIFOs of two lengths on the same frames."""
    rng = np.random.default_rng(0)
    build = Build().data("x", (5, 4, 3))
    conv, wide, long, short, each, dense = (
        spread(rng, shape) for shape in ((3, 3, 3, 4), (5, 5, 3, 2), (1, 1, 15, 6), (1, 1, 6, 5), (1, 1, 4, 3), (60, 7))
    )
    build.add("conv", "Conv2D", "x", variables=scaled(rng, conv), filters=4, kernel_size=3)
    build.add("wide", "Conv2D", "x", variables=scaled(rng, wide), filters=2, kernel_size=5, kernel_stride=2)
    build.add("long", "BufferTempConv", "x", variables=scaled(rng, long), filters=6, fifo_size=5)
    build.add("short", "BufferTempConv", "x", variables=scaled(rng, short), filters=5, fifo_size=2)
    build.add("each", "DepthwiseBufferTempConv", "x", variables=scaled(rng, each), fifo_size=4)
    build.add("dense", "Dense1D", "x", variables=scaled(rng, dense), units=7)
    build.add("all", "Concatenate", "conv", "long", "short", "x")
    check_program(build.program(), [{"x": spread(rng, (3, 5, 4, 3))} for _ in range(23)])


def test_an_image_behind_a_quantizer_has_its_own_margin() -> None:
    rng = np.random.default_rng(1)
    frame = {"input_width": 4, "input_height": 5, "input_channels": 3}
    build = Build().add("q", "Quantizer", output_bits=8, output_signed=False, **frame)
    image = {"input_x": 4, "input_y": 5, "input_channels": 3, "filters": 6, "kernel_size": 3}
    variables = scaled(rng, spread(rng, (3, 3, 3, 6))) | {"padding_value": np.array([7, 255, 0], np.uint8)}
    build.add("image", "InputConv2D", "q", variables=variables, **image)
    build.add("conv", "Conv2D", "q", variables=scaled(rng, spread(rng, (3, 3, 3, 2))), filters=2, kernel_size=3)
    program = build.program()
    steps = [{"q": (rng.normal(size=(2, 4, 5, 3)) * 200).astype(np.float32)} for _ in range(3)]
    check_program(program, steps)


# --- bounds, and just beyond them ---


def dense(inputs: int, weight: int, bias: int, shift: int, **given: Any) -> AkidaProgram:
    """Σ weight · x + bias · 2^shift of inputs in 0 … 127, one unit, stored whole."""
    build = Build().data("x", (1, 1, 1))
    ones = np.ones((1, 1, 1, inputs), np.int8)
    build.add("ones", "Conv2D", "x", variables={"weights": ones}, filters=inputs, kernel_size=1, activation="relu")
    variables = {
        "weights": np.full((inputs, 1), weight, np.int8),
        "bias": np.array([bias], np.int8),
        "bias_shift": np.array([shift], np.uint8),
    }
    return build.add("y", "Dense1D", "ones", variables=variables, units=1, **given).program()


X = [np.full((1, 1, 1, 1), value) for value in (127, 126, 1, 0, -1, -128)]


@pytest.mark.parametrize(
    ("inputs", "weight", "bias", "shift", "bits", "then"),
    [
        # 1040 · 127 · 127 + 127 · 2^24 = 2^31 − 3057 is the last sum that fits.
        (1040, 127, 127, 24, 32, FUSED),
        (1041, 127, 127, 24, 32, SETTLED),
        # −1040 · 127 · 127 − 127 · 2^24 fits, and one more does not.
        (1040, -127, -127, 24, 32, FUSED),
        (1041, -127, -127, 24, 32, SETTLED),
        # 28 bits: 8321 · 127 · 127 = 2^27 − 8319.
        (8321, 127, 0, 0, 28, FUSED),
        (8322, 127, 0, 0, 28, SETTLED),
    ],
)
def test_sums_at_the_end_of_their_buffer(inputs: int, weight: int, bias: int, shift: int, bits: int, then: int) -> None:
    program = dense(inputs, weight, bias, shift, buffer_bits=bits, output_bits=32)
    fast = check_program(program, [{"x": x} for x in X])
    assert int(fast.plan.steps[-1]["then"]) == then
    assert (fast.clamps["y"].buffer > 0) == (then == SETTLED)


def test_sums_beyond_32_bits_are_made_in_64() -> None:
    """Of bytes, 65,536 products of 128 · 128 reach −2^30; of inputs of 28 bits, 64 products are enough."""
    program = dense(60_000, -128, 0, 0, buffer_bits=32, output_bits=28)
    assert int(check_program(program, [{"x": x} for x in X[:3]]).plan.steps[-1]["kind"]) == TILES
    build = Build().data("x", (1, 1, 1))
    wide = {"weights": np.full((1, 1, 1, 64), 127, np.int8), "output_shift": np.full(64, 12, np.int8)}
    build.add("wide", "Conv2D", "x", variables=wide, filters=64, kernel_size=1, output_bits=28)
    ones = {"weights": np.full((64, 1), 127, np.int8)}
    build.add("y", "Dense1D", "wide", variables=ones, units=1, buffer_bits=32, output_bits=32)
    fast = check_program(build.program(), [{"x": x} for x in X])
    assert [int(step["kind"]) for step in fast.plan.steps] == [TILES, LOOPS]
    assert fast.clamps["y"].buffer > 0


@pytest.mark.parametrize("seed", range(40))
def test_tails_at_the_ends_of_their_ranges(seed: int) -> None:
    """All codes through 40 channels with extreme scales, shifts, biases and bounds."""
    rng = np.random.default_rng(seed)
    codes = np.arange(-128, 128).reshape(1, 16, 16, 1)
    build, channels = Build().data("x", (16, 16, 1)), 40
    activation = str(rng.choice(["none", "relu"]))
    variables = scaled(
        rng,
        spread(rng, (1, 1, 1, channels)),
        output_scales=rng.choice([0, 1, 127, 128, 255], channels),
        output_shift=-rng.integers(0, 33, channels) if seed % 4 else rng.integers(-8, 4, channels),
        bias_shift=rng.integers(0, 20 if seed % 3 else 8, channels),
    )
    if activation == "relu":
        variables["max_value"] = rng.choice([0, 1, 100, 255], channels).astype(np.uint8)
        variables["max_value_shift"] = rng.choice([0, 5, 23, 24, 31], channels).astype(np.uint8)
    bits = {
        "output_bits": int(rng.choice([3, 4, 5, 8, 16, 28, 32])),
        "buffer_bits": int(rng.choice([12, 28, 32])),
        "post_op_buffer_bits": int(rng.choice([12, 20, 31, 32])),
    }
    build.add("y", "Conv2D", "x", variables=variables, filters=channels, kernel_size=1, activation=activation, **bits)
    assert check_program(build.program(), [{"x": codes}]).frames == 1


def test_shifts_of_inputs_go_into_the_weights_where_they_fit() -> None:
    for shift, kind in ((3, TILES), (4, LOOPS)):
        build = Build().data("x", (2, 2, 2))
        weights = np.array([[[[15, -16], [1, -1]]]], np.int8)
        variables = {"weights": weights, "input_shift": np.array([shift, 5], np.uint8)}
        build.add("y", "Conv2D", "x", variables=variables, filters=2, kernel_size=1)
        fast = check_program(build.program(), [{"x": np.array([[[[127, -128], [1, 2]], [[0, 5], [-7, 9]]]])}])
        assert int(fast.plan.steps[0]["kind"]) == kind


# --- streams and threads ---


def test_streams_do_not_touch_each_other() -> None:
    """Of a batch on any number of threads, each stream is what it is alone."""
    for seed in range(6):
        program = random_program(seed)
        clips = random_frames(program, seed, 5)
        for threads in (1, 2, 5):
            together = machine(program, 5, threads)
            alone = [machine(program) for _ in range(5)]
            for t in range(FRAMES):
                values = together.step({name: clip[:, t] for name, clip in clips.items()})
                for i, each in enumerate(alone):
                    single = each.step({name: clip[i : i + 1, t] for name, clip in clips.items()})
                    for name in values:
                        np.testing.assert_array_equal(values[name][i], single[name][0])
            assert together.zeros == {name: sum(each.zeros[name] for each in alone) for name in together.zeros}


def test_long_streams() -> None:
    rng = np.random.default_rng(3)
    build = Build().data("x", (2, 3, 4))
    for number, frames in enumerate((7, 1, 5)):
        weights = spread(rng, (1, 1, 4 * frames, 4))
        reads = f"btc{number - 1}" if number else "x"
        build.add(f"btc{number}", "BufferTempConv", reads, variables=scaled(rng, weights), filters=4, fifo_size=frames)
    program = build.program()
    fast, slow = machine(program, 2), AkidaMachine(program, 2)
    for _ in range(3):
        check_steps(fast, slow, [{"x": spread(rng, (2, 2, 3, 4))} for _ in range(60)])
        fast.reset()
        slow.reset()
