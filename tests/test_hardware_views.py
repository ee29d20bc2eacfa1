"""`nmc inspect --memory`: rows of a core's memory by source."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from nmc.cli.main import main
from nmc.compiler import compile_model
from nmc.runtime.program import save

EXAMPLES = Path(__file__).parent.parent / "examples"


def inspected(path: Path, *more: str):
    result = CliRunner().invoke(main, ["inspect", str(path), *more])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_memory_shows_rows_in_the_programs_order_placed_and_the_least(tmp_path: Path) -> None:
    path = tmp_path / "digits.nmc"
    save(compile_model(EXAMPLES / "digits/digits.onnx", "cri", timesteps=3), path)
    rows = {row["sources"]: row for row in json.loads(inspected(path, "--memory", "--json"))["memory"]}
    whole = rows["all"]
    assert whole["natural"] > whole["placed"] >= whole["least"]
    for column in ("synapses", "natural", "placed", "least"):
        assert whole[column] == sum(r[column] for name, r in rows.items() if name not in ("all", "share of a core"))
    assert rows["share of a core"]["placed"].endswith("%")
    assert "rows of memory" in inspected(path, "--memory")
    assert json.loads(inspected(path, "--json"))["memory"] == []
