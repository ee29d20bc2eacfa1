"""`nmc.runtime.plot`: what each plot draws, held against the numbers it is made of."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from akida_programs import random_program
from report_pages import digits

from nmc.runtime import plot
from nmc.runtime.classify import smooth, softmax
from nmc.runtime.compare.metrics import closeness
from nmc.runtime.evaluate import Evaluation
from nmc.runtime.program import NmcError
from nmc.runtime.program.akida import AkidaProgram, GraphOutput
from nmc.runtime.program.cri import Readout
from nmc.runtime.program.task import Task
from nmc.runtime.program.timing import Timing
from nmc.runtime.result import Result
from nmc.runtime.score_output import ScoreOutput

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _closed() -> object:
    """Figures are kept until they are closed."""
    from matplotlib import pyplot

    yield None
    pyplot.close("all")


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def scoring(names: tuple[str, ...] = ()) -> AkidaProgram:
    """A program whose output `scores` is (frames 6, classes 4)."""
    program = random_program(0)
    output = GraphOutput("scores", program.layers[-1].name, (6, 4), "HWC", Timing(0, length=6, axis=1))
    return replace(program, outputs=(output,), task=Task(names, 0.5))


def test_a_raster_has_a_dash_for_each_spike() -> None:
    spikes = rng().integers(0, 2, (2, 5, 3, 4))
    axes = plot.raster(Result({}, {}, {}, {"hidden": spikes}), "hidden", 1)
    ((offsets,),) = [[c.get_offsets() for c in axes.collections]]
    assert np.asarray(offsets).astype(int).tolist() == np.argwhere(spikes[1].reshape(5, 12)).tolist()
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 4.5), (-0.5, 11.5))


def test_what_is_no_train_of_spikes_is_refused() -> None:
    result = Result({}, {}, {}, {"counts": np.full((2, 3, 4), 7), "flat": np.ones((2, 3), np.int64)})
    for layer in result.trace:
        with pytest.raises(ValueError, match="holds no spikes"):
            plot.raster(result, layer)
    with pytest.raises(ValueError, match="no trace of 'x'; it has 'counts', 'flat'"):
        plot.histogram(result, "x")
    with pytest.raises(ValueError, match="there is no sample 2: the run has 2"):
        plot.raster(Result({}, {}, {}, {"s": np.ones((2, 3, 4), np.int64)}), "s", 2)


def test_bars_are_as_long_as_the_noise_says() -> None:
    wanted = rng().normal(size=50)
    near = [closeness(wanted, wanted + noise) for noise in (0.1, 0.01)]
    rows = [SimpleNamespace(name=f"layer{i}", closeness=c) for i, c in enumerate([near[0], None, near[1]])]
    axes = plot.sqnr(SimpleNamespace(rows=rows), threshold=30)
    assert [bar.get_width() for bar in axes.patches] == [c.sqnr_db for c in near]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["layer0", "layer2"]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert near[0].sqnr_db < 30 < near[1].sqnr_db and colours[0] != colours[1]


def test_histograms_count_and_mark_the_ends() -> None:
    values = np.array([[-8, -8, 0, 1], [7, 3, 3, 0]])
    result = Result({}, {}, {}, {"layer": values})
    axes = plot.histogram(result, "layer", (-8, 7))
    heights = [int(bar.get_height()) for bar in axes.patches]
    assert heights[:16] == [int((values == n).sum()) for n in range(-8, 8)]
    assert [heights[16], heights[31], sum(heights[16:])] == [2, 1, 3]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["3 at an end"]
    assert sum(bar.get_height() for bar in plot.histogram(result, "layer").patches) == values.size
    wide = Result({}, {}, {}, {"layer": rng().integers(-30_000, 30_000, (3, 500))})
    assert sum(bar.get_height() for bar in plot.histogram(wide, "layer").patches) == 1500


def test_a_confusion_matrix_holds_the_counts() -> None:
    scores = rng().normal(size=(20, 3))
    labels = rng().integers(0, 3, 20)
    evaluation = Evaluation(ScoreOutput("y", (3,), Timing(0)), labels, ("a", "b"), {"largest": scores}, None, {})
    axes = plot.confusion_matrix(evaluation)
    counts = [[int(((labels == i) & (scores.argmax(1) == j)).sum()) for j in range(3)] for i in range(3)]
    assert np.asarray(axes.images[0].get_array()).tolist() == counts
    assert [int(text.get_text()) for text in axes.texts] == np.ravel(counts).tolist()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "2"]
    with pytest.raises(ValueError, match="no rule 'last', but largest"):
        plot.confusion_matrix(evaluation, "last")


@pytest.mark.parametrize("names", [(), ("one", "two", "three", "four")])
def test_probabilities_are_those_of_the_frames(names: tuple[str, ...]) -> None:
    program, scores = scoring(names), rng().normal(size=(2, 6, 4)).astype(np.float32)
    result = Result({"scores": scores}, {}, {})
    axes = plot.probabilities(program, result, sample=1, most=4)
    drawn = np.array([line.get_ydata() for line in axes.lines])
    assert np.array_equal(drawn.T, smooth(scores[1].astype(np.float64), 0.5))
    legend = axes.get_legend()
    assert legend is not None
    wanted = list(names) or [f"class {i}" for i in range(4)]
    assert [text.get_text() for text in legend.get_texts()] == wanted
    raw = plot.probabilities(program, result, smooth=False, most=1, axes=axes)
    assert raw is axes
    best = softmax(scores[0]).max(axis=0).argmax()
    assert np.array_equal(axes.lines[-1].get_ydata(), softmax(scores[0])[:, best])


def test_spikes_add_up() -> None:
    readout = Readout("out", "spikes", (5, 3), *(np.zeros(3, np.int64),) * 2, np.ones(3), rows=5)
    spikes = rng().integers(0, 2, (1, 5, 3)).astype(np.float32)
    axes = plot.probabilities(replace(digits(), readouts=(readout,)), Result({"out": spikes}, {}, {}))
    drawn = np.array([line.get_ydata() for line in axes.lines]).T
    assert np.array_equal(drawn, softmax(np.cumsum(spikes[0].astype(np.float64), axis=0)))
    assert axes.get_xlabel() == "timestep"


def test_without_matplotlib_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NmcError) as caught:
        plot.histogram(Result({}, {}, {}, {"a": np.zeros((1, 2), np.int64)}), "a")
    (problem,) = caught.value.diagnostics
    assert (problem.code, "nmc[report]" in problem.hint) == ("NMC-R070", True)


def test_nothing_but_a_drawing_imports_matplotlib(tmp_path: Path) -> None:
    code = "import sys, nmc.runtime.plot, nmc.runtime; nmc.runtime.Session; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "False"
