"""One browser for all tests, one page made for each case of the zoo."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .chrome import chromium
from .zoo_pages import CASES, make_page


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("pages")
    return cache(lambda name: make_page(name, folder))


@pytest.fixture(scope="module", params=CASES)
def made(request: pytest.FixtureRequest, make: Any) -> tuple[Path, dict[str, Any]]:
    """A page, and the data behind it."""
    return make(request.param)
