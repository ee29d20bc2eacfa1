"""Akida programs as the vendor's JSON: the layout, the way back, files of other tools, host files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_akida_program import assert_same
from test_akida_reference import Build, f32, i8, u8
from test_akida_session import CLIP, network, random_variables, video

from nmc.backends.akida.export import host_path, read_json, write_json
from nmc.runtime import Session
from nmc.runtime.program import AkidaProgram, Exit, GraphOutput, NmcError, Timing, digest
from nmc.runtime.program.akida_kinds import FLAGS, PARAMETERS, WORDS

ROOT = Path(__file__).parent.parent
LAYERS, HOST = "net.akida.json", "net.akida.host.json"
NOTED = replace(
    video(),
    layers=(replace(video().layers[0], origin=("model.clip", "ü")), *video().layers[1:]),
    provenance={"model": "net.onnx", "options": {"bits": 8}},
)


def all_kinds() -> AkidaProgram:
    """Every kind of layer, every word of a parameter, every variable, in two branches that meet at the end."""
    rng = np.random.default_rng(5)
    table = {
        "activation_scales": u8(3, 1),
        "activation_shift": i8(-2, 1),
        "lut_values": rng.integers(-8192, 8192, 2048).astype(np.int32),
    }

    def some(shape: tuple[int, ...], f: int, c: int) -> dict[str, Any]:
        return random_variables(rng, shape, f, c)

    pixels = some((3, 3, 3, 2), 2, 3)
    pixels["padding_value"] = pixels.pop("input_shift")
    size = {"input_x": 6, "input_y": 8, "input_channels": 3}
    frame = {"input_width": 3, "input_height": 4, "input_channels": 2}
    pool = {"pool_type": "max", "pool_size": 2, "pool_stride": 1}
    steps = {"kernel_size": 3, "kernel_stride": 2, "padding": "sameupper"}
    return (
        Build()
        .add("pixels", "InputConv2D", variables=pixels, filters=2, **steps, activation="relu", **size)
        .add("q", "Quantizer", variables={"scales": f32(0.1, 3)}, **frame, channels_first=True)
        .data("small", (3, 4, 2), input_bits=5)
        .add("c", "Conv2D", "pixels", variables=some((3, 3, 2, 2), 2, 2), filters=2, kernel_size=3, **pool)
        .add(
            "table",
            "Conv2D",
            "small",
            variables=some((1, 1, 2, 2), 2, 2) | table,
            filters=2,
            kernel_size=1,
            activation="lut",
        )
        .add("dw", "DepthwiseConv2D", "c", variables=some((3, 3, 2, 1), 2, 2), kernel_size=3)
        .add("sum", "Add", "q", "table", variables={"a_shift": u8(1, 0)}, buffer_bits=32)
        .add("t", "BufferTempConv", "sum", variables=some((1, 1, 4, 2), 2, 2), filters=2, fifo_size=2)
        .add("dt", "DepthwiseBufferTempConv", "dw", variables=some((1, 1, 3, 2), 2, 2), fifo_size=3)
        .add("cat", "Concatenate", "t", "dt")
        .add("up", "Conv2DTranspose", "cat", variables=some((3, 3, 4, 2), 2, 4), filters=2, kernel_size=3)
        .add("dup", "DepthwiseConv2DTranspose", "up", variables=some((4, 4, 2, 1), 2, 2), kernel_size=4)
        .add(
            "mean",
            "Conv2D",
            "dup",
            variables=some((2, 2, 2, 2), 2, 2),
            filters=2,
            kernel_size=2,
            padding="valid",
            pool_type="avg",
        )
        .add("fc", "Dense1D", "mean", variables=some((2, 3), 3, 2), units=3, output_bits=28)
        .add("y", "Dequantizer", "fc", variables={"scales": f32(0.1, 1e-30, 3)})
        .program()
    )


def problems_of(action: Callable[[], object], code: Exit = Exit.BAD_FILE) -> list[str]:
    """Each problem as `F021 layers/1/inbounds: …`."""
    with pytest.raises(NmcError) as caught:
        action()
    assert caught.value.exit_code == code
    return [f"{d.code.removeprefix('NMC-')} {d.what}" for d in caught.value.diagnostics]


def document(program: AkidaProgram, folder: Path) -> dict[str, Any]:
    """The JSON of a program, parsed; the host file is removed."""
    layers, host = write_json(program, folder / LAYERS)
    host.unlink()
    return json.loads(layers.read_text())


def read_document(data: Any, folder: Path, frames: int | None = None) -> AkidaProgram:
    (folder / LAYERS).write_text(json.dumps(data))
    return read_json(folder / LAYERS, frames)


def at(*path: Any, to: Any) -> Callable[[Any], object]:
    """An edit: the item under `path` becomes `to`."""

    def edit(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = to

    return edit


# --- there and back ---


@pytest.mark.parametrize("program", [all_kinds(), NOTED], ids=["all kinds", "video"])
def test_round_trip(tmp_path: Path, program: AkidaProgram) -> None:
    assert write_json(program, tmp_path / LAYERS) == (tmp_path / LAYERS, tmp_path / HOST)
    back = read_json(tmp_path / LAYERS)
    assert_same(back, program)
    assert digest(back) == digest(program)


def test_all_kinds_are_in_the_test() -> None:
    layers = all_kinds().layers
    assert {layer.kind for layer in layers} == PARAMETERS.keys()
    for name, words in WORDS.items():
        assert {layer.parameters[name] for layer in layers if name in layer.parameters} == set(words)


@given(st.integers(0, 10**6), st.text(max_size=5), st.floats(5e-324, 1e308), st.integers(-(2**31), 2**31))
@settings(max_examples=20, deadline=None)
def test_random_networks(
    tmp_path_factory: pytest.TempPathFactory, seed: int, name: str, scale: float, zero: int
) -> None:
    path = tmp_path_factory.getbasetemp() / LAYERS
    program = network(seed).program(
        GraphOutput(name, "y", (4, 5), "CWH", Timing(1, 1, 5, 2, (0, 3))),
        inputs=(replace(CLIP, name=name, scale=scale, zero_point=zero),),
    )
    write_json(program, path)
    assert digest(read_json(path)) == digest(program)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=4, max_size=4))
@settings(max_examples=50)
def test_floats_come_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, scales: list[float]) -> None:
    path = tmp_path_factory.getbasetemp() / LAYERS
    layers = video().layers
    program = replace(video(), layers=(*layers[:-1], replace(layers[-1], variables={"scales": f32(*scales)})))
    write_json(program, path)
    assert read_json(path).layers[-1].variables["scales"].tobytes() == f32(*scales).tobytes()


def test_the_host_file_lies_beside() -> None:
    assert host_path("a/net.akida.json") == Path("a/net.akida.host.json")
    assert host_path("net") == Path("net.host.json")


def test_equal_programs_are_equal_bytes_whatever_the_order_of_their_dicts(tmp_path: Path) -> None:
    turned = tuple(
        replace(
            layer,
            parameters=dict(reversed(layer.parameters.items())),
            variables={name: np.asfortranarray(a) for name, a in reversed(layer.variables.items())},
        )
        for layer in NOTED.layers
    )
    one = write_json(NOTED, tmp_path / LAYERS)
    other = write_json(replace(NOTED, layers=turned), tmp_path / "turned.json")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_nothing_is_written_for_an_inconsistent_program_or_version(tmp_path: Path) -> None:
    assert problems_of(lambda: write_json(replace(NOTED, outputs=()), tmp_path / LAYERS))[0].startswith("F013")
    for version in ("2.19", "v2.19.0", "", '2.19.0", "', "2.19.0\n"):
        wrong = problems_of(lambda version=version: write_json(NOTED, tmp_path / LAYERS, version), Exit.USAGE)
        assert wrong[0].startswith("X004")
    assert list(tmp_path.iterdir()) == []


def test_a_host_file_that_cannot_be_written_leaves_the_old_pair(tmp_path: Path) -> None:
    (tmp_path / LAYERS).write_bytes(b"old")
    (tmp_path / HOST).mkdir()
    assert problems_of(lambda: write_json(NOTED, tmp_path / LAYERS))[0].startswith("F014")
    assert (tmp_path / LAYERS).read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [HOST, LAYERS]


# --- the layout ---

DTYPES = {
    **dict.fromkeys(("weights", "bias", "activation_shift", "output_shift"), "int8"),
    **dict.fromkeys(("bias_shift", "input_shift", "padding_value", "max_value", "max_value_shift"), "uint8"),
    **dict.fromkeys(("activation_scales", "output_scales", "a_shift", "b_shift", "zero_points"), "uint8"),
    "lut_values": "int32",
    "scales": "float32",
}


def test_the_layout(tmp_path: Path) -> None:
    program = all_kinds()
    data = document(program, tmp_path)
    assert list(data) == ["Akida version", "IP version", "layers", "learning"]
    assert (data["Akida version"], data["IP version"], data["learning"]) == ("2.19.0", "v2", None)
    assert [entry["name"] for entry in data["layers"]] == [layer.name for layer in program.layers]
    for entry, layer in zip(data["layers"], program.layers, strict=True):
        assert list(entry) == ["name", "inbounds", "parameters", "variables"]
        assert entry["inbounds"] == list(layer.inbounds)
        assert entry["parameters"].keys() == {"layer_type", *PARAMETERS[layer.kind]}
        assert entry["parameters"].pop("layer_type") == layer.kind
        assert {type(value) for value in entry["parameters"].values()} <= {int}
        assert entry["variables"].keys() == layer.variables.keys()
        for name, variable in entry["variables"].items():
            array = layer.variables[name]
            assert list(variable) == ["shape", "dtype", "bitwidth", "data"]
            assert variable["dtype"] == DTYPES[name]
            assert variable["bitwidth"] == (8 if DTYPES[name].endswith("int8") else 32)
            assert variable["shape"] == list(array.shape)
            np.testing.assert_array_equal(np.array(variable["data"], array.dtype), array, strict=True)
    assert {name for entry in data["layers"] for name in entry["variables"]} == DTYPES.keys()


def test_words_are_counted_and_flags_are_numbers(tmp_path: Path) -> None:
    by_name = {entry["name"]: entry["parameters"] for entry in document(all_kinds(), tmp_path)["layers"]}
    assert [by_name[name]["padding"] for name in ("mean", "c", "pixels")] == [0, 1, 2]
    assert [by_name[name]["pool_type"] for name in ("pixels", "c", "mean")] == [0, 1, 2]
    assert [by_name[name]["activation"] for name in ("c", "pixels", "table")] == [0, 1, 2]
    assert by_name["q"]["channels_first"] == by_name["q"]["output_signed"] == by_name["small"]["input_signed"] == 1


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "akida_json.md").read_text()
    example = json.loads(page.split("```json\n")[1].split("```")[0])
    program = read_document(example, tmp_path)
    assert document(program, tmp_path) == example
    frame = np.array([1, 2, 4, 7]).reshape(1, 2, 2, 1)
    assert Session(program).run(frame).integers["mean"].item() == 4  # 3.5, rounded up


def test_the_version_of_the_tools_is_an_option(tmp_path: Path) -> None:
    write_json(NOTED, tmp_path / LAYERS, "3.0.12")
    assert json.loads((tmp_path / LAYERS).read_text())["Akida version"] == "3.0.12"
    assert digest(read_json(tmp_path / LAYERS)) == digest(NOTED)


# --- files of other tools ---


def variable(dtype: str, data: Any) -> dict[str, Any]:
    return {"dtype": dtype, "bitwidth": 32 if "32" in dtype else 8, "data": data}


def example() -> dict[str, Any]:
    """A file as another tool may write it: pixels, a temporal layer, floats; many variables left out."""
    rng = np.random.default_rng(2)
    tail = {"activation": 1, "output_bits": 8, "post_op_buffer_bits": 32, "weights_bits": 8}
    window = {"kernel_size": 3, "kernel_stride": 2, "padding": 1, "pool_type": 0, "pool_size": -1, "pool_stride": -1}
    image = {"layer_type": "InputConv2D", "input_x": 8, "input_y": 8, "input_channels": 3, "filters": 2}
    stem = {
        "weights": variable("int8", rng.integers(-99, 99, (3, 3, 3, 2)).tolist()),
        "output_scales": variable("uint8", [131, 200]),
        "output_shift": variable("int8", [-14, -14]),
    }
    temporal = {"layer_type": "BufferTempConv", "filters": 5, "fifo_size": 3, "buffer_bits": 32, **tail}
    return {
        "Akida version": "2.19.0",
        "learning": None,
        "layers": [
            {
                "name": "in",
                "inbounds": [],
                "parameters": {**image, **window, "buffer_bits": 28, **tail},
                "variables": stem,
            },
            {
                "name": "bt",
                "inbounds": ["in"],
                "parameters": temporal,
                "variables": {
                    "weights": variable("int8", rng.integers(-3, 3, (1, 1, 6, 5)).tolist()),
                },
            },
            {
                "name": "dq",
                "inbounds": ["bt"],
                "parameters": {"layer_type": "Dequantizer"},
                "variables": {"scales": variable("float32", [0.01, 0.01, 0.02, 1, 1e-3])},
            },
        ],
    }


def test_a_file_of_another_tool_is_a_program_that_runs(tmp_path: Path) -> None:
    program = read_document(example(), tmp_path)
    stem, temporal, last = program.layers
    assert stem.parameters["padding"] == "same" and temporal.parameters["activation"] == "relu"
    assert stem.variables["max_value"].tolist() == [127, 127] and stem.variables["max_value_shift"].tolist() == [31, 31]
    assert temporal.variables["output_scales"].tolist() == [1] * 5
    assert "input_shift" not in stem.variables and temporal.variables["input_shift"].tolist() == [0, 0]
    np.testing.assert_array_equal(last.variables["scales"], f32(0.01, 0.01, 0.02, 1, 1e-3), strict=True)
    assert (program.inputs[0].name, program.inputs[0].shape, program.inputs[0].axis) == ("in", (8, 8, 3), -1)
    assert (program.inputs[0].bits, program.inputs[0].signed) == (8, False)
    assert [(o.name, o.shape) for o in program.outputs] == [("dq", (4, 4, 5))]
    assert program.provenance["source"]["akida_version"] == "2.19.0"
    result = Session(program).run(np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)))
    assert result.outputs["dq"].shape == (2, 4, 4, 5)
    assert len(np.unique(result.integers["dq"])) > 5


def test_frames_make_clips_that_keep_state(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 8, 3))
    whole = Session(read_document(example(), tmp_path, 6)).run(clips)
    live = Session(read_document(example(), tmp_path))
    for j in range(6):
        np.testing.assert_array_equal(live.step(clips[:, j])["dq"], whole.outputs["dq"][:, j])
    alone = live.run(clips[:, 5])
    assert not np.array_equal(alone.outputs["dq"], whole.outputs["dq"][:, 5])


@pytest.mark.parametrize("frames", [0, -1, 2**31])
def test_frames_out_of_range(tmp_path: Path, frames: int) -> None:
    assert problems_of(lambda: read_document(example(), tmp_path, frames), Exit.USAGE)[0].startswith("X004")


def test_frames_are_the_host_files_business(tmp_path: Path) -> None:
    write_json(NOTED, tmp_path / LAYERS)
    assert problems_of(lambda: read_json(tmp_path / LAYERS, 3), Exit.USAGE)[0].startswith("X004")


def test_what_may_be_left_out(tmp_path: Path) -> None:
    """Shapes, dtypes, widths, defaults, versions; names of the layer before."""
    program = all_kinds()
    data = document(program, tmp_path)
    expected = read_document(data, tmp_path)
    del data["Akida version"], data["IP version"], data["learning"]
    for i, entry in enumerate(data["layers"]):
        if i and entry["inbounds"] == [data["layers"][i - 1]["name"]]:
            entry["inbounds"] = []
        for name, part in list(entry["variables"].items()):
            values = np.unique(part["data"]).tolist()
            for key in ("shape", "dtype", "bitwidth"):
                del part[key]
            if values == [{"max_value": 127, "max_value_shift": 31}.get(name, 0)] and name != "output_scales":
                del entry["variables"][name]
    assert sum(entry["inbounds"] == [] for entry in data["layers"]) > 7
    again = read_document(data, tmp_path)
    assert_same(replace(again, provenance={}), replace(expected, provenance={}))
    assert_same(replace(again, provenance={}, inputs=(), outputs=()), replace(program, inputs=(), outputs=()))


def test_flags_may_be_true_and_shapes_may_stand_with_the_layer(tmp_path: Path) -> None:
    data = document(all_kinds(), tmp_path)
    expected = read_document(data, tmp_path)
    for entry in data["layers"]:
        entry |= {"input_shape": [1, 2, 3], "output_shape": [1, 2, 3]}
        for name in FLAGS:
            if name in entry["parameters"]:
                entry["parameters"][name] = bool(entry["parameters"][name])
    assert_same(replace(read_document(data, tmp_path), provenance={}), replace(expected, provenance={}))


def test_pixels_behind_a_quantizer_read_it_or_are_fed(tmp_path: Path) -> None:
    """An empty list means the layer before in a file of the vendor's tools, no layer in one with a host file."""
    size = {"input_x": 2, "input_y": 2, "input_channels": 3, "filters": 1, "kernel_size": 1}
    frame = {"input_width": 2, "input_height": 2, "input_channels": 3, "output_signed": False}
    weights = {"weights": np.ones((1, 1, 3, 1), np.int8)}
    build = Build().add("q", "Quantizer", **frame).add("y", "InputConv2D", variables=weights, **size)
    fed = build.program(GraphOutput("y", "y", (2, 2, 1), "HWC"))
    write_json(fed, tmp_path / LAYERS)
    assert digest(read_json(tmp_path / LAYERS)) == digest(fed)
    (tmp_path / HOST).unlink()
    assert read_json(tmp_path / LAYERS).layers[1].inbounds == ("q",)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_wider_integers_that_hold_the_values(tmp_path: Path, dtype: str) -> None:
    data = example()
    data["layers"][0]["variables"]["output_scales"] |= {"dtype": dtype, "data": [100, 127], "bitwidth": 8}
    array = read_document(data, tmp_path).layers[0].variables["output_scales"]
    assert (array.dtype, array.tolist()) == (np.uint8, [100, 127])


# --- host files ---


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (at("format", to=2), "format version 2"),
        (at("format", to=True), "format version True"),
        (lambda d: d.pop("format"), "format version None"),
        (at("layers_sha256", to="0" * 64), "belongs to other layers"),
        (at("inputs", to={}), "inputs must be a list"),
        (at("inputs", 0, "scale", to="1"), "inputs/0/scale must be a number"),
        (at("inputs", 0, "scale", to=-1.0), "inputs/0/scale: must be finite and above 0"),
        (at("inputs", 0, "layer", to="t"), "inputs/0/layer: 't' takes no input"),
        (at("inputs", to=[]), "inputs: layer 'in' must be fed by one input"),
        (at("outputs", 0, "timing", "offset", to=-1), "outputs/0/timing: no such frames"),
        (at("layers", 0, "name", to="i"), "its layers are not those"),
        (lambda d: d["layers"].pop(), "its layers are not those"),
        (at("layers", 0, "origin", to="in"), "layers/0/origin must be a list"),
        (at("extra", to=1), "has keys"),
    ],
)
def test_host_files_that_do_not_fit(tmp_path: Path, edit: Callable[[Any], object], why: str) -> None:
    _, host = write_json(NOTED, tmp_path / LAYERS)
    data = json.loads(host.read_text())
    edit(data)
    host.write_text(json.dumps(data))
    with pytest.raises(NmcError) as caught:
        read_json(tmp_path / LAYERS)
    assert {d.code for d in caught.value.diagnostics} == {"NMC-F022"}
    assert caught.value.exit_code == Exit.BAD_FILE
    assert why in str(caught.value) and str(host) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": NaN}', b"[" * 5000, b"\xff"])
def test_host_files_that_are_no_json(tmp_path: Path, content: bytes) -> None:
    _, host = write_json(NOTED, tmp_path / LAYERS)
    host.write_bytes(content)
    assert problems_of(lambda: read_json(tmp_path / LAYERS))[0].startswith("F022")


def test_changed_layers_do_not_pass_with_a_stale_host_file(tmp_path: Path) -> None:
    layers, host = write_json(NOTED, tmp_path / LAYERS)
    layers.write_bytes(layers.read_bytes() + b" ")
    (problem,) = problems_of(lambda: read_json(layers))
    assert problem == "F022 the host file belongs to other layers"
    host.unlink()
    assert_same(
        replace(read_json(layers), inputs=(), outputs=(), provenance={}),
        replace(video(), inputs=(), outputs=(), provenance={}),
    )
