"""Results tables as files: CSV, Parquet, JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ...runtime.program.atomic import atomic_write
from ...runtime.program.diagnostics import usage
from .rows import Row


def check_suffix(path: Path) -> None:
    """NmcError NMC-R076 for a file of another kind, R070 for a Parquet file without pyarrow."""
    if path.suffix.lower() not in WRITERS:
        known = ", ".join(WRITERS)
        raise usage("NMC-R076", f"unknown kind of results file {path.suffix!r}", str(path), hint=f"give one of {known}")
    if path.suffix.lower() == ".parquet":
        _pyarrow()


def write_rows(path: Path, rows: list[Row], facts: dict[str, Any]) -> None:
    """Write rows with equal columns; into a JSON file the facts, which hold the rows. NMC-F014."""
    atomic_write(path, lambda file: WRITERS[path.suffix.lower()](file, rows, facts))


def _csv(file: BinaryIO, rows: list[Row], facts: dict[str, Any]) -> None:
    """Numbers as Python writes them, so that none loses a digit; true and false; nothing for None."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow(json.dumps(v) if isinstance(v, bool) else v for v in row.values())
    file.write(text.getvalue().encode())


def _parquet(file: BinaryIO, rows: list[Row], facts: dict[str, Any]) -> None:
    arrow, parquet = _pyarrow()
    parquet.write_table(arrow.Table.from_pylist(rows), file)


def _json(file: BinaryIO, rows: list[Row], facts: dict[str, Any]) -> None:
    file.write(json.dumps(facts, indent=2, ensure_ascii=False).encode() + b"\n")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        hint = "pip install 'nmc[dask]', or write .csv"
        raise usage("NMC-R070", "Parquet files need the package pyarrow", why=str(error), hint=hint) from error
    return pyarrow, pyarrow.parquet


WRITERS: dict[str, Callable[[BinaryIO, list[Row], dict[str, Any]], None]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".json": _json,
}
