"""What PyTorch itself computes, to compare the imported graph with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...diagnostics import unsupported
from ...ir.ops.base import Array
from .importer import output_names
from .source import build
from .weights import load_weights


def run_source(text: str, state_dict: Path | None, samples: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of `file.py:factory` or `package.module:factory`, (n, *shape) by name, for samples (n, *shape) by
    name, one at a time, in eval mode with float32 weights. For modules without a state: a spiking one goes on where the
    sample before it ended. NmcError as `import_source`, NMC-I032 where `forward` fails."""
    built = build(text)
    if state_dict is not None:
        load_weights(built.module, state_dict)
    module = built.module.cpu().float().eval()
    made: dict[str, list[Array]] = {}
    with torch.no_grad():
        for i in range(len(next(iter(samples.values())))):
            given = {name: torch.from_numpy(array[i : i + 1].astype(np.float32)) for name, array in samples.items()}
            for name, values in output_names(_called(module, given, text)):
                made.setdefault(name, []).append(values.numpy())
    return {name: np.concatenate(parts) for name, parts in made.items()}


def _called(module: nn.Module, given: dict[str, Tensor], text: str) -> Any:
    try:
        return module(**given)
    except Exception as error:  # code of the user may raise anything
        raise unsupported("NMC-I032", "forward fails on a sample", text, f"{type(error).__name__}: {error}") from error
