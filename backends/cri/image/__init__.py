"""Memory images of the CRI hardware, written and read."""

from .decode import decode_image
from .encode import encode_image
from .folder import write_image
from .footprint import footprint_of
from .reader import load_image, read_image, recognizes_image

__all__ = [
    "decode_image",
    "encode_image",
    "footprint_of",
    "load_image",
    "read_image",
    "recognizes_image",
    "write_image",
]
