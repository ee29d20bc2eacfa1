"""Moments as an animated GIF: the clip on the left, the likeliest classes as bars on the right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...runtime.encode import Array
from ...runtime.frames import pillow
from ...runtime.program.atomic import atomic_write

TALL = 240  # of the picture at least
PANEL, MARGIN, ROW = 280, 12, 34
PAPER, INK, BAR, FIRST, TRACK = (255, 255, 255), (32, 32, 32), (120, 150, 190), (30, 110, 200), (230, 230, 230)


def drawn(colours: Array, rows: Sequence[tuple[str, float]], caption: str, room: int) -> Any:
    """One image: the picture uint8 (H, W, 3), bars for (class, probability), a caption. `room`: rows at most."""
    images = pillow()
    from PIL import ImageDraw

    height, width = colours.shape[:2]
    zoom = max(1, -(-TALL // height))
    clip = images.fromarray(colours).resize((width * zoom, height * zoom), images.Resampling.NEAREST)
    size = (clip.width + PANEL + 3 * MARGIN, max(clip.height, ROW * (room + 1)) + 2 * MARGIN)
    image = images.new("RGB", size, PAPER)
    image.paste(clip, (MARGIN, MARGIN))
    draw = ImageDraw.Draw(image)
    left = clip.width + 2 * MARGIN
    for place, (name, chance) in enumerate(rows):
        top = MARGIN + ROW * place
        draw.text((left, top), _latin(f"{name}  {100 * chance:.1f} %"), fill=INK)
        draw.rectangle((left, top + 15, left + PANEL, top + 26), fill=TRACK)
        if round(chance * PANEL):
            draw.rectangle((left, top + 15, left + round(chance * PANEL), top + 26), fill=BAR if place else FIRST)
    draw.text((left, MARGIN + ROW * room), _latin(caption), fill=INK)
    return image.quantize(128)


def _latin(text: str) -> str:
    """Pillow's own font has no other letters."""
    return text.encode("latin-1", "replace").decode("latin-1")


def write_gif(path: Path, images: Sequence[Any], fps: float) -> None:
    """Write the images, in a loop; NMC-F014 where the file cannot be written."""
    first, *others = images
    pace = {"duration": max(round(1000 / fps), 20), "loop": 0, "disposal": 1}
    atomic_write(path, lambda file: first.save(file, "GIF", save_all=True, append_images=others, **pace))
