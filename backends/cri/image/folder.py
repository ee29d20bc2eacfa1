"""An image as a folder (docs/cri_image.md): image.bin, image.json and, for small ones, packets.txt."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ....compiler.diagnostics import usage
from ....runtime.program.atomic import atomic_write, make_folder, together
from ....runtime.program.cri import CriProgram
from ....runtime.program.cri_check import validate
from ....runtime.program.cri_image import CriImage, Words
from ..placement import Placement, natural, place
from .encode import encode_image
from .header import header, to_json
from .packets import as_text, count_packets, load_packets

BINARY, MAP, TEXT = "image.bin", "image.json", "packets.txt"
MOST_PACKETS = 1 << 16
"""Images of more packets are written as text only where that is asked for: a packet is a line of 129 bytes."""


def write_image(
    program: CriProgram,
    path: str | os.PathLike[str],
    placement: Placement | None = None,
    *,
    packets: bool = False,
    natural_order: bool = False,
    avoid_defect_rows: bool = False,
) -> tuple[Path, ...]:
    """Write the folder `path`; return the paths of its files. Equal programs and placements are equal bytes.

    placement          slots of the neurons; by default those that `place` finds (docs/cri_placement.md)
    packets            write packets.txt however large it gets; else only for images of at most MOST_PACKETS packets
    natural_order      leave the neurons in the program's order
    avoid_defect_rows  leave the rows empty in which neurons lose spikes; not with natural_order

    What `encode_image` refuses; NMC-F009 to F013 if the program is inconsistent; NMC-F014 where a file cannot be
    written.
    """
    validate(program)
    if natural_order and avoid_defect_rows:
        raise usage("NMC-X004", "natural order has no empty rows", hint="leave one of both options out")
    if placement is not None:
        placed = placement
    else:
        placed = natural(program) if natural_order else place(program, avoid_defect_rows=avoid_defect_rows)
    image = encode_image(program, placed)
    folder = make_folder(path)
    contents = _regions(image)
    digest = hashlib.sha256()
    for words in contents:
        digest.update(words.data)
    text = to_json(header(image, placed), digest.hexdigest(), _network(program))
    wanted = packets or count_packets(image) <= MOST_PACKETS

    with together():
        atomic_write(folder / MAP, lambda file: file.write(text.encode()))
        atomic_write(folder / BINARY, lambda file: file.writelines(words.data for words in contents))
        if wanted:
            atomic_write(folder / TEXT, lambda file: file.writelines(map(as_text, load_packets(image))))
    if not wanted:
        (folder / TEXT).unlink(missing_ok=True)  # of an image that was here before
    return tuple(folder / name for name in (BINARY, MAP, *([TEXT] if wanted else [])))


def _regions(image: CriImage) -> tuple[Words, ...]:
    """All words in the order of image.bin, little-endian."""
    parts = (image.axon_pointers, image.neuron_pointers, image.synapses)
    return tuple(np.ascontiguousarray(part, "<u4") for part in parts)


def _network(program: CriProgram) -> dict[str, Any]:
    """What the axons and neurons are in the network that the program was made from."""
    return {
        "steps": program.steps,
        "inputs": [
            {"name": i.name, "shape": i.shape, "axon": i.first, "bits": i.bits, "step": i.step, "every": i.every}
            for i in program.inputs
        ],
        "schedule": [
            {"name": p.name, "axon": p.first, "count": p.count, "start": p.start, "stop": p.stop, "period": p.period}
            for p in program.schedule
        ],
        "populations": [
            {"name": p.name, "kind": p.kind, "shape": p.shape, "neuron": p.first} for p in program.populations
        ],
        "readouts": [
            {"name": r.name, "kind": r.kind, "shape": r.shape, "neurons": r.neuron.tolist()} for r in program.readouts
        ],
        "provenance": program.provenance,
    }
