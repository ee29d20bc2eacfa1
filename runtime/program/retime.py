"""A program of a spiking network, made for another number of timesteps."""

from __future__ import annotations

from dataclasses import replace

from .cri import CriProgram, Input, Readout


def retime(program: CriProgram, timesteps: int) -> CriProgram:
    """The program that runs `timesteps` steps of the source network in place of `program.timesteps`.

    The tables are the same. Inputs, control axons, windows and readouts last longer or shorter; the delay of each
    population, and the timesteps that the network needs to drain, stay. ValueError for a program of no spiking network
    and for less than one timestep. That no potential leaves its width was proved for the timesteps that the program
    was compiled for; a run counts those that do (`out_of_range`).
    """
    if not program.timesteps or timesteps < 1:
        raise ValueError(f"a program of {program.timesteps} timesteps cannot run {timesteps}")
    more = timesteps - program.timesteps
    if not more:
        return program
    return replace(
        program,
        inputs=tuple(_input(entry, timesteps) for entry in program.inputs),
        schedule=tuple(replace(phase, stop=phase.stop + more) for phase in program.schedule),
        populations=tuple(replace(p, window=(p.window[0], p.window[1] + more)) for p in program.populations),
        readouts=tuple(_readout(readout, timesteps) for readout in program.readouts),
        steps=program.steps + more,
    )


def _input(entry: Input, timesteps: int) -> Input:
    if entry.every:
        return replace(entry, shape=(timesteps, *entry.row_shape))
    return replace(entry, repeat=timesteps)


def _readout(readout: Readout, timesteps: int) -> Readout:
    shape = (timesteps, *readout.row_shape) if readout.by_step else readout.shape
    return replace(readout, shape=shape, rows=timesteps)
