"""The zoo's programs from two environments: other versions of numpy, onnx, onnxruntime and numba, the same integers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .compile_cases import BARE

VERSIONS = """
import numba, numpy, onnx, onnxruntime
print(", ".join(f"{module.__name__} {module.__version__}" for module in (numpy, onnx, onnxruntime, numba)))
"""
HAS_TORCH = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"


def compare_versions(paths: Sequence[Path], python: str) -> int:
    """Print which programs differ between this Python and another; 1 if some do. Cases that are PyTorch code are left
    out, by name, where the other environment has no torch."""
    if subprocess.run([python, "-c", HAS_TORCH], check=False).returncode:
        code = [path for path in paths if ".py:" in path.read_text()]
        paths = [path for path in paths if path not in code]
        if code:
            print(f"no torch there, left out: {', '.join(path.stem for path in code)}")
    found = []
    for each in (sys.executable, python):
        print(subprocess.run([each, "-c", VERSIONS], check=True, capture_output=True, text=True).stdout.strip())
        script = Path(__file__).with_name("compile_cases.py")
        done = subprocess.run(
            [each, "-W", "ignore", script, BARE, *(path.resolve() for path in paths)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    different = [path.stem for path in paths if found[0][path.stem] != found[1][path.stem]]
    print(f"{', '.join(different)} differ" if different else f"{len(paths)} programs equal")
    return 1 if different else 0
