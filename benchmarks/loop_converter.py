"""CRI tables from a plain Python loop, and from nmc.

The loop does what a straightforward converter does: for every output neuron of every layer, for every weight of its
kernel, it appends (neuron, weight) to the list of the source; the lists then are what a hand-written network is given
as. nmc imports the same SpikingJelly module, quantizes it and lowers it to tables. The networks are the tutorial's
DVS128 Gesture network with fewer channels, because the loop's lists take about 100 bytes a synapse. Both run in
processes of their own, modules and network loaded before the clock starts; `grown` is how far the process grew at its
peak.
`python benchmarks/loop_converter.py CHANNELS nmc` measures one and prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from machine import medians, peak_mb
from page import Section, ms, ratio, run

FOLDER = Path(__file__).parent.parent / "examples" / "dvs_gesture"
sys.path.insert(0, str(FOLDER))

RUNS = 3
CHANNELS = (8, 16, 32)
STRIDE = 2


def conv_synapses(weight: Any, source: Any, first: int, lists: list[list[tuple[int, int]]]) -> Any:
    """Append the synapses of a convolution without padding; the numbers of its neurons, which start at `first`."""
    import numpy as np

    outputs, inputs, kernel, _ = weight.shape
    side = (source.shape[1] - kernel) // STRIDE + 1
    made = first + np.arange(outputs * side * side).reshape(outputs, side, side)
    rows, numbers, values = made.tolist(), source.tolist(), weight.tolist()
    for o in range(outputs):
        for y in range(side):
            for x in range(side):
                for i in range(inputs):
                    for dy in range(kernel):
                        for dx in range(kernel):
                            w = values[o][i][dy][dx]
                            if w:
                                lists[numbers[i][STRIDE * y + dy][STRIDE * x + dx]].append((rows[o][y][x], w))
    return made


def dense_synapses(weight: Any, source: Any, first: int, lists: list[list[tuple[int, int]]]) -> Any:
    import numpy as np

    numbers = source.ravel().tolist()
    for o, row in enumerate(weight.tolist()):
        for i, w in enumerate(row):
            if w:
                lists[numbers[i]].append((first + o, w))
    return first + np.arange(len(weight))


def loop(model: Any) -> int:
    """The lists of the axons, then of the neurons; how many synapses they hold."""
    import numpy as np
    from spikingjelly.activation_based import layer

    from network import SIZE

    source = np.arange(2 * SIZE * SIZE).reshape(2, SIZE, SIZE)
    lists: list[list[tuple[int, int]]] = [[] for _ in range(source.size)]
    for one in model.layers:
        if not isinstance(one, layer.Conv2d | layer.Linear):
            continue
        weight = one.weight.detach().numpy()
        integers = np.round(weight / np.abs(weight).max() * 32767).astype(int)
        add = conv_synapses if isinstance(one, layer.Conv2d) else dense_synapses
        source = add(integers, source, len(lists), lists)
        lists.extend([] for _ in range(source.size))
    return sum(map(len, lists))


def of_network(channels: int, who: str) -> dict[str, float]:
    from dvs_table import STAGES, compiled

    import network

    model = network.random_weights(network.DvsGesture(channels, 5).eval(), seed=0)
    shapes = {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}
    compiled(network.narrow(), shapes, {})  # loads the modules
    before, start = peak_mb(), time.perf_counter()
    if who == "loop":
        synapses = loop(model)
        seconds = time.perf_counter() - start
    else:
        found: dict[str, float] = {}
        program = compiled(model, shapes, found)
        seconds, synapses = sum(found[s] for s in STAGES), program.axons.synapses + program.neurons.synapses
    return {"seconds": seconds, "synapses": synapses, "mb": peak_mb() - before}


def measure(section: Section, quick: bool) -> None:
    section.table(
        "channels", "synapses", "nmc", "loop", "loop ÷ nmc", "loop, µs a synapse", "nmc, grown", "loop, grown"
    )
    for channels in (2,) if quick else CHANNELS:
        ours, theirs = (medians(__file__, str(channels), who, runs=1 if quick else RUNS) for who in ("nmc", "loop"))
        times = ms(ours["seconds"]), ms(theirs["seconds"]), ratio(theirs["seconds"], ours["seconds"])
        each, grown = 1e6 * theirs["seconds"] / theirs["synapses"], (f"{one['mb']:.0f} MB" for one in (ours, theirs))
        section.row(f"{channels}", f"{theirs['synapses'] / 1e6:.2f} M", *times, f"{each:.2f}", *grown)


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].isdigit():
        print(json.dumps(of_network(int(sys.argv[1]), sys.argv[2])))
    else:
        run(__file__, __doc__, measure)
