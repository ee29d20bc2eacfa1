"""Einsum of one or two operands: sums, transposes and one matrix product."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from ....ir import Value
from ....ir.ops import MatMul, Mean, Mul, Transpose
from ..call import Call

_HINT = "write it with transposes and matmul"


@dataclass(frozen=True)
class Term:
    """An operand with one label an axis."""

    value: Value
    labels: str

    def size(self, label: str) -> int:
        return self.value.type.shape[self.labels.index(label)]

    @property
    def batched(self) -> bool:
        return self.value.type.batched


def _equation(call: Call, ranks: list[int]) -> tuple[list[str], str]:
    """Labels of the operands and of the result; what `…` stands for gets digits as labels."""
    text = call.text("equation", "").replace(" ", "")
    left, arrow, out = text.partition("->")
    terms = left.split(",")
    call.require(len(terms) == len(ranks), "NMC-I012", f"equation {text!r} for {len(ranks)} operands")
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True) if "..." in term]
    most = "0123456789"[: max(hidden, default=0)]
    terms = [
        term.replace("...", most[len(most) - max(0, rank - len(term.replace("...", ""))) :])
        for term, rank in zip(terms, ranks, strict=True)
    ]
    if not arrow:
        letters = "".join(terms)
        out = most + "".join(sorted(c for c in set(letters) if letters.count(c) == 1 and c.isalpha()))
    out = out.replace("...", most)
    fits = all(re.fullmatch(r"\w*", term) and len(term) == rank for term, rank in zip(terms, ranks, strict=True))
    call.require(fits and set(out) <= set("".join(terms)), "NMC-I012", f"equation {text!r} does not fit its operands")
    once = all(len(set(term)) == len(term) for term in (*terms, out))
    call.require(once, "NMC-I011", f"its equation {text!r} takes a diagonal", _HINT)
    return terms, out


def _ordered(call: Call, term: Term, labels: str, part: str) -> Term:
    """The operand with its axes in this order."""
    perm = tuple(term.labels.index(label) for label in labels)
    if perm == tuple(range(len(perm))):
        return term
    if term.value.is_constant:
        return Term(call.weight(part, term.value.data.transpose(perm)), labels)
    call.require(not term.batched or perm[0] == 0, "NMC-I015", f"it moves the samples (axis 0): {labels}")
    return Term(call.emit(Transpose(perm), term.value, part=part), labels)


def _summed(call: Call, term: Term, keep: str, part: str) -> Term:
    """The sum over all labels that are not in `keep`."""
    dims = tuple(i for i, label in enumerate(term.labels) if label not in keep)
    if not dims:
        return term
    labels = "".join(label for label in term.labels if label in keep)
    if term.value.is_constant:
        return Term(call.weight(part, term.value.data.astype(np.float64).sum(axis=dims)), labels)
    call.require(0 not in dims, "NMC-I015", "it sums over the samples (axis 0)")
    count = math.prod(term.value.type.shape[dim] for dim in dims)
    mean = call.emit(Mean(dims, False), term.value, part=f"{part}.mean")
    factor = call.weight(f"{part}.count", np.array(count, np.float32))
    return Term(call.emit(Mul(), mean, factor, part=part), labels)


def _grouped(call: Call, term: Term, groups: tuple[str, ...], part: str) -> Value:
    """The operand with one axis a label of the first group, then one axis a group; labels it has not got are axes of
    length 1."""
    front, *rest = groups
    present = "".join(label for label in "".join(groups) if label in term.labels)
    value = _ordered(call, term, present, f"{part}.moved").value
    sizes = [term.size(label) if label in term.labels else 1 for label in front]
    sizes += [math.prod(term.size(label) for label in group) for group in rest]
    letters = "".join(value.type.axes[present.index(c)] if c in present else "_" for c in front) + "_" * len(rest)
    shape = tuple(sizes)
    if value.is_constant:
        return call.weight(f"{part}.matrix", value.data.reshape(shape))
    kept = all(len(group) == 1 for group in rest)
    named = value.type.axes if kept and len(value.type.axes) == len(letters) else letters
    return call.reshape(value, shape, named, f"{part}.matrix")


def _product(call: Call, a: Term, b: Term, out: str) -> Value:
    both = [label for label in a.labels if label in b.labels]
    front = "".join(label for label in out if label in both)
    inner = "".join(label for label in both if label not in out)
    rows = "".join(label for label in out if label in a.labels and label not in both)
    columns = "".join(label for label in out if label in b.labels and label not in both)
    for term in (a, b):
        first = term.labels[0] if term.batched else ""
        call.require(first not in inner or not first, "NMC-I015", "its product runs over the samples (axis 0)")
        if first and first not in front:  # the other operand is a constant, and has no samples
            front = first + front
            rows, columns = rows.replace(first, ""), columns.replace(first, "")
    left, right = _grouped(call, a, (front, rows, inner), "a"), _grouped(call, b, (front, inner, columns), "b")
    made = call.emit(MatMul(), left, right, part="product")
    labels = front + rows + columns
    sizes = tuple((a if label in a.labels else b).size(label) for label in labels)
    known = {c: term.value.type.axes[i] for term in (b, a) for i, c in enumerate(term.labels)}
    letters = "".join(known[label] for label in labels)
    unique = "".join(c if c == "_" or letters.index(c) == i else "_" for i, c in enumerate(letters))
    whole = call.reshape(made, sizes, unique, "whole")
    return _ordered(call, Term(whole, labels), out, "ordered").value


def einsum(call: Call) -> Value:
    operands = call.given()
    call.require(0 < len(operands) <= 2, "NMC-I011", f"it has {len(operands)} operands, 1 or 2 are imported", _HINT)
    values = [o if isinstance(o, Value) else call.weight(f"operand{i}", call.constant(i, "operand"))
              for i, o in enumerate(operands)]  # fmt: skip
    labels, out = _equation(call, [value.type.rank for value in values])
    terms = [Term(value, label) for value, label in zip(values, labels, strict=True)]
    sizes: dict[str, int] = {}
    for term in terms:
        for label in term.labels:
            same = sizes.setdefault(label, term.size(label)) == term.size(label)
            call.require(same, "NMC-I012", f"axis {label!r} has lengths {sizes[label]} and {term.size(label)}")
    if len(terms) == 1:
        return _ordered(call, _summed(call, terms[0], out, "sum"), out, "ordered").value
    a, b = terms
    a, b = _summed(call, a, out + b.labels, "a.sum"), _summed(call, b, out + a.labels, "b.sum")
    return _product(call, a, b, out)
