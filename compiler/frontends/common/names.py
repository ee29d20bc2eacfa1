"""What the user calls the layers of a model, and names that are used once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LAYERS = ("torch.nn.modules.", "spikingjelly.", "snntorch.")
_CONTAINERS = ("torch.nn.modules.container.", "spikingjelly.activation_based.layer.container.")


@dataclass(frozen=True)
class Label:
    """A node's place in the user's model.

    path  module path, empty if unknown or the model itself;  kind: class name of that module;  node: name in the file
    base  the name its value gets in the IR if that is free
    """

    path: str
    kind: str
    node: str
    base: str

    @property
    def origin(self) -> str:
        return self.path or self.node

    @property
    def where(self) -> str:
        """The text of a diagnostic's `at` line."""
        layer = f"layer {self.path!r}" + (f" ({self.kind})" if self.kind else "") if self.path else ""
        return ", ".join(filter(None, (layer, f"node {self.node!r}")))


def readable(name: str) -> str:
    """The name with letters, digits, `_` and `.` only; slashes become dots."""
    dotted = re.sub(r"[^\w.]+(?=\.|$)", "", name.strip("/").replace("/", "."))
    return re.sub(r"[^\w.]+", "_", dotted).strip("._") or "value"


def module_label(path: str, kind: str, node: str, word: str) -> Label:
    """The label of an operation `word` that a PyTorch module runs: a layer of PyTorch or of a spiking library goes by
    the module's path alone.

    kind  the module's class with its package, empty if unknown;  node: name of the operation in the file or trace
    """
    leaf = not kind or (kind.startswith(_LAYERS) and not kind.startswith(_CONTAINERS))
    base = path if leaf and path else f"{path}.{word}"
    return Label(path, kind.rpartition(".")[2], node, readable(base))


class Names:
    """Names of values, each used once."""

    def __init__(self, taken: Iterable[str]):
        self._taken = set(taken)

    def unique(self, base: str, op: str) -> str:
        """`base` if no value has it yet; else `base.<op>`, or that with a number."""
        word = op.lower()
        if base in self._taken and base.rpartition(".")[2] != word:
            base = f"{base}.{word}"
        name, number = base, 2
        while name in self._taken:
            name, number = f"{base}.{number}", number + 1
        self._taken.add(name)
        return name
