"""CRI programs for the vendor's Python API, written and read without it."""

from .hs_api import write_hs_api
from .hs_api_reader import Imported, read_hs_api, recognizes

__all__ = ["Imported", "read_hs_api", "recognizes", "write_hs_api"]
