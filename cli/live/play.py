"""A clip on its way through a program: what each frame shows, and what the program says of it so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, repeat

import numpy as np

from ...runtime import Session
from ...runtime.akida_session import AkidaSession
from ...runtime.arith import Floats
from ...runtime.classify import Smoother
from ...runtime.cri_session import CriSession
from ...runtime.encode import Array, codes, step_axons
from ...runtime.evaluate import ScoreOutput
from ...runtime.hybrid_session import HybridSession
from ...runtime.program import CriProgram, Program
from ...runtime.program.diagnostics import bad_file
from ...runtime.program.retime import retime
from ...runtime.recording import Recording
from .clips import Clip
from .view import View


@dataclass
class Moment:
    """One step: a frame, or a timestep of a spiking network.

    frame          what the network sees, of the view's frame_shape
    scores         (classes,), None where it has no answer yet
    zeros          share of zeros among what layers gave, of spiking networks share of neurons that were silent
    probabilities  what a screen shows: the scores' softmax, smoothed; None where there is no answer yet
    """

    index: int
    frame: Array
    scores: Floats | None
    zeros: float
    probabilities: Floats | None = field(default=None)


@dataclass(frozen=True)
class Show:
    """A clip and a program, ready to be played.

    count    moments, None where only the end of the clip tells
    unit     what a moment is: "frame" or "timestep"
    endless  is there no end but the user's?
    """

    moments: Iterator[Moment]
    count: int | None
    unit: str
    endless: bool = False


def show(
    program: Program, clip: Clip, view: View, output: ScoreOutput, decay: float, seed: int | None, limit: int | None
) -> Show:
    """Play the clip, or its first `limit` frames. NmcError as `Session.run` raises it.

    Probabilities of frames are smoothed by `classify.Smoother` with `decay`. Those of a single frame are not, nor those
    of a train's timesteps: their scores add up already.
    """
    frames = islice(clip.frames, limit)
    count = clip.count if limit is None or clip.count is None else min(limit, clip.count)
    if isinstance(program, CriProgram) and program.inputs[0].every:
        held = np.stack(list(frames) or [np.zeros(view.frame_shape)])
        retimed = retime(program, len(held)) if program.timesteps else program
        return Show(
            _shown(train_moments(CriSession(retimed, seed=seed), held, output.name), 0), retimed.steps, "timestep"
        )
    if isinstance(program, CriProgram):
        moments = _images(CriSession(program, seed=seed), frames, output)
    else:
        session = Session(program, seed=seed)
        assert not isinstance(session, CriSession)
        late = session.latency[output.name] if program.temporal else 0
        count = None if count is None else count + late
        moments = _stream(session, frames, view, output, late)
    return Show(_shown(moments, 0 if count == 1 else decay), count, "frame", clip.endless and limit is None)


def _shown(moments: Iterator[Moment], decay: float) -> Iterator[Moment]:
    """The same with probabilities. Between two answers, those of the earlier one stay."""
    smoother, probabilities = Smoother(decay), None
    for moment in moments:
        if moment.scores is not None:
            probabilities = smoother.update(moment.scores)
        moment.probabilities = probabilities
        yield moment
    if probabilities is None:
        what = "the clip ends before the network's first answer"
        raise bad_file("NMC-R005", what, hint="a longer clip; `nmc inspect` shows the frame of the first answer")


def _stream(
    session: AkidaSession | HybridSession, frames: Iterator[Array], view: View, output: ScoreOutput, late: int
) -> Iterator[Moment]:
    """Frame by frame, then `late` frames of zeros under the last picture. Without time each frame is by itself."""
    timing, rest = output.timing, np.zeros(view.frame_shape, np.float32)
    seen = rest
    for index, given in enumerate(chain(frames, repeat(None, late))):
        seen = seen if given is None else given
        scores = session.step({view.name: (rest if given is None else given)[None]})[output.name]
        since = index - timing.offset if session.program.temporal else 0
        answered = since >= 0 and since % timing.stride == 0
        yield Moment(index, seen, scores.reshape(-1).astype(np.float64) if answered else None, _zeros(session))


def _zeros(session: AkidaSession | HybridSession) -> float:
    values = session.machine.values if isinstance(session, AkidaSession) else session.values
    return 1 - sum(int(np.count_nonzero(v)) for v in values.values()) / max(sum(v.size for v in values.values()), 1)


def _images(session: CriSession, frames: Iterator[Array], output: ScoreOutput) -> Iterator[Moment]:
    """Every frame is a run of its own."""
    for index, frame in enumerate(frames):
        result = session.run(frame[None])
        scores = output.by_frame(result.outputs[output.name])[0]
        counters, neurons = result.counters, len(session.program.neuron_model)
        zeros = 1 - counters["spikes"] / max(counters["steps"] * neurons, 1)
        yield Moment(index, frame, scores.sum(axis=0) if output.summed else scores[0], zeros)


def train_moments(session: CriSession, frames: Array, output: str) -> Iterator[Moment]:
    """Timestep by timestep, with what the readout makes of the rows that it has seen."""
    program = session.program
    (entry,) = program.inputs
    given = {entry.name: codes(entry, frames[None])[0]}
    seen, axons = Recording(program, 1, ()), np.zeros((1, program.axons.sources), np.bool_)
    scores = _so_far(session, seen, output)
    session.reset()
    for step in range(program.steps):
        axons[:] = False
        step_axons(program, step, given, axons)
        fired = session.step(axons)
        seen.see(step, fired, session.machine)
        row = min(max((step - entry.step) // entry.every, 0), len(frames) - 1)
        yield Moment(step, frames[row], scores(step), 1 - float(fired.mean()))


def _so_far(session: CriSession, seen: Recording, output: str) -> Callable[[int], Floats | None]:
    """The scores after a timestep, None before the readout's window: potentials as they stand; sums over the rows so
    far, of a mean over all rows the part that they make up."""
    program = session.program
    readout = next(readout for readout in program.readouts if readout.name == output)
    first, rows = (readout.first, readout.rows) if readout.rows else (0, program.steps)

    def scores(step: int) -> Floats | None:
        done = min(step - first + 1, rows)
        if done < 1:
            return None
        made = seen.integers[output][0]
        if readout.kind == "potential" and done < rows:
            made = session.machine.read(readout.neuron)[0]
        made = (made[:done] + readout.offset).sum(axis=0) if readout.by_step else made + readout.offset
        return made * readout.scale / (rows if readout.mean else 1)

    return scores
