"""The outcome of a check as JUnit XML, which CI services read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as xml

from ..program import atomic_write

# What XML 1.0 cannot hold, escaped or not.
UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Outcome:
    """One test: the text of its failure (a mismatch) or error (it could not be run), "" if there is none."""

    name: str
    seconds: float
    failure: str = ""
    error: str = ""


def write_junit(path: Path, suite: str, tests: Sequence[Outcome]) -> None:
    """Write the report, all of it or nothing. NmcError NMC-F014."""
    counts = {"tests": len(tests)}
    counts |= {"failures": sum(bool(test.failure) for test in tests), "errors": sum(bool(test.error) for test in tests)}
    facts = {"name": suite, **{key: str(count) for key, count in counts.items()}}
    root = xml.Element("testsuites")
    top = xml.SubElement(root, "testsuite", {**facts, "time": f"{sum(test.seconds for test in tests):.3f}"})
    for test in tests:
        facts = {"classname": suite, "name": test.name, "time": f"{test.seconds:.3f}"}
        entry = xml.SubElement(top, "testcase", {key: UNFIT.sub("?", fact) for key, fact in facts.items()})
        for kind, text in (("failure", test.failure), ("error", test.error)):
            if text:
                clean = UNFIT.sub("?", text)
                xml.SubElement(entry, kind, {"message": clean.splitlines()[0]}).text = clean
    xml.indent(root)
    made: bytes = xml.tostring(root, encoding="utf-8", xml_declaration=True)
    atomic_write(path, lambda file: file.write(made + b"\n"))
