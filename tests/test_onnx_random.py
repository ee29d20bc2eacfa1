"""Random small networks compute the same after import as onnxruntime computes.

`make fuzz-import` runs 2,500 of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from onnx_networks import networks

from nmc.compiler.frontends.onnx import import_onnx
from onnx_models import Net, assert_same

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


@settings(max_examples=max(120, settings.default.max_examples))
@given(net=networks())
def test_random_networks(net: Net, folder: Path) -> None:
    graph = import_onnx(net.save(folder))
    assert_same(graph, net.proto().SerializeToString(), tolerance=1e-4)
