"""Faults that random damage rarely makes: each takes a valid model and returns the files of a case.

A case's files are bytes by name, or the target of a symbolic link as text; the model is `model.onnx`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .damage import FLOATS, INTEGERS, TEXTS

Files = dict[str, bytes | str]
Fault = Callable[[ModelProto, Random], Files]
MODEL, SIDE = "model.onnx", "model.data"
ODD_TYPES = (TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.INT4, TensorProto.FLOAT8E4M3FN, TensorProto.BOOL,
             TensorProto.INT64, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, 0, 99)  # fmt: skip

OPS = ("Add", "Sub", "Mul", "Div", "Pow", "Concat", "Gather", "Expand", "Tile", "Reshape", "Range", "MatMul", "Loop",
       "Scan", "LSTM", "Attention", "Softmax", "Where", "Max", "Split", "Resize", "Pad", "Slice", "Squeeze", "Einsum",
       "ConstantOfShape", "OneHot", "TopK", "ReduceSum", "CumSum", "Gemm", "Conv", "ConvTranspose", "Dropout", "If",
       "LayerNormalization", "Upsample", "QuantizeLinear", "CausalConvWithState", "NoSuchOp")  # fmt: skip


def _alone(model: ModelProto) -> Files:
    return {MODEL: model.SerializeToString()}


def _node(model: ModelProto, rng: Random) -> NodeProto:
    return rng.choice(model.graph.node)


def _float_weights(model: ModelProto) -> list[TensorProto]:
    return [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT and t.dims and min(t.dims)]


def _weight(model: ModelProto, rng: Random) -> TensorProto:
    """A float weight; a model without any gets one that a node adds to the first output."""
    found = _float_weights(model)
    if found:
        return rng.choice(found)
    tensor = model.graph.initializer.add()
    tensor.CopyFrom(numpy_helper.from_array(np.ones((1, 1), np.float32), "extra"))
    name = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Add", [name, "extra"], ["extra_sum"]))
    model.graph.output[0].name = "extra_sum"
    return tensor


def cycle(model: ModelProto, rng: Random) -> Files:
    """A node reads what is made later."""
    early, late = _node(model, rng), _node(model, rng)
    if early.input:
        early.input[rng.randrange(len(early.input))] = late.output[0]
    return _alone(model)


def input_shape(model: ModelProto, rng: Random) -> Files:
    """Wild dimensions of a graph input."""
    value = rng.choice(model.graph.input)
    shape = value.type.tensor_type.shape
    if rng.random() < 0.4:
        for _ in range(rng.randrange(1, 70)):
            shape.dim.add().dim_value = rng.choice((1, 2, 3))
    elif shape.dim:
        for _ in range(rng.choice((1, 3))):
            dim = rng.choice(shape.dim)
            dim.dim_value = rng.choice((*INTEGERS, 1000, 4096, 65536, 10**6))
    return _alone(model)


def weight_shape(model: ModelProto, rng: Random) -> Files:
    """A weight's dimensions: wild ones, or others of the same size, or none left."""
    tensor = _weight(model, rng)
    kind = rng.randrange(4)
    dims = list(tensor.dims)
    if kind == 0:
        dims[rng.randrange(len(dims))] = rng.choice(INTEGERS)
    elif kind == 1:
        dims = [2**32, 2**32] + [2] * rng.randrange(3)
    elif kind == 2:
        rng.shuffle(dims)
        dims = rng.choice((dims, [1] * rng.randrange(1, 40) + dims, [math.prod(dims)]))
    else:
        dims[rng.randrange(len(dims))] = 0
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
    tensor.ClearField("dims")
    tensor.dims.extend(dims)
    return _alone(model)


def weight_values(model: ModelProto, rng: Random) -> Files:
    """NaN, infinity, huge and tiny weights."""
    tensor = _weight(model, rng)
    values = numpy_helper.to_array(tensor).copy()
    flat = values.reshape(-1)
    if rng.random() < 0.5:
        flat[rng.randrange(flat.size)] = rng.choice(FLOATS)
    else:
        flat[:] = rng.choice(FLOATS)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return _alone(model)


def weight_type(model: ModelProto, rng: Random) -> Files:
    """The same bytes, or text, under another element type."""
    tensor = _weight(model, rng)
    tensor.data_type = rng.choice(ODD_TYPES)
    if tensor.data_type == TensorProto.STRING and rng.random() < 0.7:
        count = math.prod(tensor.dims)
        tensor.ClearField("raw_data")
        tensor.string_data.extend([b"\xff", *[b"1.0"] * (min(count, 100) - 1)])
    return _alone(model)


def sparse(model: ModelProto, rng: Random) -> Files:
    """A weight as a sparse initializer, right or wrong."""
    tensor = _weight(model, rng)
    made = model.graph.sparse_initializer.add()
    made.values.CopyFrom(tensor)
    made.values.dims[:] = [math.prod(tensor.dims)]
    made.indices.CopyFrom(numpy_helper.from_array(np.array([rng.choice(INTEGERS)]), f"{tensor.name}_at"))
    made.dims.extend([rng.choice(INTEGERS)] if rng.random() < 0.5 else tensor.dims)
    kept = [t for t in model.graph.initializer if t.name != tensor.name]
    if rng.random() < 0.8:
        del model.graph.initializer[:]
        model.graph.initializer.extend(kept)
    return _alone(model)


def names(model: ModelProto, rng: Random) -> Files:
    """A value gets an odd name everywhere, or one that another value has."""
    values = [name for node in model.graph.node for name in node.output]
    old = rng.choice([*values, *(v.name for v in model.graph.input), *(t.name for t in model.graph.initializer)])
    new = rng.choice((*TEXTS, "n" * 100_000, rng.choice(values)))
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for part in (model.graph.input, model.graph.output, model.graph.initializer):
        for value in part:
            value.name = new if value.name == old else value.name
    return _alone(model)


def attribute(model: ModelProto, rng: Random) -> Files:
    """An attribute gets another value of its kind, another kind, or stands twice."""
    with_some = [node for node in model.graph.node if node.attribute]
    if not with_some:
        return cycle(model, rng)
    node = rng.choice(with_some)
    found = rng.choice(node.attribute)
    small = (0, 1, 2, 3, -1, -2, 4, 5)
    pool = small if rng.random() < 0.7 else INTEGERS
    kind = rng.randrange(5)
    if kind == 0:
        found.CopyFrom(helper.make_attribute(found.name, rng.choice((1.5, "text", [1.5, 2.0], [1], ["a"], 3))))
    elif kind == 1:
        node.attribute.add().CopyFrom(found)
    elif found.ints:
        found.ints[rng.randrange(len(found.ints))] = rng.choice(pool)
        if rng.random() < 0.2:
            found.ints.append(rng.choice(pool))
    elif found.HasField("f"):
        found.f = rng.choice(FLOATS)
    else:
        found.i = rng.choice(pool)
    return _alone(model)


def operator(model: ModelProto, rng: Random) -> Files:
    """Another operator with the same operands, another domain, or operands in another order and number."""
    node = _node(model, rng)
    kind = rng.randrange(5)
    if kind == 0:
        node.op_type = rng.choice(OPS)
    elif kind == 1:
        node.domain = rng.choice(("com.microsoft", "ai.onnx.ml", "nowhere", "ai.onnx"))
    elif kind == 2 and node.input:
        node.input.append(rng.choice(node.input))
    elif kind == 3:
        shuffled = list(node.input)
        rng.shuffle(shuffled)
        node.input[:] = shuffled
    else:
        node.input[:] = list(node.input)[:-1]
    return _alone(model)


def versions(model: ModelProto, rng: Random) -> Files:
    """Opsets and IR versions that do not exist, or several."""
    kind = rng.randrange(4)
    if kind == 0:
        model.opset_import[0].version = rng.choice((0, -1, 1, 8, 10**9, 2**62, 9, 11, 13, 18, 21, 23, 26))
    elif kind == 1:
        del model.opset_import[:]
    elif kind == 2:
        model.opset_import.add(domain=rng.choice(("", "ai.onnx", "other")), version=rng.choice((1, 17, 18)))
    else:
        model.ir_version = rng.choice((0, -1, 1, 3, 99, 2**40))
    return _alone(model)


def endless(model: ModelProto, rng: Random) -> Files:
    """Local functions that call one another in a circle, or that grow without measure."""
    names = [f"f{i}" for i in range(rng.choice((1, 2, 12, 40)))]
    grows = rng.random() < 0.5
    for i, name in enumerate(names):
        called = names[(i + 1) % len(names)] if not grows or i + 1 < len(names) else ""
        body = [helper.make_node(called or "Relu", ["a"], ["m"], domain="own" if called else "")]
        body.append(helper.make_node(called or "Relu", ["m"], ["b"], domain="own" if called else ""))
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        model.functions.append(helper.make_function("own", name, ["a"], ["b"], body, imports))
    model.opset_import.append(helper.make_opsetid("own", 1))
    node = _node(model, rng)
    node.CopyFrom(helper.make_node("f0", list(node.input)[:1], list(node.output)[:1], domain="own"))
    return _alone(model)


def nested(model: ModelProto, rng: Random) -> Files:
    """Branches in branches, to a depth at which recursion fails; or loops."""
    name = model.graph.output[0].name
    made = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Identity", [name], ["z"])], "inner", [], [made])
    for _ in range(rng.choice((1, 5, 12, 20, 28))):  # protobuf itself gives up at 100 messages in one another
        op = "If" if rng.random() < 0.98 else "Loop"
        if op == "If":
            node = helper.make_node("If", ["yes"], ["z"], then_branch=graph, else_branch=graph if rng.random() < 0.05
                                    else helper.make_graph([], "empty", [], [made]))  # fmt: skip
        else:
            node = helper.make_node("Loop", ["", "yes"], ["z"], body=graph)
        graph = helper.make_graph([node], "inner", [], [made])
        if graph.ByteSize() > 100_000:
            break
    model.graph.initializer.append(numpy_helper.from_array(np.array([True]), "yes"))
    model.graph.node.extend(graph.node)
    model.graph.output[0].name = "z"
    return _alone(model)


def deep(model: ModelProto, rng: Random) -> Files:
    """A chain of very many nodes, or bytes that nest very deep."""
    if rng.random() < 0.3:
        content = b""
        for _ in range(rng.choice((90, 200, 2000))):  # GraphProto.node = 1, .attribute = 5, .g = 6
            for tag in (0x32, 0x2A, 0x0A):
                content = bytes([tag]) + _varint(len(content)) + content
        return {MODEL: b"\x08\x08" + b"\x3a" + _varint(len(content)) + content}
    name, count = model.graph.output[0].name, rng.choice((50, 50, 100, 150, 1500))
    op = rng.choice(("Relu", "Identity", "Neg", "Sigmoid", "Abs"))
    for i in range(count):
        model.graph.node.append(helper.make_node(op, [name], [f"deep{i}"]))
        name = f"deep{i}"
    model.graph.output[0].name = name
    return _alone(model)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number >= 128:
        found.append(number % 128 + 128)
        number //= 128
    return bytes([*found, number])


def exploding(model: ModelProto, rng: Random) -> Files:
    """Constants computed from a few bytes that ask for much memory or time."""
    sizes = [rng.choice((1, 2, 1000, 40_000, 2**20, 2**31, 2**40)) for _ in range(rng.choice((1, 2, 4)))]
    model.graph.initializer.append(numpy_helper.from_array(np.array(sizes), "sizes"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
    size = numpy_helper.from_array(np.array(rng.choice(sizes)), "size")
    model.graph.initializer.extend([size, numpy_helper.from_array(np.array(rng.choice((0, 1, -1))), "step")])
    zero = numpy_helper.from_array(np.array(0), "zero")
    model.graph.initializer.append(zero)
    name = model.graph.output[0].name
    big = {
        "Expand": helper.make_node("Expand", ["one", "sizes"], ["big"]),
        "ConstantOfShape": helper.make_node("ConstantOfShape", ["sizes"], ["big"]),
        "Range": helper.make_node("Range", ["zero", "size", "step"], ["big"]),
        "Tile": helper.make_node("Tile", [name, "sizes"], ["big"]),
        "Values": helper.make_node("Expand", [name, "sizes"], ["big"]),
        "Reshape": helper.make_node("Reshape", [name, "sizes"], ["big"]),
        "OneHot": helper.make_node("OneHot", ["zero", "size", "sizes"], ["big"]),
        "Trilu": helper.make_node("Trilu", ["sizes", "size"], ["big"]),
        "Pad": helper.make_node("Pad", [name, "sizes"], ["big"]),
        "Resize": helper.make_node("Resize", [name, "", "", "sizes"], ["big"]),
    }
    model.graph.node.append(rng.choice(list(big.values())))
    model.graph.node.append(helper.make_node("Add", [name, "big"], ["sum"]))
    model.graph.output[0].name = "sum"
    return _alone(model)


def empty_sizes(model: ModelProto, rng: Random) -> Files:
    """Values without elements on the way."""
    name = model.graph.output[0].name
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "from"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([rng.choice((0, 1))]), "to"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([rng.choice((0, 1, -1))]), "ax"))
    model.graph.node.append(helper.make_node("Slice", [name, "from", "to", "ax"], ["cut"]))
    op = rng.choice(("Relu", "ReduceMean", "GlobalAveragePool", "Flatten", "Softmax", "MaxPool", "Identity"))
    given = {"kernel_shape": [1, 1]} if op == "MaxPool" else {}
    model.graph.node.append(helper.make_node(op, ["cut"], ["done"], **given))
    model.graph.output[0].name = "done"
    return _alone(model)


PLACES = ("../secret", "/etc/passwd", "..\\secret", "C:\\x", "", "model.onnx", "sub/../../secret", "\0", ".", "link",
          "./" * 2000 + "w", "missing", "dir", "//server/share", "a" * 300, "folder_link/passwd", "loop")  # fmt: skip


def external(model: ModelProto, rng: Random) -> Files:
    """Weights in a side file that is missing, short, elsewhere, a link, or whose offsets and lengths are absurd."""
    tensor = _weight(model, rng)
    values = numpy_helper.to_array(tensor).tobytes()
    given: dict[str, str] = {"location": SIDE, "offset": "0", "length": str(len(values))}
    side: bytes | str = values
    kind = rng.randrange(4)
    if kind == 0:
        given["location"] = rng.choice(PLACES)
    elif kind == 1:
        key = rng.choice(("offset", "length"))
        given[key] = str(rng.choice((*INTEGERS, "x", "", " 1", "1e3", "٣", "9" * 30, "0x10", "-0", "1_000")))
    elif kind == 2:
        side = rng.choice((values[:-1], b"", "/etc/passwd", "../secret", SIDE, "/dev/zero", "/dev/stdin"))
    elif rng.random() < 0.5:
        del given[rng.choice(list(given))]
    for field in ("raw_data", "float_data", "external_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in given.items():
        tensor.external_data.add(key=key, value=value)
    links = {"link": "/etc/passwd", "folder_link": "/etc", "loop": "loop"}
    return {**_alone(model), SIDE: side, **links}


FAULTS: tuple[Fault, ...] = (
    cycle, input_shape, weight_shape, weight_values, weight_type, sparse, names, attribute, attribute, operator,
    operator, versions, endless, nested, deep, exploding, empty_sizes, external, external,
)  # fmt: skip
