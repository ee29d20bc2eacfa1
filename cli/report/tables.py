"""Tables whose columns are sorted by buttons in their heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .tags import Html, number, tag

_MISSING = ("", [], None)


def row_ids(facts: Mapping[str, Any]) -> dict[str, str]:
    """The id of every layer's row in the layer table."""
    return {row["layer"]: f"layer-{i}" for i, row in enumerate(facts["layers"])}


def table(title: str, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] = ()) -> Html:
    """A table of rows with equal keys, without columns that are empty in all rows; `ids` are the rows' ids.

    Cells carry the number that they are sorted by; without scripts the buttons do nothing and the table is complete.
    """
    names = [name for name in (rows[0] if rows else {}) if any(row[name] not in _MISSING for row in rows)]
    kinds = ["number" if all(_is_number(row[name]) for row in rows) else None for name in names]
    head = [
        tag("th", tag("button", name, type="button"), scope="col", aria_sort="none", class_=kind)
        for name, kind in zip(names, kinds, strict=True)
    ]
    body = [
        tag("tr", *(_cell(name, row[name], name == names[0]) for name in names), id=ids[i] if ids else None)
        for i, row in enumerate(rows)
    ]
    caption = tag("caption", title)
    whole = tag("table", caption, tag("thead", tag("tr", *head)), tag("tbody", *body), class_="sortable")
    return tag("div", whole, class_="wide", tabindex="0", role="region", aria_label=title)


def pairs(title: str, facts: Mapping[str, Any]) -> Html:
    """Names and what belongs to them, two columns."""
    rows = [
        tag("tr", tag("th", name, scope="row", class_="text"), tag("td", _text(value), class_="text"))
        for name, value in facts.items()
    ]
    whole = tag("table", tag("caption", title), tag("tbody", *rows), class_="pairs")
    return tag("div", whole, class_="wide", tabindex="0", role="region", aria_label=title)


def items(sentences: Sequence[str]) -> Html:
    """Sentences as a list."""
    return tag("ul", *(tag("li", sentence) for sentence in sentences))


def _cell(name: str, value: Any, first: bool) -> Html:
    if name == "window":
        return tag("td", f"{value[0]} to {value[1]}", data_value=_key(value[0]))
    if first:
        kind = "number" if _is_number(value) else "text"
        return tag("th", _text(value), scope="row", data_value=_key(value), class_=kind)
    numeric = _is_number(value)
    short = value in _MISSING or isinstance(value, bool) or _is_shape(value)
    kind = "number" if numeric else None if short else "text"
    return tag("td", _text(value), data_value=_key(value), class_=kind)


def _key(value: Any) -> str | None:
    return repr(value) if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(item, int) for item in value)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {'none' if item is None else _text(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ("×" if _is_shape(value) else ", ").join(_text(item) for item in value)
    return number(value)
