"""Import of a file of ResNet-50's size, beside reading it.

25.5 M float32 parameters, 102 MB, random weights; they lie in the file (`plain`), or in one beside it (`outside`).
Each measurement runs in a process of its own; medians of 3. Processor time. Memory is how far the process grows at
its peak while it imports (the protobuf library's memory included), over the size of the weights.
`python benchmarks/import_time.py FILE what` measures one file and prints JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from machine import own_process
from onnx import TensorProto, helper, numpy_helper
from page import Section, ms, run

RUNS = 3
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))


class Builder:
    """Nodes and weights of a network under construction."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def op(self, kind: str, *operands: str, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, operands, [name], **attributes))
        return name

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        data = self.rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(np.prod(shape[1:])) or 1)
        self.weights.append(numpy_helper.from_array(data, name))
        return name

    def conv(self, x: str, inputs: int, outputs: int, kernel: int, stride: int = 1) -> str:
        pads = [kernel // 2] * 4
        weight, bias = self.weight(outputs, inputs, kernel, kernel), self.weight(outputs)
        return self.op("Conv", x, weight, bias, strides=[stride] * 2, pads=pads)


def resnet50() -> onnx.ModelProto:
    """Bottleneck blocks 3, 4, 6, 3 with batch norms folded, as exporters write it."""
    b = Builder()
    x = b.op("Relu", b.conv("image", 3, 64, 7, 2))
    x, channels = b.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4), 64
    for stage, (width, blocks) in enumerate(STAGES):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = b.op("Relu", b.conv(x, channels, width, 1))
            y = b.op("Relu", b.conv(y, width, width, 3, stride))
            y = b.conv(y, width, 4 * width, 1)
            x = x if block else b.conv(x, channels, 4 * width, 1, stride)
            x, channels = b.op("Relu", b.op("Add", x, y)), 4 * width
    x = b.op("Flatten", b.op("GlobalAveragePool", x))
    y = b.op("Gemm", x, b.weight(1000, channels), b.weight(1000), transB=1)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ("N", 3, 224, 224))
    graph = helper.make_graph(b.nodes, "resnet50", [image], [helper.make_tensor_value_info(y, 1, None)], b.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _memory(field: str) -> float:
    """Bytes of this process: VmRSS those it has now, VmHWM those at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def of_file(path: Path, what: str) -> float:
    """Seconds of reading or importing, or the peak bytes of importing."""
    from nmc.compiler.frontends.onnx import import_onnx, importer  # noqa: F401  its modules load before the clock runs

    if what == "memory":
        before = _memory("VmRSS")
        import_onnx(path)
        return _memory("VmHWM") - before
    start = time.process_time()
    if what == "load":
        onnx.load(path)
    else:
        import_onnx(path)
    return time.process_time() - start


def measure(section: Section, quick: bool) -> None:
    section.table("weights", "size", "onnx.load", "import", "peak memory ÷ size")
    with tempfile.TemporaryDirectory() as folder:
        model = resnet50()
        plain, outside = Path(folder) / "plain.onnx", Path(folder) / "outside.onnx"
        onnx.save(model, plain)
        onnx.save(model, outside, save_as_external_data=True, location="outside.data")
        size = plain.stat().st_size
        for path in (plain, outside)[: 1 if quick else None]:
            once = {"load": RUNS, "import": RUNS, "memory": 1}
            found = {
                what: statistics.median(own_process(__file__, str(path), what) for _ in range(1 if quick else runs))
                for what, runs in once.items()
            }
            times = ms(found["load"]), ms(found["import"])
            section.row(path.stem, f"{size / 1e6:.0f} MB", *times, f"{found['memory'] / size:.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[2] in ("load", "import", "memory"):
        print(json.dumps(of_file(Path(sys.argv[1]), sys.argv[2])))
    else:
        run(__file__, __doc__, measure)
