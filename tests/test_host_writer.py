"""Float graphs as ONNX models: onnxruntime computes what the reference interpreter does, op by op and as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host_models import ALL, check_written, feeds_for
from hypothesis import given, settings
from test_onnx_random import networks
from test_video_passes import temporal_networks

from ir_text import graph_of
from nmc.backends.host import onnx_model
from nmc.backends.host.write import EMITTERS
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends import read_model
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, Timing, evaluate
from nmc.compiler.ir.ops.activation import KINDS
from nmc.compiler.ir.ops.host import FUNCTIONS
from nmc.compiler.ir.stages import STAGES
from nmc.compiler.manager import Manager
from nmc.compiler.passes.base import Context
from nmc.compiler.passes.canonicalize import Canonicalize
from nmc.compiler.pipeline import parse_pipeline
from onnx_models import Net

EXAMPLES = Path(__file__).parent.parent / "examples"
RNG = np.random.default_rng(0)


def weights(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def one(node: str, given: str = "1,4,8,9", axes: str = "NCHW", **constants: Any) -> Graph:
    """A graph of one input x and one node."""
    return graph_of(f'input %x: f32[{given}]{axes}\n%y = {node}\noutput "y" = %y', constants)


def frames(node: str, given: str = "1,3,4", axes: str = "NCH", **constants: Any) -> Graph:
    """A frame graph of one input x and one node."""
    return graph_of(f'input %x: f32[{given}]{axes}\n%y = {node}\noutput "y" = %y', constants, "streaming")


LAYERS = {
    "conv": one("conv(%x, @w, @b) {stride=(2, 1), pads=((1, 2), (0, 1)), dilation=(1, 2), groups=2}",
                w=weights(6, 2, 3, 3), b=weights(6)),
    "conv, 1-D": one("conv(%x, @w) {stride=(1,), pads=((4, 0),), dilation=(2,)}", "1,3,12", "NCT", w=weights(5, 3, 3)),
    "conv, 3-D": one("conv(%x, @w) {stride=(1, 2, 2), pads=((2, 0), (1, 1), (1, 1)), dilation=(1, 1, 1)}",
                     "1,2,5,6,7", "NCTHW", w=weights(3, 2, 3, 3, 3)),
    "conv_transpose": one("conv_transpose(%x, @w, @b) {stride=(2, 3), pads=((1, 0), (0, 2)), dilation=(1, 1), "
                          "output_pads=(1, 0), groups=2}", w=weights(4, 3, 3, 2), b=weights(6)),
    "conv_transpose, dilated": one("conv_transpose(%x, @w) {stride=(1, 2), pads=((0, 0), (1, 1)), dilation=(2, 2), "
                                   "output_pads=(0, 0)}", w=weights(4, 2, 2, 3)),
    "conv_transpose, more at the end than its stride": one(
        "conv_transpose(%x, @w, @b) {stride=(1, 2), pads=((1, 2), (0, 1)), dilation=(2, 1), output_pads=(1, 5)}",
        w=weights(4, 2, 2, 3), b=weights(2)),
    "conv_transpose, 1-D": one("conv_transpose(%x, @w) {stride=(2,), pads=((0, 1),), dilation=(1,), output_pads=(0,)}",
                               "1,4,6", "NCT", w=weights(4, 2, 4)),
    "conv_transpose, 3-D": one("conv_transpose(%x, @w) {stride=(1, 2, 2), pads=((0, 0), (0, 1), (0, 0)), "
                               "dilation=(1, 1, 1), output_pads=(0, 0, 1)}", "1,4,3,4,4", "NCTHW",
                               w=weights(4, 2, 1, 2, 2)),
    "dense": one("dense(%x, @w, @b)", "1,6", "NC", w=weights(4, 6), b=weights(4)),
    "dense without bias": one("dense(%x, @w)", "1,6", "NC", w=weights(4, 6)),
    "dense over the last axis": one("dense(%x, @w, @b)", "1,5,6", "NTC", w=weights(4, 6), b=weights(4)),
    "dense without bias over the last axis": one("dense(%x, @w)", "1,2,5,6", "N_TC", w=weights(4, 6)),
    "batch_norm": one("batch_norm(%x, @g, @b, @m, @v) {epsilon=0.001}", g=weights(4), b=weights(4), m=weights(4),
                      v=np.abs(weights(4))),
    "batch_norm of features": one("batch_norm(%x, @g, @b, @m, @v)", "1,4", "NC", g=weights(4), b=weights(4),
                                  m=weights(4), v=np.abs(weights(4))),
    "normalize": one("normalize(%x) {axes=(1, 2, 3), epsilon=0.001}"),
    "normalize, not centered": one("normalize(%x) {axes=(3,), centered=False}"),
    "max_pool": one("max_pool(%x) {kernel=(3, 2), stride=(2, 2), pads=((1, 1), (0, 1)), dilation=(1, 1)}"),
    "max_pool, ceil": one("max_pool(%x) {kernel=(3, 3), stride=(2, 3), pads=((0, 0), (1, 0)), dilation=(1, 1), "
                          "ceil_mode=True}"),
    "max_pool, pads beyond the kernel": one("max_pool(%x) {kernel=(2, 2), stride=(1, 2), pads=((2, 0), (0, 2)), "
                                            "dilation=(2, 2)}"),
    "max_pool, 3-D": one("max_pool(%x) {kernel=(2, 1, 3), stride=(2, 1, 2), pads=((0, 1), (0, 0), (1, 1)), "
                         "dilation=(1, 1, 1)}", "1,2,5,6,7", "NCTHW"),
    "avg_pool": one("avg_pool(%x) {kernel=(3, 2), stride=(2, 2), pads=((1, 1), (0, 1)), dilation=(1, 1)}"),
    "avg_pool, padding counts": one("avg_pool(%x) {kernel=(3, 2), stride=(2, 2), pads=((1, 1), (0, 1)), "
                                    "dilation=(1, 1), include_pad=True}"),
    "avg_pool, ceil": one("avg_pool(%x) {kernel=(3, 3), stride=(2, 3), pads=((0, 0), (1, 0)), dilation=(1, 1), "
                          "ceil_mode=True}"),
    "avg_pool, ceil, padding counts": one("avg_pool(%x) {kernel=(3, 3), stride=(2, 3), pads=((1, 1), (1, 0)), "
                                          "dilation=(1, 1), ceil_mode=True, include_pad=True}"),
    "avg_pool, dilated": one("avg_pool(%x) {kernel=(2, 2), stride=(1, 2), pads=((2, 0), (0, 1)), dilation=(2, 2)}"),
    "mean": one("mean(%x) {dims=(2, 3)}"),
    "mean, dropping axes": one("mean(%x) {dims=(1, 3), keepdims=False}"),
    "clip": one("clip(%x) {low=-0.5, high=1.0}"),
    "clip below": one("clip(%x) {low=-0.5}"),
    "clip above": one("clip(%x) {high=0.5}"),
    "clip, no bound": one("clip(%x)"),
    "relu": one("relu(%x)"),
    "add": one("add(%x, @c)", c=weights(4, 1, 1)),
    "add of itself": one("add(%x, %x)"),
    "mul": one("mul(@c, %x)", c=weights(1, 4, 8, 9)),
    "divide": one("divide(@c, %x)", c=weights(9)),
    "power": one("power(%x, @c)", c=np.full(1, 2, np.float32)),
    "maximum": one("maximum(%x, @c)", c=weights(1, 1, 8, 9)),
    "minimum": one("minimum(%x, @c)", c=weights(1)),
    "matmul": one("matmul(%x, @c)", c=weights(9, 5)),
    "matmul of itself": one("matmul(%x, %x)", "1,3,6,6", "NCHW"),
    "softmax": one("softmax(%x) {axis=1}"),
    "log softmax": one("softmax(%x) {axis=3, log=True}"),
    "reshape": one('reshape(%x) {shape=(1, 36, 8), axes="NC_"}'),
    "transpose": one("transpose(%x) {perm=(0, 2, 3, 1)}"),
    "pad": one("pad(%x) {pads=((0, 0), (0, 1), (2, 0), (1, 1)), value=-1.5}"),
    "slice": one("slice(%x) {ranges=((0, 1, 1), (1, 4, 2), (0, 8, 1), (8, 9, 1))}"),
    "slice of everything": one("slice(%x) {ranges=((0, 1, 1), (0, 4, 1), (0, 8, 1), (0, 9, 1))}"),
    "concat": one("concat(%x, %x, %x) {dim=2}"),
    "concat with a constant": one("concat(%x, @c) {dim=1}", c=weights(1, 2, 8, 9)),
    "fake_quantize": one("fake_quantize(%x, @s, @z) {bits=4, signed=False}", s=np.float32(0.25), z=np.float32(3)),
    "fake_quantize, per channel": one("fake_quantize(%x, @s, @z) {narrow=True}", s=np.abs(weights(4)) / 99,
                                      z=np.float32([0, 1, -2, 0])),
    "mask": one("mask(%x, @c) {value=-7.5}", c=np.float32([1, 0, 1, 1, 0, 1, 0, 1, 1])),
    "delay": graph_of('input %x: f32[1,2,5]NCT\n%y = delay(%x) {dim=2, frames=3}\noutput "y" = %y', None, "causal"),
    "delay beyond the clip": graph_of(
        'input %x: f32[1,2,5]NCT\n%y = delay(%x) {dim=2, frames=9}\noutput "y" = %y', None, "causal"),
    "threshold": one("threshold(%x, @c) {strict=True}", c=weights(4, 1, 1)),
}  # fmt: skip

MEMORIES = {
    "fifo": frames("fifo(%x) {taps=(2, 1, 0)}"),
    "fifo with gaps": frames("fifo(%x) {taps=(4, 2, 0)}"),
    "fifo of the past": frames("fifo(%x) {taps=(3,)}"),
    "fifo of now": frames("fifo(%x) {taps=(0,)}"),
    "fifo, filled": frames("fifo(%x) {taps=(2, 0), fill=-1.5}"),
    "running_mean": frames("running_mean(%x)"),
    "running_mean, late, with a period": frames("running_mean(%x) {start=2, period=3}"),
    "li": frames("li(%x, @d)", d=np.full((3, 1), 0.5, np.float32)),
    "li with everything": frames(
        "li(%x, @d, @g, @o, @s)", d=weights(3, 4), g=weights(1), o=weights(3, 1), s=weights(1, 3, 1)
    ),
    "lif": frames("lif(%x, @d, @t)", d=np.float32([0.9]), t=np.float32([0.7])),
    "lif to a value": frames(
        "lif(%x, @d, @t, @g, @o, @r, @s)", d=np.float32([0.9]), t=np.float32([0.7]), g=weights(3, 1), o=weights(1),
        r=np.float32([-0.3]), s=weights(3, 4),
    ),
    "lif, soft reset": frames("lif(%x, @d, @t) {reset='subtract', strict=True}", d=np.float32([1]), t=np.float32([1])),
    "lif, no reset": frames("lif(%x, @d, @t) {reset='none'}", d=np.float32([0.5]), t=np.float32([1])),
    "lif, delayed": frames("lif(%x, @d, @t) {reset='subtract', delayed=True}", d=np.float32([1]), t=np.float32([1])),
    "lif, delayed to a value": frames(
        "lif(%x, @d, @t, none, none, @r) {delayed=True}", d=np.float32([1]), t=np.float32([1]), r=np.float32([0.2])
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(name: str) -> None:
    check_written(LAYERS[name])


@pytest.mark.parametrize("kind", KINDS)
def test_an_activation(kind: str) -> None:
    alpha = 0.7 if kind in ("celu", "elu", "leaky_relu", "swish") else 0.0
    check_written(one(f"activation(%x) {{kind={kind!r}, alpha={alpha}}}"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function(name: str) -> None:
    graph, given = one(f"function(%x) {{name={name!r}}}"), np.random.default_rng(1).uniform(0.05, 0.95, (2, 4, 8, 9))
    x = given.astype(np.float32) + (1 if name == "acosh" else 0)
    check_written(graph, {"x": x}, 2e-5)


def test_every_float_op_has_an_emitter() -> None:
    legal = {mnemonic for stage in STAGES.values() if stage.integer is False for mnemonic in stage.ops}
    assert {op.mnemonic for op in EMITTERS} >= legal


@pytest.mark.parametrize("name", MEMORIES)
def test_a_layer_with_a_memory(name: str) -> None:
    graph = MEMORIES[name]
    if graph.stage == "streaming" and graph.nodes[0].op.mnemonic in ("li", "lif"):
        graph.stage = "imported"
        graph.timing = {"x": Timing(0, axis=1, length=9), "y": Timing(0, axis=1, length=9)}
    check_written(graph)


def test_infinite_masks_and_fills() -> None:
    keep = np.tril(np.ones((6, 6), np.float32))
    body = 'input %x: f32[1,2,6,6]NCHW\n%m = mask(%x, @c) {value=-1e999}\n%y = softmax(%m) {axis=3}\noutput "y" = %y'
    check_written(graph_of(body, {"c": keep}))
    body = """
    input %x: f32[1,2,4]NCH
    %w = fifo(%x) {taps=(2, 1, 0), fill=-1e999}
    %y = max_pool(%w) {kernel=(3, 2), stride=(1, 1), pads=((0, 0), (0, 0)), dilation=(1, 1)}
    output "y" = %y
    """
    check_written(graph_of(body, None, "streaming"))


@pytest.mark.parametrize("kind", ["max_pool", "avg_pool"])
def test_zeros_in_front_of_a_pool_stay_elements(kind: str) -> None:
    """The optimizer of onnxruntime would merge them into the pool's own padding, which never wins or counts."""
    pads = "pads=((0, 0), (0, 0), (1, 1), (1, 1))"
    window = "{kernel=(2, 2), stride=(1, 1), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
    body = f"%p = pad(%x) {{{pads}}}\n%y = {kind}(%p) {window}"
    graph = graph_of(f'input %x: f32[1,2,4,4]NCHW\n{body}\noutput "y" = %y')
    check_written(graph, {"x": feeds_for(graph)["x"] - 9})


def test_loops_over_time_become_states() -> None:
    body = """
    input %x: f32[1,3]NC at {offset=0, length=9, axis=1}
    state %h: f32[1,3]NC
    %s = add(%x, %h)
    %y = activation(%s) {kind='tanh'}
    next %h = %y
    output "y" = %y at {offset=0, length=9, axis=1}
    """
    written = check_written(graph_of(body))
    assert [(s.input, s.output, s.shape, s.start.any()) for s in written.states] == [("h", "h.next", (3,), False)]


def test_names_of_inputs_and_outputs_are_the_graphs() -> None:
    """An output may be called like an input or an inner value, be an input or a constant, or be there twice."""
    body = """
    input %x: f32[1,3]NC
    %a = relu(%x)
    %b = add(%a, %x)
    output "x" = %b
    output "a" = %b
    output "raw" = %x
    output "fixed" = @c
    output "relu" = %a
    """
    written = check_written(graph_of(body, {"c": np.float32([[1, 2, 3]])}))
    assert [name for name, _ in written.inputs] == ["x"]
    assert [name for name, _ in written.outputs] == ["x_", "a", "raw", "fixed", "relu"]
    assert {shape for _, shape in (*written.inputs, *written.outputs)} == {(3,)}


def test_layers_of_integers_are_refused_all_at_once() -> None:
    body = """
    input %x: f32[1,3]NC
    %q = quantize(%x) {scale=0.5}
    %u = unary(%q, @r) {levels=3}
    output "y" = %u
    """
    with pytest.raises(NmcError) as caught:
        onnx_model(graph_of(body, {"r": np.array([2])}, "quantized"))
    assert [d.code for d in caught.value.diagnostics] == ["NMC-X005"] * 2
    assert [d.what.split()[0] for d in caught.value.diagnostics] == ["%q", "%u"]


@pytest.mark.parametrize("name", ["digits/digits", "digits/digits_residual", "gestures/gestures"])
def test_a_whole_network_in_every_stage(name: str, tmp_path: Path) -> None:
    """Imported, canonical, and of a clip causal and streaming; what is written reads back as the same network."""
    graph = import_onnx(EXAMPLES / f"{name}.onnx")
    feeds = feeds_for(graph, 2)
    (tmp_path / "written.onnx").write_bytes(check_written(graph, feeds).model)
    again = evaluate(import_onnx(tmp_path / "written.onnx"), feeds)
    for output, array in evaluate(graph, feeds).items():
        np.testing.assert_allclose(again[output], array, rtol=1e-9, atol=1e-9 * float(np.abs(array).max()))
    Manager().run(graph, parse_pipeline("canonicalize"), Context())
    check_written(graph, feeds, levels=(ALL,))
    if "T" in graph.inputs[0].type.axes:
        Manager().run(graph, parse_pipeline("fold-batch-norm,make-causal"), Context())
        check_written(graph, feeds, levels=(ALL,))
        Manager().run(graph, parse_pipeline("stream"), Context())
        check_written(graph, levels=(ALL,))


def test_a_spiking_network() -> None:
    graph = read_model(EXAMPLES / "moving_events" / "moving_events.ir")
    spikes = (np.random.default_rng(0).random((1, 12, *graph.inputs[0].type.shape[1:])) < 0.2).astype(np.float32)
    check_written(graph, {graph.inputs[0].name: spikes}, levels=(ALL,))


@pytest.fixture(scope="module")
def random_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


@settings(max_examples=25)
@given(net=networks())
def test_random_image_networks(net: Net, random_folder: Path) -> None:
    check_written(import_onnx(net.save(random_folder)), levels=(ALL,))


@settings(max_examples=25)
@given(graph=temporal_networks())
def test_random_temporal_networks_as_clips_and_as_streams(graph: Graph) -> None:
    check_written(graph, levels=(ALL,))
    Canonicalize().run(graph, Context())
    graph.stage = "canonical"
    try:
        Manager().run(graph, parse_pipeline("make-causal,stream"), Context())
    except NmcError as refused:
        assert {d.code for d in refused.diagnostics} == {"NMC-V001"}
        return
    check_written(graph, levels=(ALL,))
