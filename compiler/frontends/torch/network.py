"""From a module to a graph: eval mode, float32, fx first and torch.export where fx cannot follow."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...diagnostics import bad_file, unsupported
from ..common.imported import Imported
from .export import export
from .handlers import row_of
from .importer import Importer
from .inputs import forward_shapes
from .spiking_classes import is_spiking
from .states import inner_states
from .steps import per_step
from .trace import KeepsState, Traced, trace
from .where import place, quiet

_MODAL = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)  # pyright: ignore[reportPrivateUsage]


@contextmanager
def _eval_mode(module: nn.Module) -> Iterator[None]:
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _plain(module: nn.Module, notes: list[str]) -> nn.Module:
    """The module with float32 weights on the CPU: itself, or a copy."""
    tensors = [*module.parameters(), *module.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        hint = "make the model on the CPU, or give its weights with --state-dict"
        raise bad_file("NMC-I030", "the model has no weights", why="its tensors are on the device 'meta'", hint=hint)
    others = {t.dtype for t in tensors if t.is_floating_point() and t.dtype != torch.float32}
    if not others and all(tensor.device.type == "cpu" for tensor in tensors):
        return module
    if others:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in others))
        notes.append(f"the model has weights of type {names}: they are converted to float32")
    return copy.deepcopy(module).cpu().float()


def _training_note(module: nn.Module) -> list[str]:
    modal = sorted({type(part).__name__ for part in module.modules() if part.training and isinstance(part, _MODAL)})
    if not modal:
        return []
    return [f"the model is in training mode and is compiled as in eval mode, which matters to {', '.join(modal)}"]


def _said(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def follow(module: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> Traced:
    """The module's trace. NmcError NMC-I032 (unsupported) if it keeps a state or draws random numbers, or if `forward`
    fails or cannot be followed."""
    with torch.random.fork_rng(devices=[]), quiet():
        before = torch.random.get_rng_state()
        traced = _follow(module, shapes)
        drawn = not torch.equal(torch.random.get_rng_state(), before)
    if drawn:
        why, hint = "what it computes would differ from run to run", "draw them once and keep them in a buffer"
        raise unsupported("NMC-I032", "`forward` draws random numbers", type(module).__name__, why, hint)
    return traced


def _follow(module: nn.Module, shapes: Mapping[str, tuple[int, ...]]) -> Traced:
    where = type(module).__name__
    try:
        return trace(module, shapes, lambda part: row_of(part) is not None)
    except KeepsState as error:
        raise _stateful(error, where) from None
    except Exception as error:  # whatever the user's code raises
        first = error
        if is_spiking(module):  # torch.export would lose the neurons' states
            raise _not_followed(module, shapes, first) from None
    try:
        return export(module, shapes)
    except KeepsState as error:
        raise _stateful(error, where) from None
    except Exception as second:
        raise _not_followed(module, shapes, first, second) from None


def _not_followed(
    module: nn.Module, shapes: Mapping[str, tuple[int, ...]], first: Exception, second: Exception | None = None
) -> Exception:
    given = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
    why = f"with {given}: {_said(first)}"
    if second is not None and type(first) is not type(second):
        why += f"; torch.export: {_said(second)}"
    hint = "check --input-shape; `forward` may branch on shapes and settings, but not on the elements of a tensor"
    where = ", ".join(filter(None, (type(module).__name__, place(first))))
    return unsupported("NMC-I032", "`forward` cannot be followed", where, why, hint)


def _stateful(error: KeepsState, where: str) -> Exception:
    hint = "a network over time takes clips with a time axis (N, C, T, H, W); the compiler makes the state from it"
    return unsupported("NMC-I032", "`forward` keeps a state from one call to the next", where, str(error), hint)


def read_module(
    module: nn.Module,
    given: Mapping[str, tuple[int, ...]],
    name: str,
    examples: Sequence[Tensor] | Mapping[str, Tensor],
) -> Imported:
    """See `import_network`."""
    shapes = forward_shapes(module, given, examples, trains=is_spiking(module))
    notes = _training_note(module)
    plain = _plain(module, notes)
    with _eval_mode(plain):
        traced = follow(plain, shapes)
        if is_spiking(plain):
            traced, about = inner_states(per_step(traced))
            notes += about
        return Imported(Importer(traced, name).run(), tuple(notes))
