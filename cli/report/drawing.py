"""The network as SVG, and which box is which row of the layer table."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .charts import shortened, svg
from .layout import HEIGHT, WIDTH, Point, layout
from .tags import Html, tag

Facts = dict[str, Any]


def drawing(facts: Facts, rows: dict[str, str]) -> Html:
    """`facts` of `network.network`; `rows` gives the id of a layer's row in the table by its name.

    Boxes of layers are links to their rows, so they are reached by the keyboard. An arrow that goes back in a loop is
    drawn at the side.
    """
    boxes, arrows = facts["boxes"], facts["arrows"]
    places = layout(len(boxes), [(arrow["from"], arrow["to"]) for arrow in arrows])
    head = tag("path", d="M0 0L8 4L0 8z", class_="head")
    marker = tag("marker", head, id="arrow", markerWidth="8", markerHeight="8", refX="7", refY="4", orient="auto")
    drawn = [_arrow(arrow["text"], way) for arrow, way in zip(arrows, places.edges, strict=True)]
    drawn += [_box(box, place, rows) for box, place in zip(boxes, places.boxes, strict=True)]
    label = f"Network of {len(boxes)} boxes and {len(arrows)} arrows, from the inputs at the top to the outputs"
    return svg(places.width, places.height, label, tag("defs", marker), *drawn, role="group", id="drawing")


def _box(box: Facts, at: Point, rows: dict[str, str]) -> Html:
    x, y = at[0] - WIDTH / 2, at[1] - HEIGHT / 2
    full = f"{box['title']}\n{box['kind']}: {box['text']}"
    parts = [
        tag("title", full),
        tag("rect", x=f"{x:g}", y=f"{y:g}", width=f"{WIDTH:g}", height=f"{HEIGHT:g}", rx="6", class_=box["group"]),
        tag("text", shortened(box["title"], 27), x=f"{at[0]:g}", y=f"{y + 17:g}", class_="name"),
        tag("text", shortened(box["kind"], 30), x=f"{at[0]:g}", y=f"{y + 32:g}", class_="small"),
        tag("text", shortened(box["text"], 34), x=f"{at[0]:g}", y=f"{y + 47:g}", class_="small"),
    ]
    row = rows.get(box["layer"] or "")
    return tag("a", *parts, href=f"#{row}") if row else tag("g", *parts)


def _arrow(text: str, way: list[Point]) -> Html:
    (x0, y0), (x1, y1) = way[0], way[-1]
    if y1 <= y0:
        side = max(x0, x1) + WIDTH / 2
        path = f"M{side:g} {y0:g}C{side + 40:g} {y0:g} {side + 40:g} {y1:g} {x1 + WIDTH / 2:g} {y1:g}"
    else:
        path = f"M{x0:g} {y0 + HEIGHT / 2:g}"
        for (ax, ay), (bx, by) in pairwise(way):
            low, high = ay + HEIGHT / 2, by - HEIGHT / 2  # curves lie between the rows, lanes go straight through one
            path += f"V{low:g}C{ax:g} {(low + high) / 2:g} {bx:g} {(low + high) / 2:g} {bx:g} {high:g}"
    return tag("path", tag("title", text) if text else "", d=path, class_="arrow", marker_end="url(#arrow)")
