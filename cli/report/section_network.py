"""The section with the drawing of the network, beside the float network where the model is given."""

from __future__ import annotations

from typing import Any

from .drawing import drawing
from .network import MOST
from .tables import row_ids
from .tags import Html, join, none, tag

Facts = dict[str, Any]

_BUTTONS = (
    ("+", "1.25", "Zoom in"),
    ("−", "0.8", "Zoom out"),
    ("1:1", "one", "Full size"),
    ("fit", "fit", "Fit into the frame"),
)
_HOW = (
    "Drag or use the arrow keys to move; the buttons, the keys +, −, 1 and 0, or Ctrl and the wheel to zoom. "
    "A layer leads to its row below."
)


def network(facts: Facts) -> Html:
    """The drawing with its buttons."""
    if facts["network"] is None:
        return none(f"Not drawn: the program has more than {MOST:,} layers. The layer table has all of them.")
    model = facts["model"]
    shown = model if model is not None and model["network"] is not None else None
    buttons = [
        tag("button", text, type="button", data_zoom=zoom, aria_label=label, title=label)
        for text, zoom, label in _BUTTONS
    ]
    content = drawing(facts["network"], row_ids(facts), shown)
    frame = tag("div", content, id="frame", tabindex="0", role="region", aria_label="Network")
    bar = tag("div", *buttons, class_="buttons scripts", role="group", aria_label="Zoom")
    return join(_model(model), tag("p", _HOW, class_="screen scripts"), bar, frame)


def _model(model: Facts | None) -> Html:
    """What the float network is, or how to see it."""
    if model is None:
        return none("The float network is not in a program: give the model with --model to see it beside the layers.")
    whose = f"Float network: {model['name']}, {model['operations']:,} operations as nmc reads them. "
    whose += "" if model["same"] else "The program was not made from this model: its digest is another one. "
    if model["network"] is None:
        return tag("p", f"{whose}Not drawn: it has more than {MOST:,} boxes.")
    linked = {i for i, _ in model["links"]}
    alone = sum(1 for i, box in enumerate(model["network"]["boxes"]) if box["group"] == "device" and i not in linked)
    whose += "Dashed lines lead from each operation to what it became on the device."
    whose += (
        f" Pale: {alone:,} that no layer names as its origin: reshapes, or what was folded into a neighbour."
        if alone
        else ""
    )
    return tag("p", whose)
