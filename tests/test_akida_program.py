"""Akida programs as files and as records: what goes in comes out, and every inconsistency is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save as safetensors_bytes
from test_akida_reference import Build, f32
from test_akida_session import CLIP, clips_of, network, video

from nmc.runtime import Session
from nmc.runtime.program import (
    AkidaProgram,
    Exit,
    GraphInput,
    GraphOutput,
    Layer,
    NmcError,
    Timing,
    container,
    digest,
    load,
    save,
)
from nmc.runtime.program.akida_check import validate
from nmc.runtime.program.akida_kinds import INBOUNDS, PARAMETERS

FILE = "program.nmc"
PROGRAM = replace(
    video(),
    layers=(replace(video().layers[0], origin=("model.clip",), proof={"accumulator": 127}), *video().layers[1:]),
    provenance={"model": "net.onnx", "options": {"bits": 8}},
)


def problems_of(action: Callable[[], object]) -> list[str]:
    """Each problem as `F012 layers/1/inbounds: …`."""
    with pytest.raises(NmcError) as caught:
        action()
    assert caught.value.exit_code == Exit.BAD_FILE
    return [f"{d.code.removeprefix('NMC-')} {d.what}" for d in caught.value.diagnostics]


def assert_same(left: AkidaProgram, right: AkidaProgram) -> None:
    assert (left.inputs, left.outputs, left.provenance) == (right.inputs, right.outputs, right.provenance)
    for one, other in zip(left.layers, right.layers, strict=True):
        assert replace(one, variables={}) == replace(other, variables={})
        assert one.variables.keys() == other.variables.keys()
        for name, array in one.variables.items():
            np.testing.assert_array_equal(array, other.variables[name], strict=True)


# --- files ---


@given(st.integers(0, 10**6), st.text(max_size=5), st.floats(5e-324, 1e308), st.integers(-(2**31), 2**31))
@settings(max_examples=30)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, seed: int, name: str, scale: float, zero: int) -> None:
    path = tmp_path_factory.getbasetemp() / "akida.nmc"
    program = network(seed).program(
        GraphOutput(name, "y", (4, 5), "CWH", Timing(1, 1, 5, 2, (0, 3))),
        inputs=(replace(CLIP, name=name, scale=scale, zero_point=zero),),
    )
    save(program, path)
    back = load(path)
    assert isinstance(back, AkidaProgram)
    assert_same(back, program)
    assert digest(back) == digest(program)


def test_a_loaded_program_runs_like_the_one_saved(tmp_path: Path) -> None:
    save(PROGRAM, tmp_path / FILE)
    clips = clips_of(0, 2)
    ours, theirs = Session(tmp_path / FILE).run(clips), Session(PROGRAM).run(clips)
    np.testing.assert_array_equal(ours.outputs["scores"], theirs.outputs["scores"])
    assert ours.counters == theirs.counters


def test_arrays_lie_flat_beside_the_description_under_their_path(tmp_path: Path) -> None:
    save(PROGRAM, tmp_path / FILE)
    with safe_open(tmp_path / FILE, framework="numpy") as file:
        names = {name for name in file.keys() if name.startswith("layers/2/")}  # noqa: SIM118
        assert names == {f"layers/2/variables/{name}" for name in PROGRAM.layers[2].variables}
        weights = file.get_tensor("layers/2/variables/weights")
    assert weights.dtype == np.int8
    np.testing.assert_array_equal(weights, PROGRAM.layers[2].variables["weights"].ravel())


def test_equal_programs_are_equal_bytes_whatever_the_order_of_their_dicts(tmp_path: Path) -> None:
    turned = tuple(
        replace(
            layer,
            parameters=dict(reversed(layer.parameters.items())),
            variables={name: np.asfortranarray(a) for name, a in reversed(layer.variables.items())},
        )
        for layer in PROGRAM.layers
    )
    save(PROGRAM, tmp_path / FILE)
    save(replace(PROGRAM, layers=turned), tmp_path / "turned.nmc")
    assert (tmp_path / FILE).read_bytes() == (tmp_path / "turned.nmc").read_bytes()


def fixed_program() -> AkidaProgram:
    weights = {"weights": np.arange(-4, 5, dtype=np.int8).reshape(3, 3, 1, 1)}
    build = Build().data("x", (2, 2, 1)).add("y", "Conv2D", "x", variables=weights, filters=1, kernel_size=3)
    return build.program()


def test_the_format_has_not_changed() -> None:
    """If this fails, files written before are no longer what the same program gives: raise the format version."""
    assert digest(fixed_program()) == "dec6f86b9437f072d0cde5555cc61610efff9d1133213105ba9455f267f7784a"


def signed(program: AkidaProgram, edit: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    """A file whose checksum is right, with the description and arrays as `edit` leaves them."""
    description, arrays = container._encode(program)
    edit(description, arrays)
    description["digest"] = container._digest(description, arrays)
    return safetensors_bytes(arrays, metadata={"nmc": container._canonical(description)})


SAVED = signed(PROGRAM, lambda description, arrays: None)
WEIGHTS = "layers/1/variables/weights"


@given(st.lists(st.tuples(st.integers(0, len(SAVED) - 1), st.integers(0, 7)), min_size=1, max_size=3))
@settings(max_examples=200)
def test_flipped_bits_never_pass_for_another_program(tmp_path_factory: pytest.TempPathFactory, flips: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "akida_flip.nmc"
    data = bytearray(SAVED)
    for position, bit in flips:
        data[position] ^= 1 << bit
    path.write_bytes(data)
    try:
        program = load(path)
    except NmcError as error:
        assert error.exit_code == Exit.BAD_FILE
    else:
        assert digest(program) == digest(PROGRAM)


@given(st.integers(0, len(SAVED) - 1))
@settings(max_examples=50)
def test_a_truncated_file_is_no_program(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    path = tmp_path_factory.getbasetemp() / "akida_cut.nmc"
    path.write_bytes(SAVED[:size])
    assert problems_of(lambda: load(path))[0].startswith("F003")


def set_shape(to: Any) -> Callable[[dict[str, Any], dict[str, Any]], object]:
    return lambda d, _: d["layers"][1]["variables"].update(weights=to)


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (set_shape([1, 1, 6, 2]), "F009 layers/1/variables/weights must be the shape of an array of 18 entries"),
        (set_shape([-1, -18]), "F009 layers/1/variables/weights"),
        (set_shape([18.0]), "F009 layers/1/variables/weights"),
        (set_shape([True, 18]), "F009 layers/1/variables/weights"),
        (set_shape("18"), "F009 layers/1/variables/weights"),
        (set_shape([18] + [1] * 40), "F009 layers/1/variables/weights"),
        (set_shape([2**70]), "F009 layers/1/variables/weights"),
        (set_shape([1, 1, 3, 6]), f"F010 {WEIGHTS}: must be int8 (1, 1, 6, 3), not int8 (1, 1, 3, 6)"),
        (lambda d, _: d["layers"][1].update(variables=[]), "F009 layers/1/variables must be an object"),
        (lambda d, _: d["layers"][1]["variables"].pop("bias"), "F010 unknown arrays: layers/1/variables/bias"),
        (lambda _, a: a.pop(WEIGHTS), f"F010 array {WEIGHTS} is missing"),
        (lambda _, a: a.update({WEIGHTS: a[WEIGHTS].astype(np.int16)}), f"F010 {WEIGHTS}: must be int8"),
        (lambda d, _: d["layers"][1].pop("proof"), "F009 layers/1 has keys"),
        (lambda d, _: d["layers"][1].update(parameters=3), "F009 layers/1/parameters must be dict"),
        (lambda d, _: d["outputs"][0]["timing"].update(offset=0.5), "F009 outputs/0/timing/offset must be int"),
        (lambda d, _: d.update(steps=3), "F009 the program has keys"),
        (lambda d, _: d.update(target="cri"), "F009 the program has keys"),
    ],
)
def test_files_with_a_right_checksum_and_wrong_content(tmp_path: Path, edit: Any, problem: str) -> None:
    (tmp_path / FILE).write_bytes(signed(PROGRAM, edit))
    assert any(text.startswith(problem) for text in problems_of(lambda: load(tmp_path / FILE)))


# --- validation ---


def with_layer(index: int, **changes: Any) -> AkidaProgram:
    layers = list(PROGRAM.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(PROGRAM, layers=tuple(layers))


def with_parameter(index: int, **changes: Any) -> AkidaProgram:
    return with_layer(index, parameters=PROGRAM.layers[index].parameters | changes)


def with_variable(index: int, **changes: Any) -> AkidaProgram:
    return with_layer(index, variables=PROGRAM.layers[index].variables | changes)


def with_input(**changes: Any) -> AkidaProgram:
    return replace(PROGRAM, inputs=(replace(PROGRAM.inputs[0], **changes),))


def with_output(**changes: Any) -> AkidaProgram:
    return replace(PROGRAM, outputs=(replace(PROGRAM.outputs[0], **changes),))


def with_timing(**changes: Any) -> AkidaProgram:
    return with_output(timing=replace(PROGRAM.outputs[0].timing, **changes))


IN, TEMPORAL, CONV, SUM, DEPTHWISE, CAT, DENSE, FLOAT = range(8)
NEGATIVE, NAN = np.full(3, -33, np.int8), f32(1, 2, np.nan, 4)


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (with_layer(CONV, kind="Conv3D"), "F013 layers/2/kind: unknown kind 'Conv3D'"),
        (with_layer(CONV, name="t"), "F013 layers: names must differ"),
        (with_layer(CONV, inbounds=("nobody",)), "F012 layers/2/inbounds: no earlier layer is called ['nobody']"),
        (with_layer(CONV, inbounds=("sum",)), "F012 layers/2/inbounds"),
        (with_layer(CONV, inbounds=("s",)), "F012 layers/2/inbounds"),
        (with_layer(CONV, inbounds=()), "F013 layers/2/inbounds: Conv2D reads 1 to 1 layers, not 0"),
        (with_layer(SUM, inbounds=("t", "t")), "F013 layers/3/inbounds: must be distinct"),
        (with_layer(CAT, inbounds=("sum",)), "F013 layers/5/inbounds: Concatenate reads 2 or more layers"),
        (with_layer(SUM, inbounds=("t", "in")), "F013 layers/3: Add 'sum': both inputs must be alike"),
        (with_layer(CAT, inbounds=("sum", "fc")), "F012 layers/5/inbounds"),
        (with_layer(CONV, proof={"bound": np.int64(3)}), "F009 layers/2/proof"),
        (with_layer(CONV, parameters={}), "F009 layers/2/parameters: Conv2D has"),
        (with_parameter(CONV, colour="red"), "F009 layers/2/parameters"),
        (with_parameter(CONV, filters=3.0), "F009 layers/2/parameters/filters"),
        (with_parameter(CONV, filters=True), "F009 layers/2/parameters/filters"),
        (with_parameter(CONV, filters=0), "F013 layers/2/parameters/filters: must be 1 to 65536"),
        (with_parameter(CONV, filters=4), "F010 layers/2/variables/weights: must be int8 (3, 3, 3, 4)"),
        (with_parameter(CONV, padding="full"), "F013 layers/2/parameters/padding: must be one of valid, same"),
        (with_parameter(CONV, padding=1), "F013 layers/2/parameters/padding"),
        (with_parameter(CONV, kernel_stride=0), "F013 layers/2/parameters/kernel_stride"),
        (with_parameter(CONV, kernel_size=9, padding="valid"), "F013 layers/2: Conv2D 's': its window does not fit"),
        (with_parameter(CONV, pool_type="max"), "F013 layers/2/parameters: max pooling needs"),
        (with_parameter(CONV, pool_size=2), "F013 layers/2/parameters: pool_size and pool_stride must be -1"),
        (
            with_parameter(CONV, pool_type="max", pool_size=2, pool_stride=2, padding="sameupper"),
            "F013 layers/2/parameters: max pooling has no sameupper",
        ),
        (
            with_parameter(CONV, pool_type="max", pool_size=2, pool_stride=2, activation="lut"),
            "F013 layers/2/parameters: max pooling with a lut",
        ),
        (
            with_parameter(CONV, pool_type="max", pool_size=9, pool_stride=2, padding="valid"),
            "F013 layers/2: Conv2D 's': its window does not fit",
        ),
        (
            with_parameter(CONV, activation="relu"),
            "F010 layers/2/variables/max_value: must be uint8 (3,), not nothing",
        ),
        (with_parameter(TEMPORAL, activation="none"), "F010 layers/1/variables: BufferTempConv has no max_value"),
        (with_parameter(TEMPORAL, output_bits=33), "F013 layers/1/parameters/output_bits: must be 1 to 32"),
        (with_parameter(TEMPORAL, buffer_bits=1), "F013 layers/1/parameters/buffer_bits"),
        (with_parameter(TEMPORAL, post_op_buffer_bits=40), "F013 layers/1/parameters/post_op_buffer_bits"),
        (with_parameter(TEMPORAL, weights_bits=5), "F013 layers/1/parameters: weights_bits must be 4 or 8"),
        (with_parameter(TEMPORAL, weights_bits=4), "F013 layers/1/variables/weights"),
        (with_parameter(TEMPORAL, output_bits=4), "F013 layers/3: Add 'sum'"),
        (with_parameter(IN, input_signed=False), "F013 layers/0/parameters: inputs of at most 4 bits are unsigned"),
        (with_parameter(IN, input_signed=1), "F009 layers/0/parameters/input_signed: must be true or false"),
        (with_parameter(IN, input_bits=9), "F013 layers/0/parameters/input_bits"),
        (with_parameter(IN, input_bits=7), "F013 inputs: 'clip' must have the bits and sign"),
        (with_parameter(IN, input_width=5), "F013 inputs/0/shape: a frame must have the elements of (2, 5, 3)"),
        (with_variable(CONV, bias=[0, 0, 0]), "F010 layers/2/variables/bias: must be int8 (3,), not list"),
        (with_variable(CONV, bias=np.zeros(3)), "F010 layers/2/variables/bias: must be int8 (3,), not float64 (3,)"),
        (with_variable(CONV, bias=np.zeros((3, 1), np.int8)), "F010 layers/2/variables/bias"),
        (with_variable(CONV, padding_value=np.zeros(3, np.uint8)), "F010 layers/2/variables: Conv2D has no padding_v"),
        (with_variable(CONV, bias_shift=np.full(3, 32, np.uint8)), "F013 layers/2/variables/bias_shift: 32 to 32"),
        (with_variable(CONV, input_shift=np.full(3, 255, np.uint8)), "F013 layers/2/variables/input_shift"),
        (
            with_variable(CONV, output_shift=NEGATIVE),
            "F013 layers/2/variables/output_shift: -33 to -33 must lie",
        ),
        (with_variable(SUM, output_shift=-NEGATIVE), "F013 layers/3/variables/output_shift"),
        (with_variable(SUM, a_shift=np.full(3, 40, np.uint8)), "F013 layers/3/variables/a_shift"),
        (with_variable(FLOAT, scales=NAN), "F013 layers/7/variables/scales: must be finite"),
        (with_layer(DENSE, inbounds=("in",)), "F010 layers/6/variables/weights: must be int8 (24, 4)"),
        (with_input(layer="nobody"), "F012 inputs/0/layer: 'nobody' takes no input"),
        (with_input(layer="t"), "F012 inputs/0/layer: 't' takes no input"),
        (replace(PROGRAM, inputs=()), "F012 inputs: layer 'in' must be fed by one input, not 0"),
        (replace(PROGRAM, inputs=(CLIP, CLIP)), "F012 inputs: layer 'in' must be fed by one input, not 2"),
        (replace(PROGRAM, inputs=(CLIP, CLIP)), "F013 inputs: names must differ"),
        (with_input(scale=0.0), "F013 inputs/0/scale"),
        (with_input(scale=float("inf")), "F013 inputs/0/scale"),
        (with_input(zero_point=2**40), "F013 inputs/0/zero_point"),
        (with_input(bits=4), "F013 inputs: 'clip' must have the bits and sign"),
        (with_input(signed=False), "F013 inputs: 'clip' must have the bits and sign"),
        (with_input(axis=5), "F012 inputs/0/axis: must be -1 or 1 to 4, not 5"),
        (with_input(axis=0), "F012 inputs/0/axis"),
        (with_input(axis=1), "F013 inputs/0/shape"),
        (with_input(order="CHH"), "F013 inputs/0/order: must be a permutation of 'HWC'"),
        (with_input(order="CHWT"), "F013 inputs/0/order"),
        (with_input(shape=(2, 5, 0, 3)), "F013 inputs/0/shape"),
        (with_input(axis=-1), "F013 outputs/0/timing: there is no time axis"),
        (replace(PROGRAM, outputs=()), "F013 outputs: there must be one"),
        (replace(PROGRAM, outputs=PROGRAM.outputs * 2), "F013 outputs: names must differ"),
        (with_output(layer="nobody"), "F012 outputs/0/layer: no layer is called 'nobody'"),
        (with_output(shape=(5, 5)), "F013 outputs/0/shape: a frame must have the elements of (1, 1, 4)"),
        (with_output(order=""), "F013 outputs/0/order"),
        (with_timing(axis=3), "F012 outputs/0/timing/axis"),
        (with_timing(length=4), "F013 outputs/0/timing/length: must be 5, not 4"),
        (with_timing(axis=-1), "F013 outputs/0/timing/length: must be 1, not 5"),
        (with_timing(offset=-1), "F013 outputs/0/timing: no such frames"),
        (with_timing(stride=0), "F013 outputs/0/timing: no such frames"),
        (with_timing(offset=2**40), "F013 outputs/0/timing: no such frames"),
        (with_timing(edges=(5,)), "F012 outputs/0/timing/edges"),
        (with_timing(edges=(1, 0)), "F012 outputs/0/timing/edges"),
        (replace(PROGRAM, provenance={"x": float("nan")}), "F009 provenance"),
    ],
)
def test_what_is_wrong_with_a_program_is_named(program: AkidaProgram, problem: str) -> None:
    found = problems_of(lambda: validate(program))
    assert any(text.startswith(problem) for text in found), found


def test_all_problems_are_told_at_once() -> None:
    layers = with_parameter(IN, input_bits=9).layers[:1] + with_layer(CONV, kind="Conv3D").layers[1:]
    wrong = replace(with_timing(offset=-1), layers=layers, inputs=(replace(CLIP, scale=-1.0),))
    found = " ".join(problems_of(lambda: validate(wrong)))
    for where in ("layers/0/parameters/input_bits", "layers/2/kind", "inputs/0/scale", "outputs/0/timing"):
        assert where in found


def test_a_layer_behind_a_faulty_one_is_not_blamed() -> None:
    assert problems_of(lambda: validate(with_layer(IN, kind="Nothing"))) == [
        "F013 layers/0/kind: unknown kind 'Nothing'",
        "F012 inputs/0/layer: 'in' takes no input",
    ]


def behind(*layers: tuple[str, str, tuple[str, ...], dict[str, Any]]) -> AkidaProgram:
    """Layers without variables behind two signed inputs `a` and `b` of shape (2, 2, 3)."""
    frame = {"input_width": 2, "input_height": 2, "input_channels": 3, "input_bits": 8, "input_signed": True}
    data = tuple(Layer(name, "InputData", (), frame) for name in "ab")
    inputs = tuple(GraphInput(name, name, (2, 2, 3), -1, "HWC", 1.0, 0, 8, True) for name in "ab")
    rest = tuple(Layer(name, kind, reads, parameters) for name, kind, reads, parameters in layers)
    return AkidaProgram((*data, *rest), inputs, (GraphOutput("y", "a", (2, 2, 3), "HWC"),))


BITS = {"output_bits": 8, "buffer_bits": 28, "post_op_buffer_bits": 32}
TAIL = {"activation": "none", **BITS, "weights_bits": 8}
WINDOW = {"kernel_stride": 1, "padding": "same", "pool_type": "none", "pool_size": -1, "pool_stride": -1}
PIXELS = {"input_x": 2, "input_y": 2, "filters": 1, "kernel_size": 1, **WINDOW, **TAIL}
FRAME = {"input_width": 2, "input_height": 2, "input_channels": 3}


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (
            behind(("y", "Conv2DTranspose", ("a",), {"filters": 1, "kernel_size": 5, **TAIL})),
            "F013 layers/2/parameters: a transposed convolution has kernel_size 3 or 4",
        ),
        (
            behind(("y", "InputConv2D", (), {**PIXELS, "input_channels": 2})),
            "F013 layers/2/parameters: InputConv2D has 1 or 3 input_channels",
        ),
        (
            behind(("y", "InputConv2D", ("a",), {**PIXELS, "input_channels": 3})),
            "F013 layers/2: InputConv2D 'y': it takes",
        ),
        (
            behind(("q", "Quantizer", (), {**FRAME, "output_bits": 16, "output_signed": True, "channels_first": True})),
            "F013 layers/2/parameters: a Quantizer gives at most 8 bits",
        ),
        (
            behind(("f", "Dequantizer", ("a",), {}), ("y", "Add", ("b", "f"), BITS)),
            "F013 layers/3: Add 'y': it reads a Dequantizer, which has to be last",
        ),
    ],
)
def test_what_single_kinds_do_not_take_is_named(program: AkidaProgram, problem: str) -> None:
    found = problems_of(lambda: validate(program))
    assert any(text.startswith(problem) for text in found), found


def test_concatenation_wants_equal_bits() -> None:
    frame = PROGRAM.layers[IN].parameters | {"input_bits": 5}
    program = behind()
    layers = (program.layers[0], Layer("b", "InputData", (), frame), Layer("y", "Concatenate", ("a", "b"), {}))
    found = problems_of(lambda: validate(replace(program, layers=layers)))
    assert any("Concatenate 'y': inputs must agree in all but channels" in text for text in found)


def test_a_signed_quantizer_has_no_zero_points() -> None:
    parameters = {**FRAME, "output_bits": 8, "output_signed": True, "channels_first": False}
    variables = {"scales": f32(1, 1, 1), "zero_points": np.full(3, 7, np.uint8)}
    program = behind()
    layers = (*program.layers, Layer("q", "Quantizer", (), parameters, variables))
    given_inputs = (*program.inputs, GraphInput("q", "q", (2, 2, 3), -1, "HWC", 1.0, 0, 0, True))
    found = problems_of(lambda: validate(replace(program, layers=layers, inputs=given_inputs)))
    assert found == ["F013 layers/2/variables/zero_points: must be 0 where the output is signed"]


def test_inputs_have_equally_many_frames() -> None:
    program = behind()
    clips = tuple(replace(e, shape=(n, *e.shape), axis=1) for n, e in zip((4, 5), program.inputs, strict=True))
    assert any("equally many frames" in text for text in problems_of(lambda: validate(replace(program, inputs=clips))))
    still = (clips[0], program.inputs[1])
    assert any("equally many frames" in text for text in problems_of(lambda: validate(replace(program, inputs=still))))


def test_every_kind_has_its_tables() -> None:
    assert PARAMETERS.keys() == INBOUNDS.keys()
    assert len(PARAMETERS) == 13


def test_a_session_and_a_file_check_the_program(tmp_path: Path) -> None:
    wrong = with_timing(offset=-1)
    expected = problems_of(lambda: validate(wrong))
    assert problems_of(lambda: Session(wrong)) == problems_of(lambda: save(wrong, tmp_path / FILE)) == expected
    assert not (tmp_path / FILE).exists()
