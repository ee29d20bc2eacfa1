"""Videos through PyAV, where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from ...runtime.frames import pillow
from ...runtime.program.diagnostics import bad_file, usage

VIDEOS = (".mp4", ".webm", ".mkv", ".mov", ".avi")


def video_pictures(path: Path) -> tuple[Iterator[Any], int | None]:
    """The pictures of a video's first track as Pillow images, and their number if the file says it.

    NmcError NMC-R022 without PyAV, NMC-R021 for a file it cannot read.
    """
    pillow()
    try:
        av = import_module("av")
    except ImportError as error:
        hint = "pip install 'nmc[video]'"
        raise usage("NMC-R022", "reading videos needs the package av", str(path), str(error), hint) from error
    try:
        container = av.open(str(path))
        count = container.streams.video[0].frames or None
    except (OSError, ValueError, IndexError) as error:  # PyAV's own errors are kinds of these
        raise bad_file("NMC-R021", "cannot read the video", str(path), str(error)) from error

    def pictures() -> Iterator[Any]:
        with container:
            try:
                for frame in container.decode(video=0):
                    yield frame.to_image()
            except (OSError, ValueError) as error:
                raise bad_file("NMC-R021", "cannot read the video", str(path), str(error)) from error

    return pictures(), count
