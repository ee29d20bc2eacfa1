"""Networks of which the Akida machine can do a part, as ONNX models; and their programs put together by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph
from nmc.runtime import Session
from nmc.runtime.program.hybrid import HostSegment, HybridProgram
from onnx_models import Net, session

Array = np.ndarray[Any, Any]


def gate(net: Net, x: str, channels: int) -> str:
    """Squeeze and excite: every channel times a number between 0 and 1."""
    y = net.op("GlobalAveragePool", x)
    y = net.op("Relu", net.op("Conv", y, net.weight(channels // 2, channels, 1, 1)))
    return net.op("Mul", x, net.op("Sigmoid", net.op("Conv", y, net.weight(channels, channels // 2, 1, 1))))


def conv(net: Net, x: str, out: int, channels: int, size: int = 3, **attributes: Any) -> str:
    weight = net.weight(out, channels, size, size, scale=(1.5 / (channels * size * size)) ** 0.5)
    return net.op("Conv", x, weight, net.weight(out, scale=0.1), pads=[size // 2] * 4, **attributes)


def head(net: Net, x: str, channels: int, softmax: bool = True) -> None:
    y = net.op("Flatten", net.op("GlobalAveragePool", x))
    y = net.op("Gemm", y, net.weight(5, channels), net.weight(5), transB=1)
    net.output(net.op("Softmax", y, axis=1) if softmax else y, "scores")


def gated_image() -> Net:
    """Two gates and a shortcut over both, with a softmax behind."""
    net = Net(17)
    x = net.op("Relu", conv(net, net.input("image", (1, 3, 10, 10)), 8, 3))
    y = gate(net, conv(net, gate(net, x, 8), 8, 8), 8)
    head(net, net.op("Add", conv(net, y, 8, 8, 1), x), 8)
    return net


def attention_image() -> Net:
    """Attention between the 16 places of an image."""
    net = Net(17)
    x = net.op("Relu", conv(net, net.input("image", (1, 3, 8, 8)), 8, 3, strides=[2, 2]))
    q, k, v = (net.reshape(conv(net, x, 8, 8, 1), (1, 8, 16)) for _ in range(3))
    scores = net.op("MatMul", net.op("Transpose", q, perm=[0, 2, 1]), k)
    mixed = net.op("MatMul", v, net.op("Transpose", net.op("Softmax", scores, axis=-1), perm=[0, 2, 1]))
    head(net, net.op("Add", conv(net, net.reshape(mixed, (1, 8, 4, 4)), 8, 8, 1), x), 8, softmax=False)
    return net


def pooled_clip(frames: int = 8) -> Net:
    """Convolutions over time and space, and maxima over time, which the machine has not: C3D in small."""
    net = Net(17)
    x = net.input("clip", (1, 2, frames, 16, 16))
    for out, channels, pool in ((4, 2, (1, 2, 2)), (6, 4, (2, 2, 2))):
        weight = net.weight(out, channels, 3, 3, 3, scale=(1.5 / (27 * channels)) ** 0.5)
        x = net.op("Conv", x, weight, pads=[2, 1, 1, 0, 1, 1])
        x = net.op("MaxPool", net.op("Relu", x), kernel_shape=list(pool), strides=list(pool))
    net.output(net.op("Conv", x, net.weight(4, 6, 1, 3, 3, scale=0.2), pads=[0, 1, 1, 0, 1, 1]), "maps")
    return net


def gated_clip() -> Net:
    """A gate in every frame."""
    net = Net(17)
    x = net.input("clip", (1, 2, 6, 8, 8))
    x = net.op("Relu", net.op("Conv", x, net.weight(6, 2, 3, 3, 3, scale=0.2), pads=[2, 1, 1, 0, 1, 1]))
    y = net.reduce_mean(x, (3, 4), keepdims=1)
    y = net.op("Sigmoid", net.op("Conv", y, net.weight(6, 6, 1, 1, 1)))
    x = net.op("Mul", x, y)
    net.output(net.op("Conv", x, net.weight(3, 6, 3, 1, 1, scale=0.3), pads=[2, 0, 0, 0, 0, 0]), "maps")
    return net


def remembering_clip() -> Net:
    """Convolutions in every frame, and a GRU over the frames."""
    net = Net(17)
    x = net.input("clip", (1, 2, 6, 8, 8))
    for out, channels in ((6, 2), (4, 6)):
        weight = net.weight(out, channels, 1, 3, 3, scale=0.3)
        x = net.op("Relu", net.op("Conv", x, weight, pads=[0, 1, 1, 0, 1, 1], strides=[1, 2, 2]))
    x = net.op("Transpose", net.reduce_mean(x, (3, 4), keepdims=0), perm=[2, 0, 1])
    x = net.op("GRU", x, net.weight(1, 15, 4), net.weight(1, 15, 5), net.weight(1, 30), hidden_size=5, outputs=2)
    net.output(net.op("Transpose", net.squeeze(x, (1,)), perm=[1, 2, 0]), "features")
    return net


NETS = {
    "gated_image": gated_image,
    "attention_image": attention_image,
    "pooled_clip": pooled_clip,
    "gated_clip": gated_clip,
    "remembering_clip": remembering_clip,
}


def graph_of(net: Net) -> Graph:
    with TemporaryDirectory() as folder:
        return import_onnx(net.save(Path(folder)))


def samples_for(graph: Graph, count: int = 6, seed: int = 3) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {v.name: rng.random((count, *v.type.shape[1:])).astype(np.float32) for v in graph.inputs}


def compiled(name: str, **options: Any) -> Compilation:
    graph = graph_of(NETS[name]())
    return compile_verbose(graph, "akida", calibration=samples_for(graph, 8, 0), host_fallback=True, **options)


def composed(program: HybridProgram, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs, segment after segment over whole clips: device programs on the reference engine, onnxruntime with
    its memories by hand."""
    values = {
        entry.name: _frames_first(inputs[entry.name], entry.axis, program.stream_length) for entry in program.inputs
    }
    for segment in program.segments:
        given = {name: values[name] for name in segment.reads}
        if isinstance(segment, HostSegment):
            values |= _on_host(segment, given)
        else:
            flat = {name: array if program.temporal else array[:, 0] for name, array in given.items()}
            found = Session(segment.program, "reference").run(flat).outputs
            values |= {name: array if program.temporal else array[:, None] for name, array in found.items()}
    outputs = {}
    for output in program.outputs:
        frames = values[output.value][:, list(output.timing.frames())]
        outputs[output.name] = np.moveaxis(frames, 1, output.timing.axis) if output.timing.axis > 0 else frames[:, -1]
    return outputs


def _frames_first(samples: Array, axis: int, length: int) -> Array:
    """(samples, length, *frame), with zero frames at the end."""
    frames = np.moveaxis(samples, axis, 1) if axis > 0 else samples[:, None]
    return np.pad(frames, [(0, 0), (0, length - frames.shape[1])] + [(0, 0)] * (frames.ndim - 2))


def _on_host(segment: HostSegment, given: Mapping[str, Array]) -> dict[str, Array]:
    runtime = session(segment.model.tobytes())
    samples, length = next(iter(given.values())).shape[:2]
    memories = {state.input: state.before(samples) for state in segment.states}
    names = [port.name for port in segment.outputs] + [state.output for state in segment.states]
    found: list[list[Array]] = []
    for frame in range(length):
        feeds = {port.name: given[port.value][:, frame] for port in segment.inputs} | memories
        made = runtime.run(names, feeds)
        found.append(made[: len(segment.outputs)])
        memories = dict(zip(memories, made[len(segment.outputs) :], strict=True))
    return {port.value: np.stack([f[i] for f in found], axis=1) for i, port in enumerate(segment.outputs)}
