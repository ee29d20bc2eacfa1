"""Clips as folders of images, read when asked for: the layout in which video data sets such as Jester come."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .akida_host import AXES
from .arith import Ints
from .label_lists import read_label_list, stop
from .program.akida import AkidaProgram
from .program.akida_shapes import hosted
from .program.container import Program
from .program.diagnostics import Diagnostic, bad_file, usage
from .program.framed import without
from .program.hybrid import HybridInput
from .scaling import Scaling, scaling_of

Floats32 = NDArray[np.float32]

SUFFIXES = (".jpg", ".jpeg", ".png")
# Pillow's names for what becomes 8-bit grey or RGB in full: black and white, grey, palette, colour.
MODES = ("1", "L", "P", "RGB")


@dataclass(frozen=True)
class Pixels:
    """How an input takes clips of images; time `axis` as in GraphInput, `order` a permutation of "HWC" in memory."""

    name: str
    shape: tuple[int, ...]
    axis: int
    order: str
    height: int
    width: int
    channels: int

    @property
    def frames(self) -> int:
        """Frames of one sample."""
        return self.shape[self.axis - 1] if self.axis > 0 else 1

    def arrange(self, clip: Floats32) -> Floats32:
        """A clip (frames, H, W, C) as the source model takes it: `shape`."""
        moved = clip.transpose(0, *(1 + AXES.index(letter) for letter in self.order))
        frames = moved.reshape(len(clip), *without(self.shape, self.axis))
        return np.moveaxis(frames, 0, self.axis - 1) if self.axis > 0 else frames[0]


@dataclass(frozen=True)
class FrameFolders:
    """Labelled clips in folders. Each is brought to the network's number of frames (`chosen`).

    clips  the image files of every clip, in order; the other fields are those of `Labelled`, Pixels, and `open_frames`
    """

    pixels: Pixels
    clips: tuple[tuple[Path, ...], ...]
    labels: Ints
    names: tuple[str, ...]
    scaling: Scaling

    @property
    def longer(self) -> int:
        """Clips with more frames than the network takes."""
        return sum(len(clip) > self.pixels.frames for clip in self.clips)

    @property
    def shorter(self) -> int:
        """Clips with fewer frames than the network takes."""
        return sum(len(clip) < self.pixels.frames for clip in self.clips)

    def cut(self, low: int, high: int) -> FrameFolders:
        return replace(self, clips=self.clips[low:high], labels=self.labels[low:high])

    def digest(self) -> str:
        """Of every image's path, size and time of change, not of its content, which would take as long as the run."""
        total = hashlib.sha256(repr((self.pixels, self.scaling, self.labels.tolist())).encode())
        for file in (file for clip in self.clips for file in clip):
            found = file.stat()
            total.update(repr((str(file.resolve()), found.st_size, found.st_mtime_ns)).encode())
        return total.hexdigest()

    def read(self, low: int, high: int) -> dict[str, Floats32]:
        """Clips low … high−1, (high − low, *shape); NmcError NMC-R021 with all images of theirs that are damaged."""
        clips = [[files[i] for i in chosen(len(files), self.pixels.frames)] for files in self.clips[low:high]]
        images: dict[Path, Floats32] = {}
        problems = []
        for file in dict.fromkeys(file for files in clips for file in files):
            try:
                images[file] = self.scaling(read_image(file, self.pixels))
            except Exception as error:
                # Pillow answers a damaged image with a dozen exception types, SyntaxError among them.
                problems.append(Diagnostic("NMC-R021", "cannot read the image", str(file), str(error)))
        stop(problems)
        made = np.zeros((len(clips), *self.pixels.shape), np.float32)
        for clip, files in zip(made, clips, strict=True):
            clip[...] = self.pixels.arrange(np.stack([images[file] for file in files]))
        return {self.pixels.name: made}


def chosen(frames: int, wanted: int) -> list[int]:
    """Which frames of a clip stand for the `wanted` ones of the network.

    Of as many or more, the middles of equal parts: ⌊(2j + 1) · frames / (2 · wanted)⌋ for j = 0 … wanted − 1. Of fewer,
    all of them, and then the last one again and again.
    """
    if frames < wanted:
        return [*range(frames), *[frames - 1] * (wanted - frames)]
    return [(2 * j + 1) * frames // (2 * wanted) for j in range(wanted)]


def open_frames(
    root: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    program: Program,
    names: Sequence[str] = (),
    scale: float | None = None,
    limit: int | None = None,
) -> FrameFolders:
    """The clips `root/<folder>/00001.jpg, …` of the list `labels`, for a program with one input that takes images.

    names   class names in the order of the class indices; without them the program's (`Program.task`), or the list's
            label names, sorted
    scale   pixel values 0 … 255 are divided by it; without it as the program's task says, or 255
    limit   the first `limit` clips only

    Images become grey or RGB as the network has 1 or 3 channels, and are resized to its H×W with Pillow's bilinear
    filter (which averages where it shrinks). NmcError NMC-R020 to R022, R001, R004, R005: all problems of the folders
    at once; damaged images show when they are read.
    """
    pillow()
    pixels, rows = pixels_of(program), read_label_list(labels)
    scaling = scaling_of(program, pixels.channels, scale)
    order = tuple(names) or program.task.classes or tuple(sorted({label for _, label in rows}))
    index = {name: i for i, name in enumerate(order)}
    problems = [
        Diagnostic("NMC-R020", f"label {name!r} is not among the {len(order)} class names", os.fspath(labels))
        for name in dict.fromkeys(label for _, label in rows)
        if name not in index
    ]
    clips = []
    for folder, _ in rows[:limit]:
        files, found = frame_files(Path(root) / folder)
        clips.append(files)
        problems += found
    stop(problems)
    classes = np.array([index[name] for _, name in rows[:limit]], np.int64)
    return FrameFolders(pixels, tuple(clips), classes, order, scaling)


def frame_files(folder: Path) -> tuple[tuple[Path, ...], list[Diagnostic]]:
    """The images of a clip in the order of the number at the end of their names, and what is wrong with the folder.

    The numbers must follow each other without a gap. Files that are no images by their suffix do not count.
    """
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError as error:
        why = error.strerror or str(error)
        return (), [Diagnostic("NMC-R021", "no such folder of frames", str(folder), why)]
    numbered: list[tuple[int, str]] = []
    problems = []
    for name in sorted(name for name in names if name.lower().endswith(SUFFIXES)):
        number = re.search(r"[0-9]+$", Path(name).stem)
        if number:
            numbered.append((int(number[0]), name))
        else:
            problems.append(Diagnostic("NMC-R021", "an image without a frame number", str(folder / name)))
    numbered.sort()
    if not numbered and not problems:
        problems.append(
            Diagnostic("NMC-R021", "the folder holds no frames", str(folder), hint=f"{', '.join(SUFFIXES)}")
        )
    for (before, _), (number, name) in pairwise(numbered):
        if number != before + 1:
            what = "a frame number twice" if number == before else f"frames {before + 1} to {number - 1} are missing"
            problems.append(Diagnostic("NMC-R021", what, str(folder / name)))
    return tuple(folder / name for _, name in numbered), problems


def pixels_of(program: Program, channels: tuple[int, ...] = (1, 3)) -> Pixels:
    """How the program's only input takes pictures of one of these numbers of channels.

    NMC-R004 for several inputs, NMC-R005 if it takes none such.
    """
    if len(program.inputs) != 1:
        names = ", ".join(repr(entry.name) for entry in program.inputs)
        raise bad_file("NMC-R004", f"a clip is one input, and the program has {names}", hint="give .npz")
    if isinstance(program, AkidaProgram):
        (entry,) = program.inputs
        layer = next(layer for layer in program.layers if layer.name == entry.layer)
        sizes, axis, order = hosted(layer).shape, entry.axis, entry.order
    else:
        (entry,) = program.inputs
        axis = entry.axis if isinstance(entry, HybridInput) else 1 if entry.every else -1
        shape = without(entry.shape, axis)
        order = "CHW" if len(shape) == 3 and shape[0] in channels else "HWC"
        extents = (*shape, 1) if len(shape) == 2 else shape
        sizes = tuple(extents[order.index(letter)] for letter in AXES) if len(extents) == 3 else (0, 0, 0)
    if sizes[-1] not in channels:
        kinds = " or ".join(map(str, channels))
        what = f"input {entry.name!r} of shape {entry.shape} takes no pictures of {kinds} channels"
        raise bad_file("NMC-R005", what, hint="give the samples as .npz, in the network's own layout")
    return Pixels(entry.name, entry.shape, axis, order, *sizes)


def read_image(file: Path, pixels: Pixels) -> Floats32:
    """One image (H, W, C), values 0 … 255, in the size and colours of `pixels`; Pillow's exceptions, ValueError."""
    image_module = pillow()
    with image_module.open(file) as image:
        if image.mode not in MODES or "transparency" in image.info:
            raise ValueError(f"mode {image.mode}: neither 8-bit grey nor RGB without transparency")
        made = image.convert("RGB" if pixels.channels == 3 else "L")
    if made.size != (pixels.width, pixels.height):
        made = made.resize((pixels.width, pixels.height), image_module.Resampling.BILINEAR)
    return np.asarray(made, np.float32).reshape(pixels.height, pixels.width, pixels.channels)


def pillow() -> Any:
    """Pillow's module Image; NMC-R022 without Pillow."""
    try:
        from PIL import Image
    except ImportError as error:
        hint = "pip install 'nmc[images]'"
        raise usage("NMC-R022", "reading images needs the package Pillow", why=str(error), hint=hint) from error
    return Image
