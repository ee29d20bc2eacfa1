"""What the user calls a node: the module path of an exported PyTorch model where it can be known.

dynamo exporter    metadata `name_scopes`   ['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_3'] → layer1.0.conv1
any exporter       weight name              layer1.0.conv1.weight → layer1.0.conv1
legacy exporter    node name                /layer1/layer1.0/relu/Relu → layer1.0.relu
others             node name, else the name of its first output
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from onnx import NodeProto

from ..common.names import Label, Names, module_label, readable

_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"}
_WEIGHT = re.compile(r"([^/:]+)\.weight")
_ITEM = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def _items(text: str) -> list[str]:
    """The strings of a list in Python's notation."""
    return [single or double for single, double in _ITEM.findall(text)]


def _metadata(node: NodeProto, key: str) -> list[str]:
    for entry in node.metadata_props:
        if entry.key == f"pkg.torch.onnx.{key}" and isinstance(entry.value, str):
            return _items(entry.value)
    return []


def _weight_path(node: NodeProto) -> str:
    match = _WEIGHT.fullmatch(node.input[1]) if node.op_type in _WEIGHTED and len(node.input) > 1 else None
    return match[1] if match else ""


def _legacy_path(node: NodeProto) -> str | None:
    """Module path in a node name of the legacy exporter, where each scope repeats the names above it."""
    if not re.fullmatch(rf"/(.*/)?{re.escape(node.op_type)}(_\d+)?", node.name):
        return None
    path: list[str] = []
    for scope in node.name.strip("/").split("/")[:-1]:
        if path and scope.startswith(path[-1] + "."):
            path.pop()
        path.append(scope)
    return ".".join(path)


class NodeNames(Names):
    """Labels of nodes, and names that are used once."""

    def __init__(self, nodes: Iterable[NodeProto], taken: Iterable[str]):
        super().__init__(taken)
        paths = {path for node in nodes if (path := _legacy_path(node))}
        self._containers = {path[:i] for path in paths for i, letter in enumerate(path) if letter == "."}

    def label(self, node: NodeProto) -> Label:
        """Path, class and names of a node."""
        name = node.name or next(filter(None, node.output), "") or node.op_type
        scopes, classes = _metadata(node, "name_scopes"), _metadata(node, "class_hierarchy")
        weight, word = _weight_path(node), node.op_type.lower()
        if len(scopes) >= 2 and len(classes) == len(scopes):
            path, kind = scopes[-2], classes[-2]
            if "norm" in kind.lower() and node.op_type != "BatchNormalization" and weight:
                path, kind = weight, ""  # a convolution that took up the norm's weights goes by its own name
            return module_label(path, kind, name, word)
        if weight:
            return Label(weight, "", name, readable(weight))
        path = _legacy_path(node)
        if path is None:
            return Label("", "", name, readable(name))
        base = f"{path}.{word}" if not path or path in self._containers else path
        return Label(path, "", name, readable(base))
