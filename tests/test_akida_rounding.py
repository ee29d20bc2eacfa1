"""Learned rounding of weights for target akida: what it measures, what it finds, and that programs stay exact."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from akida_nets import Clip, Growing, Image
from quantized_nets import digits, quantized_digits
from test_akida_quantize import LAYERS, check_net, conv, net, recorded  # noqa: F401

from nmc.backends.akida import quantize
from nmc.backends.akida.floats import FloatLayer, parameters_of
from nmc.backends.akida.moments import Moments, moments
from nmc.backends.akida.rounding import Rounding
from nmc.backends.akida.sums import sums
from nmc.compiler import levels
from nmc.compiler.driver import Compilation, compile_verbose
from nmc.compiler.frontends.onnx import import_onnx
from nmc.runtime.program import save
from nmc.runtime.program.akida_kinds import DEPTHWISE

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(11)


def placed(case: str) -> FloatLayer:
    kind, given, shape = LAYERS[case]
    entry = FloatLayer("y", kind, ("x",), parameters_of(kind, **given), np.zeros(shape), np.zeros(shape[-1]))
    entry.place({"x": (6, 5, 2)})
    return entry


@pytest.mark.parametrize("case", LAYERS)
def test_moments_are_those_of_the_sums(case: str) -> None:
    """wᵀ·gram·w is the variance of the sums with weights w, and wᵀ·error·w their covariance with the errors' sums."""
    entry = placed(case)
    assert entry.weight is not None
    x = RNG.integers(-20, 100, (3, 5, 6, 5, 2))
    errors = RNG.integers(-3, 4, x.shape).astype(np.float64)
    found = moments(entry, x, 0.0, errors)
    assert found.error is not None
    shape, filters = entry.weight.shape, entry.weight.shape[-1]
    assert found.gram.shape[2] == (filters if entry.kind in DEPTHWISE else 1)
    for _ in range(3):
        w = RNG.integers(-7, 8, shape).astype(np.float64)
        rows = w.reshape(-1, filters)
        first, second = (sums(entry, w, values).reshape(-1, filters) for values in (x.astype(np.float64), errors))
        product, other = ((first * values).mean(axis=0) for values in (first, second))
        for gram, mixed, mean in ((found.gram, product, first), (found.error, other, second)):
            wanted = mixed - first.mean(axis=0) * mean.mean(axis=0)
            wide = np.broadcast_to(gram, (*gram.shape[:2], filters))
            assert np.rint(np.einsum("rf,rsf,sf->f", rows, wide, rows) * 64) == pytest.approx(np.rint(wanted * 64))


def test_an_even_choice_of_results_is_enough_for_large_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = placed("convolution")
    x = RNG.integers(-20, 100, (3, 5, 6, 5, 2))
    whole = moments(entry, x, 0.0).gram
    monkeypatch.setattr("nmc.backends.akida.moments.WORK", 18 * 18 * 40)
    some = moments(entry, x, 0.0).gram
    assert some.shape == whole.shape
    assert not np.array_equal(some, whole)
    assert np.diagonal(some[..., 0]).mean() == pytest.approx(np.diagonal(whole[..., 0]).mean(), rel=0.3)


@pytest.mark.parametrize("own", [False, True])
def test_no_other_integer_of_a_weight_is_better(own: bool) -> None:
    x = RNG.integers(-9, 10, (200, 5)) @ RNG.integers(-2, 3, (5, 5))
    gram = np.cov(x.T, bias=True)[..., None] * np.ones(3 if own else 1)
    rounding = Rounding.of(Moments(gram, None))
    wanted = RNG.normal(size=(5, 3)) * 3
    found = rounding.descend(wanted, -8, 7)
    cost = rounding.cost(found - wanted)
    assert (cost <= rounding.cost(np.clip(np.rint(wanted), -8, 7) - wanted)).all()
    for r, step in itertools.product(range(5), (-1, 1)):
        other = found.copy()
        other[r] = np.clip(other[r] + step, -8, 7)
        assert (cost <= rounding.cost(other - wanted) + 1e-9).all()
    assert (np.abs(found) <= 8).all()


def test_integers_stay_within_their_bits() -> None:
    rounding = Rounding.of(Moments(np.eye(2)[..., None] * 4, None))
    found = rounding.descend(np.array([[-20.0], [20.0]]), -8, 7)
    assert found.tolist() == [[-8], [7]]


def test_errors_of_the_inputs_are_made_up_for() -> None:
    """What the second input lost can be read from the first one: its weight takes over."""
    gram = np.array([[4.0, 0.0], [0.0, 1e-9]])[..., None]
    error = np.array([[0.0, 4.0], [0.0, 0.0]])[..., None]  # the second real value is the first one, its integer is 0
    rounding = Rounding.of(Moments(gram, error))
    weights = np.array([[1.0], [1.0]])
    wanted = rounding.targets(weights, weights)
    assert wanted[0, 0] == pytest.approx(2, rel=0.05)
    assert wanted[1, 0] == 1


OPTIONS: list[dict[str, Any]] = [
    {"optimize": 2},
    {"optimize": 2, "weight_bits": 4, "activation_bits": 4},
    {"rounding": "layer"},
    {"weight_bits": 4, "weight_ranges": "mse"},
]


@pytest.mark.parametrize("kind", [Image, Clip])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_programs_equal_the_integer_network(
    kind: type[Growing],
    options: dict[str, Any],
    tmp_path: Path,
    recorded: Any,  # noqa: F811
) -> None:
    for seed in (40, 41):
        assert check_net(seed, kind, tmp_path, recorded, **options).program.outputs


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Image, Clip])
def test_many_programs_equal_the_integer_network(
    kind: type[Growing],
    tmp_path: Path,
    recorded: Any,  # noqa: F811
) -> None:
    for seed, options in zip(range(50, 66), itertools.cycle(OPTIONS), strict=False):
        assert check_net(seed, kind, tmp_path, recorded, **options).program.outputs


def compiled(seed: int, folder: Path, **options: Any) -> Compilation:
    grown = Clip(seed)
    return compile_verbose(import_onnx(grown.net.save(folder)), "akida", calibration=grown.samples(4), **options)


def test_each_method_lessens_the_error_of_four_bits() -> None:
    rng = np.random.default_rng(3)
    body = f"%c = {conv('x', 'w')}\n%r = relu(%c)\n%d = {conv('r', 'v')}"
    graph = net(body, {name: rng.normal(size=(8, 4 * k, 3, 3)).astype(np.float32) for name, k in (("w", 1), ("v", 2))})
    samples = rng.normal(size=(64, 4, 6, 6)).cumsum(axis=3).astype(np.float32)

    def found(**options: Any) -> tuple[float, float]:
        reports = compile_verbose(graph, "akida", calibration=samples, weight_bits=4, **options).reports
        return next((r.own, r.snr) for r in reports["quantize-akida"] if r.name == "d")

    plain, clipped, layer, network = (
        found(**options)
        for options in ({}, {"weight_ranges": "mse"}, {"weight_ranges": "mse", "rounding": "layer"}, {"optimize": 2})
    )
    assert plain[0] < clipped[0] < layer[0]
    assert layer[1] < network[1]


def test_layers_with_many_weights_are_rounded_to_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "MOST_ROWS", 0)
    found, plain = compiled(5, tmp_path, rounding="layer"), compiled(5, tmp_path)
    reasons = [entry for entry in found.declined if entry.pass_name == "quantize-akida"]
    assert reasons
    assert all("rounded to nearest" in entry.why for entry in reasons)
    assert all(
        np.array_equal(values, other.variables[name])
        for entry, other in zip(found.program.layers, plain.program.layers, strict=True)
        for name, values in entry.variables.items()
    )


def test_a_time_budget_that_is_up_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(levels.time, "monotonic", lambda: next(ticks))
    found = compiled(5, tmp_path, optimize=2, time_budget=2)
    (said,) = [sentence for sentence in found.warnings if "time budget" in sentence]
    assert said.startswith("the time budget of 2 s was up before layer")
    assert found.program.provenance["options"]["time_budget"] == 2


def test_the_integers_of_a_quantized_model_are_kept(tmp_path: Path) -> None:
    _, images, _ = digits()
    graph = import_onnx(quantized_digits("qdq-uint8-channel"))
    usual, best = (
        compile_verbose(graph, "akida", calibration={"image": images[:80]}, optimize=level) for level in (1, 2)
    )
    assert any("its integers are kept" in entry.why for entry in best.declined)
    for entry, other in zip(usual.program.layers, best.program.layers, strict=True):
        assert all(np.array_equal(values, other.variables[name]) for name, values in entry.variables.items())


def digest(folder: Path) -> str:
    save(compiled(5, folder, optimize=2, weight_bits=4).program, folder / "net.nmc")
    return hashlib.sha256((folder / "net.nmc").read_bytes()).hexdigest()


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_threads_or_the_kernels_of_a_blas(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from test_akida_rounding import digest; print(digest(Path(sys.argv[1])))"
    )
    found = set()
    for threads, core in (("1", "Haswell"), ("2", "Haswell"), ("1", "Prescott")):
        env = {**os.environ, "PYTHONHASHSEED": threads, "OMP_NUM_THREADS": threads, "OPENBLAS_CORETYPE": core}
        command = [sys.executable, "-c", code, str(tmp_path)]
        done = subprocess.run(command, env=env, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
