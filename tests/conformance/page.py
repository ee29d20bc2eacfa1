"""docs/conformance.md: what the run found, by operator, and the rules it followed."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from .suite import Case
from .verdict import KINDS, Verdict

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
Result = tuple[Case, Verdict]

_RULES = """\
# Conformance with the ONNX backend suite

<!-- made by `make conformance-page` -->

`make conformance` runs the backend suite of the installed onnx package (here {version}) through nmc's importer and its
reference interpreter: the node cases that the package generates, and the models it stores with their data (folders
`pytorch-converted`, `pytorch-operator` and `simple`; not those in `light`, whose weights are made up). CI fails if a
case is wrong or crashes, or if this page is not what the run found.

| | cases | |
|---|---|---|
{totals}

**Equal** means: imported, evaluated by nmc's own interpreter, and every output within the suite's tolerance of the
suite's own outputs. Outputs of a half-precision or float64 model are first rounded to the type the model declares, as
nmc computes such models in float32. Where an output is a constant, the onnx package has computed it at import; such a
case is never counted as equal (`constant`). Neither is one whose state input and output the importer makes a memory of,
which starts at zero (`memory`).

**How a case is read.** nmc imports networks with a samples axis, and the suite's nodes rarely have one. So a case is
read in the first of these ways that is imported, and that way decides:

1. The first input is fed, all other inputs are weights. Axis 0 of the first input holds the samples (the shape with 1
   there is given as with `--input-shape`).
2. The same, but the data is one sample: it gets axes of length 1 in front. For element-wise operators all data gets
   them, up to a common rank. For the operators that count axes the node's axes, shapes, paddings and permutations are
   moved along by one; these are
   {shifted}.
   Other operators are not read in this way.
3. and 4. As 1. and 2. with every input fed.
5. As 1. with those inputs fed that are floats and have the rank of the first one and as many samples.

A refusal counts by its first diagnostic. Where several ways are refused, the first refusal that is not about the
samples axis alone is shown: `NMC-I017` below therefore means that the data cannot be brought into nmc's form. Models of
opsets before 9 are converted to 17 first, as `NMC-I007` advises.

## By operator

What the codes mean is in [the list of diagnostics](reference/diagnostics.md). Cases of a function operator include
those in which the suite spells it out ("expanded"). Stored models are listed by their folder.

| operator | cases | equal | refused |{more}
|---|---|---|---|{rule}
{rows}
"""
_MEANING = {
    "equal": "imported, same numbers",
    "refused": "with a diagnostic",
    "wrong": "imported, other numbers",
    "crashed": "an exception other than a diagnostic",
}


def count(results: Sequence[Result]) -> Counter[str]:
    """Cases by verdict, each of KINDS present."""
    found = Counter(verdict.kind for _, verdict in results)
    return Counter({kind: found[kind] for kind in KINDS})


def _row(op: str, results: Sequence[Result], extra: Sequence[str]) -> str:
    kinds = count(results)
    codes = Counter(verdict.code for _, verdict in results if verdict.kind == "refused")
    refused = ", ".join(f"{number} × {code}" for code, number in sorted(codes.items()))
    cells = [op, str(len(results)), str(kinds["equal"] or ""), refused, *(str(kinds[kind] or "") for kind in extra)]
    return f"| {' | '.join(cells)} |"


def table(results: Sequence[Result], extra: Sequence[str] = ()) -> str:
    """One line an operator."""
    by_op: Mapping[str, list[Result]] = defaultdict(list)
    for result in results:
        by_op[result[0].op].append(result)
    return "\n".join(_row(op, by_op[op], extra) for op in sorted(by_op, key=str.lower))


def text(results: Sequence[Result], shifted: Sequence[str]) -> str:
    """The whole page."""
    kinds = count(results)
    extra = [kind for kind in ("wrong", "crashed") if kinds[kind]]
    totals = "\n".join(f"| {kind} | {kinds[kind]} | {_MEANING[kind]} |" for kind in KINDS)
    return _RULES.format(
        version=onnx.__version__,
        totals=totals,
        shifted=textwrap.fill(", ".join(shifted), 115, subsequent_indent="   "),
        more="".join(f" {kind} |" for kind in extra),
        rule="---|" * len(extra),
        rows=table(results, extra),
    )


def is_for_installed(page: str) -> bool:
    """Was the page made with the installed onnx package? Others have other cases."""
    return f"(here {onnx.__version__})" in page
