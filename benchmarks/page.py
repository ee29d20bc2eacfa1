"""A benchmark's section of docs/benchmarks.md: printed while it is measured, written into the page when it is done.

A benchmark is a script with a `measure(section, quick)`. Its docstring is the section's title and text.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from machine import describe

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BENCHMARKS = (
    "akida_engine",
    "akida_compile",
    "akida_noise",
    "cri_engine",
    "dvs_table",
    "loop_converter",
    "cri_tables",
    "cri_placement",
    "cri_partition",
    "mpi_scaling",
    "torch_engine",
    "digits",
    "video",
    "import_time",
    "start",
    "scaling",
    "roofline",
)
HEAD = """# Benchmarks

Written by `make bench`; `make bench ONLY=name` measures one section again. In every section nmc and what it is compared
with ran on the same machine, one after another or in turns. Times are wall times unless a section says otherwise.
"""


class Section:
    """Tables of one benchmark. Cells are texts; a table's first column names what a row is about."""

    def __init__(self, doc: str):
        title, _, text = doc.strip().partition("\n\n")
        self._title = " ".join(title.split()).rstrip(".")
        self._parts = [text.strip()]
        self._rows = 0

    def table(self, *columns: str) -> None:
        """Begin a table."""
        self._parts.append(_line(columns) + "\n" + "|".join(["", "---", *["---:"] * (len(columns) - 1), ""]))
        print("\n" + _plain(columns))

    def row(self, *cells: str) -> None:
        """Add a row to the table that began last."""
        self._parts[-1] += "\n" + _line(cells)
        self._rows += 1
        print(_plain(cells), flush=True)

    def text(self, paragraph: str) -> None:
        """A paragraph behind the table before."""
        self._parts.append(paragraph)
        print("\n" + paragraph)

    def markdown(self, name: str, seconds: float) -> str:
        machine = f"{describe()}. Measured {date.today()} in {seconds:.0f} s by `make bench ONLY={name}`."
        return "\n\n".join([f"## {self._title}", *filter(None, self._parts), machine]) + "\n"


def run(file: str, doc: str | None, measure: Callable[[Section, bool], None]) -> None:
    """The command line of a benchmark."""
    name, section = Path(file).stem, Section(doc or "")
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the smallest variant, whose times say nothing")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the section into this page")
    given = parser.parse_args()
    start = time.perf_counter()
    measure(section, given.quick)
    print(f"\n{describe()}")
    if given.write:
        write(given.write, name, section.markdown(name, time.perf_counter() - start))


def write(page: Path, name: str, text: str) -> None:
    """Put a section in its place, or replace the one of before."""
    kept = sections(page.read_text()) if page.exists() else {}
    kept[name] = text
    ordered = [f"<!-- {key} -->\n{kept[key]}" for key in BENCHMARKS if key in kept]
    page.write_text("\n".join([HEAD, *ordered]))


def sections(page: str) -> dict[str, str]:
    """The sections of a page by benchmark."""
    parts = re.split(r"^<!-- (\w+) -->\n", page, flags=re.MULTILINE)
    return {name: text.strip() + "\n" for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def ms(seconds: float) -> str:
    """A time with three digits, in the unit that suits it."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 0.9995:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds * 1e6)} µs"


def ratio(peer: float, ours: float) -> str:
    """How many times as long as nmc the peer takes."""
    return f"{peer / ours:.2f}" if peer < 10 * ours else f"{peer / ours:.0f}"


def _digits(number: float) -> str:
    return f"{number:.0f}" if number >= 99.95 or number == 0 else f"{number:#.3g}"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(cells: tuple[str, ...]) -> str:
    return f"{cells[0]:<52} " + " ".join(f"{cell:>16}" for cell in cells[1:])
