"""State dicts: `--state-dict weights.pt` or `weights.safetensors`. Nothing in such a file is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...diagnostics import Collector, Exit, bad_file

CODE = "NMC-I031"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict file by name. NmcError (bad file) if it is missing, damaged or holds other things."""
    if not path.is_file():
        raise bad_file("NMC-I001", "cannot read the state dict", where=str(path), why="there is no such file")
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files and refused pickles raise many kinds
        lines = str(error).strip().splitlines()
        hint = "save it with torch.save(model.state_dict(), path), which holds tensors only"
        why = lines[0][:200] if lines else type(error).__name__
        raise bad_file(CODE, "the state dict cannot be loaded", where=str(path), why=why, hint=hint) from None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        inside = f"it holds entries {', '.join(map(repr, list(found)[:5]))}" if isinstance(found, dict) else ""
        why = inside or f"it holds an object of type {type(found).__name__}"
        hint = "save model.state_dict() alone, not a checkpoint around it"
        raise bad_file(CODE, "the file is not a state dict", where=str(path), why=why, hint=hint)
    return found


def load_weights(module: nn.Module, path: Path) -> None:
    """Put the file's tensors into the module, strictly: NmcError NMC-I031 lists every name or shape that differs."""
    weights = read_weights(path)
    own = module.state_dict()
    problems = Collector(Exit.BAD_FILE)
    where, what = str(path), "the state dict does not fit the model"
    for name in own.keys() - weights.keys():
        problems.add(CODE, what, where, f"{name!r} is missing in the file")
    for name in weights.keys() - own.keys():
        problems.add(CODE, what, where, f"the model has no {name!r}")
    for name in own.keys() & weights.keys():
        if own[name].shape != weights[name].shape:
            have, want = list(weights[name].shape), list(own[name].shape)
            problems.add(CODE, what, where, f"{name!r} has shape {have}, the model's has {want}")
    problems.diagnostics.sort(key=lambda problem: problem.why)
    problems.raise_if_any()
    module.load_state_dict(weights, assign=any(value.is_meta for value in own.values()))
