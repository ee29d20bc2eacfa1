"""Sessions of Akida programs: whole clips against an evaluation of another kind, layouts, timing, streams, counters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from test_akida_reference import Build, f32, i8, u8

from nmc.runtime import Session
from nmc.runtime.akida_session import AkidaSession
from nmc.runtime.data import write_result
from nmc.runtime.program import AkidaProgram, GraphInput, GraphOutput, NmcError, Timing

T, X, Y, C = 5, 4, 3, 2
SCALE, ZERO = 0.25, 3
CLIP = GraphInput("clip", "in", (C, T, X, Y), 2, "CHW", SCALE, ZERO, 8, True)


def random_variables(rng: Any, shape: tuple[int, ...], f: int, c: int, temporal: bool = True) -> dict[str, Any]:
    """Weights and all that goes with them, small enough to keep the outputs alive, large enough to clip some."""
    return {
        "weights": rng.integers(-128, 128, shape).astype(np.int8),
        "bias": rng.integers(-128, 128, f).astype(np.int8),
        "bias_shift": rng.integers(0, 6, f).astype(np.uint8),
        "input_shift": rng.integers(0, 3, c).astype(np.uint8),
        "output_scales": rng.integers(1, 256, f).astype(np.uint8),
        "output_shift": rng.integers(-17, -13, f).astype(np.int8),
    }


def network(seed: int) -> Build:
    """Two branches, one temporal with a residual sum, the other depthwise temporal; concatenated, dense, float."""
    rng = np.random.default_rng(seed)
    relu = {
        "max_value": rng.integers(0, 256, 3).astype(np.uint8),
        "max_value_shift": rng.integers(4, 12, 3).astype(np.uint8),
    }
    sums = {"a_shift": u8(0, 1, 2), "b_shift": u8(1, 0, 3), "output_shift": i8(-1, 0, -3)}
    return (
        Build()
        .data("in", (X, Y, C))
        .add(
            "t",
            "BufferTempConv",
            "in",
            variables=random_variables(rng, (1, 1, 3 * C, 3), 3, C) | relu,
            filters=3,
            fifo_size=3,
            activation="relu",
        )
        .add("s", "Conv2D", "t", variables=random_variables(rng, (3, 3, 3, 3), 3, 3), filters=3, kernel_size=3)
        .add("sum", "Add", "t", "s", variables=sums, buffer_bits=32)
        .add("d", "DepthwiseBufferTempConv", "in", variables=random_variables(rng, (1, 1, 2, C), C, C), fifo_size=2)
        .add("cat", "Concatenate", "sum", "d")
        .add(
            "fc",
            "Dense1D",
            "cat",
            variables=random_variables(rng, (X * Y * 5, 4), 4, X * Y * 5),
            units=4,
            output_bits=20,
        )
        .add("y", "Dequantizer", "fc", variables={"scales": f32(0.5, 0.1, 2, 1e-3)})
    )


EVERY = Timing(0, 1, T, 2)


def video(seed: int = 0, timing: Timing = EVERY) -> AkidaProgram:
    shape = (4, timing.length) if timing.axis > 0 else (4,)
    return network(seed).program(GraphOutput("scores", "y", shape, "HWC", timing), inputs=(CLIP,))


# --- the whole clip at once, written another way ---


def clamp(v: Any, bits: int) -> Any:
    return np.minimum(np.maximum(v, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def scaled(v: Any, shift: Any) -> Any:
    """v · 2^shift, halves up, through one division of twice the number."""
    up, down = 2 ** np.maximum(shift, 0).astype(np.int64), 2 ** np.maximum(-shift, 0).astype(np.int64)
    return np.where(down > 1, (2 * v * up + down) // (2 * down), v * up)


def over_clip(program: AkidaProgram, codes: Any, frames: int) -> dict[str, Any]:
    """What every layer gives in all frames, (n, frames, X, Y, C), from codes (n, T, X, Y, C) and rest codes after."""
    rest = np.clip(program.inputs[0].zero_point, -128, 127)
    n, length = codes.shape[:2]
    tail = np.full((n, frames - length, *codes.shape[2:]), rest) if frames > length else codes[:, :0]
    done = {"in": np.concatenate([codes, tail], axis=1)[:, :frames]}
    for layer in program.layers[1:]:
        p, v = layer.parameters, {name: np.asarray(a).astype(np.int64) for name, a in layer.variables.items()}
        x = done[layer.inbounds[0]]
        if layer.kind == "Concatenate":
            done[layer.name] = np.concatenate([done[name] for name in layer.inbounds], axis=-1)
            continue
        if layer.kind == "Add":
            total = clamp(x * 2 ** v["a_shift"], 32) + clamp(done[layer.inbounds[1]] * 2 ** v["b_shift"], 32)
            done[layer.name] = clamp(scaled(clamp(total, 32), v["output_shift"]), p["output_bits"])
            continue
        if layer.kind == "Dequantizer":
            done[layer.name] = x.astype(np.float32) * layer.variables["scales"]
            continue
        if layer.kind == "Dense1D":
            x = x.reshape(*x.shape[:2], 1, 1, -1)
        x, w, bits = clamp(x * 2 ** v["input_shift"], p["buffer_bits"]), v["weights"], p["buffer_bits"]
        if "Temp" in layer.kind:
            k = p["fifo_size"]
            past = sliding_window_view(np.pad(x, [(0, 0), (k - 1, 0), (0, 0), (0, 0), (0, 0)]), k, axis=1)
            taps = w.reshape(k, x.shape[-1], -1)
            rule = "ntxyck,kcf->ntxyf" if layer.kind == "BufferTempConv" else "ntxyck,kcf->ntxyc"
            acc = np.einsum(rule, past, taps)
        elif layer.kind == "Conv2D":
            around = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)])
            acc = np.einsum("ntxycij,ijcf->ntxyf", sliding_window_view(around, (3, 3), axis=(2, 3)), w[::-1, ::-1])
        else:
            acc = np.einsum("ntxyc,cf->ntxyf", x, w)
        acc = clamp(clamp(acc, bits) + v["bias"] * 2 ** v["bias_shift"], bits)
        if p["activation"] == "relu":
            acc = np.clip(acc, 0, v["max_value"] * 2 ** v["max_value_shift"])
        done[layer.name] = clamp(scaled(clamp(acc * v["output_scales"], 32), v["output_shift"]), p["output_bits"])
    return done


def codes_of(clips: Any) -> Any:
    """Codes (n, T, X, Y, C) of clips (n, C, T, X, Y) in the source model's values."""
    codes = np.clip(np.rint(clips / SCALE) + ZERO, -128, 127).astype(np.int64)
    return codes.transpose(0, 2, 3, 4, 1)


def clips_of(seed: int, samples: int) -> Any:
    return np.random.default_rng(seed).uniform(-35, 33, (samples, C, T, X, Y)).astype(np.float32)


@given(st.integers(0, 10**6), st.integers(1, 3))
@settings(max_examples=25)
def test_clips_agree_with_an_evaluation_over_the_whole_clip(seed: int, samples: int) -> None:
    program, clips = video(seed), clips_of(seed, samples)
    result = Session(program).run(clips, trace=True)
    expected = over_clip(program, codes_of(clips), T)
    np.testing.assert_array_equal(result.integers["scores"], expected["fc"][:, :, 0, 0].swapaxes(1, 2))
    np.testing.assert_array_equal(result.outputs["scores"], expected["y"][:, :, 0, 0].swapaxes(1, 2))
    assert result.trace.keys() == {layer.name for layer in program.layers} - {"y"}
    for name, values in result.trace.items():
        np.testing.assert_array_equal(values, expected[name])


def test_the_networks_of_this_page_are_alive() -> None:
    """Outputs clip, and are zero, and are neither, somewhere in every layer."""
    expected = over_clip(video(1), codes_of(clips_of(1, 3)), T)
    for name in ("t", "s", "sum", "d"):
        assert len(np.unique(expected[name])) > 20, name
    assert len(np.unique(expected["fc"])) > 40
    assert max(np.abs(expected[name]).max() for name in ("s", "d")) == 128


# --- timing ---


@pytest.mark.parametrize(
    "timing", [Timing(2, 1, T, 2, (0, 4)), Timing(1, 2, 2, 2), Timing(4, 1, 1, -1), Timing(6, 1, 1, -1, (0,))]
)
def test_outputs_are_aligned_by_their_timing(timing: Timing) -> None:
    program, clips = video(7, timing), clips_of(7, 2)
    session = Session(program)
    result = session.run(clips)
    expected = over_clip(program, codes_of(clips), 7)["y"][:, list(timing.frames()), 0, 0]
    wanted = expected.swapaxes(1, 2) if timing.axis > 0 else expected[:, 0]
    np.testing.assert_array_equal(result.outputs["scores"], wanted)
    assert result.outputs["scores"].shape == (2, *program.outputs[0].shape)
    assert result.counters["frames"] == timing.last + 1
    assert session.latency == {"scores": timing.latency(T)}
    marks = {name: np.flatnonzero(edge).tolist() for name, edge in result.edges.items()}
    assert marks == ({"scores": list(timing.edges)} if timing.edges else {})


def test_several_outputs_with_timings_of_their_own() -> None:
    outputs = (
        GraphOutput("early", "t", (X, T, Y, 3), "HWC", Timing(0, 1, T, 2)),
        GraphOutput("late", "fc", (4,), "CHW", Timing(5)),
        GraphOutput("flat", "s", (3 * X * Y,), "CHW", Timing(4)),
    )
    program, clips = network(3).program(*outputs, inputs=(CLIP,)), clips_of(3, 2)
    result = Session(program).run({"clip": clips})
    expected = over_clip(program, codes_of(clips), 6)
    np.testing.assert_array_equal(result.integers["early"], expected["t"][:, :T].swapaxes(1, 2))
    np.testing.assert_array_equal(result.integers["late"], expected["fc"][:, 5, 0, 0])
    np.testing.assert_array_equal(result.integers["flat"], expected["s"][:, 4].transpose(0, 3, 1, 2).reshape(2, -1))
    np.testing.assert_array_equal(result.outputs["flat"], result.integers["flat"])


# --- streams ---


def frames_of(clips: Any) -> list[Any]:
    return list(np.moveaxis(clips, 2, 0))


def test_steps_give_what_a_run_gives_and_a_reset_starts_anew() -> None:
    session, clips = Session(video(4)), clips_of(4, 1)
    whole = session.run(clips)
    for _ in range(2):
        for t, frame in enumerate(frames_of(clips)):
            np.testing.assert_array_equal(session.step(frame)["scores"], whole.outputs["scores"][..., t])
            np.testing.assert_array_equal(session.machine.values["fc"][:, 0, 0], whole.integers["scores"][..., t])
        session.reset()
    assert session.input_clipped == 2 * whole.counters["input_clipped"] > 0


def test_without_a_reset_the_stream_goes_on() -> None:
    session, clips = Session(video(4)), clips_of(4, 1)
    first, again = ([session.step({"clip": f})["scores"] for f in frames_of(clips)] for _ in range(2))
    assert not np.array_equal(first[0], again[0])
    assert not np.array_equal(first[1], again[1])
    np.testing.assert_array_equal(first[2:], again[2:])  # the longest memory is of two frames


def test_parallel_streams_are_separate_streams() -> None:
    clips = clips_of(5, 3)
    together = Session(video(5))
    found = np.stack([together.step(frame)["scores"] for frame in frames_of(clips)], axis=-1)
    for i in range(3):
        alone = Session(video(5))
        one = np.stack([alone.step(frame)["scores"] for frame in frames_of(clips[i : i + 1])], axis=-1)
        np.testing.assert_array_equal(found[i : i + 1], one)


def test_another_number_of_streams_starts_from_zero() -> None:
    session, fresh, clips = Session(video(6)), Session(video(6)), clips_of(6, 2)
    session.step(clips[:1, :, 0])
    np.testing.assert_array_equal(session.step(clips[:, :, 1])["scores"], fresh.step(clips[:, :, 1])["scores"])
    assert session.step(clips[:0, :, 0])["scores"].shape == (0, 4)


def test_the_result_does_not_depend_on_the_batch() -> None:
    clips, seen = clips_of(8, 5), []
    session = Session(video(8))
    whole = session.run(clips, trace=True)
    parts = session.run(clips, trace=True, batch=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert whole.counters == parts.counters
    np.testing.assert_array_equal(whole.outputs["scores"], parts.outputs["scores"])
    for name, values in whole.trace.items():
        np.testing.assert_array_equal(values, parts.trace[name])
    with pytest.raises(ValueError, match="batch"):
        session.run(clips, batch=0)


def test_no_samples_give_no_results() -> None:
    result = Session(video()).run(np.zeros((0, C, T, X, Y)), trace=True)
    assert result.outputs["scores"].shape == (0, 4, T)
    assert result.counters["macs"] == 0
    assert result.trace["t"].shape == (0, T, X, Y, 3)


# --- counters ---


def test_counters() -> None:
    program, clips = video(9, Timing(6)), clips_of(9, 2)
    result = Session(program).run(clips)
    expected = over_clip(program, codes_of(clips), 7)
    counters = json.loads(json.dumps(result.counters))
    per_frame = {"t": X * Y * 3 * C * 3, "s": X * Y * 9 * 3 * 3, "d": X * Y * 2 * C, "fc": X * Y * 5 * 4}
    assert counters["macs_per_layer"] == {layer.name: 14 * per_frame.get(layer.name, 0) for layer in program.layers}
    assert counters["macs"] == 14 * sum(per_frame.values())
    assert counters["sparsity"] == {name: np.mean(expected[name] == 0) for name in expected}
    quotient = np.rint(clips / SCALE) + ZERO
    assert counters["input_clipped"] == np.count_nonzero((quotient < -128) | (quotient > 127)) > 0
    assert (counters["samples"], counters["frames"], counters["out_of_range"]) == (2, 7, 0)


def test_clipped_outputs_are_counted_for_each_layer() -> None:
    program, clips = video(9), clips_of(9, 2)
    clipped = Session(program).run(clips).counters["saturations"]
    assert clipped["in"] == clipped["cat"] == {"buffer": 0, "scale": 0, "output": 0}
    for i, name in ((1, "t"), (2, "s")):
        layers = program.layers[: i + 1]
        wide = replace(layers[-1], parameters=layers[-1].parameters | {"output_bits": 32})
        output = GraphOutput("y", name, (X, T, Y, 3), "HWC", Timing(0, 1, T, 2))
        whole = Session(replace(program, layers=(*layers[:-1], wide), outputs=(output,))).run(clips).integers["y"]
        assert clipped[name]["output"] == np.count_nonzero(whole != clamp(whole, 8)) > 0


def test_values_that_leave_a_buffer_are_out_of_range() -> None:
    build = Build().data("x", (1, 1, 1))
    build.add("y", "Dense1D", "x", variables={"weights": i8([127])}, units=1, buffer_bits=12)
    counters = Session(build.program()).run(np.array([[[[100]]], [[[1]]]])).counters
    assert counters["out_of_range"] == counters["saturations"]["y"]["buffer"] == 1
    assert counters["saturations"]["y"]["output"] == 1


def test_zero_frames_after_the_clip_are_not_counted_as_clipped() -> None:
    far = replace(CLIP, zero_point=200)
    program = network(0).program(GraphOutput("scores", "y", (4,), "HWC", Timing(6)), inputs=(far,))
    inside = np.full((1, C, T, X, Y), -50.0)  # codes 0
    result = Session(program).run(inside, trace=True)
    assert result.counters["input_clipped"] == 0
    assert np.unique(result.trace["in"][:, :T]).tolist() == [0]
    assert np.unique(result.trace["in"][:, T:]).tolist() == [127]


# --- images ---


def image_program(order: str) -> tuple[AkidaProgram, Build]:
    """A 2×3 image of three channels, each pixel's code as it is: an identity kernel behind codes x / 0.5 + 7."""
    build = Build()
    size = {"input_x": 2, "input_y": 3, "input_channels": 3}
    weights = {"weights": np.eye(3, dtype=np.int8)[None, None]}
    build.add("pixels", "InputConv2D", variables=weights, filters=3, kernel_size=1, output_bits=9, **size)
    extents = dict(zip("HWC", (2, 3, 3), strict=True))
    shape = tuple(extents[letter] for letter in order)
    given = GraphInput("image", "pixels", shape, -1, order, 0.5, 7, 8, False)
    return build.program(GraphOutput("y", "pixels", shape, order), inputs=(given,)), build


@pytest.mark.parametrize("order", ["HWC", "CHW", "WHC", "CWH"])
def test_images_keep_their_layout(order: str) -> None:
    program, _ = image_program(order)
    images = np.random.default_rng(0).uniform(-3, 120, (4, *program.inputs[0].shape))
    result = Session(program).run(images, trace=True)
    np.testing.assert_array_equal(result.integers["y"], np.rint(images / 0.5).astype(np.int64) + 7)
    (h, w, c) = (1 + order.index(letter) for letter in "HWC")
    np.testing.assert_array_equal(result.trace["pixels"], result.integers["y"].transpose(0, h, w, c))
    assert result.counters["frames"] == 1


@pytest.mark.parametrize(
    ("x", "code"), [(0.25, 7), (0.75, 9), (-3.5, 0), (-3.8, 0), (124.0, 255), (125.0, 255), (1e308, 255), (-1e308, 0)]
)
def test_pixels_are_rounded_half_to_even_and_clipped(x: float, code: int) -> None:
    program, _ = image_program("HWC")
    result = Session(program).run(np.full((1, 2, 3, 3), x))
    assert np.unique(result.integers["y"]).tolist() == [code]
    assert result.counters["input_clipped"] == (0 if np.rint(2 * x) + 7 == code else 18)


@pytest.mark.parametrize(("bits", "low", "high"), [(8, -128, 127), (5, -16, 15), (4, 0, 15), (1, 0, 1)])
def test_codes_have_the_bits_and_sign_of_the_layer(bits: int, low: int, high: int) -> None:
    program = Build().data("x", (1, 1, 4), input_bits=bits, input_signed=bits > 4).program()
    result = Session(program).run(np.array([-1e9, 0, 1, 1e9]).reshape(1, 1, 1, 4))
    assert result.integers["y"].ravel().tolist() == [low, 0, 1, high]
    assert result.counters["input_clipped"] == 2


def test_a_quantizer_layer_gets_the_values_themselves() -> None:
    frame = {"input_width": 1, "input_height": 1, "input_channels": 3, "output_signed": False}
    program = Build().add("q", "Quantizer", variables={"scales": f32(2, 4, 1)}, **frame).program()
    result = Session(program).run(np.array([0.25, 0.125, 1e300]).reshape(1, 1, 1, 3))
    assert result.integers["y"].ravel().tolist() == [1, 1, 255]
    counters = result.counters
    assert (counters["input_clipped"], counters["saturations"]["q"]["output"]) == (0, 1)


def test_pixels_behind_a_quantizer_layer() -> None:
    frame = {"input_width": 2, "input_height": 2, "input_channels": 1, "output_signed": False}
    build = Build().add("q", "Quantizer", variables={"scales": f32(10), "zero_points": u8(1)}, **frame)
    weights = {"weights": np.ones((3, 3, 1, 1), np.int8), "padding_value": u8(1)}
    size = {"input_x": 2, "input_y": 2, "input_channels": 1}
    program = build.add(
        "y", "InputConv2D", "q", variables=weights, filters=1, kernel_size=3, output_bits=28, **size
    ).program()
    result = Session(program).run(np.array([[0.1, 0.2], [0.3, 0.4]]).reshape(1, 2, 2, 1))
    assert result.integers["y"].ravel().tolist() == [1 + 2 + 3 + 4 + 4 + 5] * 4  # five cells of padding hold 1 each


# --- sessions of either kind ---


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        (np.zeros((1, C, T, X, Y + 1)), "R005"),
        (np.zeros((C, T, X, Y)), "R005"),
        ({"x": np.zeros((1, C, T, X, Y))}, "R004"),
        (np.full((1, C, T, X, Y), "a"), "R006"),
        (np.full((1, C, T, X, Y), np.nan), "R007"),
    ],
)
def test_wrong_inputs_are_named(inputs: Any, code: str) -> None:
    with pytest.raises(NmcError) as caught:
        Session(video()).run(inputs)
    assert [d.code for d in caught.value.diagnostics] == [f"NMC-{code}"]


def test_wrong_frames_are_named() -> None:
    with pytest.raises(NmcError, match="NMC-R005") as caught:
        Session(video()).step(np.zeros((1, C, T, X, Y)))
    assert "(samples, 2, 4, 3)" in str(caught.value)


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(NmcError, match="NMC-R009"):
        Session(video(), engine="warp")


def test_the_class_of_the_session_follows_the_program() -> None:
    assert isinstance(Session(video(), "reference"), AkidaSession)


def test_result_files_hold_edges_and_traces(tmp_path: Path) -> None:
    result = Session(video(0, Timing(2, 1, T, 2, (0, 4)))).run(clips_of(0, 2), trace=True)
    write_result(tmp_path / "Y.npz", result)
    with np.load(tmp_path / "Y.npz", allow_pickle=False) as file:
        traces = {f"trace/{name}" for name in ("in", "t", "s", "sum", "d", "cat", "fc")}
        assert set(file.files) == {"counters", "scores", "scores.int", "scores.edge", *traces}
        assert file["scores.edge"].tolist() == [True, False, False, False, True]
        assert json.loads(str(file["counters"])) == result.counters
