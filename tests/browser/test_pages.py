"""Report pages of the zoo in headless Chromium: what is on them, colours, keyboard, zoom, paper, without a script."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nmc.cli.report.page import SECTIONS

MOST_BYTES = 3_000_000
Made = tuple[Path, dict[str, Any]]


@contextmanager
def opened(browser: Any, path: Path, **settings: Any) -> Iterator[Any]:
    """The page at 1280 × 900; no error or message in the console, nothing loaded but the page."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    assert (said, asked) == ([], [path.as_uri()])
    context.close()


def pixels(page: Any, **settings: Any) -> np.ndarray[Any, Any]:
    """A screenshot, uint8 (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(page.screenshot(**settings))).convert("RGB"))


def wanted(facts: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """By section, a selector and how many elements of it there must be at least."""
    run, verified = facts["run"], facts["verify"]
    boxes = len(facts["network"]["boxes"]) + len(facts["model"]["network"]["boxes"])
    found = {
        "summary": ("dd", 4),
        "network": ("#drawing [data-box]", boxes),
        "layers": ("tbody tr", len(facts["layers"])),
        "memory": ("svg rect", 3),
        "weights": ("figure svg path", len(facts["weights"])),
        "messages": ("p, table", 2),
        "provenance": ("tr", 3),
    }
    if verified is not None:
        found["sqnr"] = ("svg rect", len([row for row in verified["layers"] if row["closeness"]]))
    if run is not None:
        found["activations"] = ("figure svg", len([row for row in run["activations"] if row["histogram"]]))
    if facts["kind"] == "cri" and run is not None:
        found |= {"spikes": ("svg .spikes", len(run["raster"]["populations"])), "cost": ("svg.chart", 2)}
        found["answers"] = ("tbody tr", run["samples"])
    if facts["kind"] == "akida":
        found["timing"] = ("svg path.bar", len(facts["timing"]["fifos"]))
    if run is not None:
        lines = sum(len(row["shown"]) * (1 if row["smoothed"] is None else 2) for row in run["frames"] or [])
        found["frames"] = ("polyline", lines)
    return found


def test_every_section_holds_what_it_is_for(browser: Any, made: Made) -> None:
    path, facts = made
    assert path.stat().st_size < MOST_BYTES
    with opened(browser, path) as page:
        kinds = [name for name, _, _, kinds in SECTIONS if facts["kind"] in kinds]
        assert page.locator("section").evaluate_all("all => all.map(one => one.id)") == kinds
        for section, (selector, least) in wanted(facts).items():
            assert page.locator(f"#{section} {selector}").count() >= least, (section, selector)
        assert page.locator("#network .link").count() == len(facts["model"]["links"]) > 0
        for svg in page.locator("main svg").all():
            box = svg.bounding_box()
            assert box["width"] > 20 and box["height"] > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_can_be_read(browser: Any, made: Made, scheme: str) -> None:
    with opened(browser, made[0], color_scheme=scheme) as page:
        picture = pixels(page, full_page=scheme == "light")[::3, ::3].astype(np.float32)
        assert picture.std() > 8
        assert (picture.mean() > 200) == (scheme == "light") == (picture.mean() > 90)
        seen = pixels(page.locator("#frame"))
        assert seen.std() > 5 and len(np.unique(seen.reshape(-1, 3), axis=0)) > 20
        least = page.evaluate(CONTRAST)
        assert least["ratio"] >= 4.5, least
        page.locator("#theme").click()
        page.locator("#theme").click()
        assert page.evaluate(PAPER) < 60  # dark, whatever the system has
        page.evaluate("document.getElementById('theme').click()")
        assert (page.evaluate(PAPER) < 60) == (scheme == "dark")


@pytest.mark.parametrize("width", [390, 1700])
def test_nothing_is_wider_than_the_window(browser: Any, made: Made, width: int) -> None:
    with opened(browser, made[0], viewport={"width": width, "height": 900}) as page:
        found = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert found[0] <= found[1]


def test_the_drawing_zooms_and_moves(browser: Any, made: Made) -> None:
    with opened(browser, made[0]) as page:
        frame, size = page.locator("#frame"), lambda: page.locator("#drawing").bounding_box()["width"]
        start = size()
        page.get_by_role("button", name="Zoom in").click()
        assert size() == pytest.approx(1.25 * start, abs=1)
        page.get_by_role("button", name="Full size").click()
        frame.focus()
        page.keyboard.press("+")
        page.keyboard.press("+")
        assert size() == pytest.approx(1.25**2 * start, abs=1)
        page.keyboard.press("-")
        assert size() == pytest.approx(1.25 * start, abs=1)
        frame.scroll_into_view_if_needed()
        box = frame.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.keyboard.down("Control")
        page.mouse.wheel(0, -100)
        page.keyboard.up("Control")
        page.wait_for_function(f"document.getElementById('drawing').getBoundingClientRect().width > {1.3 * start}")
        for _ in range(4):
            page.get_by_role("button", name="Zoom in").click()
        before = frame.evaluate("one => { one.scrollTo(100, 100); return [one.scrollLeft, one.scrollTop]; }")
        frame.scroll_into_view_if_needed()
        box = frame.bounding_box()
        page.mouse.move(box["x"] + 90, box["y"] + 90)
        page.mouse.down()
        page.mouse.move(box["x"] + 60, box["y"] + 50)
        page.mouse.up()
        assert frame.evaluate("one => [one.scrollLeft, one.scrollTop]") == [before[0] + 30, before[1] + 40]
        page.get_by_role("button", name="Fit into the frame").click()
        fitted = page.locator("#drawing").bounding_box()
        assert fitted["width"] <= box["width"] + 1 and (fitted["height"] <= 0.7 * 900 + 1 or fitted["width"] < start)


def test_a_box_shows_what_it_came_from_and_leads_to_its_row(browser: Any, made: Made) -> None:
    path, facts = made
    with opened(browser, path) as page:
        _, device = next(pair for pair in facts["model"]["links"] if facts["network"]["boxes"][pair[1]]["layer"])
        box = page.locator(f"[data-box=d{device}]")
        box.focus()
        linked = [f"f{i}" for i, j in facts["model"]["links"] if j == device]
        shown = page.locator("[data-box].on").evaluate_all("all => all.map(one => one.dataset.box)")
        assert shown == [*linked, f"d{device}"]
        assert page.locator(".link.on").count() == len(linked)
        page.keyboard.press("Enter")
        name = facts["network"]["boxes"][device]["layer"]
        assert page.locator("tr:target th").inner_text() == name
        assert page.locator("[data-box].on").count() in (0, len(shown))


def test_the_keyboard_reaches_everything(browser: Any, made: Made) -> None:
    with opened(browser, made[0]) as page:
        every = 'a[href], button, summary, [tabindex="0"]'
        wanted = page.locator(every).evaluate_all("all => all.filter(one => one.getClientRects().length).length")
        seen = []
        for _ in range(wanted):
            page.keyboard.press("Tab")
            seen.append(page.evaluate(FOCUS))
        assert [focus["key"] for focus in seen[:3]] == ["Skip to the content", "theme", "Summary"]
        assert all(focus["outline"] for focus in seen), [focus for focus in seen if not focus["outline"]]
        assert sorted(focus["index"] for focus in seen) == list(range(wanted))
        assert {"frame", "Zoom in"} <= {focus["key"] for focus in seen}
        page.locator("#layers thead button").first.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        assert page.locator("#layers thead th").first.get_attribute("aria-sort") == "descending"
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_it_prints(browser: Any, made: Made) -> None:
    with opened(browser, made[0], color_scheme="dark") as page:
        printed = page.pdf(format="A4", print_background=True)
        assert printed[:5] == b"%PDF-" and len(printed) > 20_000
        page.emulate_media(media="print")
        assert page.evaluate(PAPER) == 255
        assert not page.locator("nav").is_visible() and not page.locator("#theme").is_visible()
        assert page.locator("#drawing").is_visible()
        page.set_viewport_size({"width": 1045, "height": 720})  # A4 across, less the margins
        found = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert found[0] <= found[1]


def test_it_can_be_read_without_a_script(browser: Any, made: Made) -> None:
    path, facts = made
    with opened(browser, path, java_script_enabled=False) as page:
        for section in page.locator("section").all():
            assert len(section.inner_text()) > 20
        assert page.locator("#drawing").is_visible() and page.locator("#layers table").is_visible()
        hidden = page.locator("#theme, [data-zoom]").all()
        assert len(hidden) == 5 and not any(button.is_visible() for button in hidden)
        assert page.locator("#layers tbody tr").count() == len(facts["layers"])


# The least contrast between a text and what is behind it (WCAG 2, 1.4.3), over all elements with text of their own.
CONTRAST = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 :
    Math.pow((v + 0.055) / 1.055, 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = one => {
    for (let up = one; up; up = up.parentElement) {
      const found = parse(getComputedStyle(up).backgroundColor);
      if (found.length === 3) return found;
    }
    return [255, 255, 255];
  };
  let least = {ratio: 100};
  for (const one of document.querySelectorAll("body *")) {
    if (![...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || !one.getClientRects().length)
      continue;
    const style = getComputedStyle(one), drawn = one.namespaceURI.endsWith("svg");
    const a = light(parse(drawn ? style.fill : style.color)), b = light(behind(one));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least.ratio) least = {ratio, text: one.textContent.slice(0, 40)};
  }
  return least;
}"""
PAPER = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
FOCUS = """() => {
  const now = document.activeElement, style = getComputedStyle(now);
  const all = [...document.querySelectorAll('a[href], button, summary, [tabindex="0"]')];
  const index = all.filter(one => one.getClientRects().length).indexOf(now);
  const name = now.getAttribute("data-zoom") ? now.getAttribute("aria-label") : now.textContent;
  return {index, key: now.id || name, outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0};
}"""
