"""Loop and Scan that are refused: what depends on the data, what is too long, and what is malformed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_loops import BOOL, FLOAT, INT64, graph, layers, loop_body, node, running_sum, scan_body

from nmc.compiler.diagnostics import Diagnostic
from nmc.compiler.frontends.onnx.control import MAX_NODES
from onnx_models import Net, refusal


def refused(net: Net, folder: Path) -> Diagnostic:
    (found,) = refusal(net.save(folder))
    return found


def looped(net: Net, trips: str, go: str, body: onnx.GraphProto | None = None, outputs: int = 1) -> Net:
    net.output(net.op("Loop", trips, go, "x", outputs=outputs, body=body or layers(net)))
    return net


def test_a_trip_count_or_condition_from_the_data(tmp_path: Path) -> None:
    net = Net(17)
    x = net.input("x", ("N", 4))
    trips = net.op("Cast", net.op("ReduceMax", x, axes=[1], keepdims=0), to=FLOAT)
    found = refused(looped(net, trips, ""), tmp_path)
    assert found.code == "NMC-I013" and "its trip count depends on the data" in found.why and "range(8)" in found.hint
    net = Net(17)
    net.input("x", ("N", 4))
    body = graph([node("Relu", ["h"], ["q"])], [("i", INT64), ("go", BOOL), ("h", FLOAT)], [("q", BOOL), ("q", FLOAT)])
    found = refused(looped(net, "", net.const(np.array(True)), body), tmp_path)
    assert found.code == "NMC-I013" and "condition after iteration 1 depends on the data" in found.why


@pytest.mark.parametrize("trips", [MAX_NODES, 2**62, None])
def test_a_loop_that_is_too_long(trips: int | None, tmp_path: Path) -> None:
    net = Net(17)
    net.input("x", ("N", 4))
    body = loop_body([], ["h"], ["h"])
    found = refused(looped(net, "" if trips is None else net.const(trips), "", body), tmp_path)
    assert found.code == "NMC-I018" and str(MAX_NODES) in found.why and "after 5000 times 2 nodes" in found.why


def test_what_a_body_holds_is_refused_once(tmp_path: Path) -> None:
    net = Net(17)
    net.input("x", ("N", 4))
    body = loop_body([node("NonZero", ["h"], ["q"], name="odd")], ["h"], ["q"])
    found = refused(looped(net, net.const(3), "", body), tmp_path)
    assert found.code == "NMC-I010" and "odd" in found.where


MALFORMED = {
    "other carried values": (loop_body([], [], []), "NMC-I012", "do not fit the node's"),
    "broken wiring": (loop_body([node("Relu", ["h"], ["q"])] * 2, ["h"], ["q"]), "NMC-I014", "'q' is made twice"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_bodies(name: str, tmp_path: Path) -> None:
    net = Net(17)
    net.input("x", ("N", 4))
    body, code, text = MALFORMED[name]
    found = refused(looped(net, net.const(3), "", body), tmp_path)
    assert found.code == code and text in found.why


def test_malformed_loops(tmp_path: Path) -> None:
    for trips, text in ((np.float32(3), "its trip count is float32"), (np.array([1, 2]), "has 2 elements")):
        net = Net(17)
        net.input("x", ("N", 4))
        assert text in refused(looped(net, net.const(trips), ""), tmp_path).why
    net = Net(17)
    net.input("x", ("N", 4))
    net.output(net.op("Loop", net.const(3), "", "x"))
    assert refused(net, tmp_path).why == "it has no body"
    net = Net(17)
    net.input("x", ("N", 4))
    net.output(net.op("Loop", net.const(3), "", "", body=loop_body([], ["h"], ["h"])))
    assert refused(net, tmp_path).why == "one of its operands is missing"


def test_steps_that_nothing_can_be_made_of(tmp_path: Path) -> None:
    """No iteration; and steps in front of the samples at an output."""
    net = Net(17)
    x = net.input("x", ("N", 4))
    last = net.op("Loop", net.const(0), "", x, outputs=2, body=layers(net))
    net.output(net.op("Transpose", f"{last}.1", perm=[1, 0, 2]))
    assert "it runs no iteration" in refused(net, tmp_path).why
    net = Net(17)
    x = net.input("x", ("N", 4))
    net.output(net.op("Loop", net.const(2), "", x, outputs=2, body=layers(net)) + ".1")
    found = refused(net, tmp_path)
    assert found.code == "NMC-I015" and "the samples lie in axis 1" in found.why


def test_scans_that_are_refused(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({}, "NMC-I015", "along axis 0"),
        ({"scan_input_axes": [1, 1]}, "NMC-I012", "are not 1"),
        ({"scan_input_axes": [3]}, "NMC-I012", "scan_input_axes 3"),
        ({"scan_input_axes": [1], "num_scan_inputs": 7}, "NMC-I012", "scans 7 of its 2"),
        ({"scan_input_axes": [1], "odd": 1}, "NMC-I011", "attribute odd"),
    ]
    for attributes, code, text in cases:
        net = Net(17)
        x = net.input("x", ("N", 5, 3))
        body = scan_body(running_sum(), ["h", "x_t"], ["sum", "y_t"])
        given = {"num_scan_inputs": 1} | attributes
        net.output(net.op("Scan", net.weight(1, 3), x, outputs=2, body=body, **given))
        found = refused(net, tmp_path)
        assert found.code == code and text in found.why
