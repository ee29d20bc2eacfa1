"""Tables unrolled layer by layer: against plain loops and the interpreter, small and large."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmc.backends.cri import unroll
from nmc.backends.cri.limits import column_load
from nmc.backends.cri.unroll import layer_synapses
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir.ops import Conv, ConvTranspose, Dense
from nmc.compiler.ir.ops.linear import output_first
from nmc.runtime.program import cri, read_synapses
from nmc.runtime.program.cri import Table

ROOT = Path(__file__).parent.parent
Layer = Conv | ConvTranspose


def listed(table: Table) -> dict[tuple[int, int], int]:
    """{(source, target): weight}, after the promises of every table were checked."""
    assert [a.dtype for a in (table.indptr, table.target, table.weight)] == [np.int64, np.int32, np.int16]
    found = {}
    for source in range(table.sources):
        at = slice(table.indptr[source], table.indptr[source + 1])
        assert np.all(np.diff(table.target[at]) > 0) and np.all(table.weight[at] != 0)
        found |= {(source, int(t)): int(w) for t, w in zip(table.target[at], table.weight[at], strict=True)}
    assert table.indptr[0] == 0 and len(found) == table.indptr[-1] == len(table.target) == len(table.weight)
    return found


def looped(op: Layer, weight: np.ndarray, shape: tuple[int, ...], out: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """The synapses of a layer, one after the other, from the equations of its op."""
    first = output_first(op, weight)
    outer, inner = out[0] // op.groups, shape[0] // op.groups
    found = {}
    for o, c, k in product(range(out[0]), range(inner), np.ndindex(first.shape[2:])):
        value, channel = int(first[(o, c, *k)]), o // outer * inner + c
        for p in np.ndindex(shape[1:] if isinstance(op, ConvTranspose) else out[1:]):
            other = tuple(np.multiply(p, op.stride) + np.multiply(k, op.dilation) - [pad[0] for pad in op.pads])
            x, y = (p, other) if isinstance(op, ConvTranspose) else (other, p)
            inside = all(0 <= i < n for i, n in zip((*x, *y), (*shape[1:], *out[1:]), strict=True))
            if inside and value:
                source = int(np.ravel_multi_index((channel, *x), shape))
                found[source, int(np.ravel_multi_index((o, *y), out))] = value
    return found


@st.composite
def layers(draw: st.DrawFn) -> tuple[Layer, np.ndarray, tuple[int, ...]]:
    dims, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=dims, max_size=dims)))

    stride, dilation, kernel = each(1, 3), each(1, 2), each(1, 3)
    inner, outer = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pads = tuple(zip(each(0, 2), each(0, 2), strict=True))
    if draw(st.booleans()):
        op = ConvTranspose(stride, pads, dilation, each(0, 1), groups)
        space = tuple(n + 5 for n in each(0, 2))  # the pads cut off 4 at most
        return op, rng.integers(-2, 3, (groups * inner, outer, *kernel)), (groups * inner, *space)
    space = tuple(d * (k - 1) + n for d, k, n in zip(dilation, kernel, each(1, 4), strict=True))
    op = Conv(stride, pads, dilation, groups)
    return op, rng.integers(-2, 3, (groups * outer, inner, *kernel)), (groups * inner, *space)


@pytest.mark.slow
@settings(max_examples=150)
@given(layers(), st.sampled_from([1, 5, 1 << 16]))
def test_layers_equal_the_loop_over_their_equations(layer: tuple[Layer, np.ndarray, tuple[int, ...]], chunk) -> None:
    op, weight, shape = layer
    spikes = np.random.default_rng(1).integers(0, 4, (1, *shape))
    expected = op.evaluate(spikes, weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unroll, "CHUNK", chunk)
        table = layer_synapses(op, weight.astype(np.int8), shape)
    assert listed(table) == looped(op, weight, shape, expected.shape[1:])
    source = np.repeat(np.arange(table.sources), np.diff(table.indptr))
    sums = np.zeros(expected.size, np.int64)
    np.add.at(sums, table.target, table.weight * spikes.reshape(-1)[source])
    np.testing.assert_array_equal(sums, expected.reshape(-1))


@pytest.mark.parametrize("lead", [(), (1,), (2, 3)])
def test_dense_layers_over_the_last_axis(lead: tuple[int, ...]) -> None:
    weight = np.random.default_rng(0).integers(-2, 3, (4, 5))
    found = listed(layer_synapses(Dense(), weight, (*lead, 5)))
    places = range(int(np.prod(lead)))
    expected = {(5 * p + i, 4 * p + o): int(weight[o, i]) for p in places for o in range(4) for i in range(5)}
    assert found == {pair: value for pair, value in expected.items() if value}


def test_pools_that_add_up_and_depthwise_layers() -> None:
    pool = layer_synapses(Conv((2, 2), ((0, 1), (0, 0)), (1, 1), 2), np.ones((2, 1, 2, 2), np.int8), (2, 3, 4))
    assert listed(pool)[(8, 2)] == 1 and pool.synapses == 24
    weight = np.array([3, -4]).reshape(2, 1, 1)
    assert listed(layer_synapses(Conv((1,), ((0, 0),), (1,), 2), weight, (2, 2))) == {
        (0, 0): 3, (1, 1): 3, (2, 2): -4, (3, 3): -4,
    }  # fmt: skip


def test_weights_beyond_int16_are_refused_where_they_are_used() -> None:
    weight = np.array([[40_000, -50_000, 32_767]]).reshape(1, 1, 3)
    outside = Conv((1,), ((1, 0),), (1,))  # 3 inputs, 2 outputs: tap 0 meets padding once
    with pytest.raises(NmcError, match=r"3 synapses into %layer exceed int16(.|\n)*50000") as caught:
        layer_synapses(outside, weight, (1, 3))
    assert [d.code for d in caught.value.diagnostics] == ["NMC-C002"]
    assert layer_synapses(Conv((1,), ((1, 0),), (1,)), weight[..., ::-1] // [9, 9, 9], (1, 3)).synapses == 5
    with pytest.raises(NmcError, match="NMC-C002"):
        layer_synapses(Dense(), np.array([[-32_768]]), (1,))


# --- large programs ---


def test_work_in_blocks_does_not_depend_on_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    indptr = np.append(0, np.cumsum(rng.integers(0, 9, 50)))
    target, weight = rng.integers(0, 6, indptr[-1]), rng.normal(0, 20_000, indptr[-1])
    whole = read_synapses(indptr, target, weight)
    load = column_load(whole.table, 4)
    monkeypatch.setattr(cri, "BLOCK", 7)
    assert len(list(cri.source_blocks(indptr))) > 20
    parts = read_synapses(indptr, target, weight)
    assert listed_all(parts.table) == listed_all(whole.table)
    assert (parts.clamped, parts.truncated, parts.replaced) == (whole.clamped, whole.truncated, whole.replaced)
    np.testing.assert_array_equal(column_load(whole.table, 4), load)
    assert load.max() == 2 and whole.clamped > 0 and whole.replaced > 0


def listed_all(table: Table) -> list[list[int]]:
    return [array.tolist() for array in (table.indptr, table.target, table.weight)]


@pytest.mark.parametrize("indptr", [[0, 1], [0, 3], [1, 2], [0, 2, 1, 2]])
def test_raw_lists_that_do_not_fit_together(indptr: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        read_synapses(indptr, [0, 0], [1, 1])


@pytest.mark.slow
def test_a_network_of_fifty_million_synapses() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "cri_tables.py"), "5"]
    made = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (made["neurons"], made["axons"], made["synapses"]) == (109_615, 7_938, 53_311_004)
    assert made["peak_mb"] < 2000
