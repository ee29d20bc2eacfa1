"""The page: one HTML file with style, script and drawings in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import sections_program as of_program
from . import sections_run as of_run
from .script import SCRIPT
from .section_network import network
from .style import STYLE
from .tags import Html, join, tag

Facts = dict[str, Any]
Section = tuple[str, str, Callable[[Facts], Html], tuple[str, ...]]

# id, title, what makes it, and the kinds of programs that have it
EVERY = ("akida", "hybrid", "cri")
SECTIONS: tuple[Section, ...] = (
    ("summary", "Summary", of_program.summary, EVERY),
    ("network", "Network", network, EVERY),
    ("layers", "Layers", of_program.layers, EVERY),
    ("segments", "Device and host", of_program.segments, ("hybrid",)),
    ("memory", "Memory and mapping", of_program.memory, EVERY),
    ("timing", "Latency and FIFOs", of_program.timing, ("akida", "hybrid")),
    ("weights", "Weights", of_program.weights, EVERY),
    ("sqnr", "Noise by layer", of_run.sqnr, EVERY),
    ("activations", "Activations", of_run.activations, EVERY),
    ("spikes", "Spikes", of_run.spikes, ("cri",)),
    ("cost", "Memory accesses", of_run.cost, ("cri",)),
    ("answers", "Answers", of_run.answers, EVERY),
    ("frames", "Probabilities over frames", of_run.frames, EVERY),
    ("messages", "Warnings and declined rewrites", of_run.messages, EVERY),
    ("provenance", "Provenance", of_program.provenance, EVERY),
)
# The page asks no network for anything, and a browser that knows this policy would not let it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(facts: Facts) -> str:
    """The report of `facts_of` with `model`, `verify`, `compiled` and `run` (each may be None). Equal facts give equal
    pages."""
    shown = [section for section in SECTIONS if facts["kind"] in section[3]]
    links = [tag("li", tag("a", title, href=f"#{name}")) for name, title, _, _ in shown]
    parts = [_section(name, title, make(facts)) for name, title, make, _ in shown]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{facts['name']}: nmc report"),
        tag("style", Html(STYLE)),
    )
    title = tag("div", tag("h1", facts["name"]), tag("p", f"A program for target {facts['summary']['target']}."))
    theme = tag("button", "Theme: system", type="button", id="theme", class_="scripts")
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#main", class_="skip"),
        tag("header", title, theme),
        tag("nav", tag("ul", *links), aria_label="Sections"),
        tag("main", *parts, id="main", tabindex="-1"),
        tag("script", Html(SCRIPT)),
    )
    return join(Html("<!doctype html>\n"), tag("html", head, body, lang="en")) + "\n"


def _section(name: str, title: str, content: Html) -> Html:
    """A section that can be closed; the first ones say most."""
    heading = tag("summary", tag("h2", title, id=f"{name}-title"))
    return tag("section", tag("details", heading, content, open=True), id=name, aria_labelledby=f"{name}-title")
