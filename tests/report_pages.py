"""Making and checking pages of `nmc report` in tests."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from hybrid_nets import compiled

from nmc.cli.main import main
from nmc.cli.report.page import SECTIONS
from nmc.compiler import compile_model
from nmc.runtime.program import CriProgram, Program, save
from nmc.runtime.program.hybrid import HybridProgram

EXAMPLES = Path(__file__).parent.parent / "examples"
ZOO = Path(__file__).parent / "golden_zoo"
DIGITS = EXAMPLES / "digits" / "digits_residual.onnx"
VOID = {"meta", "br"}
MOST_BYTES = 3_000_000
IDS = {name for name, _, _, _ in SECTIONS}


class Page(HTMLParser):
    """Elements of a page; ids, what is referred to, texts of headings. Elements that do not nest are an error."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.outside: list[str] = []
        self.open: list[str] = []
        self.sections: list[str] = []
        self.buttons = self.unnamed = 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"an attribute twice in {tag}"
        self.elements[tag] += 1
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.sections += [given["id"] or ""] if tag == "section" else []
        for name, value in given.items():
            for reference in re.findall(r"url\(#([^)]*)\)", value or ""):
                self.references.append(reference)
            if name == "aria-labelledby" or (name == "href" and (value or "").startswith("#")):
                self.references.append((value or "").removeprefix("#"))
            elif name in ("href", "src", "srcset", "action", "xlink:href", "poster", "data") or name.startswith("on"):
                self.outside.append(f"{tag} {name}={value}")
        self.unnamed += tag == "svg" and not (given.get("role") and given.get("aria-label"))
        self.buttons += tag == "button" and given.get("type") == "button"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(text: str, kind: str) -> Page:
    """What holds of every page."""
    found = Page(text)
    assert found.sections == [name for name, _, _, kinds in SECTIONS if kind in kinds]
    assert len(found.ids) == len(set(found.ids))
    assert set(found.references) <= set(found.ids)
    assert (found.outside, found.unnamed) == ([], 0)
    assert found.elements["script"] == found.elements["style"] == found.elements["main"] == 1
    assert found.buttons == found.elements["button"] > 4
    assert found.elements["details"] == found.elements["summary"] == len(found.sections)
    for word in ("http:", "https:", "@import", "@font-face", "url(//", "fetch(", "XMLHttpRequest"):
        assert word not in text
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert len(text.encode()) < MOST_BYTES
    return found


def nmc(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


@cache
def digits() -> CriProgram:
    program = compile_model(DIGITS, "cri", timesteps=3, calibration=np.random.default_rng(0).random((8, 1, 8, 8)))
    assert isinstance(program, CriProgram)
    return program


@cache
def gated(name: str = "gated_image") -> HybridProgram:
    program = compiled(name).program
    assert isinstance(program, HybridProgram)
    return program


def images(program: Program, count: int = 2) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(5)
    return {entry.name: rng.random((count, *entry.shape)).astype(np.float32) for entry in program.inputs}


def report(folder: Path, program: Program, *words: object, samples: int = 2) -> tuple[dict[str, Any], str]:
    """The data behind a page with a run, and the page."""
    save(program, folder / "p.nmc")
    np.savez(folder / "x.npz", **images(program, samples))
    done = nmc("report", folder / "p.nmc", "--input", folder / "x.npz", "-o", folder / "r.html", "--json", *words)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), (folder / "r.html").read_text()


EVIL = "</script><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\0"
