"""Front ends: files and code of networks become graphs in stage `imported`. Found by the ending of a file's name, or by
the form `code:factory`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..diagnostics import bad_file, usage
from ..ir import Graph
from .common.imported import Imported
from .nir import NirOptions

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Imported", "NirOptions", "Shapes", "import_model", "model_stem", "read_model"]

Shapes = Mapping[str, tuple[int, ...]]

_FACTORY = re.compile(r"(.+\.py|[A-Za-z_]\w*(?:\.\w+)*):([A-Za-z_]\w*(?:\.\w+)*)", re.DOTALL)
_HINTS = {
    ".py": "name the function that makes the model: {name}:factory",
    **dict.fromkeys((".pt", ".pth", ".ckpt"), "weights alone are no network: file.py:factory --state-dict {name}"),
}


def _is_code(text: str) -> bool:
    """Is it `file.py:factory` or `package.module:factory`, and not the name of a file?"""
    return bool(_FACTORY.fullmatch(text)) and not Path(text).exists()


def model_stem(model: str | Path) -> str:
    """What a program is called after its model: the factory's name, else the file's name without ending."""
    text = str(model)
    return text.rpartition(":")[2].rpartition(".")[2] if _is_code(text) else Path(text).stem


def import_model(
    model: str | Path | Graph | nn.Module,
    input_shapes: Shapes | None = None,
    state_dict: str | Path | None = None,
    nir: NirOptions | None = None,
    states: Mapping[str, str] | None = None,
) -> Imported:
    """The graph of a model, with notes about what was converted. The model is

    a file        `.onnx`, `.pt2` (of torch.export), `.nir`, or `.ir` (the text form, as --dump-ir and reproducers
                  write it)
    code          `file.py:factory` or `package.module:factory`, which is run; factory() returns a torch.nn.Module
    a module      a torch.nn.Module itself
    a graph       in stage `imported`, which is returned as it is

    `input_shapes` gives (or overrides) the shapes of inputs by name; PyTorch code needs them. `state_dict` is a file of
    weights for code, `nir` the discretization of a NIR file, `states` the memories that an ONNX model takes and gives
    (input name to output name). NmcError if the model cannot be read or holds something
    unsupported: all problems at once.
    """
    path = Path(model) if isinstance(model, str | Path) else None
    code = path is not None and _is_code(str(model))
    if state_dict is not None and not code:
        hint = "give the model as file.py:factory"
        raise usage("NMC-I031", "a state dict goes with PyTorch code only", where=str(state_dict), hint=hint)
    if nir is not None and (path is None or code or path.suffix.lower() != ".nir"):
        hint = "leave out --dt, --discretization, --reset, --reset-delay, --compare, --start and --synapse"
        raise usage("NMC-I042", "a discretization goes with NIR files only", where=str(path or "the model"), hint=hint)
    if states and (path is None or code or path.suffix.lower() != ".onnx"):
        hint = "leave out --state: other models keep their states inside"
        raise usage("NMC-I050", "states go with ONNX files only", where=str(path or "the model"), hint=hint)
    if isinstance(model, Graph):
        return Imported(model)
    if path is None or code:
        from .torch import import_network, import_source, is_module

        if path is not None:
            return import_source(str(model), input_shapes, None if state_dict is None else Path(state_dict))
        if not is_module(model):
            raise TypeError(
                f"a model is a path, `code:factory`, a graph or a torch.nn.Module, not {type(model).__name__}"
            )
        return import_network(model, input_shapes)  # pyright: ignore[reportArgumentType]
    return _import_file(path, input_shapes, nir, states)


def _import_file(
    path: Path, input_shapes: Shapes | None, discretization: NirOptions | None, states: Mapping[str, str] | None
) -> Imported:
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from .onnx import import_with_notes

        return import_with_notes(path, input_shapes, states)
    if suffix == ".ir":
        from .ir_text import read_graph

        return Imported(read_graph(path))
    if suffix == ".nir":
        from .nir import import_nir

        return import_nir(path, input_shapes, discretization)
    if suffix == ".pt2":
        from .torch import import_archive

        return import_archive(path, input_shapes)
    hint = _HINTS.get(suffix, "export the network to ONNX and name the file model.onnx, or give file.py:factory")
    raise bad_file(
        "NMC-I020",
        f"cannot tell what kind of model {path.name!r} is",
        where=str(path),
        why=f"its ending {suffix!r} is none of .onnx, .pt2, .nir, .ir" if suffix else "it has no ending",
        hint=hint.format(name=path.name),
    )


def read_model(
    model: str | Path | nn.Module,
    input_shapes: Shapes | None = None,
    state_dict: str | Path | None = None,
    nir: NirOptions | None = None,
) -> Graph:
    """The graph of a model alone; see `import_model`."""
    return import_model(model, input_shapes, state_dict, nir).graph
