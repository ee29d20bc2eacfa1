"""The exported files: made once for the scripts and packages that make them, in a folder that git ignores.

`python -m export_zoo.exports` makes those that are missing.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cases import CASES, EXPORTERS, Case

if TYPE_CHECKING:
    from torch import Tensor, nn

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FOLDER = ROOT / "build" / "export_zoo"
BATCH = 4  # samples that batch norms take their statistics from


@cache
def scripts() -> bytes:
    """Digest of what makes the files: the networks, this script, and the packages that export."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    nets = Path(__file__).parent / "nets"
    for path in sorted([*nets.glob("*.py"), *(EXAMPLES / "models").glob("*.py")]):
        digest.update(path.name.encode() + path.read_bytes())
    for package in ("torch", "onnx", "onnxscript"):
        digest.update(f"{package} {version(package)}".encode())
    return digest.digest()


def location(name: str, exporter: str) -> Path:
    """Where the file of a network is or will be: another place when what makes it changes."""
    key = hashlib.sha256(scripts() + repr((CASES[name], exporter)).encode()).hexdigest()[:12]
    return FOLDER / f"{name.replace(',', '').replace(' ', '_')}.{exporter}.{key}.onnx"


def settle(model: nn.Module, examples: Sequence[Tensor]) -> nn.Module:
    """Random weights with which activations stay near 1, batch norms with the statistics of the examples and some
    negative gains; in eval mode."""
    import torch
    from torch import nn

    from models.weights import CONVS, NORMS, TRANSPOSED, fan_in

    model.eval()
    norms = [module for module in model.modules() if isinstance(module, NORMS)]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, CONVS | TRANSPOSED | nn.Linear):
                module.weight.normal_(0, math.sqrt(2 / fan_in(module)))
                if module.bias is not None:
                    module.bias.normal_(0, 0.1)
            if isinstance(module, NORMS | nn.LayerNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
        for norm in norms:
            norm.weight[::4] *= -1
            norm.reset_running_stats()
            norm.momentum = None  # the statistics of this batch alone
            norm.train()
        model(*examples)
    return model.eval()


def prepared(case: Case) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The network, ready for export, and a batch of inputs."""
    sys.path[:0] = [str(EXAMPLES)] if str(EXAMPLES) not in sys.path else []
    import torch

    from models.weights import random_clip

    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        examples = tuple(random_clip((BATCH, *shape), seed) for seed, shape in enumerate(case.inputs))
        return settle(case.make(), examples), examples


def write(case: Case, exporter: str, model: nn.Module, examples: tuple[Tensor, ...], path: Path) -> None:
    """Export to one ONNX file."""
    import torch

    from models.export import quiet

    symbolic = exporter in case.symbolic
    examples = tuple(x[: 2 if symbolic else 1] for x in examples)
    options: dict[str, Any] = {"input_names": [f"x{i}" for i in range(len(examples))]}
    options["opset_version"] = case.opsets.get(exporter)
    with quiet(), torch.no_grad():
        if exporter == "dynamo":
            if symbolic:
                options["dynamic_shapes"] = tuple({0: torch.export.Dim("batch")} for _ in examples)
            program = torch.onnx.export(model, examples, dynamo=True, verbose=False, **options)
            assert program is not None
            program.save(path, external_data=False)
        else:
            if symbolic:
                options["dynamic_axes"] = {name: {0: "batch"} for name in options["input_names"]}
            torch.onnx.export(model, examples, path, dynamo=False, **options)


def make(name: str) -> list[Path]:
    """The files of one network, one for each of EXPORTERS; those that are missing are made."""
    paths = [location(name, exporter) for exporter in EXPORTERS]
    if all(path.exists() for path in paths):
        return paths
    FOLDER.mkdir(parents=True, exist_ok=True)
    model, examples = prepared(CASES[name])
    for exporter, path in zip(EXPORTERS, paths, strict=True):
        part = path.with_suffix(f".{os.getpid()}.part")
        write(CASES[name], exporter, model, examples, part)
        part.replace(path)
    return paths


def make_all(names: Sequence[str]) -> None:
    """Make the missing files, several at a time, and remove those that are no longer made."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for _ in pool.map(make, names):
            pass
    current = {location(name, exporter) for name in CASES for exporter in EXPORTERS}
    for path in FOLDER.glob("*.onnx"):
        if path not in current:
            path.unlink()


if __name__ == "__main__":
    make_all(list(CASES))
    print(FOLDER)
