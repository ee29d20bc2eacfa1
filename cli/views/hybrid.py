"""A program with host segments as rows and sentences, and what each segment does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...runtime.program import Program
from ...runtime.program.hybrid import HostSegment, HybridProgram
from ...runtime.program.hybrid_work import Work, work
from ..common import print_table
from .akida import AkidaView

Rows = list[dict[str, Any]]


class HybridView:
    """Segments, the layers of those on the device, the operations of those on the host."""

    def __init__(self, program: HybridProgram):
        self.program = program
        self.work = work(program)
        self.views = {segment.name: AkidaView(segment.program) for segment in program.devices}

    def summary(self) -> dict[str, Any]:
        of_devices = [view.summary() for view in self.views.values()]
        noise = [facts["lowest own dB"] for facts in of_devices if facts["lowest own dB"] is not None]
        return {
            "target": self.program.target,
            "device segments": len(self.program.devices),
            "host segments": len(self.program.hosts),
            "layers": sum(facts["layers"] for facts in of_devices),
            "weights": sum(facts["weights"] for facts in of_devices),
            "frames a sample": self.program.clip_length,
            "host share of MACs": _share(sum(w.macs for w in self.work if w.on_host), self.work),
            "bytes crossing a frame": sum(w.bytes_in + w.bytes_out for w in self.work),
            "lowest own dB": min(noise, default=None),
        }

    def inputs(self) -> list[str]:
        return [line for view in self.views.values() for line in view.inputs()]

    def layers(self) -> list[dict[str, Any]]:
        """Rows as of an AkidaView, of all device segments; a layer is called segment/layer."""
        rows: list[dict[str, Any]] = []
        for name, view in self.views.items():
            for row in view.layers():
                reads = [f"{name}/{layer}" for layer in row["reads"]]
                rows.append(row | {"layer": f"{name}/{row['layer']}", "reads": reads})
        return rows

    def notes(self) -> list[str]:
        program, facts = self.program, self.summary()
        share, size = facts["host share of MACs"], facts["bytes crossing a frame"]
        return [f"on the host: {share:.2%} of the MACs; {size:,} bytes cross in a frame"] + [
            f"output {o.name} {o.shape}: value {o.value}, latency {o.timing.latency(program.clip_length)} frames"
            for o in program.outputs
        ]

    def schedule(self) -> list[dict[str, Any]]:
        return []

    def memory(self) -> list[dict[str, Any]]:
        return []

    def outputs(self) -> list[dict[str, Any]]:
        return [
            {"output": o.name, "value": o.value, "shape": list(o.shape), "timing": asdict(o.timing)}
            for o in self.program.outputs
        ]


def segment_facts(program: Program) -> dict[str, Rows]:
    """`segments` and `host operations` of a program with host segments; nothing of another.

    A segment's row: its layers or operations, multiplications of a frame and their share of all, and the bytes of a
    frame that it, on the device, takes from the host and gives to it. An operation's row says why the host does it.
    """
    if not isinstance(program, HybridProgram):
        return {}
    done = work(program)
    segments = [
        {
            "segment": segment.name,
            "layers": len(segment.ops) if isinstance(segment, HostSegment) else len(segment.program.layers),
            "MACs": w.macs,
            "share": _share(w.macs, done),
            "in B": w.bytes_in,
            "out B": w.bytes_out,
            "reads": list(segment.reads),
            "gives": list(segment.gives),
        }
        for segment, w in zip(program.segments, done, strict=True)
    ]
    operations = [
        {
            "segment": segment.name,
            "operation": op.name,
            "op": op.op,
            "MACs": op.macs,
            "why": op.why,
            "origin": list(op.origin),
        }
        for segment in program.hosts
        for op in segment.ops
    ]
    return {"segments": segments, "host operations": operations}


def show_segments(facts: dict[str, Any]) -> None:
    """The tables of `segment_facts`, where `facts` has them."""
    for title in ("segments", "host operations"):
        if title not in facts:
            continue
        rows = facts[title]
        print_table(title, list(rows[0]), [[_cell(name, item) for name, item in row.items()] for row in rows])


def _cell(name: str, item: Any) -> str:
    if isinstance(item, list):
        return ", ".join(item)
    if name == "share":
        return f"{item:.2%}"
    return f"{item:,}" if isinstance(item, int) else str(item)


def _share(macs: int, done: list[Work]) -> float:
    """Of all multiplications, to four decimals."""
    return round(macs / max(sum(w.macs for w in done), 1), 4)
