"""docs/conformance_models.md: what becomes of every file of the zoo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from .judge import TARGETS, Verdict

PAGE = Path(__file__).parents[2] / "docs" / "conformance_models.md"
Row = tuple[str, str, Verdict]
_MADE_WITH = ("torch", "onnx", "onnxscript")

_TEXT = """\
# Conformance with exported networks

<!-- made by `make models-page` -->

`make models` exports narrow versions of the networks that people have (8 to 24 channels, images of 32×32, clips of 8 or
16 frames, random weights, batch norms with statistics and some negative gains) with both exporters of PyTorch, and
writes three models by hand as tf2onnx spells them. `make conformance` sends every file through nmc and fails if this
page is not what it found. Made with {versions}.

- **import**: *equal* means that every output of nmc's reference interpreter is within {tolerance:g} of the largest
  output of onnxruntime on two random samples. Anything else is the code of the refusal.
- **akida**, **cri**: *yes*: the network compiles; *with host segments: n*: it compiles with `--host-fallback`, and n
  parts run on the host, with the codes of what the machine cannot hold; otherwise the codes of the refusal and how many
  diagnostics have them. `nmc check` shows them in full.

Of {files} files, {equal} import and are equal. Target akida takes {akida} as they are and {hybrid} with host segments;
target cri takes {cri}.

| network | exporter | import | akida | cri |
|---|---|---|---|---|
{rows}

{notes}
"""


def _codes(verdict: Verdict, of: str) -> str:
    return ", ".join(f"{count} × {code}" for code, count in sorted(verdict.codes.get(of, {}).items()))


def _target(verdict: Verdict, target: str) -> str:
    kind = verdict.targets.get(target, "")
    codes = _codes(verdict, target)
    if kind.startswith("with"):
        return f"{kind} ({codes})"
    return codes if kind == "refused" else kind


def _row(row: Row) -> str:
    name, exporter, verdict = row
    imported = _codes(verdict, "import") if verdict.imported == "refused" else verdict.imported
    return f"| {name} | {exporter} | {imported} | {' | '.join(_target(verdict, target) for target in TARGETS)} |"


def table(rows: Sequence[Row]) -> str:
    """One line a file."""
    return "\n".join(map(_row, rows))


def text(rows: Sequence[Row], notes: str, tolerance: float) -> str:
    """The whole page."""
    verdicts = [verdict for _, _, verdict in rows]
    kinds = Counter((target, v.targets.get(target, "").split(":")[0]) for v in verdicts for target in TARGETS)
    return _TEXT.format(
        versions=_versions(),
        tolerance=tolerance,
        files=len(rows),
        equal=sum(v.imported == "equal" for v in verdicts),
        akida=kinds["akida", "yes"],
        hybrid=kinds["akida", "with host segments"],
        cri=kinds["cri", "yes"],
        rows=table(rows),
        notes=notes,
    )


def _versions() -> str:
    return ", ".join(f"{package} {version(package)}" for package in _MADE_WITH)


def is_for_installed(page: str) -> bool:
    """Was the page made with the installed packages? Others export otherwise."""
    return f"Made with {_versions()}." in page
