"""Make the vendor's own model file from a JSON of `nmc export`: python load_with_vendor.py net.akida.json [net.fbz]

Needs the vendor's package, which has a licence of its own (pip install 'nmc[akida]'). The calls are those of its public
documentation: Model.from_json(text), Model.from_dict(data) and model.save(path).
https://doc.brainchipinc.com/api_reference/akida_apis.html
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def load_model(akida: Any, text: str) -> Any:
    """The vendor's model from the JSON text, through whichever of its documented ways this version has."""
    model_class = getattr(akida, "Model", None)
    if hasattr(model_class, "from_json"):
        return model_class.from_json(text)
    if hasattr(model_class, "from_dict"):
        return model_class.from_dict(json.loads(text))
    found = getattr(akida, "__version__", "of unknown version")
    raise SystemExit(f"akida {found} has neither Model.from_json nor Model.from_dict, so it reads no JSON")


def main() -> None:
    if len(sys.argv) not in (2, 3):
        raise SystemExit("usage: load_with_vendor.py net.akida.json [net.fbz]")
    try:
        import akida  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise SystemExit(
            "the package 'akida' is not installed: pip install 'nmc[akida]' (Python 3.12 or older)"
        ) from None
    source = Path(sys.argv[1])
    if not source.is_file():
        raise SystemExit(f"no such file: {source}")
    made = Path(sys.argv[2]) if len(sys.argv) == 3 else Path(f"{source.stem}.fbz")
    model = load_model(akida, source.read_text(encoding="utf-8"))
    model.save(str(made))
    print(f"written: {made}")


if __name__ == "__main__":
    main()
