"""Placement of neurons on the columns and rows of a core."""

from .natural import natural
from .place import place
from .types import Group, Placement

__all__ = ["Group", "Placement", "natural", "place"]
