"""`python -m determinism.writes` (from tests/): every command that writes, killed and out of space at every point that
`file_commands.py` knows; tests/test_robust_writes.py does some of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from file_commands import COMMANDS
from test_robust_writes import check_outcomes, outcomes


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = outcomes(Path(folder), tuple(COMMANDS))
    check_outcomes(found, tuple(COMMANDS))
    print(f"{len(COMMANDS)} commands, {len(found)} broken writes: old files or whole new ones")


if __name__ == "__main__":
    main()
