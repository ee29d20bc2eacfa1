"""Videos and cameras through PyAV, where it is installed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from ...runtime.frames import pillow
from ...runtime.program.diagnostics import NmcError, bad_file, usage

VIDEOS = (".mp4", ".webm", ".mkv", ".mov", ".avi")

# Input formats of FFmpeg by platform, and how a camera is called there by its number.
CAMERAS = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}


def video_pictures(path: Path) -> tuple[Iterator[Any], int | None]:
    """The pictures of a video's first track as Pillow images, and their number if the file says it.

    NmcError NMC-R022 without PyAV, NMC-R021 for a file it cannot read.
    """

    def failed(error: Exception) -> NmcError:
        return bad_file("NMC-R021", "cannot read the video", str(path), str(error))

    container = _opened(str(path), None, failed)
    return _pictures(container, failed), container.streams.video[0].frames or None


def camera_pictures(name: str) -> Iterator[Any]:
    """What a camera sees, as Pillow images, until it ends or the caller does. `name`: see `camera_source`.

    NmcError NMC-R022 without PyAV, NMC-R001 where there is no such camera, or it stops answering.
    """

    def failed(error: Exception) -> NmcError:
        hint = "--camera 1, --camera rtsp://…, or FORMAT:NAME with an input format of FFmpeg"
        return bad_file("NMC-R001", "cannot read from the camera", source, str(error), hint)

    source, format = camera_source(name, sys.platform)
    return _pictures(_opened(source, format, failed), failed)


def camera_source(name: str, platform: str) -> tuple[str, str | None]:
    """What PyAV opens, and as which input format (None: it finds out), for a camera's number or name, a URL, or
    FORMAT:NAME with an input format of FFmpeg."""
    if "://" in name:
        return name, None
    if found := re.fullmatch(r"(\w{2,}):(.+)", name):
        return found[2], found[1]
    format, pattern = CAMERAS.get(platform, CAMERAS["linux"])
    return name if name.startswith("/") else pattern.format(name), format


def _opened(source: str, format: str | None, failed: Callable[[Exception], NmcError]) -> Any:
    pillow()
    try:
        av = import_module("av")
    except ImportError as error:
        hint = "pip install 'nmc[video]'"
        what = "reading videos and cameras needs the package av"
        raise usage("NMC-R022", what, source, str(error), hint) from error
    try:
        container = av.open(source, format=format)
        container.streams.video[0]
    except (OSError, ValueError, LookupError) as error:  # PyAV's own errors are kinds of these
        raise failed(error) from error
    return container


def _pictures(container: Any, failed: Callable[[Exception], NmcError]) -> Iterator[Any]:
    with container:
        try:
            for frame in container.decode(video=0):
                yield frame.to_image()
        except (OSError, ValueError, LookupError) as error:
            raise failed(error) from error
