"""Whether a command printed what a page shows."""

from __future__ import annotations

import re

# Times, and rates that follow from them: they differ from run to run.
TIME = re.compile(r"\d[\d,]*(\.\d+)? ?(µs|ms|s|min|samples/s|frames/s|timesteps/s)(?![\w/])")
RULE = re.compile(r"[─━]+")
GAP = "…"


def steady(text: str) -> list[str]:
    """Lines that are not empty, with times replaced, and blanks and rules, whose width depends on them, as one."""
    lines = (RULE.sub("─", TIME.sub("#", line)) for line in text.splitlines())
    words = (" ".join(line.split()) for line in lines)
    return [line for line in words if line]


def matches(printed: str, shown: str) -> bool:
    """Whether `shown` is what was printed; a line of `…` alone stands for any number of lines."""
    pattern = "".join(r"(?:.*\n)*?" if line == GAP else re.escape(line) + r"\n" for line in steady(shown))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in steady(printed))) is not None
