"""Runs one page: its blocks in order, in a folder of its own that holds links to examples/, docs/ and tests/."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import traceback
from difflib import unified_diff
from pathlib import Path

from .blocks import ROOT, Block, PageError, blocks
from .outputs import matches, steady

LINKED = ("docs", "examples", "tests")
COMMAND = re.compile(r"^\$ (?P<command>(?:.*\\\n)*.*)\n(?P<shown>(?:(?!\$ ).*\n)*)", re.M)
EXIT_CODE = re.compile(r"#.*\bexit code (\d)\s*$")
LIMIT = 300  # seconds for one command


def run_page(text: str, folder: Path) -> str | None:
    """The first thing that is wrong with a page, after the number of its line; None if all of it works.

    `folder` is an empty folder; it becomes this process's working folder and the first that Python imports from.
    """
    for linked in LINKED:
        (folder / linked).symlink_to(ROOT / linked)
    os.chdir(folder)
    sys.path.insert(0, str(folder))  # as `python` has it
    namespace: dict[str, object] = {"__name__": "__main__"}
    try:
        for block in blocks(text):
            problem = _run(block, namespace)
            if problem:
                return f"line {block.line}: {problem}"  # what follows may need what is missing now
    except PageError as error:
        return str(error)
    return None


def _run(block: Block, namespace: dict[str, object]) -> str | None:
    if block.directive == "skip":
        return None
    if block.directive == "file":
        path = Path(block.argument)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return None
    match block.language:
        case "console":
            return _console(block)
        case "sh":
            return _script(block)
        case "python":
            return _python(block, namespace)
        case _:
            return None


def _console(block: Block) -> str | None:
    """Each command ends with the exit code in its comment (`# exit code 3`), else 0, and prints what stands below."""
    found = list(COMMAND.finditer(block.text))
    if not found or found[0].start() != 0:
        return "a console block starts with `$ ` and a command"
    for match in found:
        code, printed = _shell(match["command"])
        wanted = EXIT_CODE.search(match["command"])
        if code != int(wanted[1] if wanted else 0):
            return f"`{match['command']}` ended with exit code {code}\n{printed}"
        if not matches(printed, match["shown"]):
            lines = unified_diff(steady(match["shown"]), steady(printed), "page", "printed", lineterm="", n=1)
            return f"`{match['command']}` prints something else\n" + "\n".join(lines)
    return None


def _script(block: Block) -> str | None:
    code, printed = _shell(block.text)
    return None if code == 0 else f"the script ended with exit code {code}\n{printed}"


def _shell(script: str) -> tuple[int, str]:
    """Run a bash script in the page's folder: its exit code, and all it printed (errors too) as on a terminal."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    bash = shutil.which("bash")
    if bash is None:
        raise PageError("no bash")
    try:
        done = subprocess.run(
            [bash, "-euo", "pipefail", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return 124, f"not done after {LIMIT} s"
    return done.returncode, done.stdout


def _python(block: Block, namespace: dict[str, object]) -> str | None:
    """Run in this process, after the blocks before it: a page's Python blocks share one namespace."""
    try:
        exec(compile("\n" * (block.line - 1) + block.text, "page", "exec"), namespace)
    except (Exception, SystemExit):
        return traceback.format_exc()
    return None
