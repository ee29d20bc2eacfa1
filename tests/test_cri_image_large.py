"""The memory image of the DVS gesture network of the published demonstration: 109,615 neurons, 53 million synapses."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from nmc.backends.cri.image import encode_image, footprint_of
from nmc.backends.cri.target import PROFILES
from nmc.backends.cri.unroll import layer_synapses
from nmc.compiler.ir.ops import Conv, Dense
from nmc.runtime.cost import Meter
from nmc.runtime.program.cri import CriProgram, Input, NeuronModel, Population, Readout, Table
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_image import ImageMachine

pytestmark = pytest.mark.slow
SHAPES = ((2, 63, 63), (100, 30, 30), (100, 13, 13), (100, 5, 5))
WIDTHS = (2500, 120, 84, 11)


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Every synapse counts: no weight is 0."""
    return rng.integers(1, 2000, shape) * rng.choice([-1, 1], shape)


def gesture_network() -> CriProgram:
    rng, conv = np.random.default_rng(0), Conv(stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1), groups=1)
    pairs = pairwise(SHAPES)
    tables = [layer_synapses(conv, weights(rng, (b[0], a[0], 5, 5)), a) for a, b in pairs]
    tables += [layer_synapses(Dense(), weights(rng, (b, a)), (a,)) for a, b in pairwise(WIDTHS)]
    indptr, target, weight, first = [np.zeros(1, np.int64)], [], [], 0
    for table in tables[1:]:
        first += table.sources
        indptr.append(table.indptr[1:] + indptr[-1][-1])
        target.append(table.target + np.int32(first))
        weight.append(table.weight)
    count = first + WIDTHS[-1]
    indptr.append(np.full(WIDTHS[-1], indptr[-1][-1]))
    outputs = np.arange(first, count)
    return CriProgram(
        profile=PROFILES["hw2024"],
        models=(NeuronModel(3, 3000, 0, -17),),
        neuron_model=np.zeros(count, np.uint8),
        axons=tables[0],
        neurons=Table(np.concatenate(indptr), np.concatenate(target), np.concatenate(weight)),
        populations=(Population("neurons", "plain", 0, (count,)),),
        inputs=(Input("x", (1, 7938), 0, 1, 1.0, 0, every=1),),
        schedule=(),
        readouts=(Readout("y", "count", (11,), outputs, np.zeros(11, np.int64), np.ones(11)),),
        steps=1,
    )


def test_the_published_network_fits_and_runs_from_memory() -> None:
    program = gesture_network()
    assert program.axons.synapses + program.neurons.synapses == 53_311_004
    tracemalloc.start()
    image = encode_image(program)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 30
    # 3,501,565 pairs with one for each of 5,900 neurons that reach nothing; those share a pair here.
    assert len(image.synapses) == 3_501_565 - 5_900 + 1
    assert (image.inputs, image.slots) == (7938, 109_632)
    longest = int((image.axon_pointers >> 23).max()), int((image.neuron_pointers >> 23).max())
    assert max(longest) + 1 == 150
    machine, core = CriMachine.of(program), ImageMachine(image)
    meter, rng = Meter(footprint_of(program), program.profile), np.random.default_rng(1)
    for _ in range(4):
        axons, before = rng.random((1, 7938)) < 0.05, core.accesses
        fired = machine.step(axons)
        assert np.array_equal(core.step(axons[0])[0][: machine.neurons.sources], fired[0])
        assert np.array_equal(core.v.reshape(-1)[: machine.neurons.sources], machine.potentials[0])
        assert meter.step(axons, fired).accesses.tolist() == [core.accesses - before]
    assert machine.spikes > 0
