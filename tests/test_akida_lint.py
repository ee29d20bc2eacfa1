"""The Akida linter: every published limit is noticed where it is exceeded, by the user's names, and nothing else is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from test_akida_reference import Build
from test_akida_session import image_program, network, video

from nmc.backends.akida.devices import DEVICES, LIMITS, Span, find_device, not_checked
from nmc.backends.akida.lint import diagnostics, limits_table, lint
from nmc.runtime.program import AkidaProgram, Exit, NmcError
from nmc.runtime.program.akida_kinds import NEURAL, PARAMETERS
from nmc.runtime.program.akida_shapes import ShapeError, variables

PAGE = Path(__file__).parent.parent / "docs" / "akida_devices.md"
IMAGE = {"input_x": 32, "input_y": 32, "input_channels": 3}
QUANTIZER = dict(zip(("input_width", "input_height", "input_channels"), (4, 4, 2), strict=True))


class Net(Build):
    """Layers with zeros for the variables that have no default."""

    def add(self, name: str, kind: str, *inbounds: str, variables: Any = (), **given: Any) -> Net:
        super().add(name, kind, *inbounds, variables=variables, **given)
        layer, reads = self.layers[-1], [self.signals[source] for source in inbounds]
        self.layers[-1] = replace(layer, variables=zeros(layer, reads) | layer.variables)
        return self

    def data(self, name: str, shape: tuple[int, int, int], **given: Any) -> Net:
        super().data(name, shape, **given)
        return self


def zeros(layer: Any, reads: Any) -> dict[str, Any]:
    return {name: np.zeros(variable.shape, variable.dtype) for name, variable in variables(layer, reads).items()}


def after(shape: tuple[int, int, int], kind: str, bits: int = 8, **given: Any) -> AkidaProgram:
    """Frames of that shape in front of one layer, "y"."""
    net = Net().data("x", shape, input_bits=bits, input_signed=bits > 4)
    return net.add("y", kind, "x", **{"filters": 4} | given if "filters" in PARAMETERS[kind] else given).program()


def pixels(**given: Any) -> AkidaProgram:
    """One InputConv2D, "y", legal but for what is given."""
    return Net().add("y", "InputConv2D", **{**IMAGE, "filters": 4, "kernel_size": 3} | given).program()


def conv(shape: tuple[int, int, int] = (8, 8, 2), **given: Any) -> AkidaProgram:
    return after(shape, "Conv2D", **{"kernel_size": 3} | given)


def pool(size: int, stride: int) -> dict[str, Any]:
    return {"pool_type": "max", "pool_size": size, "pool_stride": stride}


def branches(count: int, **given: Any) -> Net:
    """An InputConv2D that `count` convolutions read."""
    net = Net().add("image", "InputConv2D", **IMAGE, filters=4, kernel_size=3)
    for i in range(count):
        net.add(f"b{i}", "Conv2D", "image", filters=4, kernel_size=1, **given)
    return net


def found(program: AkidaProgram, device: str = "akida2") -> list[tuple[str, ...]]:
    return [(v.layer, v.rule, v.got, v.limit) for v in lint(program, device)]


# --- what fits ---

EVERY_KIND = (
    Net()
    .add("image", "InputConv2D", **IMAGE, filters=8, kernel_size=7, kernel_stride=2, padding="sameupper")
    .add("stem", "Conv2D", "image", filters=8, kernel_size=3, kernel_stride=2, padding="sameupper")
    .add("left", "BufferTempConv", "stem", filters=8, fifo_size=10)
    .add("right", "DepthwiseBufferTempConv", "stem", fifo_size=2)
    .add("sum", "Add", "left", "right", buffer_bits=32)
    .add("dw", "DepthwiseConv2D", "sum", kernel_size=5, activation="lut")
    .add("up", "Conv2DTranspose", "sum", filters=8, kernel_size=4)
    .add("dwup", "DepthwiseConv2DTranspose", "dw", kernel_size=3)
    .add("both", "Concatenate", "up", "dwup")
    .add("pooled", "Conv2D", "both", filters=8, kernel_size=1, **pool(2, 2), activation="relu")
    .add("mean", "Conv2D", "pooled", filters=8, kernel_size=1, pool_type="avg", output_bits=4)
    .add("fc", "Dense1D", "mean", units=5, output_bits=28)
    .add("y", "Dequantizer", "fc")
)


def test_a_legal_program_of_every_kind_fits_every_device() -> None:
    program = EVERY_KIND.program()
    assert {layer.kind for layer in program.layers} == PARAMETERS.keys() - {"InputData", "Quantizer"}
    for device in DEVICES.values():
        if device.version == "v2":
            assert lint(program, device.name) == []


FITS = {
    "frames from the host": lambda: after((4096, 1, 1), "Conv2D", kernel_size=1),
    "all channels": lambda: after((1, 1, 2048), "BufferTempConv", filters=1, fifo_size=2),
    "a flattened frame": lambda: after((16, 16, 8), "Dense1D", units=2),
    "four bits": lambda: after((4, 4, 2), "Conv2D", bits=4, kernel_size=3, weights_bits=4, output_bits=4),
    "pixels behind a quantizer": lambda: (
        Net()
        .add("q", "Quantizer", input_width=5, input_height=5, input_channels=1, output_signed=False)
        .add("y", "InputConv2D", "q", input_x=5, input_y=5, input_channels=1, filters=1, kernel_size=3)
        .program()
    ),
    "codes behind a quantizer": lambda: (
        Net().add("q", "Quantizer", **QUANTIZER).add("y", "Conv2D", "q", filters=2, kernel_size=3).program()
    ),
    "a long image": lambda: pixels(input_x=1000, input_y=384),
    "a whole buffer at the end": lambda: pixels(output_bits=28),
    "overlapping pools of pixels": lambda: pixels(**pool(3, 2), padding="valid"),
    "a mean of 143 pixels": lambda: conv((13, 11, 1), pool_type="avg"),
    "a long mean": lambda: conv((64, 2, 1), pool_type="avg"),
    "a strided mean": lambda: conv((24, 22, 1), kernel_stride=2, pool_type="avg"),
    "two readers of a sum": lambda: (
        branches(1)
        .add("c", "Conv2D", "b0", filters=1, kernel_size=1)
        .add("d", "Conv2D", "b0", filters=1, kernel_size=1)
        .program()
    ),
}


@pytest.mark.parametrize("case", FITS)
def test_limits_include_their_ends(case: str) -> None:
    assert found(FITS[case]()) == []


# --- what does not ---

WINDOWS = "size 2, stride 1 or size 2, stride 2"
UPPER = "sameupper with kernel {} and stride 2, without max pooling"
CASES: dict[str, tuple[Any, list[tuple[str, str, str]]]] = {
    "narrow image": (lambda: pixels(input_x=4), [("input X", "4", "≥ 5")]),
    "wide image": (lambda: pixels(input_y=385), [("input Y", "385", "5 … 384")]),
    "flat image": (lambda: pixels(input_y=4), [("input Y", "4", "5 … 384")]),
    "kernel of pixels": (lambda: pixels(kernel_size=1), [("kernel", "1", "3, 4, 5, 7")]),
    "stride of pixels": (lambda: pixels(kernel_stride=4), [("stride", "4", "1, 2, 3 with kernel 3")]),
    "pool of pixels": (
        lambda: pixels(**pool(2, 1)),
        [("pooling", "max, size 2, stride 1", "size 2, stride 2 or size 3, stride 2")],
    ),
    "mean of pixels": (lambda: pixels(pool_type="avg"), [("pooling", "global average", "max pooling or none")]),
    "weights of pixels": (lambda: pixels(weights_bits=4), [("bits of weights", "4", "8")]),
    "bits of pixels": (lambda: pixels(output_bits=5), [("bits of output", "5", "4, 8")]),
    "long frame": (lambda: conv((4097, 1, 1)), [("input X", "4097", "≤ 4096")]),
    "broad frame": (lambda: conv((1, 4097, 1)), [("input Y", "4097", "≤ 4096")]),
    "deep frame": (lambda: conv((1, 1, 2049)), [("input channels", "2049", "≤ 2048")]),
    "even kernel": (lambda: conv(kernel_size=4), [("kernel", "4", "1, 3, 5, 7")]),
    "stride": (lambda: conv(kernel_stride=3), [("stride", "3", "1, 2 with kernel 3")]),
    "valid": (lambda: conv(padding="valid"), [("padding", "valid", "same")]),
    "pool": (lambda: conv(**pool(3, 2)), [("pooling", "max, size 3, stride 2", WINDOWS)]),
    "large mean": (lambda: conv((12, 12, 1), pool_type="avg"), [("averaged X·Y", "144", "≤ 143")]),
    "long mean": (lambda: conv((65, 1, 1), pool_type="avg"), [("averaged X", "65", "≤ 64")]),
    "bits between": (lambda: conv(bits=6), [("bits of input", "6", "4, 8")]),
    "wide result": (lambda: conv(output_bits=16), [("bits of output", "16", "4, 8")]),
    "sameupper stride 1": (
        lambda: conv(padding="sameupper"),
        [("padding", "sameupper, kernel 3, stride 1, pooling none", UPPER.format("3"))],
    ),
    "sameupper kernel 5": (
        lambda: conv(padding="sameupper", kernel_size=5, kernel_stride=2),
        [("padding", "sameupper, kernel 5, stride 2, pooling none", UPPER.format("3"))],
    ),
    "sameupper kernel 4 of pixels": (
        lambda: pixels(padding="sameupper", kernel_size=4, kernel_stride=2),
        [("padding", "sameupper, kernel 4, stride 2, pooling none", UPPER.format("3, 5, 7"))],
    ),
    "depthwise stride 2": (
        lambda: after((8, 8, 2), "DepthwiseConv2D", kernel_size=5, kernel_stride=2),
        [("stride", "2", "1 with kernel 5")],
    ),
    "long memory": (lambda: after((2, 2, 2), "BufferTempConv", fifo_size=11), [("FIFO", "11", "2 … 10")]),
    "no memory": (lambda: after((2, 2, 2), "DepthwiseBufferTempConv", fifo_size=1), [("FIFO", "1", "2 … 10")]),
    "many filters": (
        lambda: after((1, 1, 1), "BufferTempConv", fifo_size=2, filters=2049),
        [("filters", "2049", "≤ 2048")],
    ),
    "four bits in time": (
        lambda: after((2, 2, 2), "BufferTempConv", bits=4, fifo_size=2, weights_bits=4, output_bits=4),
        [("bits of input", "4", "8"), ("bits of weights", "4", "8"), ("bits of output", "4", "8")],
    ),
    "a table in time": (
        lambda: after((2, 2, 2), "BufferTempConv", fifo_size=2, activation="lut"),
        [("activation", "lut", "none, relu")],
    ),
    "a table of classes": (
        lambda: after((1, 1, 2), "Dense1D", units=2, activation="lut"),
        [("activation", "lut", "none, relu")],
    ),
    "dense": (lambda: after((3, 683, 1), "Dense1D", units=2), [("input X·Y·C", "2049", "≤ 2048")]),
    "transposed": (
        lambda: after((1, 1, 2049), "Conv2DTranspose", bits=4, kernel_size=3),
        [("input channels", "2049", "≤ 2048"), ("bits of input", "4", "8")],
    ),
    "depthwise transposed": (
        lambda: after((2, 2, 2), "DepthwiseConv2DTranspose", kernel_size=3, weights_bits=4),
        [("bits of weights", "4", "8")],
    ),
    "several at once": (
        lambda: conv((9, 9, 2049), kernel_size=9, padding="valid", weights_bits=8, output_bits=12, bits=1),
        [
            ("input channels", "2049", "≤ 2048"),
            ("kernel", "9", "1, 3, 5, 7"),
            ("padding", "valid", "same"),
            ("bits of input", "1", "4, 8"),
            ("bits of output", "12", "4, 8"),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_limit_is_noticed(case: str) -> None:
    make, expected = CASES[case]
    assert found(make()) == [("y", *finding) for finding in expected]


def test_how_many_layers_read_one() -> None:
    assert found(branches(1).program()) == []
    assert found(branches(2).program()) == [("image", "readers", "2", "≤ 1")]
    net = Net().data("x", (4, 4, 2))
    for i in range(3):
        net.add(f"b{i}", "Conv2D", "x", filters=4, kernel_size=1)
    assert found(net.program()) == [("x", "readers", "3", "≤ 2")]


def test_what_joins_layers() -> None:
    net = Net().data("a", (2, 2, 1)).data("b", (2, 2, 1)).data("c", (2, 2, 1))
    program = net.add("y", "Concatenate", "a", "b", "c").program()
    assert found(program) == [("y", "inputs", "3", "2")]
    for kind in ("Add", "Concatenate"):
        twice = Net().data("a", (2, 2, 1)).add("y", kind, "a", "a")
        program = AkidaProgram(tuple(twice.layers), (), ())  # no valid program has it
        assert found(program) == [("y", "inputs", "the same layer twice", "distinct layers")]


@pytest.mark.parametrize("change", [{"activation": "lut"}, {"padding": "sameupper", "kernel_stride": 2}])
def test_what_max_pooling_excludes(change: dict[str, Any]) -> None:
    """No valid program has these either: the linter does not rely on that."""
    net = Net().data("x", (8, 8, 2)).add("y", "Conv2D", "x", filters=1, kernel_size=3, **pool(2, 2), **change)
    (violation,) = lint(AkidaProgram(tuple(net.layers), (), ()))
    assert violation.rule in change
    assert "max pooling" in violation.limit


def test_a_whole_buffer_is_for_the_end_only() -> None:
    net = Net().data("x", (1, 1, 4)).add("fc", "Dense1D", "x", units=4, output_bits=28).add("y", "Dequantizer", "fc")
    assert found(net.program()) == []
    program = net.add("more", "Dense1D", "fc", units=4).program()
    assert found(program) == [("fc", "bits of output", "28", "4, 8"), ("more", "bits of input", "28", "4, 8")]


def test_all_layers_are_reported_in_their_order_by_the_users_names() -> None:
    program = video()
    named = replace(program, layers=tuple(replace(layer, origin=(f"net.{layer.name}",)) for layer in program.layers))
    assert found(named) == [("fc", "bits of output", "20", "4, 8")]
    assert lint(named)[0].origin == ("net.fc",)
    several = Net().data("x", (8, 8, 2))
    several.add("a", "Conv2D", "x", filters=2, kernel_size=4).add("b", "Conv2D", "a", filters=2, kernel_size=6)
    assert [v.layer for v in lint(several.program())] == ["a", "b"]


def test_diagnostics_name_layer_limit_and_device() -> None:
    program = conv(kernel_stride=3)
    layers = (program.layers[0], replace(program.layers[1], origin=("body.0", "body.1")))
    (diagnostic,) = diagnostics(lint(replace(program, layers=layers)), "SixNodesIPv2")
    assert (diagnostic.code, diagnostic.where) == ("NMC-A010", "body.0, body.1")
    assert diagnostic.what == "Conv2D 'y': stride: 3"
    assert diagnostic.why == "device SixNodesIPv2 allows 1, 2 with kernel 3"
    assert diagnostic.hint
    assert diagnostic.row == {
        "layer": "y",
        "kind": "Conv2D",
        "your name": "body.0, body.1",
        "rule": "stride",
        "got": "3",
        "limit": "1, 2 with kernel 3",
    }


# --- devices ---


@pytest.mark.parametrize("device", ["AKD1000", "AKD1500", "TwoNodesIPv1"])
def test_devices_of_the_first_version_take_no_program(device: str) -> None:
    (violation,) = lint(EVERY_KIND.program(), device)
    assert (violation.layer, violation.rule) == ("", "version")
    assert violation.limit == f"{device}: Akida 1.0 programs"
    assert diagnostics([violation], device)[0].what == "the program: version: an Akida 2.0 program"
    assert not_checked(device) == ()


@pytest.mark.parametrize(("name", "words"), [("SixNodes", "did you mean 'SixNodesIPv2'"), ("PicoIP", "not published")])
def test_devices_about_which_nothing_can_be_said(name: str, words: str) -> None:
    for ask in (find_device, not_checked, lambda device: lint(video(), device)):
        with pytest.raises(NmcError, match="NMC-T003") as caught:
            ask(name)
        assert caught.value.exit_code == Exit.USAGE
        assert words in str(caught.value)


def test_what_is_left_unchecked_is_said() -> None:
    text = "\n".join(not_checked("SixNodesIPv2"))
    for word in ("memory", "6 nodes of 4 NPs", "TNP", "Add", "depthwise"):
        assert word in text
    assert "nodes of" not in "\n".join(not_checked("akida2"))


# --- any program ---


@given(st.integers(0, 10**6), st.sampled_from([name for name, device in DEVICES.items() if device.version]))
def test_programs_of_the_session_tests_are_linted_alike(seed: int, device: str) -> None:
    """Limits are about shapes and bits, not about numbers."""
    assert lint(network(seed).program(), device) == lint(network(0).program(), device)


def test_a_kernel_of_one_pixel_is_noticed_in_another_programs_image_layer() -> None:
    program, _ = image_program("HWC")
    assert [rule for _, rule, *_ in found(program)] == ["input X", "input Y", "kernel", "bits of output"]


@st.composite
def layers(draw: st.DrawFn) -> AkidaProgram:
    """One layer of any kind that computes, with any parameters, behind frames of any small shape."""
    kind = draw(st.sampled_from(NEURAL))
    small = st.integers(1, 12)
    given: dict[str, Any] = {
        name: draw(small) for name in ("filters", "units", "fifo_size") if name in PARAMETERS[kind]
    }
    given |= {"output_bits": draw(st.integers(1, 32)), "weights_bits": draw(st.sampled_from([4, 8]))}
    if "kernel_size" in PARAMETERS[kind]:
        given["kernel_size"] = draw(st.integers(3, 4) if "Transpose" in kind else small)
    if "pool_type" in PARAMETERS[kind]:
        given |= {"kernel_stride": draw(small), "padding": draw(st.sampled_from(["same", "valid", "sameupper"]))}
        given |= draw(st.sampled_from([{}, {"pool_type": "avg"}, pool(2, 2), pool(3, 1)]))
    given["activation"] = draw(st.sampled_from(["none", "relu", "lut"]))
    assume(given.get("pool_type") != "max" or (given["activation"] != "lut" and given["padding"] != "sameupper"))
    x, y, bits = draw(small), draw(small), draw(st.integers(1, 8))
    try:
        if kind == "InputConv2D":
            return pixels(input_x=x, input_y=y, input_channels=draw(st.sampled_from([1, 3])), **given)
        return after((x, y, draw(small)), kind, bits, **given)
    except ShapeError:  # the window does not fit
        assume(False)
        raise


@given(layers())
def test_the_linter_tells_limits_of_any_layer(program: AkidaProgram) -> None:
    layer = program.layers[-1]
    p, limits = layer.parameters, LIMITS[layer.kind]
    rules = [rule for name, rule, *_ in found(program) if name == "y"]
    assert len(rules) == len(set(rules))
    window = "kernel_stride" not in p or p["kernel_stride"] in limits.strides.get(p["kernel_size"], ())
    assert window == ("kernel" not in rules and "stride" not in rules)
    assert ("FIFO" in rules) == (p.get("fifo_size", 2) not in range(2, 11))
    four_bits = ("Conv2D", "DepthwiseConv2D", "Dense1D")
    assert ("bits of weights" in rules) == (p["weights_bits"] == 4 and layer.kind not in four_bits)


# --- the page ---


def markdown(rows: list[dict[str, str]]) -> str:
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0]), *(" | ".join(row.values()) for row in rows)]
    return "".join(f"| {line} |\n" for line in lines)


def test_the_page_shows_these_limits() -> None:
    text = PAGE.read_text()
    assert markdown(limits_table()) in text
    devices = [
        {
            "device": device.name,
            "version": device.version,
            "nodes": "" if device.nodes is None else str(device.nodes),
            "NPs a node": "" if device.nps is None else str(device.nps),
            "": device.note,
        }
        for device in DEVICES.values()
    ]
    assert markdown(devices) in text


def test_the_table_has_a_row_for_every_kind() -> None:
    rows = {row["layer"]: row for row in limits_table()}
    assert rows.keys() == PARAMETERS.keys()
    assert rows["Dense1D"]["C"] == "X·Y·C ≤ 2048"
    assert rows["BufferTempConv"]["bits in, weights, out"] == "8; 8; 8"
    assert rows["InputConv2D"]["kernel: strides"].startswith("3: 1, 2, 3; 4: ")
    assert re.fullmatch(r"(max 2/\d, )+average, X ≤ 64, X·Y ≤ 143", rows["Conv2D"]["pooling size/stride"])


def test_spans() -> None:
    assert [str(span) for span in (Span(5), Span(1, 4), Span(2, 4), Span(3, 3))] == ["≥ 5", "≤ 4", "2 … 4", "3"]
    assert [number in Span(2, 4) for number in (1, 2, 4, 5)] == [False, True, True, False]
