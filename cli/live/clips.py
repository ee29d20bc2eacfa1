"""Clips frame by frame, from arrays, images, videos and event recordings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...runtime.data import SUFFIXES as ARRAYS
from ...runtime.data import read_arrays
from ...runtime.encode import Array, check_inputs
from ...runtime.frames import SUFFIXES as IMAGES
from ...runtime.frames import frame_files, pillow, read_image
from ...runtime.label_lists import stop
from ...runtime.labelled import LABEL_NAMES
from ...runtime.program.diagnostics import Diagnostic, bad_file
from ...runtime.program.framed import without
from ...runtime.scaling import Scaling
from .events import EVENT_FILES, Sensor, event_frames
from .video import VIDEOS, camera_pictures, video_pictures
from .view import EVENTS, View

RAW = Scaling()


@dataclass(frozen=True)
class Clip:
    """Frames as the program takes them, each of the view's frame_shape.

    count      how many there are, None where only the end tells
    low, high  the values that a screen shows darkest and brightest
    endless    is there no end but the user's?
    """

    frames: Iterator[Array]
    count: int | None
    low: float
    high: float
    endless: bool = False


def open_clip(path: Path, view: View, scaling: Scaling = RAW, sample: int = 0, sensor: Sensor | None = None) -> Clip:
    """A clip of any kind, by the end of its name; a folder holds numbered images.

    scaling what becomes of the pixels of images and videos
    sample  which one of an array with several
    sensor  of event recordings

    NmcError NMC-R001 to R003 (no such file, damaged), R004, R005 (no clip for this program), R021, R022 (images).
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        return _images(path, view, scaling)
    if suffix in ARRAYS:
        return _array(path, view, sample)
    if suffix in EVENT_FILES:
        return Clip(*event_frames(path, view, sensor or Sensor()), 0.0, 1.0)
    if suffix not in (".gif", *IMAGES, *VIDEOS):
        known = ", ".join((*ARRAYS, ".gif", *IMAGES, *VIDEOS, *EVENT_FILES))
        raise bad_file(
            "NMC-R002", f"unknown kind of clip {suffix!r}", str(path), hint=f"a folder of images, or {known}"
        )
    _need_images(path, view)
    if not path.is_file():
        raise bad_file("NMC-R001", "no such file", str(path), hint="check the path")
    if suffix in IMAGES:
        return Clip(_read([path], view, scaling), 1, *scaling.bounds)
    pictures, count = video_pictures(path) if suffix in VIDEOS else _gif(path)
    return Clip((_fitted(picture, view, scaling) for picture in pictures), count, *scaling.bounds)


def open_camera(name: str, view: View, scaling: Scaling = RAW) -> Clip:
    """What a camera sees (`video.camera_pictures`), frame by frame without an end. NmcError NMC-R001, R005, R022."""
    _need_images(Path(name), view)
    pictures = camera_pictures(name)
    return Clip((_fitted(picture, view, scaling) for picture in pictures), None, *scaling.bounds, endless=True)


# --- arrays ---


def _array(path: Path, view: View, sample: int) -> Clip:
    """One sample; a stream may have any number of frames."""
    array = _only(path, read_arrays(path), view)
    several = array.ndim == len(view.shape) + 1
    if several:
        if not sample < len(array):
            what = f"there is no sample {sample}, the file has {len(array)}"
            raise bad_file("NMC-R005", what, str(path), hint="they count from 0: --sample")
        array = array[sample]
    shape = without(array.shape, view.axis) if array.ndim == len(view.shape) else array.shape
    frames = np.moveaxis(array, view.axis - 1, 0) if view.axis > 0 and array.ndim == len(view.shape) else array[None]
    if shape != view.frame_shape or not len(frames):
        expected = f"{view.shape}, any number of frames at axis {view.axis - 1}" if view.axis > 0 else f"{view.shape}"
        what = f"expected a sample of shape {expected}; got {array.shape}"
        raise bad_file("NMC-R005", what, str(path), hint="or several such samples on the first axis, and --sample")
    check_inputs([Frame(view.name, view.frame_shape)], frames)
    low, high = min(float(frames.min()), 0.0), float(frames.max())
    return Clip(iter(frames), len(frames), low, high if high > low else low + 1)


@dataclass(frozen=True)
class Frame:
    """A frame as `check_inputs` knows inputs."""

    name: str
    shape: tuple[int, ...]


def _only(path: Path, given: dict[str, Array] | Array, view: View) -> Array:
    """The array of the input's name, or the only one besides labels."""
    if not isinstance(given, dict):
        return given
    arrays = {name: array for name, array in given.items() if name == view.name or name not in LABEL_NAMES}
    if view.name in arrays:
        return arrays[view.name]
    if len(arrays) != 1:
        names = ", ".join(map(repr, given))
        raise bad_file("NMC-R004", f"no array {view.name!r} among {names}", str(path), hint="name it as the input")
    return next(iter(arrays.values()))


# --- images ---


def _need_images(path: Path, view: View) -> None:
    if view.channels == EVENTS:
        what = f"input {view.name!r} takes events, ON and OFF, and {path.name} holds images"
        raise bad_file("NMC-R005", what, str(path), hint="give .npz or .aedat")


def _images(folder: Path, view: View, scaling: Scaling) -> Clip:
    _need_images(folder, view)
    pillow()
    files, problems = frame_files(folder)
    stop(problems)
    return Clip(_read(files, view, scaling), len(files), *scaling.bounds)


def _read(files: Any, view: View, scaling: Scaling) -> Iterator[Array]:
    pillow()
    for file in files:
        try:
            picture = read_image(file, view.pixels)
        except Exception as error:
            # Pillow answers a damaged image with a dozen exception types, SyntaxError among them.
            stop([Diagnostic("NMC-R021", "cannot read the image", str(file), str(error))])
            raise
        yield view.frame(scaling(picture))


def _gif(path: Path) -> tuple[Iterator[Any], int]:
    """The images of a GIF, each as a viewer shows it."""
    images = pillow()
    try:
        opened = images.open(path)
        count = int(opened.n_frames)
    except Exception as error:
        raise bad_file("NMC-R021", "cannot read the image", str(path), str(error)) from error

    def frames() -> Iterator[Any]:
        with opened:
            for index in range(count):
                try:
                    opened.seek(index)
                    shown = opened.convert("RGB")
                except Exception as error:
                    raise bad_file("NMC-R021", f"cannot read image {index}", str(path), str(error)) from error
                yield shown

    return frames(), count


def _fitted(picture: Any, view: View, scaling: Scaling) -> Array:
    """A Pillow image as a frame, in the size and colours of the view, as `read_image` makes them."""
    made = picture.convert("RGB" if view.channels == 3 else "L")
    if made.size != (view.width, view.height):
        made = made.resize((view.width, view.height), pillow().Resampling.BILINEAR)
    values = np.asarray(made, np.float32).reshape(view.height, view.width, view.channels)
    return view.frame(scaling(values))
