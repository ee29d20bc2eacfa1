"""The class names that exporters leave in a model's metadata."""

from __future__ import annotations

import ast
from typing import Any

from onnx import ModelProto

KEYS = ("names", "classes")
LONGEST = 1 << 20


def class_names(model: ModelProto) -> tuple[str, ...]:
    """Names under the metadata key `names` or `classes`: a list of texts, or a dictionary 0, 1, … to texts, as JSON or
    Python write it. () where there is nothing of that kind."""
    found = {entry.key: entry.value for entry in model.metadata_props}
    for text in (found[key] for key in KEYS if key in found and len(found[key]) <= LONGEST):
        try:
            names = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(names, dict):
            by_number: dict[str, Any] = {str(key): name for key, name in names.items()}
            names = [by_number.get(str(i)) for i in range(len(names))]
        if isinstance(names, list | tuple):
            texts = [name for name in names if isinstance(name, str)]
            if len(texts) == len(names):
                return tuple(texts)
    return ()
