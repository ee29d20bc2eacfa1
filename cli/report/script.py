"""Script of the page. Without it all is there; it sorts tables, zooms and moves the drawing, and switches the theme."""

from __future__ import annotations

_SORT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => {
      const cell = row.cells[column], value = cell.dataset.value;
      return value === undefined ? cell.textContent : Number(value);
    };
    const rank = value => value === "" ? 2 : typeof value === "number" ? 0 : 1;
    const rows = [...body.rows].map(row => [key(row), row]);
    rows.sort(([a], [b]) => rank(a) - rank(b) ||
      (up ? 1 : -1) * (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", {numeric: true})));
    body.append(...rows.map(([, row]) => row));
  }));
}
"""

_ZOOM = """
const frame = document.getElementById("frame"), drawing = document.getElementById("drawing");
if (frame && drawing) {
  const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
  let scale = 1;
  const fit = () => Math.min(frame.clientWidth / width, 0.7 * window.innerHeight / height);
  const zoom = (wanted, x, y) => {
    const before = scale;
    scale = Math.min(Math.max(wanted, Math.min(fit(), 0.2)), 4);
    const left = (frame.scrollLeft + x) * scale / before - x, top = (frame.scrollTop + y) * scale / before - y;
    drawing.setAttribute("width", width * scale);
    drawing.setAttribute("height", height * scale);
    frame.scrollTo(left, top);
  };
  const step = by => zoom(by === "one" ? 1 : by === "fit" ? fit() : scale * Number(by),
    frame.clientWidth / 2, frame.clientHeight / 2);
  for (const button of document.querySelectorAll("button[data-zoom]"))
    button.addEventListener("click", () => step(button.dataset.zoom));
  const zooms = {"+": "1.25", "=": "1.25", "-": "0.8", "1": "one", "0": "fit"};
  frame.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in zooms)) return;
    event.preventDefault();
    step(zooms[event.key]);
  });
  frame.addEventListener("wheel", event => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoom(scale * (event.deltaY < 0 ? 1.15 : 1 / 1.15), event.clientX - box.left, event.clientY - box.top);
  }, {passive: false});
  let from = null, moved = false;
  frame.addEventListener("pointerdown", event => {
    moved = false;
    if (event.pointerType === "mouse" && event.button === 0)
      from = [event.clientX + frame.scrollLeft, event.clientY + frame.scrollTop];
  });
  window.addEventListener("pointermove", event => {
    if (!from) return;
    const left = from[0] - event.clientX, top = from[1] - event.clientY;
    moved = moved || Math.abs(left - frame.scrollLeft) + Math.abs(top - frame.scrollTop) > 3;
    frame.scrollTo(left, top);
  });
  window.addEventListener("pointerup", () => { from = null; });
  frame.addEventListener("dragstart", event => event.preventDefault());
  frame.addEventListener("click", event => { if (moved) event.preventDefault(); }, true);
  frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
}
"""

# A box that the mouse is on or that has the focus stands out, with its links and the boxes at their other ends.
_LINKS = """
const boxes = new Map([...document.querySelectorAll("[data-box]")].map(box => [box.dataset.box, box]));
const links = [...document.querySelectorAll("[data-ends]")].map(link => [link, link.dataset.ends.split(" ")]);
const mouse = [["pointerenter", true], ["pointerleave", false]], keys = [["focus", true], ["blur", false]];
// A listener for the focus alone makes an element of SVG one that the keyboard stops at.
for (const [name, box] of boxes) for (const [event, on] of box.localName === "a" ? [...mouse, ...keys] : mouse)
  box.addEventListener(event, () => {
    box.classList.toggle("on", on);
    for (const [link, ends] of links) if (ends.includes(name)) {
      link.classList.toggle("on", on);
      for (const end of ends) boxes.get(end).classList.toggle("on", on);
    }
  });
"""

_THEME = """
const root = document.documentElement, theme = document.getElementById("theme");
root.classList.add("scripted");
theme.addEventListener("click", () => {
  const names = ["system", "light", "dark"], now = root.dataset.theme || "system";
  const next = names[(names.indexOf(now) + 1) % 3];
  if (next === "system") delete root.dataset.theme; else root.dataset.theme = next;
  theme.textContent = "Theme: " + next;
});
"""

_PRINT = """
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
"""

SCRIPT = '\n"use strict";' + _SORT + _ZOOM + _LINKS + _THEME + _PRINT
