"""From a file to a protobuf that is an ONNX model of a known version, with model-local functions expanded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto

from ...diagnostics import NmcError, bad_file, unsupported
from .functions import expand_functions
from .wiring import graphs_in

OLDEST_OPSET = 9
DEFAULT_DOMAINS = ("", "ai.onnx")
_EXPORT = "export the model again with torch.onnx.export, or check the download"
_MAGIC = {
    b"PK\x03\x04": ("it is a zip archive", "a PyTorch .pt or .pt2 file must be exported with torch.onnx.export first"),
    b"\x89HDF": ("it is an HDF5 file", "convert Keras models with tf2onnx first"),
    b"version https://git-lfs": ("it is a Git LFS pointer, not the file itself", "run `git lfs pull`"),
    b"ORTM": ("it is in onnxruntime's own .ort format", "give the .onnx file that it was made from"),
}


def _read_bytes(path: Path) -> bytes:
    where = str(path)
    try:
        if path.is_dir():
            raise bad_file("NMC-I001", "the model is a folder", where, hint="give the .onnx file inside it")
        if path.exists() and not path.is_file():
            raise bad_file("NMC-I001", "the model is not a regular file", where)
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise bad_file("NMC-I001", "cannot read the model file", where, why) from None
    if not content:
        raise bad_file("NMC-I002", "the file is empty", where, hint=_EXPORT)
    return content


def _not_a_model(content: bytes, where: str, why: str) -> NmcError:
    hint = _EXPORT
    for magic, (found, advice) in _MAGIC.items():
        if content.startswith(magic) or (magic == b"ORTM" and content[4:8] == magic):
            why, hint = found, advice
    return bad_file("NMC-I002", "the file is not an ONNX model, or it is damaged", where, why, hint)


def _node_texts(nodes: Iterable[NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
        for inner in graphs_in(node):
            yield from _graph_texts(inner)


def _graph_texts(graph: GraphProto) -> Iterator[str]:
    yield from (value.name for value in (*graph.input, *graph.output, *graph.initializer))
    yield from _node_texts(graph.node)


def _names_are_text(model: ModelProto) -> bool:
    """Are all names in the model UTF-8? Protobuf gives bytes where they are not."""
    names = list(_graph_texts(model.graph))
    for function in model.functions:
        names += [function.name, function.domain, *function.input, *function.output, *_node_texts(function.node)]
    return all(isinstance(name, str) for name in names)


def _missing(model: ModelProto) -> str:
    """What a model must have and this one has not."""
    if not model.HasField("graph") or not model.graph.output:
        return "it holds no graph with an output"
    imported = {entry.domain for entry in model.opset_import}
    if not imported.intersection(DEFAULT_DOMAINS) and any(n.domain in DEFAULT_DOMAINS for n in model.graph.node):
        return "it imports no ONNX operator set"
    if model.ir_version < 1:
        return "it states no IR version"
    return ""


def opset_of(model: ModelProto) -> int:
    """Version of the default operator set; the newest one for a model that has operators of other domains only."""
    versions = [entry.version for entry in model.opset_import if entry.domain in DEFAULT_DOMAINS]
    return max(versions, default=onnx.defs.onnx_opset_version())


def _check_versions(model: ModelProto, where: str) -> None:
    newest, opset = onnx.defs.onnx_opset_version(), opset_of(model)
    if model.ir_version > onnx.IR_VERSION or opset > newest:
        raise unsupported(
            "NMC-I007",
            f"the model uses ONNX opset {opset} and IR version {model.ir_version}",
            where,
            f"onnx {onnx.__version__}, which is installed, knows opset {newest} and IR version {onnx.IR_VERSION}",
            "install a newer onnx package, or export with an older opset_version",
        )
    versions = {entry.version for entry in model.opset_import if entry.domain in DEFAULT_DOMAINS}
    if opset < OLDEST_OPSET or len(versions) > 1:
        raise unsupported(
            "NMC-I007",
            f"the model uses ONNX opset {', '.join(map(str, sorted(versions)))}",
            where,
            f"nmc imports models of one opset from {OLDEST_OPSET} on",
            "convert it with onnx.version_converter.convert_version(model, 17)",
        )


def read_model(path: Path) -> ModelProto:
    """The model in the file. NmcError if it cannot be read, is no ONNX model, or is of an unknown version."""
    content, where = _read_bytes(path), str(path)
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise _not_a_model(content, where, f"protobuf cannot parse it: {error}") from None
    if why := _missing(model):
        raise _not_a_model(content, where, why)
    _check_versions(model, where)
    if not _names_are_text(model):
        raise _not_a_model(content, where, "its names are not text")
    return expand_functions(model, where)
