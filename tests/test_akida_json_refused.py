"""JSON files of Akida programs that are damaged or hold what nmc does not know: each problem is named, or none is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_akida_json import LAYERS, NOTED, at, example, problems_of, read_document, variable

from nmc.backends.akida.export import read_json, write_json
from nmc.runtime.program import AkidaProgram, Exit, NmcError, digest
from nmc.runtime.program.akida_check import validate

# --- what is refused ---


def scales(**changes: Any) -> Callable[[Any], object]:
    return lambda data: data["layers"][0]["variables"]["output_scales"].update(changes)


STEM, TEMPORAL, LAST = (("layers", i) for i in range(3))
STEM_PATH = "layers/0/variables/output_scales"


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (at("layers", to=[]), "layers: there must be one at least"),
        (at("extra", to=1), "the file: has unknown keys: 'extra'"),
        (at("Akida version", to=2), "Akida version: must be text, not 2"),
        (at("IP version", to="v1"), "IP version: must be 'v2', not 'v1'"),
        (at("learning", to={"num_weights": 3}), "learning: must be null"),
        (at(*STEM, to=3), "layers/0: must be an object, not 3"),
        (at(*STEM, "colour", to="red"), "layers/0: has unknown keys: 'colour'"),
        (at(*STEM, "name", to=None), "layers/0/name: must be text, not None"),
        (at(*TEMPORAL, "name", to="in"), "layers: names must differ"),
        (at(*STEM, "parameters", to=[]), "layers/0/parameters: must be an object, not []"),
        (at(*STEM, "parameters", "layer_type", to="Conv3D"), "layers/0/parameters/layer_type: must be one of"),
        (at(*STEM, "parameters", "layer_type", to=[1]), "layers/0/parameters/layer_type: must be one of"),
        (lambda d: d["layers"][0]["parameters"].pop("filters"), "layers/0/parameters: InputConv2D needs filters"),
        (
            lambda d: d["layers"][0]["parameters"].update(b=1, a=1),
            "layers/0/parameters: has unknown keys: 'a', 'b'",
        ),
        (at(*STEM, "parameters", "padding", to=3), "layers/0/parameters/padding: must be one of 0 (valid), 1 (same)"),
        (at(*STEM, "parameters", "padding", to=-1), "layers/0/parameters/padding: must be one of"),
        (at(*STEM, "parameters", "padding", to="same"), "layers/0/parameters/padding: must be an integer"),
        (at(*STEM, "parameters", "activation", to=True), "layers/0/parameters/activation: must be an integer"),
        (at(*STEM, "parameters", "filters", to=2.0), "layers/0/parameters/filters: must be an integer"),
        (at(*STEM, "parameters", "filters", to=0), "layers/0/parameters/filters: must be 1 to 65536"),
        (at(*STEM, "parameters", "filters", to=10**400), "layers/0/parameters/filters: must be 1 to 65536"),
        (at(*STEM, "parameters", "filters", to=3), "layers/0/variables/weights: must be int8 (3, 3, 3, 3), not int8"),
        (at(*STEM, "parameters", "weights_bits", to=4), "layers/0/variables/weights: "),
        (at(*STEM, "parameters", "pool_type", to=1), "layers/0/parameters: max pooling needs a pool_size"),
        (at(*TEMPORAL, "inbounds", to="in"), "layers/1/inbounds: must be a list of names, not 'in'"),
        (at(*TEMPORAL, "inbounds", to=[1]), "layers/1/inbounds: must be a list of names"),
        (at(*TEMPORAL, "inbounds", to=["dq"]), "layers/1/inbounds: no earlier layer is called ['dq']"),
        (at(*STEM, "variables", to=[]), "layers/0/variables: must be an object"),
        (at(*STEM, "variables", to={}), "layers/0/variables/weights: must be int8 (3, 3, 3, 2), not nothing"),
        (
            at(*STEM, "variables", "x", to=variable("int8", [1])),
            "layers/0/variables: InputConv2D has no x",
        ),
        (at(*STEM, "variables", "output_scales", to=[1, 2]), f"{STEM_PATH}: must be an object"),
        (lambda d: d["layers"][0]["variables"]["output_scales"].pop("data"), f"{STEM_PATH}: has no data"),
        (scales(unit=1, sign=0), f"{STEM_PATH}: has unknown keys: 'sign', 'unit'"),
        (scales(data=3), f"{STEM_PATH}: data must be a list"),
        (scales(data=[]), f"{STEM_PATH}: must be uint8 (2,), not uint8 (0,)"),
        (scales(data=[1, 2, 3]), f"{STEM_PATH}: must be uint8 (2,), not uint8 (3,)"),
        (scales(data=[[1], [2]]), f"{STEM_PATH}: must be uint8 (2,), not uint8 (2, 1)"),
        (scales(data=[[1], [2, 3]]), f"{STEM_PATH}: data is ragged"),
        (scales(data=[[1], 2]), f"{STEM_PATH}: data is ragged"),
        (scales(data=[[], []]), f"{STEM_PATH}: must be uint8 (2,), not uint8 (2, 0)"),
        (scales(data=[1, "2"]), f"{STEM_PATH}: must hold numbers only"),
        (scales(data=[1, None]), f"{STEM_PATH}: must hold numbers only"),
        (scales(data=[1, True]), f"{STEM_PATH}: must hold numbers only"),
        (scales(data=[1, 2.0]), f"{STEM_PATH}: must hold integers"),
        (scales(data=[1, 256]), f"{STEM_PATH}: holds 1 to 256, which uint8 does not"),
        (scales(data=[1, 256], dtype="int32"), f"{STEM_PATH}: holds 1 to 256, which uint8 does not"),
        (scales(data=[-1, 1], dtype="int64"), f"{STEM_PATH}: holds -1 to 1, which uint8 does not"),
        (scales(data=[1, 10**300], dtype="int64"), f"{STEM_PATH}: holds 1 to 1000"),
        (scales(dtype="float32"), f"{STEM_PATH}: must hold integers"),
        (scales(dtype="object"), f"{STEM_PATH}: has the dtype 'object'"),
        (scales(dtype=["int8"]), f"{STEM_PATH}: has the dtype ['int8']"),
        (scales(shape=[1]), f"{STEM_PATH}: has the shape [2], not [1]"),
        (scales(shape=2), f"{STEM_PATH}: has the shape [2], not 2"),
        (scales(bitwidth=9), f"{STEM_PATH}: has the bitwidth 9, uint8 has 8"),
        (scales(bitwidth=0), f"{STEM_PATH}: has the bitwidth 0"),
        (scales(bitwidth="8"), f"{STEM_PATH}: has the bitwidth '8'"),
        (at(*LAST, "variables", "scales", "data", to=[1e39] * 5), "layers/2/variables/scales: exceeds float32"),
        (at(*LAST, "variables", "scales", "data", to=[10**310] * 5), "layers/2/variables/scales: must be finite"),
        (
            at(*LAST, "variables", "scales", to=variable("int32", [2**24 + 1] * 5)),
            "layers/2/variables/scales: holds integers that float32 does not",
        ),
        (at(*LAST, "parameters", to={"layer_type": "Add"}), "layers/2/parameters: Add needs output_bits"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, edit: Callable[[Any], object], problem: str) -> None:
    data = example()
    edit(data)
    found = problems_of(lambda: read_document(data, tmp_path))
    assert any(text.startswith(f"F021 {problem}") for text in found), found
    assert all(text.startswith("F021 ") for text in found)


@pytest.mark.parametrize(
    ("number", "code"), [("NaN", "F020"), ("Infinity", "F020"), ("1e400", "F021"), ("-1e999", "F021")]
)
def test_numbers_that_are_not_finite(tmp_path: Path, number: str, code: str) -> None:
    (tmp_path / LAYERS).write_text(json.dumps(example()).replace("0.02", number))
    assert problems_of(lambda: read_json(tmp_path / LAYERS))[0].startswith(code)


def test_all_problems_of_all_layers_are_told_at_once(tmp_path: Path) -> None:
    data = example()
    data["learning"] = 1
    data["layers"][0]["parameters"]["padding"] = 9
    data["layers"][1]["variables"]["weights"]["data"] = "AAAA"
    data["layers"][2]["variables"]["scales"]["dtype"] = "int4"
    found = " ".join(problems_of(lambda: read_document(data, tmp_path)))
    for where in ("learning", "layers/0/parameters/padding", "layers/1/variables/weights", "layers/2/variables/scales"):
        assert where in found
    with pytest.raises(NmcError) as caught:
        read_json(tmp_path / LAYERS)
    assert {d.where for d in caught.value.diagnostics} == {str(tmp_path / LAYERS)}
    fits = example()
    fits["layers"][0]["variables"]["bias"] = variable("int32", [1, 300])
    fits["layers"][1]["parameters"]["fifo_size"] = 2
    assert [text.partition(": ")[0] for text in problems_of(lambda: read_document(fits, tmp_path))] == [
        "F021 layers/0/variables/bias",
        "F021 layers/1/variables/weights",
    ]


def test_a_small_file_does_not_ask_for_much_memory(tmp_path: Path) -> None:
    frame = {"input_width": 65536, "input_height": 65536, "input_channels": 65536, "input_bits": 8, "input_signed": 1}
    tail = {"activation": 0, "output_bits": 8, "buffer_bits": 28, "post_op_buffer_bits": 32, "weights_bits": 8}
    layers = [
        {"name": "in", "parameters": {"layer_type": "InputData", **frame}},
        {"name": "fc", "parameters": {"layer_type": "Dense1D", "units": 1, **tail}},
    ]
    found = problems_of(lambda: read_document({"layers": layers}, tmp_path))
    assert found[0].startswith("F021 layers/1/variables: the file leaves out 281,474,976,710,660 values")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"{",
        b"[]",
        b"null",
        b'{"layers": {}}',
        b'{"layers": [], "layers": []}',
        b"\xff\xfe\x00",
        b"\x80abc",
        b"PK\x03\x04",
        b'{"layers": [' + b"9" * 9999 + b"]}",
        b'{"layers": ' + b"[" * 100_000,
        b'{"layers": ' + b"[" * 300 + b"]" * 300 + b"}",
        json.dumps(example()).encode()[:-20],
    ],
)
def test_what_is_no_akida_json_at_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LAYERS).write_bytes(content)
    (problem,) = problems_of(lambda: read_json(tmp_path / LAYERS))
    assert problem.startswith("F020")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert problems_of(lambda: read_json(tmp_path / "none.json"))[0].startswith("F001")
    assert problems_of(lambda: read_json(tmp_path))[0].startswith("F002")
    assert problems_of(lambda: read_json("a\0b"))[0].startswith("F002")


# --- damage at random ---

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, 2, 3, -1, 65536, 10**300]),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["in", "bt", "Conv2D", "Add", "Quantizer", "int16", "float32", "data"]),
    st.lists(st.integers(-9, 9), max_size=3),
    st.just({}),
)


def places(data: Any) -> list[tuple[Any, Any]]:
    """Every container of parsed JSON that is not empty, with the keys or indices it has."""
    keys = list(data) if isinstance(data, dict) else list(range(len(data))) if isinstance(data, list) else []
    below = [place for key in keys for place in places(data[key])]
    return [(data, keys), *below] if keys else below


def spot(data: Any, draw: Any) -> tuple[Any, Any]:
    """A container and a key in it: as often an object as any container, most of which are lists of numbers."""
    all_places = places(data)
    outer = [place for place in all_places if isinstance(place[0], dict)]
    container, keys = draw(st.sampled_from(draw(st.sampled_from([all_places, outer or all_places]))))
    return container, draw(st.sampled_from(keys))


def damage(data: Any, draw: Any) -> None:
    """A value replaced, an entry removed, a key renamed, or an entry copied to another place."""
    container, key = spot(data, draw)
    what = draw(st.sampled_from(["replace", "remove", "rename", "copy"]))
    if what == "replace":
        container[key] = draw(JUNK)
    elif what == "copy":
        other, from_key = spot(data, draw)
        container[key] = copy.deepcopy(other[from_key])
    else:
        value = container.pop(key)
        if what == "rename" and isinstance(container, dict):
            container[draw(st.text(max_size=3))] = value


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_refused_or_valid_programs(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = example()
    for _ in range(data.draw(st.integers(1, 3))):
        if places(content):
            damage(content, data.draw)
    try:
        program = read_document(content, folder)
    except NmcError as error:
        assert error.exit_code == Exit.BAD_FILE
        assert {d.code for d in error.diagnostics} <= {"NMC-F020", "NMC-F021"}
    else:
        assert_valid(program)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_damaged_host_files_are_refused_or_valid_programs(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    layers, host = write_json(NOTED, tmp_path_factory.mktemp("host") / LAYERS)
    content = json.loads(host.read_text())
    damage(content, data.draw)
    host.write_text(json.dumps(content))
    try:
        program = read_json(layers)
    except NmcError as error:
        assert {d.code for d in error.diagnostics} == {"NMC-F022"}
    else:
        assert_valid(program)


def assert_valid(program: AkidaProgram) -> None:
    validate(program)
    assert len(digest(program)) == 64


@given(st.integers(0, 2000), st.integers(0, 7))
@settings(max_examples=100, deadline=None)
def test_flipped_bits(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
    text = bytearray(json.dumps(example()).encode())
    text[position % len(text)] ^= 1 << bit
    path = tmp_path_factory.mktemp("flipped") / LAYERS
    path.write_bytes(text)
    try:
        assert_valid(read_json(path))
    except NmcError as error:
        assert error.exit_code == Exit.BAD_FILE
