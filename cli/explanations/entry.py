"""What one diagnostic code means beyond its one-line meaning."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """why: how it comes about; remedy: what to do; example: a command or a line of code."""

    why: str
    remedy: str
    example: str
