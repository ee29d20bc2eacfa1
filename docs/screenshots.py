"""Makes docs/images anew: report pages in a browser, `nmc live` in a terminal and as a GIF (`make screenshots`).

The programs are those of the golden zoo, with the names of their classes.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from browser.chrome import chromium
from browser.zoo_pages import ZOO, make_page, nmc
from PIL import Image
from rich.console import Console
from rich.terminal_theme import MONOKAI

from nmc.cli.golden import compiled
from nmc.cli.live.clips import open_clip
from nmc.cli.live.names import likeliest
from nmc.cli.live.play import show
from nmc.cli.live.stage import Stage
from nmc.cli.live.terminal import screen
from nmc.cli.live.view import view_of
from nmc.runtime.evaluate import decay_of
from nmc.runtime.golden.case import read_case
from nmc.runtime.program import Program, save
from nmc.runtime.program.task import Task
from nmc.runtime.scaling import scaling_of
from nmc.runtime.score_output import score_output

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
COLOURS = 64
WIDTH, HEIGHT = 1180, 820

sys.path.insert(0, str(ROOT / "examples" / "gestures"))
from data import CLASSES  # noqa: E402

GESTURES = Task(CLASSES)
DIGITS = Task(tuple(map(str, range(10))))

# Image: case, classes, colours, the section at the top of the window, what to do before.
REPORTS = {
    "report_network": ("gestures", GESTURES, "light", "network", "document.querySelector('[data-box=d2]').focus()"),
    "report_frames": ("gestures", GESTURES, "light", "frames", ""),
    "report_spikes": ("digits_t7", DIGITS, "dark", "spikes", ""),
    "report_memory": ("digits_t7", DIGITS, "light", "memory", ""),
    "report_weights": ("gestures", GESTURES, "dark", "weights", ""),
}


def keep(name: str, png: bytes) -> None:
    """A picture with few colours, which takes a fifth of the room."""
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(IMAGES / f"{name}.png", optimize=True)


@contextmanager
def page_in(browser: Any, scheme: str, width: int = WIDTH, height: int = HEIGHT) -> Iterator[Any]:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height}, offline=True)
    yield context.new_page()
    context.close()


def reports(browser: Any, folder: Path) -> None:
    """Sections of report pages."""
    for name, (case, task, scheme, section, before) in REPORTS.items():
        page_file = folder / f"{case}.html"
        if not page_file.exists():
            make_page(case, folder, task)
        with page_in(browser, scheme) as page:
            page.goto(page_file.as_uri())
            page.evaluate(before or "0")
            page.evaluate(f"document.getElementById('{section}').scrollIntoView()")
            page.mouse.move(2, 2)
            keep(name, page.screenshot())


def terminal(browser: Any, program: Program, clip: Path) -> None:
    """The last frame of `nmc live`, as a terminal of 100 columns shows it."""
    view, scores = view_of(program, 0), score_output(program)
    opened = open_clip(clip, view, scaling_of(program, view.channels, None), 0, None)
    played = show(program, opened, view, scores, decay_of(program), None, None)
    last, names = list(played.moments)[-1], program.task.classes
    stage = Stage(played, view, (opened.low, opened.high), names, 5, 12.0, False, True)
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, color_system="truecolor", width=100, height=26, record=True)
    status = [f"frame {played.count}/{played.count}", f"sparsity {100 * last.zeros:.1f} %"]
    rows = likeliest(last.probabilities, names, stage.top)
    console.print(screen(console, view.paint(last.frame, *stage.bounds), rows, status, max(map(len, names))))
    drawn = console.export_svg(title="nmc live gestures.nmc clips.npz", theme=MONOKAI)
    with page_in(browser, "light") as page:
        page.set_content(f"<style>body{{margin:0}}svg{{width:900px;display:block}}</style>{drawn}")
        keep("live_terminal", page.locator("svg").first.screenshot())


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        reports(browser, folder)
        program = replace(compiled(read_case(ZOO / "gestures.toml"))[0].program, task=GESTURES)
        save(program, folder / "gestures.nmc")
        clip = ZOO / "gestures_input.npz"
        terminal(browser, program, clip)
        nmc("live", folder / "gestures.nmc", clip, "--save", IMAGES / "live.gif", "--quiet")


if __name__ == "__main__":
    main()
