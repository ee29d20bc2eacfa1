"""Akida programs in the vendor's formats, written and read without the vendor's package."""

from .akida_json import write_json
from .akida_json_host import host_path
from .akida_json_reader import read_json

__all__ = ["host_path", "read_json", "write_json"]
