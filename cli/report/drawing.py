"""The network as SVG, and which box is which row of the layer table; the float network beside it where it is given."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from .beside import HEAD, beside
from .charts import shortened, svg
from .layout import HEIGHT, WIDTH, Layout, Point, layout
from .tags import Html, tag

Facts = dict[str, Any]


def drawing(facts: Facts, rows: Mapping[str, str], model: Facts | None = None) -> Html:
    """`facts` of `network.network`; `rows` gives the id of a layer's row in the table by its name.

    Boxes of layers are links to their rows, so they are reached by the keyboard. An arrow that goes back in a loop is
    drawn at the side. With a `model` of `floats.model_of` its network is drawn at the left, with dashed lines from each
    operation to what it became; an operation is a link to the row of the first layer that it became.
    """
    boxes, arrows = facts["boxes"], facts["arrows"]
    places, head = _layout(facts), tag("path", d="M0 0L8 4L0 8z", class_="head")
    marker = tag("marker", head, id="arrow", markerWidth="8", markerHeight="8", refX="7", refY="4", orient="auto")
    label = f"Network of {len(boxes)} boxes and {len(arrows)} arrows, from the inputs at the top to the outputs"
    targets = {j: rows[box["layer"]] for j, box in enumerate(boxes) if box["layer"] in rows}
    if model is None:
        drawn = _network(facts, places, targets, "d")
    else:
        links = [(i, j) for i, j in model["links"]]
        floats, places = beside(_layout(model["network"]), places, links)
        became = {i: targets[j] for i, j in reversed(links) if j in targets}
        label += f"; at its left the float network, with {len(links)} lines from its operations to what they became"
        drawn = [
            _title("Float network", floats),
            _title("Device layers", places),
            *(_link(i, j, floats.boxes[i], places.boxes[j]) for i, j in links),
            *_network(model["network"], floats, became, "f", {i for i, _ in links}),
            *_network(facts, places, targets, "d"),
        ]
    return svg(places.width, places.height, label, tag("defs", marker), *drawn, role="group", id="drawing")


def _layout(facts: Facts) -> Layout:
    return layout(len(facts["boxes"]), [(arrow["from"], arrow["to"]) for arrow in facts["arrows"]])


def _network(
    facts: Facts, places: Layout, targets: Mapping[int, str], letter: str, linked: set[int] | None = None
) -> list[Html]:
    """Arrows and boxes; boxes that are not `linked` are pale (None: none is). A box is called by letter and number."""
    drawn = [_arrow(arrow["text"], way) for arrow, way in zip(facts["arrows"], places.edges, strict=True)]
    for i, (box, at) in enumerate(zip(facts["boxes"], places.boxes, strict=True)):
        group = box["group"] if linked is None or i in linked else f"{box['group']} pale"
        drawn.append(_box(box, at, targets.get(i), f"{letter}{i}", group))
    return drawn


def _title(text: str, places: Layout) -> Html:
    across = [x for x, _ in places.boxes] or [0.0]
    return tag("text", text, x=f"{(min(across) + max(across)) / 2:g}", y=f"{HEAD - 6:g}", class_="title")


def _box(box: Facts, at: Point, row: str | None, key: str, group: str) -> Html:
    x, y = at[0] - WIDTH / 2, at[1] - HEIGHT / 2
    full = f"{box['title']}\n{box['kind']}: {box['text']}"
    parts = [
        tag("title", full),
        tag("rect", x=f"{x:g}", y=f"{y:g}", width=f"{WIDTH:g}", height=f"{HEIGHT:g}", rx="6", class_=group),
        tag("text", shortened(box["title"], 27), x=f"{at[0]:g}", y=f"{y + 17:g}", class_="name"),
        tag("text", shortened(box["kind"], 30), x=f"{at[0]:g}", y=f"{y + 32:g}", class_="small"),
        tag("text", shortened(box["text"], 34), x=f"{at[0]:g}", y=f"{y + 47:g}", class_="small"),
    ]
    return tag("a", *parts, href=f"#{row}", data_box=key) if row else tag("g", *parts, data_box=key)


def _link(a: int, b: int, source: Point, target: Point) -> Html:
    (x0, y0), (x1, y1) = (source[0] + WIDTH / 2, source[1]), (target[0] - WIDTH / 2, target[1])
    middle = (x0 + x1) / 2
    path = f"M{x0:g} {y0:g}C{middle:g} {y0:g} {middle:g} {y1:g} {x1:g} {y1:g}"
    return tag("path", d=path, class_="link", data_ends=f"f{a} d{b}")


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
