"""Pieces of the lowering: affine maps of ops, control axons, tables and limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ir_text import graph_of
from nmc.backends.cri.affine import (
    Affine,
    Entries,
    compose,
    conv_entries,
    conv_transpose_entries,
    dense_entries,
    move_entries,
)
from nmc.backends.cri.control import TARGETS, Control, pieces
from nmc.backends.cri.limits import CORE, Limits, check_limits
from nmc.backends.cri.lower import Lowering
from nmc.backends.cri.tables import Placed, table
from nmc.backends.cri.target import PROFILES
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import Graph, TensorType
from nmc.compiler.ir.ops import Concat, Conv, ConvTranspose, Dense, Dequantize, Pad, Quantize, Reshape, Transpose, Unary
from nmc.runtime.program.cri import Phase


def dense_matrix(affine: Affine, sources: int) -> np.ndarray:
    matrix = np.zeros((len(affine.const), sources), np.int64)
    np.add.at(matrix, (affine.entries.row, affine.entries.col), affine.entries.weight)
    return matrix


def source(graph: Graph, *shape: int):
    return graph.add_input("x", TensorType((1, *shape), "i64", "NCHW"[: len(shape) + 1]))


@given(
    st.sampled_from([(4, 2, 1), (4, 4, 2), (3, 3, 3)]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 2),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_the_matrix_of_a_convolution_is_the_convolution(
    channels, kernel, stride, dilation, pad, transposed, seed
) -> None:
    inner, outer, groups = channels
    rng = np.random.default_rng(seed)
    graph = Graph("t", "quantized")
    x = source(graph, inner, 6, 5)
    if transposed:
        weight = rng.integers(-3, 4, (inner, outer // groups, kernel, kernel))
        op = ConvTranspose((stride,) * 2, ((0, 0), (0, 0)), (dilation,) * 2, (0, stride - 1), groups)
        y = graph.add(op, x, graph.constant("w", weight), name="y")
        entries = conv_transpose_entries(y.producer)
    else:
        weight = rng.integers(-3, 4, (outer, inner // groups, kernel, kernel))
        op = Conv((stride,) * 2, (pad, pad), (dilation,) * 2, groups)
        y = graph.add(op, x, graph.constant("w", weight), name="y")
        entries = conv_entries(y.producer)
    values = rng.integers(-9, 10, x.type.shape)
    mapped = compose(entries, Affine.constant(values), y.type.elements)
    np.testing.assert_array_equal(mapped.const, op.evaluate(values, weight).reshape(-1))
    full = compose(entries, Affine.sources(0, x.type.elements), y.type.elements)
    np.testing.assert_array_equal(dense_matrix(full, x.type.elements) @ values.reshape(-1), mapped.const)


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        (Reshape((1, 24), "NC"), (2, 3, 4)),
        (Transpose((0, 3, 1, 2)), (2, 3, 4)),
        (Pad(((0, 0), (1, 0), (0, 2), (1, 1))), (2, 3, 4)),
        (Concat(1), (2, 3, 4)),
    ],
    ids=lambda value: getattr(value, "mnemonic", ""),
)
def test_moves_pick_elements(op, shape) -> None:
    graph = Graph("t", "quantized")
    x = source(graph, *shape)
    operands = (x, x) if isinstance(op, Concat) else (x,)
    y = graph.add(op, *operands, name="y")
    values = np.arange(1, 25).reshape(1, *shape)
    total = sum(
        compose(move_entries(y.producer, i), Affine.constant(values), y.type.elements).const
        for i in range(len(operands))
    )
    np.testing.assert_array_equal(total, op.evaluate(*(values for _ in operands)).reshape(-1))


def test_dense_over_the_last_axis_and_composition() -> None:
    graph = Graph("t", "quantized")
    x = source(graph, 3, 4)
    y = graph.add(Dense(), x, graph.constant("w", np.arange(8).reshape(2, 4)), name="y")
    z = graph.add(Dense(), y, graph.constant("v", np.array([[1, -1], [2, 0]])), name="z")
    first = compose(dense_entries(y.producer), Affine.sources(5, 12, const=7), 6)
    both = compose(dense_entries(z.producer), first, 6).merged()
    values = np.random.default_rng(0).integers(-5, 6, 12)
    hidden = Dense().evaluate((values + 7).reshape(1, 3, 4), np.arange(8).reshape(2, 4))
    expected = Dense().evaluate(hidden, np.array([[1, -1], [2, 0]]))
    found = dense_matrix(both, 17)[:, 5:] @ values + both.const
    np.testing.assert_array_equal(found, expected.reshape(-1))
    assert np.all(np.diff(both.entries.row * 17 + both.entries.col) > 0) and np.all(both.entries.weight != 0)


@given(hnp.arrays(np.int64, st.integers(0, 20), elements=st.integers(-(10**7), 10**7)))
def test_pieces_fit_int16_and_add_up(amounts: np.ndarray) -> None:
    parts = pieces(amounts)
    np.testing.assert_array_equal(sum(parts), amounts)
    assert all(np.all(np.abs(part) <= 32767) for part in parts)
    assert len(parts) == max(1, -(-int(np.abs(amounts).max(initial=0)) // 32767))


@given(hnp.arrays(np.int64, 5, elements=st.integers(0, 10**6)), st.integers(0, 40))
def test_hold_charges_at_least_the_bound_by_its_step(bound: np.ndarray, start: int) -> None:
    control = Control(first=3)
    held = control.hold("a", 0, bound, start)
    assert np.all(held >= bound) and np.all(held < bound + 40)
    charged = np.zeros(5, np.int64)
    for phase in control.schedule:
        assert 0 <= phase.start <= phase.stop == start
        for axon, target, weight in zip(control.axon, control.target, control.weight, strict=True):
            assert phase.first <= axon[0] < phase.first + phase.count
            charged[target] += weight * (phase.stop - phase.start + 1)
    np.testing.assert_array_equal(charged, -held)


def test_control_axons_are_split_by_targets_and_skip_zeros() -> None:
    control = Control(first=10)
    amounts = np.ones(2 * TARGETS + 1, np.int64)
    amounts[5] = 0
    control.add("a", 100, amounts, 2, 4)
    control.add("nothing", 0, np.zeros(9, np.int64), 0, 0)
    assert control.schedule == [Phase("a", 10, 3, 2, 4)]
    assert [len(t) for t in control.target] == [TARGETS - 1, TARGETS, 1]
    for target in control.target:
        assert np.bincount(target % CORE.columns).max() <= CORE.targets_per_column


def test_tables_are_sorted_csr() -> None:
    low = Entries(np.array([1, 0, 3]), np.array([2, 2, 0]), np.array([-5, 9, 7]))
    high = Entries(np.array([1, 0]), np.array([1, 0]), np.array([4, 6]))
    made = table([Placed(low, np.arange(3)), Placed(high, np.array([-1, 2]), first=4, shift=3)], 4)
    assert made.indptr.tolist() == [0, 1, 1, 4, 4]
    assert made.target.tolist() == [3, 0, 1, 5] and made.weight.tolist() == [7, 9, -5, 32]
    assert (made.target.dtype, made.weight.dtype) == (np.int32, np.int16)


def quantized(weight: int, bias: int = 0, inputs: int = 1, outputs: int = 1) -> Graph:
    """x → dense → unary → out, all weights equal."""
    graph = Graph("t", "quantized")
    x = graph.add_input("x", TensorType((1, inputs), "f32", "NC"))
    code = graph.add(Quantize(1.0), x, name="code")
    w = graph.constant("w", np.full((outputs, inputs), weight, np.int64))
    v = graph.add(Dense(), code, w, graph.constant("b", np.full(outputs, bias)), name="hidden", origin=("net.hidden",))
    n = graph.add(Unary(3), v, graph.constant("r", np.full((1, outputs), 10)), name="n", origin=("net.hidden",))
    scale = graph.constant("s", np.ones((1, 1)))
    graph.outputs["y"] = graph.add(Dequantize(), n, scale, name="y")
    return graph


@pytest.mark.parametrize(("weight", "fits"), [(255, True), (-255, True), (256, False)])
def test_input_weights_beyond_255_do_not_fit_bit_planes(weight: int, fits: bool) -> None:
    if fits:
        assert np.abs(Lowering(quantized(weight), PROFILES["sim"]).run({}).axons.weight).max() >= 255 * 128
        return
    with pytest.raises(NmcError, match="NMC-C002") as caught:
        Lowering(quantized(weight), PROFILES["sim"]).run({})
    assert caught.value.exit_code == 5 and "net.hidden" in str(caught.value)


def test_potentials_beyond_the_profile_are_refused() -> None:
    assert Lowering(quantized(1, 2**31), PROFILES["sim"]).run({}).steps > 0
    with pytest.raises(NmcError, match="NMC-C003") as caught:
        Lowering(quantized(1, 2**31), PROFILES["hw_l6"]).run({})
    assert caught.value.exit_code == 5


def test_control_axons_beyond_all_memory_are_refused() -> None:
    control = Control(0)
    control.add("net.release", 0, np.full(4, 2**31), 0, 0)
    assert control.count == 2**31 // 32767 + 1
    with pytest.raises(NmcError, match="NMC-C003") as caught:
        control.add("net.release", 0, np.full(1000, 2**40), 0, 0)
    assert caught.value.exit_code == 5


def test_hardware_limits_are_reported_together_and_sim_has_none() -> None:
    graph = quantized(1, inputs=2, outputs=40)
    tiny = Limits(neurons=39, axons=10, models=16, columns=16, targets_per_column=2)
    check_limits(Lowering(graph, PROFILES["sim"]).run({}), tiny)
    with pytest.raises(NmcError) as caught:
        check_limits(Lowering(graph, PROFILES["hw2024"]).run({}), tiny)
    assert [d.code for d in caught.value.diagnostics] == ["NMC-C005", "NMC-C005", "NMC-C004"]
    assert caught.value.exit_code == 5
    check_limits(Lowering(graph, PROFILES["hw2024"]).run({}))


def test_outputs_that_are_trains_are_counted() -> None:
    program = Lowering(quantized(1), PROFILES["sim"]).run({})
    assert [r.kind for r in program.readouts] == ["count"] and len(program.populations) == 1


def test_text_of_a_quantized_graph_lowers_too() -> None:
    body = """
    input %x: f32[1,2]NC
    %q = quantize(%x) {scale=0.5, zero_point=3}
    %v = dense(%q, @w)
    %n = unary(%v, @r) {levels=2}
    %y = dequantize(%n, @s)
    output "y" = %y
    """
    constants = {"w": np.array([[1, -1]], np.int8), "r": np.array([[4]]), "s": np.array([[1.0]])}
    program = Lowering(graph_of(body, constants, "quantized"), PROFILES["sim"]).run({"note": 1})
    assert program.inputs[0].zero_point == 3 and program.provenance == {"note": 1}


def test_an_output_named_like_a_layer_gets_its_own_population() -> None:
    graph = quantized(1)
    hidden = graph.nodes[-2].result
    w = graph.constant("w2", np.array([[2]]))
    sums = graph.add(Dense(), hidden, w, name="sums")
    graph.outputs["n"] = graph.add(Dequantize(), sums, graph.constant("s2", np.ones((1, 1))), name="n.float")
    program = Lowering(graph, PROFILES["sim"]).run({})
    assert [p.name for p in program.populations] == ["n", "n.out"]
    assert [r.name for r in program.readouts] == ["y", "n"]
