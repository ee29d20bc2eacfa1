"""Which line of the user's code an exception comes from, and torch kept quiet about it."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_OTHERS = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<frozen importlib")


def place(error: BaseException) -> str:
    """`file.py:12`, the innermost frame that is neither torch's nor nmc's; empty if there is none."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_OTHERS)]
    own = [f for f in frames if Path(f.filename).suffix == ".py"]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


@contextmanager
def quiet() -> Iterator[None]:
    """Without the log lines of torch about what it raises, which the diagnostic says, and its warnings about itself."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
