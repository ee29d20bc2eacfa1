"""From float graphs to the layers of the Akida machine: each rewrite as text, in floats equal to the graph."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from ir_text import graph_of
from nmc.backends.akida.build import build
from nmc.backends.akida.calibrate import FloatRun
from nmc.backends.akida.floats import FloatLayer, FloatNet
from nmc.backends.akida.windows import AkidaWindows
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import FrameSession, Graph, evaluate
from nmc.compiler.passes.base import Context
from nmc.runtime.akida_host import arrange
from nmc.runtime.program.akida import GraphOutput

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)
TOLERANCE = 1e-5


def weights(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


CONSTANTS = {
    "w1": weights(4, 4, 1, 1),
    "w3": weights(4, 4, 3, 3),
    "w2": weights(4, 2, 3, 3),
    "two": weights(4, 2, 3, 3),
    "w9": weights(4, 4, 9, 9),
    "d3": weights(4, 1, 3, 3),
    "d1": weights(4, 1, 1, 1),
    "rgb": weights(4, 3, 3, 3),
    "rgb1": weights(4, 3, 1, 1),
    "grey": weights(4, 1, 3, 3),
    "t2": weights(4, 4, 2, 2),
    "td": weights(4, 1, 4, 4),
    "wt": weights(4, 4, 3, 1, 1),
    "dt": weights(4, 1, 3, 1, 1),
    "p1": weights(2, 4, 1),
    "w335": weights(4, 4, 3, 3, 3),
    "b": weights(4),
    "dense": weights(5, 64),
    "rows": weights(5, 4),
    "map": weights(1, 1, 4, 4),
    "row4": weights(1, 4, 4, 4),
}


# --- what is asserted ---


def described(layer: FloatLayer) -> str:
    """For example "c = Conv2D(x.data) 3/1 same, max 2/2, relu6"."""
    p = layer.parameters
    notes = [f"fifo {p['fifo_size']}"] if "fifo_size" in p else []
    if "kernel_stride" in p:
        notes.append(f"{p['kernel_size']}/{p['kernel_stride']} {p['padding']}")
    elif "kernel_size" in p:
        notes.append(str(p["kernel_size"]))
    if layer.pool == "max":
        notes.append(f"max {p['pool_size']}/{p['pool_stride']}")
    if layer.activation == "relu":
        notes.append("relu" if layer.high is None else f"relu{layer.high:g}")
    if layer.function is not None:
        notes.append(f"lut {getattr(layer.function, 'kind', layer.function.mnemonic)}")
    notes += ["avg"] if layer.pool == "avg" else []
    assert (layer.activation == "lut") == (layer.function is not None)
    mark = "=" if not layer.identity else ":="
    return f"{layer.name} {mark} {layer.kind}({', '.join(layer.inbounds)}) {', '.join(notes)}".strip()


def values(net: FloatNet, samples: dict[str, Array]) -> dict[str, Array]:
    """The net's outputs in floats."""
    frames = {layer.name: after for layer, after in FloatRun(net, samples).results()}
    found = {}
    for o in net.outputs:
        record = GraphOutput(o.name, o.layer, o.shape, o.order, o.timing)
        parts = [arrange(record, frames[o.layer][:, frame]) for frame in o.timing.frames()]
        found[o.name] = np.stack(parts, axis=o.timing.axis) if o.timing.axis > 0 else parts[-1]
    return found


def check_values(graph: Graph, net: FloatNet) -> None:
    rng = np.random.default_rng(1)
    last = max(o.timing.last for o in net.outputs)
    samples, padded = {}, {}
    for entry in net.inputs:
        samples[entry.name] = rng.normal(size=(3, *entry.shape)).astype(np.float32)
        late = [(0, 0)] * (1 + len(entry.shape))
        late[entry.axis] = (0, last) if entry.axis > 0 else (0, 0)
        padded[entry.name] = np.pad(samples[entry.name], late)
    wanted = FrameSession(graph).run(samples) if graph.stage == "streaming" else evaluate(graph, samples)
    found = values(net, padded)
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, rtol=TOLERANCE, atol=TOLERANCE * np.abs(array).max())


def built(graph: Graph) -> FloatNet:
    AkidaWindows().run(graph, Context())
    return build(graph)


def check_layers(graph: Graph, wanted: str) -> FloatNet:
    """The graph becomes these layers, and in floats they compute the same."""
    net = built(graph)
    assert "\n".join(map(described, net.layers.values())) == wanted.strip()
    for layer in net.layers.values():
        assert all(net.layers[name].made == layer.given for name in layer.inbounds[:1])
    check_values(graph, net)
    return net


def graph(body: str, given: str = "1,4,4,4", axes: str = "NCHW", stage: str = "canonical") -> Graph:
    """A graph of the constants above with input %x; unless it names outputs, the last value is one."""
    used = {name: data for name, data in CONSTANTS.items() if re.search(rf"@{name}\b", body)}
    if 'output "' not in body:
        body += f'\noutput "y" = {body.splitlines()[-1].split(" = ")[0]}'
    body = re.sub(r"^%(.*?) = (.*?)$", r'%\1 = \2 from "\1"', body, flags=re.M)
    return graph_of(f"input %x: f32[{given}]{axes}\n{body}", used, stage)


# --- spellings ---


def conv(x: str, w: str, kernel: int = 3, stride: int = 1, pads: Any = None, bias: str = "", groups: int = 1) -> str:
    pads = ((kernel // 2, kernel // 2),) * 2 if pads is None else pads
    more = f", groups={groups}" if groups > 1 else ""
    operands = f"%{x}, @{w}" + (f", @{bias}" if bias else "")
    return f"conv({operands}) {{stride=({stride}, {stride}), pads={pads}, dilation=(1, 1){more}}}"


def pool(x: str, kernel: int, stride: int, pads: int = 0, more: str = "") -> str:
    window = f"kernel=({kernel}, {kernel}), stride=({stride}, {stride}), pads=(({pads}, {pads}), ({pads}, {pads}))"
    return f"max_pool(%{x}) {{{window}, dilation=(1, 1){more}}}"


def mean(x: str) -> str:
    return f"mean(%{x}) {{dims=(2, 3)}}"


PLAIN3 = "stride=(1, 1, 1), pads=((0, 0), (0, 0), (0, 0)), dilation=(1, 1, 1)"
SIX = "{low=0.0, high=6.0}"
CHANNELS = "{ranges=((0, 1, 1), (1, 3, 1), (0, 4, 1), (0, 4, 1))}"
EVERY2 = "{ranges=((0, 1, 1), (0, 4, 2), (0, 4, 1), (0, 4, 1))}"
DATA = "x.data = InputData()\n"

LAYERS = {
    # body, layers behind the input
    "conv": (f"%y = {conv('x', 'w3', bias='b')}", "y = Conv2D(x.data) 3/1 same"),
    "conv without padding": (f"%y = {conv('x', 'w3', pads=((0, 0), (0, 0)))}", "y = Conv2D(x.data) 3/1 valid"),
    "conv with stride": (f"%y = {conv('x', 'w3', stride=2)}", "y = Conv2D(x.data) 3/2 sameupper"),
    "relu": (f"%c = {conv('x', 'w3')}\n%y = relu(%c)", "c = Conv2D(x.data) 3/1 same, relu"),
    "relu6": (f"%c = {conv('x', 'w3')}\n%y = clip(%c) {SIX}", "c = Conv2D(x.data) 3/1 same, relu6"),
    "clip": (
        f"%c = {conv('x', 'w3')}\n%y = clip(%c) {{low=-1.0, high=2.0}}",
        "c = Conv2D(x.data) 3/1 same, lut clip",
    ),
    "clip above 0": (
        f"%c = {conv('x', 'w3')}\n%y = clip(%c) {{low=0.5, high=2.0}}",
        "c = Conv2D(x.data) 3/1 same, lut clip",
    ),
    "table": (
        f"%c = {conv('x', 'w3')}\n%y = activation(%c) {{kind='tanh'}}",
        "c = Conv2D(x.data) 3/1 same, lut tanh",
    ),
    "two activations": (
        f"%c = {conv('x', 'w3')}\n%t = activation(%c) {{kind='tanh'}}\n%y = relu(%t)",
        "c = Conv2D(x.data) 3/1 same, lut tanh\ny.identity := Conv2D(c) 1/1 same, relu",
    ),
    "a table between a layer and another reader": (
        f"%c = {conv('x', 'w3')}\n%r = relu(%c)\n%y = add(%c, %r)",
        "c = Conv2D(x.data) 3/1 same\nr.identity := Conv2D(c) 1/1 same, relu\ny = Add(c, r.identity)",
    ),
    "an output in front of a relu": (
        f'%c = {conv("x", "w3")}\n%r = relu(%c)\noutput "c" = %c\noutput "r" = %r',
        "c = Conv2D(x.data) 3/1 same\nr.identity := Conv2D(c) 1/1 same, relu",
    ),
    "depthwise": (f"%y = {conv('x', 'd3', groups=4, bias='b')}", "y = DepthwiseConv2D(x.data) 3/1 same"),
    "a factor for each channel": (f"%y = {conv('x', 'd1', 1, groups=4)}", "y = Conv2D(x.data) 1/1 same"),
    "groups": (f"%y = {conv('x', 'w2', groups=2)}", "y = Conv2D(x.data) 3/1 same"),
    "relu of the input": ("%y = relu(%x)", "y.identity := Conv2D(x.data) 1/1 same, relu"),
    "table of the input": (
        "%y = activation(%x) {kind='silu'}",
        "y.identity := Conv2D(x.data) 1/1 same, lut silu",
    ),
    "relu of a sum": (
        f"%c = {conv('x', 'w3')}\n%a = add(%c, %x)\n%y = relu(%a)",
        "c = Conv2D(x.data) 3/1 same\na = Add(c, x.data)\ny.identity := Conv2D(a) 1/1 same, relu",
    ),
    "table of a concatenation": (
        f"%c = {conv('x', 'w3')}\n%a = concat(%c, %x) {{dim=1}}\n%y = activation(%a) {{kind='tanh'}}",
        "c = Conv2D(x.data) 3/1 same\na = Concatenate(c, x.data)\ny.identity := Conv2D(a) 1/1 same, lut tanh",
    ),
    "2×2 pool": (f"%c = {conv('x', 'w3')}\n%y = {pool('c', 2, 2)}", "c = Conv2D(x.data) 3/1 same, max 2/2"),
    "pool, then relu": (
        f"%c = {conv('x', 'w3')}\n%p = {pool('c', 2, 2)}\n%y = relu(%p)",
        "c = Conv2D(x.data) 3/1 same, max 2/2, relu",
    ),
    "relu6, then pool": (
        f"%c = {conv('x', 'w3')}\n%r = clip(%c) {SIX}\n%y = {pool('r', 2, 2)}",
        "c = Conv2D(x.data) 3/1 same, max 2/2, relu6",
    ),
    "table, then pool": (
        f"%c = {conv('x', 'w3')}\n%t = activation(%c) {{kind='tanh'}}\n%y = {pool('t', 2, 2)}",
        "c = Conv2D(x.data) 3/1 same, lut tanh\ny.identity := Conv2D(c) 1/1 same, max 2/2",
    ),
    "pool, then table": (
        f"%c = {conv('x', 'w3')}\n%p = {pool('c', 2, 2)}\n%y = activation(%p) {{kind='tanh'}}",
        "c = Conv2D(x.data) 3/1 same, max 2/2\ny.identity := Conv2D(c) 1/1 same, lut tanh",
    ),
    "two pools": (
        f"%c = {conv('x', 'w3')}\n%p = {pool('c', 2, 2)}\n%y = {pool('p', 2, 1)}",
        "c = Conv2D(x.data) 3/1 same, max 2/2\ny.identity := Conv2D(p) 1/1 valid, max 2/1".replace("(p)", "(c)"),
    ),
    "pool of a 1×1 convolution": (
        f"%c = {conv('x', 'w1', 1)}\n%y = {pool('c', 2, 1)}",
        "c = Conv2D(x.data) 1/1 valid, max 2/1",
    ),
    "pool with another padding": (
        f"%c = {conv('x', 'w3')}\n%y = {pool('c', 2, 1)}",
        "c = Conv2D(x.data) 3/1 same\ny.identity := Conv2D(c) 1/1 valid, max 2/1",
    ),
    "pool with stride 1": (
        f"%c = {conv('x', 'w3')}\n%y = {pool('c', 3, 1, 1)}",
        "c = Conv2D(x.data) 3/1 same, max 3/1",
    ),
    "pool of the input": (f"%y = {pool('x', 2, 2)}", "y.identity := Conv2D(x.data) 1/1 same, max 2/2"),
    "pool of a depthwise layer": (
        f"%c = {conv('x', 'd3', groups=4)}\n%y = {pool('c', 2, 2)}",
        "c = DepthwiseConv2D(x.data) 3/1 same, max 2/2",
    ),
    "centred pool on an even size": (
        f"%c = {conv('x', 'w3')}\n%y = {pool('c', 3, 2, 1)}",
        "c = Conv2D(x.data) 3/1 same, max 3/1\ny.stride := Conv2D(c) 1/2 same",
    ),
    "centred pool on an even size, then relu": (
        f"%c = {conv('x', 'w3')}\n%p = {pool('c', 3, 2, 1)}\n%y = relu(%p)",
        "c = Conv2D(x.data) 3/1 same, max 3/1\np.stride := Conv2D(c) 1/2 same, relu",
    ),
    "mean": (f"%c = {conv('x', 'w3')}\n%r = relu(%c)\n%y = {mean('r')}", "c = Conv2D(x.data) 3/1 same, relu, avg"),
    "mean behind a table": (
        f"%c = {conv('x', 'w3')}\n%r = activation(%c) {{kind='gelu'}}\n%y = {mean('r')}",
        "c = Conv2D(x.data) 3/1 same, lut gelu, avg",
    ),
    "mean of a layer with another reader": (
        f'%c = {conv("x", "w3")}\n%m = {mean("c")}\n%d = {conv("c", "w1", 1)}\noutput "m" = %m\noutput "d" = %d',
        "c = Conv2D(x.data) 3/1 same\nm.identity := Conv2D(c) 1/1 same, avg\nd = Conv2D(c) 1/1 same",
    ),
    "mean behind a depthwise layer": (
        f"%c = {conv('x', 'd3', groups=4)}\n%r = relu(%c)\n%y = {mean('r')}",
        "c = DepthwiseConv2D(x.data) 3/1 same, relu\ny.identity := Conv2D(c) 1/1 same, avg",
    ),
    "mean behind a pool": (
        f"%c = {conv('x', 'w3')}\n%p = {pool('c', 2, 2)}\n%y = {mean('p')}",
        "c = Conv2D(x.data) 3/1 same, max 2/2\ny.identity := Conv2D(c) 1/1 same, avg",
    ),
    "relu behind a mean": (
        f"%c = {conv('x', 'w3')}\n%m = {mean('c')}\n%y = relu(%m)",
        "c = Conv2D(x.data) 3/1 same, avg\ny.identity := Conv2D(c) 1/1 same, relu",
    ),
    "a sum with itself": (
        f"%c = {conv('x', 'w3')}\n%y = add(%c, %c)",
        "c = Conv2D(x.data) 3/1 same\ny.double = Conv2D(c) 1/1 same",
    ),
    "a sum of one layer under two names": (
        f"%c = {conv('x', 'w3')}\n%f = reshape(%c) {{shape=(1, 64), axes='NC'}}\n"
        "%g = reshape(%f) {shape=(1, 4, 4, 4), axes='NCHW'}\n%y = add(%c, %g)",
        "c = Conv2D(x.data) 3/1 same\ny.identity := Conv2D(c) 1/1 same\ny = Add(c, y.identity)",
    ),
    "a concatenation of three": (
        f"%a = {conv('x', 'w3')}\n%b = {conv('x', 'w1', 1)}\n%y = concat(%a, %b, %a) {{dim=1}}",
        "a = Conv2D(x.data) 3/1 same\nb = Conv2D(x.data) 1/1 same\ny.part = Concatenate(a, b)\n"
        "y = Concatenate(y.part, a)",
    ),
    "a concatenation with itself": (
        f"%a = {conv('x', 'w3')}\n%y = concat(%a, %a) {{dim=1}}",
        "a = Conv2D(x.data) 3/1 same\ny.identity := Conv2D(a) 1/1 same\ny = Concatenate(a, y.identity)",
    ),
    "dense": (
        f"%c = {conv('x', 'w3')}\n%f = reshape(%c) {{shape=(1, 64), axes='NC'}}\n%y = dense(%f, @dense)",
        "c = Conv2D(x.data) 3/1 same\ny = Dense1D(c)",
    ),
    "relu behind dense": (
        f"%c = {conv('x', 'w3')}\n%f = reshape(%c) {{shape=(1, 64), axes='NC'}}\n%d = dense(%f, @dense)\n%y = relu(%d)",
        "c = Conv2D(x.data) 3/1 same\nd = Dense1D(c), relu".replace("c), relu", "c) relu"),
    ),
    "table behind dense": (
        "%f = reshape(%x) {shape=(1, 64), axes='NC'}\n%d = dense(%f, @dense)\n%y = activation(%d) {kind='tanh'}",
        "d = Dense1D(x.data)\ny.identity := Conv2D(d) 1/1 same, lut tanh",
    ),
    "relu between flattening and dense": (
        f"%c = {conv('x', 'w3')}\n%f = reshape(%c) {{shape=(1, 64), axes='NC'}}\n%r = relu(%f)\n%y = dense(%r, @dense)",
        "c = Conv2D(x.data) 3/1 same, relu\ny = Dense1D(c)",
    ),
    "dense behind a mean": (
        f"%c = {conv('x', 'w3')}\n%m = {mean('c')}\n"
        "%f = reshape(%m) {shape=(1, 4), axes='NC'}\n%y = dense(%f, @rows)",
        "c = Conv2D(x.data) 3/1 same, avg\ny = Dense1D(c)",
    ),
    "dense of a part": (
        f"%c = {conv('x', 'w3')}\n%s = slice(%c) {{ranges=((0, 1, 1), (2, 3, 1), (0, 4, 1), (1, 2, 1))}}\n"
        "%f = reshape(%s) {shape=(1, 4), axes='NC'}\n%y = dense(%f, @rows)",
        "c = Conv2D(x.data) 3/1 same\ny = Dense1D(c)",
    ),
    "some channels": (
        f"%c = {conv('x', 'w3')}\n%s = slice(%c) {CHANNELS}\n%r = relu(%s)\n%y = {pool('r', 2, 2)}",
        "c = Conv2D(x.data) 3/1 same, relu\ny.channels = Conv2D(c) 1/1 same, max 2/2",
    ),
    "every other channel": (
        f"%s = slice(%x) {EVERY2}\n%y = {conv('s', 'two')}",
        "y.channels = Conv2D(x.data) 1/1 same\ny = Conv2D(y.channels) 3/1 same",
    ),
    "a shuffle of channels": (
        "%a = reshape(%x) {shape=(1, 2, 2, 4, 4), axes='NC_HW'}\n%t = transpose(%a) {perm=(0, 2, 1, 3, 4)}\n"
        f"%s = reshape(%t) {{shape=(1, 4, 4, 4), axes='NCHW'}}\n%y = {conv('s', 'w1', 1)}",
        "y.channels = Conv2D(x.data) 1/1 same\ny = Conv2D(y.channels) 1/1 same",
    ),
    "two halves added": (
        f"%c = {conv('x', 'w3')}\n%a = slice(%c) {{ranges=((0, 1, 1), (0, 2, 1), (0, 4, 1), (0, 4, 1))}}\n"
        "%b = slice(%c) {ranges=((0, 1, 1), (2, 4, 1), (0, 4, 1), (0, 4, 1))}\n%y = add(%a, %b)",
        "c = Conv2D(x.data) 3/1 same\ny.channels = Conv2D(c) 1/1 same\ny.channels.2 = Conv2D(c) 1/1 same\n"
        "y = Add(y.channels, y.channels.2)",
    ),
    "an output of some channels": (
        f"%c = {conv('x', 'w3')}\n%y = slice(%c) {CHANNELS}",
        "c = Conv2D(x.data) 3/1 same\ny.channels = Conv2D(c) 1/1 same",
    ),
    "transposed": (
        "%y = conv_transpose(%x, @t2, @b) {stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1), output_pads=(0, 0)}",
        "y = Conv2DTranspose(x.data) 3",
    ),
    "transposed depthwise, with a table": (
        "%c = conv_transpose(%x, @td) {stride=(2, 2), pads=((1, 1), (1, 1)), dilation=(1, 1), output_pads=(0, 0), "
        "groups=4}\n%y = activation(%c) {kind='tanh'}",
        "c = DepthwiseConv2DTranspose(x.data) 4, lut tanh",
    ),
    "pool of a transposed layer": (
        "%c = conv_transpose(%x, @t2) {stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1), output_pads=(0, 0)}\n"
        f"%y = {pool('c', 2, 2)}",
        "c = Conv2DTranspose(x.data) 3\ny.identity := Conv2D(c) 1/1 same, max 2/2",
    ),
    "five readers": (
        f"%c = {conv('x', 'w3')}\n%d = {conv('c', 'w3')}\n%e = {conv('c', 'w1', 1)}\n%f = {conv('c', 'd3', groups=4)}\n"
        f"%g = {conv('c', 'w3', stride=2)}\n" + "\n".join(f'output "{n}" = %{n}' for n in "cdefg"),
        "c = Conv2D(x.data) 3/1 same\nc.copy1 := Conv2D(c) 1/1 same\nc.copy2 := Conv2D(c.copy1) 1/1 same\n"
        "c.copy3 := Conv2D(c.copy2) 1/1 same\nd = Conv2D(c.copy1) 3/1 same\ne = Conv2D(c.copy2) 1/1 same\n"
        "f = DepthwiseConv2D(c.copy3) 3/1 same\ng = Conv2D(c.copy3) 3/2 sameupper",
    ),
    "three readers of the input": (
        f"%d = {conv('x', 'w3')}\n%e = {conv('x', 'w1', 1)}\n%a = add(%d, %e)\n%y = add(%a, %x)",
        "x.data.copy1 := Conv2D(x.data) 1/1 same\nd = Conv2D(x.data) 3/1 same\ne = Conv2D(x.data.copy1) 1/1 same\n"
        "a = Add(d, e)\ny = Add(a, x.data.copy1)",
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers(case: str) -> None:
    body, wanted = LAYERS[case]
    check_layers(graph(body), DATA + wanted)


def test_odd_sizes() -> None:
    """A pool without padding drops the last row; `same` would keep it, so the layer in front cannot carry it."""
    net = check_layers(
        graph(f"%c = {conv('x', 'w3')}\n%y = {pool('c', 2, 2)}", "1,4,5,5"),
        DATA + "c = Conv2D(x.data) 3/1 same\ny.identity := Conv2D(c) 1/1 valid, max 2/2",
    )
    assert net.layers["y.identity"].made == (2, 2, 4)
    check_layers(
        graph(f"%c = {conv('x', 'w3')}\n%y = {pool('c', 2, 2, more=', ceil_mode=True')}", "1,4,5,5"),
        DATA + "c = Conv2D(x.data) 3/1 same, max 2/2",
    )
    check_layers(
        graph(f"%c = {conv('x', 'w3')}\n%y = {pool('c', 3, 2, 1)}", "1,4,5,5"),
        DATA + "c = Conv2D(x.data) 3/1 same, max 3/2",
    )
    check_layers(
        graph(f"%c = {conv('x', 'w3')}\n%y = {pool('c', 3, 2, 1)}", "1,4,5,6"),
        DATA + "c = Conv2D(x.data) 3/1 same, max 3/1\ny.stride := Conv2D(c) 1/2 same",
    )


# --- images ---

IMAGES = {
    "three channels": ("1,3,6,6", f"%y = {conv('x', 'rgb', bias='b')}", "y = InputConv2D() 3/1 same"),
    "one channel": ("1,1,6,6", f"%y = {conv('x', 'grey')}", "y = InputConv2D() 3/1 same"),
    "stride 2, pool, relu": (
        "1,3,8,8",
        f"%c = {conv('x', 'rgb', stride=2)}\n%r = relu(%c)\n%y = {pool('r', 2, 2)}",
        "c = InputConv2D() 3/2 sameupper, relu\ny.identity := Conv2D(c) 1/1 same, max 2/2",
    ),
    "stride 3": ("1,3,6,6", f"%y = {conv('x', 'rgb', stride=3, pads=((0, 0), (0, 0)))}", "y = InputConv2D() 3/3 same"),
    "table": (
        "1,3,6,6",
        f"%c = {conv('x', 'rgb')}\n%y = activation(%c) {{kind='tanh'}}",
        "c = InputConv2D() 3/1 same, lut tanh",
    ),
    "mean": ("1,3,6,6", f"%c = {conv('x', 'rgb')}\n%y = {mean('c')}", "c = InputConv2D() 3/1 same, avg"),
    "kernel 1 in 3": ("1,3,6,6", f"%y = {conv('x', 'rgb1', 1)}", "y = InputConv2D() 3/1 same"),
    "two readers of the input": (
        "1,3,6,6",
        f"%a = {conv('x', 'rgb')}\n%b = {conv('x', 'rgb1', 1)}\n%y = add(%a, %b)",
        DATA + "a = Conv2D(x.data) 3/1 same\nb = Conv2D(x.data) 1/1 same\ny = Add(a, b)",
    ),
    "two readers of the layer": (
        "1,3,6,6",
        f"%c = {conv('x', 'rgb')}\n%d = {conv('c', 'w3')}\n%y = add(%c, %d)",
        "c = InputConv2D() 3/1 same\nc.copy1 := Conv2D(c) 1/1 same\nd = Conv2D(c.copy1) 3/1 same\ny = Add(c.copy1, d)",
    ),
    "a reader and an output": (
        "1,3,6,6",
        f'%c = {conv("x", "rgb")}\n%d = {conv("c", "w3")}\noutput "c" = %c\noutput "d" = %d',
        "c = InputConv2D() 3/1 same\nc.copy1 := Conv2D(c) 1/1 same\nd = Conv2D(c.copy1) 3/1 same",
    ),
    "not a convolution": (
        "1,3,6,6",
        f"%r = relu(%x)\n%y = {conv('r', 'rgb')}",
        DATA + "r.identity := Conv2D(x.data) 1/1 same, relu\ny = Conv2D(r.identity) 3/1 same",
    ),
}


@pytest.mark.parametrize("case", IMAGES)
def test_images(case: str) -> None:
    given, body, wanted = IMAGES[case]
    check_layers(graph(body, given), wanted)


FIRST = "%t = transpose(%x) {perm=(0, 3, 1, 2)}"


def test_images_with_channels_last() -> None:
    net = check_layers(graph(f"{FIRST}\n%y = {conv('t', 'rgb')}", "1,6,7,3", "NHWC"), "y = InputConv2D() 3/1 same")
    assert [(entry.layer, entry.order) for entry in net.inputs] == [("y", "HWC")]
    assert net.layers["y"].given == (6, 7, 3)


def test_frames_with_channels_last() -> None:
    net = check_layers(
        graph(f"{FIRST}\n%a = {conv('t', 'w3')}\n%y = add(%a, %t)", "1,6,7,4", "NHWC"),
        DATA + "a = Conv2D(x.data) 3/1 same\ny = Add(a, x.data)",
    )
    assert [(entry.layer, entry.order) for entry in net.inputs] == [("x.data", "HWC")]
    net = check_layers(
        graph(
            f"{FIRST}\n%u = transpose(%x) {{perm=(0, 3, 1, 2)}}\n%a = {conv('t', 'rgb')}\n%b = {conv('u', 'rgb')}\n"
            "%y = add(%a, %b)",
            "1,6,7,3",
            "NHWC",
        ),
        DATA + "a = Conv2D(x.data) 3/1 same\nb = Conv2D(x.data) 3/1 same\ny = Add(a, b)",
    )


def test_orders_of_outputs() -> None:
    body = f"""%c = {conv("x", "w3")}
%last = transpose(%c) {{perm=(0, 2, 3, 1)}}
%flat = reshape(%c) {{shape=(1, 64), axes='NC'}}
%lines = reshape(%last) {{shape=(1, 16, 4), axes='NCT'}}
%turned = transpose(%c) {{perm=(0, 1, 3, 2)}}
output "first" = %c
output "last" = %last
output "flat" = %flat
output "lines" = %lines
output "turned" = %turned"""
    net = check_layers(graph(body), DATA + "c = Conv2D(x.data) 3/1 same")
    assert {o.name: o.order for o in net.outputs} == {
        "first": "CHW", "last": "HWC", "flat": "CHW", "lines": "HWC", "turned": "CWH",
    }  # fmt: skip


def test_two_inputs() -> None:
    body = f"input %z: f32[1,4,4,4]NCHW\n%c = {conv('x', 'w3')}\n%y = add(%z, %c)"
    net = check_layers(graph(body), DATA + "c = Conv2D(x.data) 3/1 same\nz.data = InputData()\ny = Add(z.data, c)")
    assert [(entry.name, entry.layer) for entry in net.inputs] == [("x", "x.data"), ("z", "z.data")]


def test_dense_layers_over_the_channels_of_every_pixel() -> None:
    body = "%c = relu(%x)\n%t = transpose(%c) {perm=(0, 3, 2, 1)}\n%d = dense(%t, @rows)\n%e = relu(%d)\n"
    body += "%y = transpose(%e) {perm=(0, 3, 1, 2)}"
    identity = "c.identity := Conv2D(x.data) 1/1 same, relu\n"
    check_layers(graph(body), DATA + identity + "d = Conv2D(c.identity) 1/1 same, relu")
    check_layers(graph("%y = dense(%x, @rows)", "1,6,4", "N_C"), DATA + "y = Conv2D(x.data) 1/1 same")
    check_layers(graph("%y = dense(%x, @rows)", "1,2,3,4", "NHWC"), DATA + "y = Conv2D(x.data) 1/1 same")


def test_a_vector_as_input() -> None:
    net = check_layers(graph("%y = dense(%x, @rows)", "1,4", "NC"), DATA + "y = Dense1D(x.data)")
    assert net.layers["x.data"].made == (1, 1, 4)


def test_names_of_the_user_are_not_taken() -> None:
    body = f"%c.copy1 = {conv('x', 'w3')}\n%c = {conv('c.copy1', 'w3')}\n%y.identity = {conv('c', 'w3')}\n"
    body += f"%d = {conv('c', 'w1', 1)}\n%y = relu(%c)\n%z = add(%y, %d)\n%a = add(%z, %y.identity)"
    check_layers(
        graph(body),
        DATA + "c.copy1 = Conv2D(x.data) 3/1 same\nc = Conv2D(c.copy1) 3/1 same\n"
        "c.copy2 := Conv2D(c) 1/1 same\ny.identity = Conv2D(c) 3/1 same\nd = Conv2D(c.copy2) 1/1 same\n"
        "y.identity.2 := Conv2D(c.copy2) 1/1 same, relu\nz = Add(y.identity.2, d)\na = Add(z, y.identity)",
    )


# --- time ---


def stream(body: str, given: str = "1,4,4,4", axes: str = "NCHW", length: int = 6) -> Graph:
    """A stream of clips of that length; the last value is the output, one for each frame, unless %y is named `clip`."""
    used = {name: data for name, data in CONSTANTS.items() if re.search(rf"@{name}\b", body)}
    head = f"input %x: f32[{given}]{axes} at {{offset=0, length={length}, axis=2}}"
    if 'output "' not in body:
        last = body.splitlines()[-1].split(" = ")[0]
        body += f'\noutput "y" = {last} at {{offset=0, length={length}, axis=2}}'
    return graph_of(f"{head}\n{body}", used, "streaming")


def drop(x: str) -> str:
    return f"reshape(%{x}) {{shape=(1, 4, 4, 4), axes='NCHW'}}"


WINDOW = "%f = fifo(%x) {taps=(2, 1, 0)}\n"
STREAMS = {
    "temporal": (
        WINDOW + f"%w = conv(%f, @wt, @b) {{{PLAIN3}}}\n%c = {drop('w')}\n%y = relu(%c)",
        "c = BufferTempConv(x.data) fifo 3, relu",
    ),
    "temporal depthwise": (
        WINDOW + f"%w = conv(%f, @dt) {{{PLAIN3}, groups=4}}\n%c = {drop('w')}\n%y = clip(%c) {SIX}",
        "c = DepthwiseBufferTempConv(x.data) fifo 3, relu6",
    ),
    "temporal, with a table": (
        WINDOW + f"%w = conv(%f, @wt) {{{PLAIN3}}}\n%c = {drop('w')}\n%y = activation(%c) {{kind='tanh'}}",
        "c = BufferTempConv(x.data) fifo 3\ny.identity := Conv2D(c) 1/1 same, lut tanh",
    ),
    "gaps in the memory": (
        f"%f = fifo(%x) {{taps=(5, 1, 0)}}\n%w = conv(%f, @wt) {{{PLAIN3}}}\n%y = {drop('w')}",
        "y = BufferTempConv(x.data) fifo 6",
    ),
    "delay": (
        f"%f = fifo(%x) {{taps=(2,)}}\n%d = {drop('f')}\n%c = {conv('x', 'w3')}\n%y = add(%d, %c)",
        "d = DepthwiseBufferTempConv(x.data) fifo 3\nc = Conv2D(x.data) 3/1 same\ny = Add(d, c)",
    ),
    "delay by nothing": (f"%f = fifo(%x) {{taps=(0,)}}\n%y = {drop('f')}", "y = Conv2D(x.data) 1/1 same"),
    "mean over frames": (
        WINDOW + f"%m = mean(%f) {{dims=(2,)}}\n%y = {drop('m')}",
        "y = DepthwiseBufferTempConv(x.data) fifo 3",
    ),
    "average over frames": (
        WINDOW + f"%m = avg_pool(%f) {{kernel=(3, 1, 1), {PLAIN3}}}\n%y = {drop('m')}",
        "y = DepthwiseBufferTempConv(x.data) fifo 3",
    ),
    "mean over the clip": (
        "%f = fifo(%x) {taps=(5, 4, 3, 2, 1, 0)}\n%m = mean(%f) {dims=(2, 3, 4)}\n"
        "%v = reshape(%m) {shape=(1, 4), axes='NC'}\n%y = dense(%v, @rows)\n"
        'output "y" = %y at {offset=5}',
        "v = DepthwiseBufferTempConv(x.data) fifo 6\nm.identity := Conv2D(v) 1/1 same, avg\ny = Dense1D(m.identity)",
    ),
    "two convolutions read one memory": (
        WINDOW + f"%v = conv(%f, @wt) {{{PLAIN3}}}\n%w = conv(%f, @dt) {{{PLAIN3}, groups=4}}\n"
        f"%a = {drop('v')}\n%b = {drop('w')}\n%y = add(%a, %b)",
        "a = BufferTempConv(x.data) fifo 3\nb = DepthwiseBufferTempConv(x.data) fifo 3\ny = Add(a, b)",
    ),
    "frames in the machine, an output late": (
        f'%c = {conv("x", "w3")}\noutput "y" = %c at {{offset=2, stride=2, length=3, axis=2, edges=(0,)}}',
        "c = Conv2D(x.data) 3/1 same",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STREAMS)
def test_streams(case: str) -> None:
    body, wanted = STREAMS[case]
    check_layers(stream(body), DATA + wanted)


def test_a_kernel_of_one_frame_is_a_1x1_convolution() -> None:
    body = (
        "%f = fifo(%x) {taps=(0,)}\n%w = conv(%f, @p1) {stride=(1,), pads=((0, 0),), dilation=(1,)}\n"
        "%y = reshape(%w) {shape=(1, 2), axes='NC'}"
    )
    check_layers(stream(body, "1,4", "NC"), DATA + "y = Conv2D(x.data) 1/1 same")


# --- what is refused ---


def refusal(graph: Graph) -> list[tuple[str, str]]:
    """(where, why) of each diagnostic; all are NMC-A001."""
    context = Context()
    AkidaWindows().run(graph, context)
    with pytest.raises(NmcError) as caught:
        build(graph)
    found = caught.value.diagnostics
    assert {d.code for d in found} == {"NMC-A001"}
    assert all(d.why for d in found)
    return [(d.where, d.why) for d in found]


REFUSED = {
    "a factor that varies over space": ("%y = mul(%x, @map)", "a factor that differs within a channel"),
    "an offset that varies over space": ("%y = add(%x, @map)", "it differs within a channel"),
    "a product": (f"%c = {conv('x', 'w3')}\n%y = mul(%c, %x)", "a product of two computed values"),
    "a constant joined": ("%c = relu(%x)\n%y = concat(%c, @row4) {dim=1}", "a concatenation with a constant"),
    "rows joined": ("%c = relu(%x)\n%y = concat(%c, %x) {dim=2}", "a concatenation along axis 2"),
    "mean over one axis": ("%y = mean(%x) {dims=(2,)}", "a mean over axes (2,)"),
    "mean over channels": ("%y = mean(%x) {dims=(1,)}", "a mean over axes (1,)"),
    "dense over rows of pixels": ("%c = relu(%x)\n%y = dense(%c, @rows)", "a dense layer over the last axis"),
    "uneven averages": (
        "%y = avg_pool(%x) {kernel=(3, 3), stride=(1, 1), pads=((1, 1), (1, 1)), dilation=(1, 1)}",
        "count differently many cells",
    ),
    "an uneven pool": (
        "%y = max_pool(%x) {kernel=(2, 3), stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1)}",
        "a maximum pool of kernel (2, 3)",
    ),
    "pixels as channels": (
        f"%r = reshape(%x) {{shape=(1, 16, 2, 2), axes='NCHW'}}\n%y = {pool('r', 2, 2)}",
        "mixes channels and pixels",
    ),
    "a crop": (
        f"%s = slice(%x) {{ranges=((0, 1, 1), (0, 4, 1), (1, 3, 1), (1, 3, 1))}}\n%y = {conv('s', 'w3')}",
        "mixes channels and pixels",
    ),
    "padding alone": ("%y = pad(%x) {pads=((0, 0), (0, 0), (1, 1), (1, 1)), value=1.0}", "no layer for pad"),
    "the input as output": ('%c = relu(%x)\noutput "c" = %c\noutput "same" = %x', "is an input or a constant"),
    "the input moved": ("%y = transpose(%x) {perm=(0, 2, 3, 1)}", "is the input itself"),
    "a sum that repeats": (
        f"%c = {conv('x', 'w3')}\n%m = {mean('c')}\n%y = add(%c, %m)",
        "one is repeated",
    ),
    "one pixel whose channels lie along an axis": (
        f"%m = {mean('x')}\n%r = reshape(%m) {{shape=(1, 1, 1, 4), axes='NCHW'}}\n%y = {mean('r')}",
        "mixes channels and pixels",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    body, why = REFUSED[case]
    ((where, reason),) = refusal(graph(body))
    assert why in reason
    assert where in (*"xyc", "")


STREAMS_REFUSED = {
    "a maximum over time": (
        "%f = fifo(%x) {taps=(1, 0), fill=-1e999}\n"
        f"%m = max_pool(%f) {{kernel=(2, 1, 1), {PLAIN3}}}\n%y = {drop('m')}",
        "a maximum over time",
    ),
    "time and space in one": (
        "%f = fifo(%x) {taps=(2, 1, 0)}\n%y = conv(%f, @w335) {stride=(1, 1, 1), pads=((0, 0), (1, 1), (1, 1)), "
        "dilation=(1, 1, 1)}",
        "over time and space in one",
    ),
    "past frames as they are": (
        "%f = fifo(%x) {taps=(1, 0)}\n%y = relu(%f)",
        "relu over frames of the past",
    ),
    "a running mean": ("%y = running_mean(%x)", "no layer for running_mean"),
}


@pytest.mark.parametrize("case", STREAMS_REFUSED)
def test_streams_refused(case: str) -> None:
    body, why = STREAMS_REFUSED[case]
    ((_, reason),) = refusal(stream(body))
    assert why in reason


def test_all_problems_are_reported_at_once() -> None:
    body = "%a = mul(%x, @map)\n%b = add(%x, @map)\n%c = add(%a, %b)\n%d = mean(%x) {dims=(2,)}\n"
    body += '%y = relu(%c)\noutput "y" = %y\noutput "d" = %d'
    assert [where for where, _ in refusal(graph(body))] == ["a", "b", "d"]


@pytest.mark.parametrize(("given", "axes"), [("1,2,3,4,5", "NCDHW"), ("1", "N")])
@pytest.mark.parametrize("reads", ["%r = relu(%z)\n", ""])
def test_inputs_that_are_no_frames_are_refused_read_or_not(given: str, axes: str, reads: str) -> None:
    outputs = 'output "y" = %y' + ('\noutput "r" = %r' if reads else "")
    made = graph(f"input %z: f32[{given}]{axes}\n{reads}%y = {conv('x', 'w3')}\n{outputs}")
    ((_, reason),) = refusal(made)
    assert "is not a frame of channels and two axes of space" in reason


def test_inputs_that_nothing_reads_are_inputs_of_the_program() -> None:
    net = built(graph(f"input %z: f32[1,3]NC\n%y = {conv('x', 'w3')}"))
    assert [(entry.name, entry.layer) for entry in net.inputs] == [("x", "x.data"), ("z", "z.data")]


def test_why_a_window_does_not_fit_is_the_reason() -> None:
    made, context = graph(f"%y = {conv('x', 'w9', 9)}", "1,4,9,9"), Context()
    AkidaWindows().run(made, context)
    with pytest.raises(NmcError, match=r"kernel \(9, 9\), .* fit no layer"):
        build(made)
    with pytest.raises(NmcError, match="its kernel spans 9 elements, the largest window 7"):
        build(made, {d.where: d.why for d in context.declined})
