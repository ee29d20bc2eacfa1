"""One timestep of integer neurons by hand: what the networks of the other tests seldom or never do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nmc.backends.cri.target import PROFILES
from nmc.runtime.program import NeuronModel
from nmc.runtime.reference.neuron import ANN, COUNTER, IF, Parameters, decay, leak_term, start

SIM = PROFILES["sim"]


def test_no_models_are_integers_all_the_same() -> None:
    parameters = Parameters.of_models([], np.zeros(0, np.int64))
    columns = (parameters.code, parameters.threshold, parameters.leak, parameters.shift)
    assert [(column.dtype, column.shape) for column in columns] == [(np.int64, (0,))] * 4
    assert parameters.soft is None and parameters.refractory is None


def test_refractory_counters_are_integers() -> None:
    parameters = Parameters.of_models([NeuronModel(IF, 1, 0, 0, refractory=2)], np.zeros(3, np.int64))
    counters = parameters.at_rest((2, 3))
    assert counters is not None and counters.dtype == np.int64
    assert counters.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_leaks_of_63_and_64_of_the_vendor_s_simulator() -> None:
    assert SIM.leak == "floor63"
    v, leak = np.array([[5, 0, -5, 5, -5, -5, 5]]), np.array([63, 63, 63, 64, 64, 62, 1])
    term = leak_term(v, leak, SIM)
    assert term.dtype == np.int64
    assert term.tolist() == [[-1, 0, 0, 0, 0, -1, 2]]


def test_hard_and_soft_resets_side_by_side() -> None:
    models = [NeuronModel(IF, 10, 0, 0, soft=True), NeuronModel(IF, 10, 0, 0), NeuronModel(ANN, 10, 0, 0)]
    parameters = Parameters.of_models(models, np.array([0, 1, 2, 1]))
    v, fired = np.array([[14, 14, 14, 4]]), np.array([[True, True, True, False]])
    assert decay(v, fired, parameters, SIM).tolist() == [[4, 0, 0, 4]]


def test_potentials_that_do_not_fit_are_counted_after_the_noise_and_after_the_leak() -> None:
    top = 2 ** (SIM.width - 1) - 1
    saturating = replace(SIM, overflow="saturate", compare=">")
    assert saturating.noise == "before"
    counter = Parameters.of_models([NeuronModel(COUNTER, top, 0, 0)], np.zeros(2, np.int64))
    done = start(np.array([top, top - 9]), None, counter, saturating, np.array([5, 5]))
    assert done.fired.tolist() == [False, False]
    assert done.v.tolist() == [top, top - 3]
    assert done.misfits == 2
