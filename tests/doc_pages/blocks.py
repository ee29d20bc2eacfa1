"""The code blocks of a page, and what is to be done with each.

A fence's language decides: `console` (lines `$ command`, then what it prints), `sh` (a script that must end with 0) and
`python` are run; others are shown only. An HTML comment in the line before a fence may say otherwise:

    <!-- docs-test: skip REASON -->      the block is not run; tests/test_doc_pages.py lists all of these
    <!-- docs-test: file PATH -->        the block is the content of a file, which is written to PATH
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNCLEAR = ("bash", "shell", "zsh", "py", "python3", "pycon", "shell-session")
FENCE = re.compile(
    r"(?:^ *<!-- docs-test: (?P<directive>\w+) (?P<argument>[^\n]*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n`]*\n(?P<text>.*?)^(?P=indent)```$",
    re.S | re.M,
)
DIRECTIVE = re.compile(r"<!-- docs-test:")
INSTALLS = re.compile(r"^(?:\$ )?\s*(?:\S*/)?pip install (?!.*--target)", re.M)
INDENTED = re.compile(r"^    (nmc|python|make|pip) ", re.M)


class PageError(Exception):
    """A page that cannot be run as it is written."""


@dataclass(frozen=True)
class Block:
    """One fence of a page: where its text starts (line, from 1), its language, and the directive before it."""

    line: int
    language: str
    text: str
    directive: str = ""
    argument: str = ""


def pages() -> list[Path]:
    """Every page whose commands are run, hand-written ones only: docs/reference is made from code."""
    found = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "tutorials").glob("*.md")]
    return sorted([*found, *(ROOT / "examples").glob("*/README.md")])


def blocks(text: str) -> list[Block]:
    """The fences of a page in order. PageError for commands that would not be run, and for unknown directives."""
    found = [_block(match, text) for match in FENCE.finditer(text)]
    if len(DIRECTIVE.findall(text)) != sum(block.directive != "" for block in found):
        raise PageError("a docs-test comment does not stand right before a block")
    command = INDENTED.search(FENCE.sub("", text))
    if command:
        raise PageError(f"an indented command is not run, put it into a block: {command[0].strip()} …")
    return found


def _block(match: re.Match[str], text: str) -> Block:
    line = text.count("\n", 0, match.start("text")) + 1
    lines = (row.removeprefix(match["indent"]) for row in match["text"].splitlines())
    block = Block(line, match["language"], "\n".join(lines) + "\n", match["directive"] or "", match["argument"] or "")
    if block.directive not in ("", "skip", "file"):
        raise PageError(f"line {line}: unknown directive {block.directive!r}")
    if block.language in UNCLEAR:
        raise PageError(f"line {line}: `{block.language}` is spelled `sh`, `console` or `python` here")
    if block.language != "console" and block.text.startswith("$ ") and not block.directive:
        raise PageError(f"line {line}: commands with what they print are a `console` block")
    if block.language in ("sh", "console") and block.directive != "skip" and INSTALLS.search(block.text):
        raise PageError(f"line {line}: installs packages into the environment that the tests run in: skip it")
    return block
