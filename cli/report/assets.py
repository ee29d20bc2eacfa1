"""Style and script of the page. Without the script all is there; it sorts tables, and zooms and moves the drawing."""

from __future__ import annotations

STYLE = """
:root{--paper:#fff;--ink:#1c2430;--soft:#5a6675;--rule:#d5dbe3;--panel:#f4f6f9;--bar:#3b6fb6;--mark:#c2410c;
--line0:#2563b0;--line1:#b4540a;--line2:#0f7a55;--line3:#8b3fb0;--line4:#6b5b00}
@media (prefers-color-scheme:dark){:root{--paper:#14181f;--ink:#e6eaf0;--soft:#a3afbf;--rule:#343d4a;--panel:#1d232c;
--bar:#7ba7e6;--mark:#f59e5b;--line0:#7ba7e6;--line1:#f0a35e;--line2:#5fc79b;--line3:#c99be8;--line4:#d8c55a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem 1.5rem;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}
h1{margin:.5rem 0 0;font-size:1.7rem;overflow-wrap:anywhere}
h2{display:inline;font-size:1.25rem}h3{margin:1.2rem 0 .3rem}
a{color:var(--line0)}header p{margin:0;color:var(--soft)}
.skip{position:absolute;left:-99rem}.skip:focus{position:static}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1rem;padding:0;list-style:none}
section{border-top:1px solid var(--rule);padding:.8rem 0;scroll-margin-top:.5rem}
summary{cursor:pointer}summary:focus-visible,button:focus-visible,a:focus-visible,div:focus-visible{outline:3px solid
var(--mark);outline-offset:2px}
.none{color:var(--soft);font-style:italic}li{overflow-wrap:anywhere}
.cards{display:flex;flex-wrap:wrap;gap:.7rem;margin:.8rem 0}
.cards div{background:var(--panel);border:1px solid var(--rule);border-radius:6px;padding:.4rem .9rem}
.cards dt{color:var(--soft);font-size:.85rem}.cards dd{margin:0;font-size:1.2rem}
.wide{overflow-x:auto;max-height:34rem;margin:.6rem 0}table{border-collapse:collapse;font-size:.9rem}
caption{text-align:left;color:var(--soft);padding:.2rem 0}
th,td{border-bottom:1px solid var(--rule);padding:.2rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere;
min-width:3.5rem;max-width:24rem}
tr:target{background:var(--panel);outline:2px solid var(--mark)}
tbody th{font-weight:600}.number{text-align:right;font-variant-numeric:tabular-nums}
button{font:inherit;color:var(--ink);background:var(--panel);border:1px solid var(--rule);border-radius:4px;
padding:.1rem .6rem;cursor:pointer}
thead button{font-weight:600;border:0;background:none;padding:0;text-align:left}
th[aria-sort=ascending] button::after{content:" \\25b2"}th[aria-sort=descending] button::after{content:" \\25bc"}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1rem}
figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem;overflow-wrap:anywhere}
svg{max-width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--ink)}.end{text-anchor:end}
.bar{fill:var(--bar)}.mark{fill:var(--mark)}.area{fill:var(--panel);stroke:var(--rule)}
.axis{stroke:var(--soft);fill:none}.guide{stroke:var(--soft);stroke-dasharray:3 3;fill:none}
.line{fill:none;stroke-width:2}.spikes{fill:none;stroke-width:3}
.line0{stroke:var(--line0)}.line1{stroke:var(--line1)}.line2{stroke:var(--line2)}.line3{stroke:var(--line3)}
.line4{stroke:var(--line4)}.fill0{fill:var(--line0)}.fill1{fill:var(--line1)}.fill2{fill:var(--line2)}
.fill3{fill:var(--line3)}.fill4{fill:var(--line4)}
#frame{overflow:auto;max-height:70vh;border:1px solid var(--rule);border-radius:6px;margin:.5rem 0;cursor:grab}
#frame svg{max-width:none;display:block;margin:auto}#drawing text{text-anchor:middle}
#drawing .name{font-weight:600}#drawing .small{fill:var(--soft);font-size:10px}
#drawing rect{fill:var(--panel);stroke:var(--line0)}#drawing rect.host{stroke:var(--line1);stroke-dasharray:5 3}
#drawing rect.input,#drawing rect.output{stroke:var(--line2)}.arrow{fill:none;stroke:var(--soft);stroke-width:1.3}
.head{fill:var(--soft)}.buttons{display:flex;gap:.4rem}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--rule:#bbb;--panel:#f4f6f9;--bar:#3b6fb6;--mark:#c2410c;
--line0:#2563b0;--line1:#b4540a;--line2:#0f7a55;--line3:#8b3fb0;--line4:#6b5b00}
nav,.buttons,.screen,.skip{display:none}body{max-width:none;padding:0;font-size:11px}
#frame,.wide{overflow:visible;max-height:none;border:0}#frame svg{max-width:100%;height:auto}tr{break-inside:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""

SCRIPT = """
"use strict";
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
  for (const button of document.querySelectorAll("button[data-zoom]")) button.addEventListener("click", () => {
    const by = button.dataset.zoom, wanted = by === "one" ? 1 : by === "fit" ? fit() : scale * Number(by);
    zoom(wanted, frame.clientWidth / 2, frame.clientHeight / 2);
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
}
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
"""
