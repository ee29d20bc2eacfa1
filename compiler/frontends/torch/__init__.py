"""PyTorch front end: a module becomes a graph in stage `imported`, or one error that lists everything in the way.

source     MODEL strings (`file.py:factory`, `package.module:factory`) → module; weights: state dicts
inputs     names and shapes of what `forward` takes
trace      module → torch.fx graph whose nodes know their shapes; shapes: what each node would give
export     the same by torch.export, where fx cannot follow `forward`; and `.pt2` files
importer   walks the nodes: constants are folded, other operations go to their handler (handlers)

torch is imported by these modules and by nothing else of nmc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...diagnostics import usage
from ..common.imported import Imported

if TYPE_CHECKING:
    from torch import nn

__all__ = ["import_archive", "import_network", "import_source", "is_module"]

Shapes = Mapping[str, tuple[int, ...]]


def is_module(model: object) -> bool:
    """Is it a torch.nn.Module? Asks without importing torch."""
    return any(kind.__module__ == "torch.nn.modules.module" and kind.__name__ == "Module" for kind in type(model).mro())


def _require_torch() -> None:
    try:
        import_module("torch")
    except ImportError as error:
        hint = "pip install 'nmc[torch]', or export the model to ONNX where PyTorch is"
        raise usage("NMC-I033", "PyTorch models need the package torch", why=str(error), hint=hint) from None


def import_network(
    module: nn.Module,
    input_shapes: Shapes | None = None,
    name: str = "",
    examples: Sequence[Any] | Mapping[str, Any] = (),
) -> Imported:
    """The network that a module computes in eval mode; the module is left as it was.

    `input_shapes` gives whole shapes (with N = 1) by parameter of `forward`; `examples` are example inputs, whose
    shapes count where none are given. NmcError with all diagnostics at once: a shape is missing (usage), `forward`
    fails or cannot be traced, or it holds something nmc does not import.
    """
    _require_torch()
    from .network import read_module

    return read_module(module, input_shapes or {}, name or type(module).__name__, examples)


def import_source(text: str, input_shapes: Shapes | None = None, state_dict: Path | None = None) -> Imported:
    """The network of `file.py:factory` or `package.module:factory`: runs that code, then calls factory().

    `state_dict` is a file of weights (.pt, .pth, .safetensors), which must hold exactly the module's parameters.
    """
    _require_torch()
    from .source import build
    from .weights import load_weights

    built = build(text)
    if state_dict is not None:
        load_weights(built.module, state_dict)
    return import_network(built.module, input_shapes, built.name, built.examples)


def import_archive(path: Path, input_shapes: Shapes | None = None) -> Imported:
    """The network of a `.pt2` file, as torch.export.save writes it."""
    _require_torch()
    from .archive import read_archive

    return read_archive(path, input_shapes or {})
