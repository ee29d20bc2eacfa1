"""Files that are missing, damaged, or not what they claim; weights beside the model and weights that are no numbers."""

from __future__ import annotations

import io
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.external_data_helper import convert_model_to_external_data

from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.frontends import read_model
from nmc.compiler.frontends.onnx import import_onnx
from onnx_models import Net, assert_same, codes, refusal


def small_net() -> Net:
    net = Net()
    y = net.op(
        "Conv",
        net.input("x", ("N", 2, 6, 6)),
        net.weight(3, 2, 3, 3, name="conv.weight"),
        net.weight(3, name="conv.bias"),
    )
    y = net.op("Flatten", net.op("MaxPool", net.op("Relu", y), kernel_shape=[2, 2], strides=[2, 2]))
    net.output(net.op("Gemm", y, net.weight(12, 4, name="fc.weight"), net.weight(4, name="fc.bias")))
    return net


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.pkl", b"x")
    return stream.getvalue()


def without(field: str) -> bytes:
    model = small_net().proto()
    model.ClearField(field)
    return model.SerializeToString()


NOT_MODELS = {
    "empty": b"",
    "text": b"# Not a model\n" * 20,
    "json": b'{"graph": []}',
    "random bytes": random.Random(0).randbytes(4096),
    "zeros": bytes(1000),
    "zip": zipped(),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "git lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "no graph": without("graph"),
    "no opset": without("opset_import"),
    "no ir version": without("ir_version"),
    "names are no text": small_net().proto().SerializeToString().replace(b"conv.bias", b"conv\xff\xfe\xfd\xfc\xfb"),
}


@pytest.mark.parametrize("kind", NOT_MODELS)
def test_files_that_are_no_models(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(NOT_MODELS[kind])
    (found,) = refusal(path, Exit.BAD_FILE)
    assert found.code == "NMC-I002" and found.where == str(path)
    if kind == "zip":
        assert "zip" in found.why and "torch.onnx.export" in found.hint


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.onnx"
    os.mkfifo(fifo)
    for path in (tmp_path / "missing.onnx", tmp_path, fifo, tmp_path / ("n" * 300), tmp_path / "a\0b"):
        assert codes(refusal(path, Exit.BAD_FILE)) == ["NMC-I001"]


def test_read_model_dispatches_by_ending(tmp_path: Path) -> None:
    path = small_net().save(tmp_path, "NET.ONNX")
    assert read_model(path) == import_onnx(str(path))
    assert read_model(path).name == "NET"


def test_every_truncation_is_reported(tmp_path: Path) -> None:
    content = small_net().proto().SerializeToString()
    path = tmp_path / "net.onnx"
    for length in range(1, len(content), 7):
        path.write_bytes(content[:length])
        (found,) = refusal(path, Exit.BAD_FILE)
        assert found.code == "NMC-I002"


def test_damaged_bytes_never_escape(tmp_path: Path) -> None:
    """Any change of bytes ends in a graph or in diagnostics."""
    rng = random.Random(0)
    content = small_net().proto().SerializeToString()
    path = tmp_path / "net.onnx"
    for _ in range(400):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 2, 8, 127, 255, rng.randrange(256)))
        path.write_bytes(damaged)
        try:
            import_onnx(path)
        except NmcError as error:
            assert error.diagnostics


# --- external data ---


def save_external(net: Net, folder: Path, location: str = "net.onnx.data") -> Path:
    """The model with all its weights in one side file."""
    model = net.proto()
    convert_model_to_external_data(model, location=location, size_threshold=0)
    path = folder / "net.onnx"
    onnx.save(model, path)
    return path


def edit_external(path: Path, **fields: str) -> Path:
    """Change what the model says about the first weight's place in the side file."""
    model = onnx.load(path, load_external_data=False)
    kept = [entry for entry in model.graph.initializer[0].external_data if entry.key not in fields]
    pairs = [*((entry.key, entry.value) for entry in kept), *fields.items()]
    del model.graph.initializer[0].external_data[:]
    for key, value in pairs:
        model.graph.initializer[0].external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


def test_external_data(tmp_path: Path) -> None:
    net = small_net()
    path = save_external(net, tmp_path)
    assert (tmp_path / "net.onnx.data").exists()
    graph = import_onnx(path)
    assert graph == import_onnx(net.save(tmp_path, "net.onnx"))
    assert_same(graph, net.proto().SerializeToString())


def test_external_data_in_a_subfolder(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    assert len(import_onnx(save_external(small_net(), tmp_path, "weights/all.bin")).nodes) == 5


def test_missing_external_data_is_reported_once_for_all_tensors(tmp_path: Path) -> None:
    path = save_external(small_net(), tmp_path)
    (tmp_path / "net.onnx.data").unlink()
    (found,) = refusal(path, Exit.BAD_FILE)
    assert (
        found.code == "NMC-I003"
        and "missing" in found.what
        and "4 tensors: 'conv.weight'" in found.where
        and found.hint
    )


def test_short_external_data(tmp_path: Path) -> None:
    path = save_external(small_net(), tmp_path)
    data = tmp_path / "net.onnx.data"
    data.write_bytes(data.read_bytes()[:-8])
    (found,) = refusal(path, Exit.BAD_FILE)
    assert found.code == "NMC-I003" and "too short" in found.what


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"offset": str(10**12)}, "NMC-I003"),
        ({"offset": "-4"}, "NMC-I002"),
        ({"offset": "x"}, "NMC-I002"),
        ({"offset": "9" * 40}, "NMC-I002"),
        ({"length": "3"}, "NMC-I003"),
        ({"location": ""}, "NMC-I003"),
        ({"location": "."}, "NMC-I003"),
        ({"location": "other.data"}, "NMC-I003"),
    ],
)
def test_wrong_places_in_external_data(fields: dict[str, str], code: str, tmp_path: Path) -> None:
    path = edit_external(save_external(small_net(), tmp_path), **fields)
    assert codes(refusal(path, Exit.BAD_FILE)) == [code]


@pytest.mark.parametrize(
    "kind", ["absolute", "parent", "parent and back", "backslashes", "drive", "link", "linked folder"]
)
def test_external_data_outside_the_folder_is_not_read(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = save_external(small_net(), folder)
    secret = tmp_path / "secret.data"
    secret.write_bytes((folder / "net.onnx.data").read_bytes())
    (folder / "link.data").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path)
    locations = {
        "absolute": str(secret),
        "parent": "../secret.data",
        "parent and back": "../model/net.onnx.data",
        "backslashes": "..\\secret.data",
        "drive": "C:\\secret.data",
        "link": "link.data",
        "linked folder": "linked/secret.data",
    }
    (found,) = refusal(edit_external(path, location=locations[kind]), Exit.BAD_FILE)
    assert found.code == "NMC-I003" and "outside" in found.what


def test_a_link_inside_the_folder_is_fine(tmp_path: Path) -> None:
    path = save_external(small_net(), tmp_path)
    (tmp_path / "link.data").symlink_to(tmp_path / "net.onnx.data")
    assert len(import_onnx(edit_external(path, location="link.data")).nodes) == 5


def test_external_data_in_an_attribute_is_read_only_for_constants(tmp_path: Path) -> None:
    """A tensor attribute of a folded node must not make the evaluator open files."""
    net = Net()
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    value.ClearField("float_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="../secret")
    net.output(net.op("Add", net.input("x", (1, 2)), net.op("ConstantOfShape", net.const([2]), value=value)))
    net.output(net.op("Add", "x", net.op("Constant", value=value)))
    assert codes(refusal(net.save(tmp_path), Exit.BAD_FILE)) == ["NMC-I011", "NMC-I003"]


# --- weights ---


def test_all_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    net = small_net()
    for tensor in (net.initializers[0], net.initializers[3]):
        array = onnx.numpy_helper.to_array(tensor).copy()
        array.flat[2] = np.nan if array.ndim > 1 else np.inf
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    net.output(net.op("Hardmax", net.outputs[0].name))
    found = refusal(net.save(tmp_path), Exit.BAD_FILE)
    assert codes(found) == ["NMC-I006", "NMC-I006", "NMC-I010"]
    assert found[0].where == "tensor 'conv.weight'" and "1 of 54" in found[0].why and "[0, 0, 0, 2]" in found[0].why
    assert found[1].where == "tensor 'fc.bias'"


def test_doubles_beyond_float32(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Mul", net.input("x", (1, 2), TensorProto.DOUBLE), net.const([1e300, 1.0], np.float64)))
    (found,) = refusal(net.save(tmp_path), Exit.BAD_FILE)
    assert found.code == "NMC-I006" and "float32" in found.why


@pytest.mark.parametrize("damage", ["short", "long", "negative", "huge"])
def test_tensors_that_do_not_fill_their_shape(damage: str, tmp_path: Path) -> None:
    net = small_net()
    tensor = net.initializers[0]
    if damage in ("short", "long"):
        tensor.raw_data = tensor.raw_data[:-4] if damage == "short" else tensor.raw_data + bytes(4)
    else:
        tensor.dims[0] = -3 if damage == "negative" else 2**50
    (found,) = refusal(net.save(tmp_path), Exit.BAD_FILE)
    assert found.code == "NMC-I002" and "'conv.weight'" in found.where
