"""The table of operators by form and target: complete, and current."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nmc.compiler.frontends.onnx.handlers import HANDLERS

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parent.parent / "docs"
sys.path.insert(0, str(DOCS))
import operator_coverage  # noqa: E402
from operator_forms import FORMS, WITHOUT_FORM  # noqa: E402


def test_every_operator_and_attribute_that_is_imported_has_a_form() -> None:
    assert operator_coverage.missing() == []
    assert WITHOUT_FORM.keys() <= HANDLERS.keys()


def test_forms_have_one_line_each() -> None:
    assert len({(form.op, form.what) for form in FORMS}) == len(FORMS)


def test_the_page_is_current() -> None:
    page = (DOCS / "reference" / "coverage.md").read_text(encoding="utf-8")
    assert operator_coverage.page() == page, "run `make docs`"
