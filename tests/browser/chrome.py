"""The browser that pages are looked at with: a Chromium of the system, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str:
    """The program in $CHROMIUM, or the first of the usual names. RuntimeError where there is none."""
    given = os.environ.get("CHROMIUM")
    found = shutil.which(given) if given else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        looked = (
            f"$CHROMIUM is {given!r}, which is no program" if given else f"none of {', '.join(NAMES)} is on the PATH"
        )
        raise RuntimeError(
            f"no browser: {looked}. Install one (sudo apt install chromium), or set CHROMIUM to its path."
        )
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium (playwright's Browser)."""
    path = find()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The sandbox needs rights that a container often lacks; the pages are our own.
        arguments = ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()
