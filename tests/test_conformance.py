"""The run of the ONNX backend suite: how cases are read, and what becomes of them. `make conformance` runs them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conformance.page import PAGE, count, is_for_installed, table, text
from conformance.readings import readings
from conformance.suite import Case, stored
from conformance.verdict import Verdict, judge
from onnx import TensorProto, helper

pytestmark = pytest.mark.slow

FLOATS = TensorProto.FLOAT
RNG = np.random.default_rng(0)


def case(op: str, inputs: list[Any], expected: Any, opset: int = 17, **attributes: Any) -> Case:
    """A case of one node."""
    names = [f"x{i}" for i in range(len(inputs))]
    given = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
             for n, a in zip(names, inputs, strict=True)]  # fmt: skip
    made = [helper.make_tensor_value_info("y", FLOATS, None)]
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "case", given, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return Case(op.lower(), op, model, (([*inputs], [expected]),), 1e-3, 1e-7)


def random(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=shape).astype(np.float32)


X = random(3, 4, 5)
CASES = {
    "axis 0 holds the samples": (case("Flatten", [X], X.reshape(3, 20)), "samples"),
    "a vector is one sample": (case("Relu", [X[0, 0]], np.maximum(X[0, 0], 0)), "one sample"),
    "weights of every sample": (case("Add", [X, 2 * X], 3 * X), "one sample"),
    "a constant of a higher rank": (case("Add", [X[0, 0], X], X[0, 0] + X), "one sample"),
    "an attribute that counts axes": (case("ReduceSum", [X, np.array([0])], X.sum(0), keepdims=0), "one sample"),
    "all axes": (case("ReduceMax", [X], X.max(keepdims=True), opset=20), "one sample"),
    "a permutation": (case("Transpose", [X], X.T), "one sample"),
    "sizes": (case("Reshape", [X, np.array([5, -1])], X.reshape(5, -1)), "one sample"),
    "several data operands": (case("Concat", [X, 2 * X], np.concatenate([X, 2 * X]), axis=0), "one sample"),
}


@pytest.mark.parametrize("name", CASES)
def test_cases_are_read_in_the_first_way_that_is_imported(name: str, tmp_path: Path) -> None:
    given, how = CASES[name]
    assert judge(given, tmp_path) == Verdict("equal", detail=how)


def test_other_numbers_are_wrong_and_other_shapes_too(tmp_path: Path) -> None:
    assert judge(case("Relu", [X], X), tmp_path).kind == "wrong"
    assert judge(case("Relu", [X], np.maximum(X, 0)[None]), tmp_path).kind == "wrong"
    within = np.maximum(X, 0) * np.float32(1.0005)
    assert judge(case("Relu", [X], within), tmp_path).kind == "equal"


def test_a_bug_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("conformance.verdict.evaluate", broken)
    found = judge(case("Relu", [X], X), tmp_path)
    assert found.kind == "crashed" and "ZeroDivisionError" in found.detail


def test_a_refusal_has_the_code_of_the_node_where_there_is_one(tmp_path: Path) -> None:
    assert judge(case("Hardmax", [X[0, 0]], X[0, 0]), tmp_path).code == "NMC-I010"
    text = case("Relu", [np.array(["a"], np.str_)], X)
    assert judge(text, tmp_path).code == "NMC-I011"


def test_an_output_that_the_onnx_package_computed_is_not_equal(tmp_path: Path) -> None:
    given = case("ConstantOfShape", [np.array([2, 3])], np.zeros((2, 3), np.float32))
    assert judge(given, tmp_path).kind == "refused"


def test_readings_leave_the_suites_model_alone() -> None:
    given = case("Concat", [X, X], np.concatenate([X, X]), axis=0)
    before = given.model.SerializeToString()
    assert len(list(readings(given, *given.data_sets[0]))) == 4
    assert given.model.SerializeToString() == before


def test_the_stored_cases(tmp_path: Path) -> None:
    results = [(found, judge(found, tmp_path)) for found in stored()]
    kinds = count(results)
    assert (kinds["wrong"], kinds["crashed"]) == (0, 0)
    assert sum(kinds.values()) == 140 and kinds["equal"] >= 100


def test_the_page_shows_failures_in_columns_of_their_own() -> None:
    results = [(case("Relu", [X], X), Verdict("equal")), (case("Relu", [X], X), Verdict("wrong"))]
    results.append((case("Sin", [X], X), Verdict("refused", "NMC-I010", "no")))
    assert table(results) == "| Relu | 2 | 1 |  |\n| Sin | 1 |  | 1 × NMC-I010 |"
    assert "| Relu | 2 | 1 |  | 1 |" in text(results, ["Concat"])


def test_the_recorded_page_has_no_wrong_and_no_crashed_cases() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "| wrong | 0 |" in page and "| crashed | 0 |" in page
    equal = int(page.split("| equal | ")[1].split(" ")[0])
    assert equal >= 900
    assert is_for_installed(page) == (f"(here {onnx.__version__})" in page)
