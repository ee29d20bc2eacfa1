"""Whether somebody pressed q."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUIT = ("q", "Q")


@contextmanager
def quit_key() -> Iterator[Callable[[], bool]]:
    """A function that says whether q was pressed since it was asked last; keys are not shown meanwhile. Where standard
    input is no terminal of POSIX, it never was."""
    try:
        import termios
        import tty

        if not sys.stdin.isatty():
            raise ImportError("no terminal")
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (ImportError, ValueError, OSError):
        yield lambda: False
        return
    try:
        tty.setcbreak(descriptor)
        yield _pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed() -> bool:
    import os
    from select import select

    keys = ""
    while select([sys.stdin], [], [], 0)[0]:
        given = os.read(sys.stdin.fileno(), 1024)
        keys += given.decode(errors="replace")
        if not given:
            break
    return any(key in QUIT for key in keys)
