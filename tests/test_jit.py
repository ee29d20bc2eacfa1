"""Compiled functions kept on disk: what another process left there is used only if it is what was asked for."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from nmc.runtime.fast import jit

SOURCE = """
from nmc.runtime.fast.jit import compiled


@compiled
def total(x):
    s = x[0]
    for i in range(1, len(x)):
        s += x[i]
    return s
"""
FLOATS, INTS = np.array([0.5, 1, 2], np.float32), np.array([3, 4, 5], np.int32)


class Kernel:
    """A compiled function in a file of its own; each `fresh` is as another process has it."""

    def __init__(self, folder: Path):
        self.path = folder / "kernel.py"
        self.path.write_text(SOURCE)

    def fresh(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location("kernel", self.path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def files(self) -> list[Path]:
        return sorted(self.path.parent.rglob("*.nbc"))

    def hits(self, module: ModuleType) -> int:
        return sum(module.total.stats.cache_hits.values())


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    yield Kernel(tmp_path)


def test_code_is_kept_for_each_signature(kernel: Kernel) -> None:
    first, second = kernel.fresh(), kernel.fresh()
    assert first.total(FLOATS) == second.total(FLOATS) == 3.5
    assert first.total(INTS) == second.total(INTS) == 12
    assert (kernel.hits(first), kernel.hits(second), len(kernel.files())) == (0, 2, 2)


def test_a_file_with_other_code_is_not_used(kernel: Kernel) -> None:
    """As a process that compiles at the same time, or one that is killed, may leave numba's own files."""
    first = kernel.fresh()
    first.total(FLOATS)
    (floats,) = kernel.files()
    first.total(INTS)
    (ints,) = set(kernel.files()) - {floats}
    shutil.copy(ints, floats)
    second = kernel.fresh()
    assert (second.total(FLOATS), second.total(INTS)) == (3.5, 12)
    assert kernel.hits(second) == 1
    assert kernel.hits(third := kernel.fresh()) == 0 and third.total(FLOATS) == 3.5 and kernel.hits(third) == 1


def test_code_of_other_sources_is_not_used(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even while a process that still has the old sources writes beside one that has the new ones."""
    old, late = kernel.fresh(), kernel.fresh()
    assert old.total(INTS) == 12
    before = kernel.files()
    monkeypatch.setattr(jit, "stamp", lambda: (("kernel.py", 1, 1),))
    new, again = kernel.fresh(), kernel.fresh()
    assert new.total(INTS) == 12 and kernel.hits(new) == 0
    assert kernel.files() == before
    assert late.total(INTS) == 12 and kernel.hits(late) == 0
    assert again.total(INTS) == 12 and kernel.hits(again) == 0
