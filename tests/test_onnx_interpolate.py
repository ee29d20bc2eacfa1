"""Resize in mode linear equals onnxruntime in every coordinate mode, and is the op that fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmc.compiler.ir import Graph
from nmc.compiler.ir.ops import ConvTranspose, Dense
from onnx_models import Net, check_import, refusal

SINCE = {"half_pixel": 11, "pytorch_half_pixel": 11, "asymmetric": 11, "align_corners": 11, "half_pixel_symmetric": 19}
SCALES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "twice": ((1, 3, 4, 5), {"scales": [1, 1, 2, 2]}),
    "three and four times": ((1, 2, 3, 4), {"scales": [1, 1, 3, 4]}),
    "one axis, five times": ((1, 2, 4, 3), {"scales": [1, 1, 1, 5]}),
    "sizes": ((1, 2, 4, 6), {"sizes": [1, 2, 7, 9]}),
    "half": ((1, 2, 6, 8), {"scales": [1, 1, 0.5, 0.5]}),
    "to one element": ((1, 2, 4, 4), {"sizes": [1, 2, 1, 1]}),
    "of one element": ((1, 2, 1, 3), {"scales": [1, 1, 4, 2]}),
    "1-D": ((1, 2, 5), {"scales": [1, 1, 2]}),
    "3-D": ((1, 2, 2, 3, 4), {"scales": [1, 1, 1, 2, 2]}),
    "3-D, all axes": ((1, 1, 2, 3, 4), {"sizes": [1, 1, 4, 6, 8]}),
}


def net(shape: Sequence[int], opset: int, **given: Any) -> Net:
    made = Net(opset)
    made.output(made.resize(made.input("x", shape), mode="linear", **given))
    return made


def ops(graph: Graph) -> list[type]:
    return [type(node.op) for node in graph.nodes if isinstance(node.op, ConvTranspose | Dense)]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("transform", SINCE)
def test_equals_onnxruntime(transform: str, scale: str, tmp_path: Path) -> None:
    shape, given = SCALES[scale]
    check_import(net(shape, SINCE[transform], coordinate_transformation_mode=transform, **given), tmp_path)


@pytest.mark.parametrize(("opset", "op"), [(9, "Upsample"), (10, "Resize")])
def test_old_opsets(opset: int, op: str, tmp_path: Path) -> None:
    made = net((1, 2, 3, 4), opset, scales=[1, 1, 2, 3])
    assert [node.op_type for node in made.nodes] == [op]
    check_import(made, tmp_path)


def test_axes_that_are_named(tmp_path: Path) -> None:
    check_import(net((1, 2, 3, 4), 18, scales=[2.0], axes=[-1]), tmp_path)


def test_whole_factors_are_one_transposed_convolution(tmp_path: Path) -> None:
    for transform in ("half_pixel", "asymmetric"):
        graph = check_import(
            net((1, 3, 4, 5), 17, scales=[1, 1, 2, 2], coordinate_transformation_mode=transform), tmp_path
        )
        assert ops(graph) == [ConvTranspose]
    graph = check_import(
        net((1, 3, 4, 5), 17, scales=[1, 1, 2, 2], coordinate_transformation_mode="align_corners"), tmp_path
    )
    assert ops(graph) == [Dense, Dense]


def test_upsampling_by_two_has_exact_weights(tmp_path: Path) -> None:
    graph = check_import(net((1, 2, 4, 4), 17, scales=[1, 1, 2, 2]), tmp_path)
    (weight,) = (value.data for value in graph.constants())
    row = np.array([0.25, 0.75, 0.75, 0.25])
    assert np.array_equal(weight, np.broadcast_to(np.outer(row, row), (2, 1, 4, 4)))


REFUSED: dict[str, tuple[str, tuple[int, ...], int, dict[str, Any]]] = {
    "samples": ("NMC-I015", (1, 3, 4, 4), 17, {"scales": [2, 1, 1, 1]}),
    "crops": ("NMC-I011", (1, 3, 4, 4), 17, {"coordinate_transformation_mode": "tf_crop_and_resize"}),
    "symmetric too early": ("NMC-I011", (1, 3, 4, 4), 17, {"coordinate_transformation_mode": "half_pixel_symmetric"}),
    "antialias": ("NMC-I011", (1, 3, 4, 4), 18, {"antialias": 1}),
    "corners of a fraction": (
        "NMC-I011",
        (1, 3, 4, 4),
        17,
        {"scales": [1, 1, 1.7, 1], "coordinate_transformation_mode": "align_corners"},
    ),
    "negative": ("NMC-I011", (1, 3, 4, 4), 17, {"scales": [1, 1, -1, 1]}),
    "weights": ("NMC-I016", (1, 1, 4096, 1), 17, {"sizes": [1, 1, 4097, 1]}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    code, shape, opset, given = REFUSED[name]
    if "sizes" not in given:
        given = {"scales": [1, 1, 2, 2], **given}
    (problem,) = refusal(net(shape, opset, **given).save(tmp_path))
    assert problem.code == code
