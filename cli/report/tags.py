"""HTML and SVG elements as text. Whatever is not markup already is escaped, so a name cannot become markup."""

from __future__ import annotations

import html

VOID = frozenset(["br", "meta"])


class Html(str):
    """Text that is markup. All other text is escaped where it becomes part of an element."""

    __slots__ = ()


def escaped(item: object) -> str:
    """An item as the content of an element or attribute; markup stays as it is, and None is nothing."""
    if isinstance(item, Html):
        return item
    return "" if item is None else html.escape(str(item).replace("\0", "\ufffd"), quote=True)


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element: tag("th", "a < b", scope="col").

    Of an attribute's name a trailing _ is dropped and _ is a hyphen (class_, aria_label). Attributes that are None or
    False are left out, True stands for a name alone.
    """
    given = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        title = key.rstrip("_").replace("_", "-")
        given.append(f" {title}" if value is True else f' {title}="{escaped(value)}"')
    start = f"<{name}{''.join(given)}>"
    return Html(start if name in VOID else f"{start}{''.join(map(escaped, children))}</{name}>")


def join(*parts: object) -> Html:
    """Elements and texts one after the other."""
    return Html("".join(map(escaped, parts)))


def none(why: str) -> Html:
    """What stands where there is nothing to show."""
    return tag("p", why, class_="none")


def number(value: object) -> str:
    """A number as people read it: 12,345, 12,345.6 or 0.01235; anything else as text, None as nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
