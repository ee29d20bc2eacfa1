"""Running `nmc golden` in tests: the command, a case of the zoo in a folder of its own, a small case."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import nmc.cli.golden as runner
from nmc.cli.main import main

ZOO = Path(__file__).parent / "golden_zoo"
EXAMPLES = Path(__file__).parent.parent / "examples"


def golden(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["golden", *map(str, arguments)])


def facts(*arguments: object) -> dict[str, Any]:
    return json.loads(golden(*arguments, "--json").stdout)


def zoo_case(folder: Path, name: str) -> Path:
    """A case of the zoo with what was recorded of it, in a folder of its own."""
    path = folder / f"{name}.toml"
    path.write_text((ZOO / path.name).read_text().replace("../..", str(ZOO.parents[1])))
    for other in ZOO.glob("*.npz"):
        (folder / other.name).write_bytes(other.read_bytes())
    (folder / f"{name}.expected.json").write_bytes((ZOO / f"{name}.expected.json").read_bytes())
    return path


def small_case(folder: Path, name: str = "small", seed: int = 1, model: Path | None = None) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        f'model = "{model or EXAMPLES / "digits" / "digits.onnx"}"\n'
        'target = "cri"\noptions = { timesteps = 3 }\n'
        'calibration = { random = "uniform", seed = 0, samples = 4 }\n'
        f'input = {{ random = "uniform", seed = {seed}, samples = 2 }}\n'
    )
    return path


def plant(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]) -> None:
    """Let the compiler give another program than it makes."""
    honest = runner.compiled

    def compiled(case: Any) -> Any:
        made, extra = honest(case)
        return replace(made, program=change(made.program)), extra

    monkeypatch.setattr(runner, "compiled", compiled)
