"""Parallel streams through a program with host segments, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .akida_engines import ENGINES, Build
from .akida_host import arrange
from .encode import Array, check_inputs
from .host_segment import HostRun
from .program.hybrid import DeviceSegment, HybridProgram
from .result import named_engine


@dataclass(frozen=True)
class Plan:
    """A program, its host segments on onnxruntime, and what makes machines for its device segments, by segment."""

    program: HybridProgram
    builds: Mapping[str, Build]
    hosts: Mapping[str, HostRun]

    @classmethod
    def of(cls, program: HybridProgram, engine: str) -> Plan:
        """NmcError NMC-R009 for an unknown engine, NMC-R025 where onnxruntime does not take a segment."""
        make = named_engine(ENGINES, engine)
        hosts = {segment.name: HostRun(segment) for segment in program.hosts}
        return cls(program, {segment.name: make(segment.program) for segment in program.devices}, hosts)


class Streams:
    """The machines of the device segments and the memories of the host segments.

    clipped  values outside the code range of a device segment so far
    """

    def __init__(self, plan: Plan, count: int):
        self.plan, self.count, self.clipped = plan, count, 0
        self.machines = {name: build(count) for name, build in plan.builds.items()}
        self.reset()

    def reset(self) -> None:
        """All streams back to before their first frame. The counters go on."""
        for machine in self.machines.values():
            machine.reset()
        self._memories = {name: host.before(self.count) for name, host in self.plan.hosts.items()}

    def step(self, frames: Mapping[str, Array]) -> dict[str, Array]:
        """One frame of every input, (streams, *frame_shape) by name; returns all values of the program by name."""
        values: dict[str, Array] = dict(frames)
        for segment in self.plan.program.segments:
            if isinstance(segment, DeviceSegment):
                values |= self._on_device(segment, values)
            else:
                run, memories = self.plan.hosts[segment.name], self._memories[segment.name]
                given, self._memories[segment.name] = run.step(values, memories, self.count)
                values |= given
        return values

    def _on_device(self, segment: DeviceSegment, values: Mapping[str, Array]) -> dict[str, Array]:
        """NmcError NMC-R007 where a host segment gave NaN or infinity."""
        program, machine = segment.program, self.machines[segment.name]
        frames = [replace(entry, shape=entry.frame_shape, axis=-1) for entry in program.inputs]
        self.clipped += machine.step_inputs(check_inputs(frames, {name: values[name] for name in segment.reads}))
        return {o.name: arrange(o, machine.values[o.layer]).astype(np.float32) for o in program.outputs}
