"""The device that programs run on, and how torch has to compute for sums to be exact."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..program.diagnostics import usage


def find_device(name: str) -> torch.device:
    """`cpu`, `cuda` or `cuda:N`; NmcError NMC-R026 (usage) for another one, or a GPU that is not there."""
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise usage("NMC-R026", f"unknown device {name!r}", hint="cpu, cuda, or cuda:1 for the second GPU")
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        why = "this build of torch has no CUDA" if torch.version.cuda is None else "torch finds no CUDA device"
        raise usage("NMC-R026", f"device {name!r} is not there", why=why, hint="--device cpu runs the same engine")
    count = torch.cuda.device_count()
    if (device.index or 0) >= count:
        last = f"cuda:{count - 1}"
        raise usage("NMC-R026", f"device {name!r} is not there", why=f"{count} are", hint=f"the last one is {last}")
    return device


@contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """Within it float32 products are products of float32: no TF32, no bfloat16, no autocast, whatever the caller has
    switched on; and nothing is recorded for gradients."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
