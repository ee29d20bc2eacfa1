"""Compiles golden cases and prints sha256 of their program files by name: one process of the comparison.

With `--without-provenance` digests leave out where a program came from, which names versions of numpy and onnx.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from nmc.cli.golden import compiled
from nmc.runtime.golden.case import read_case
from nmc.runtime.program import digest, save

BARE = "--without-provenance"


def main(arguments: list[str]) -> None:
    found = {}
    for path in (Path(argument) for argument in arguments if argument != BARE):
        program = compiled(read_case(path))[0].program
        if BARE in arguments:
            found[path.stem] = digest(replace(program, provenance={}))
            continue
        with tempfile.TemporaryDirectory() as folder:
            save(program, Path(folder) / "net.nmc")
            found[path.stem] = hashlib.sha256((Path(folder) / "net.nmc").read_bytes()).hexdigest()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
