"""What a local worker of Dask does when it starts (`preload`)."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C, which a terminal sends to all processes of a command, to the command: it ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
