"""Write the shipped network as a graph that compiles without torch: `python examples/moving_events/export.py`.

`moving_events.ir` is the network as nmc imports it; its constants lie in `constants/`, where readers of `.ir` look.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from nmc.compiler.frontends import import_model
from nmc.compiler.ir import print_graph
from nmc.compiler.ir.text import constant_bank

HERE = Path(__file__).parent
SHAPE = (16, 1, 2, 24, 24)


def write_graph(folder: Path) -> None:
    """The text form and the constants of the network with the weights in a folder, written there."""
    code, weights = f"{HERE / 'network.py'}:moving_events", folder / "moving_events.safetensors"
    graph = import_model(code, {"events": SHAPE}, weights).graph
    (folder / "moving_events.ir").write_text(print_graph(graph), encoding="utf-8")
    (folder / "constants").mkdir(exist_ok=True)
    bank = {digest: np.ascontiguousarray(array) for digest, array in constant_bank(graph).items()}
    save_file(bank, folder / "constants" / "moving_events.safetensors")


if __name__ == "__main__":
    write_graph(HERE)
