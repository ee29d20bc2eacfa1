"""PyTorch front end: a module becomes a graph in stage `imported`, or one error that lists everything in the way.

source     MODEL strings (`file.py:factory`, `package.module:factory`) → module; weights: state dicts
inputs     names and shapes of what `forward` takes
trace      module → torch.fx graph whose nodes know their shapes; shapes: what each node would give
export     the same by torch.export, where fx cannot follow `forward`; and `.pt2` files
importer   walks the nodes: constants are folded, other operations go to their handler (handlers)

Spiking networks of SpikingJelly and snnTorch become frame graphs, of one timestep:

library    which modules are neurons, known by the path of their class; their equations are with the handlers
containers what a trace follows of containers that loop over time; over_time: the operations that stand for it
loops      a `forward` that loops over time itself is rolled up
steps      a trace over all timesteps (T, N, …) becomes that of one (step, step_rules, step_moves, layout)
states     neurons' states that `forward` takes and returns become states of the graph

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

    A module with spiking neurons becomes the frame graph of one timestep, started from the neurons' reset states:
    - `forward` takes one timestep (N, …): T is DEFAULT_STEPS, and a run may have any other number;
    - it takes all of them, (T, N, …) or (N, T, …), in SpikingJelly's step_mode 'm' or in a loop over x[t]: its shape
      is given so, with N = 1;
    - it takes one image (N, …) and repeats it: the input is held.
    A result for each timestep has T after the samples; a mean or sum over T is one result a sample, the last step's.

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
