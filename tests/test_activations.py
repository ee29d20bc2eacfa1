"""Activations in their exported spellings become one op, with the same numbers."""

import math

import numpy as np
import pytest

from ir_text import check_pass, graph_of
from nmc.compiler.ir import IllegalOp, TensorType
from nmc.compiler.ir.ops import Activation
from nmc.compiler.ir.ops.activation import KINDS
from nmc.compiler.passes.base import Context
from nmc.compiler.passes.canonicalize import Canonicalize

INPUT = "input %x: f32[1,2,3]NCW"
ERF = '%d = mul(%x, @root)\n%e = activation(%d) {kind="erf"}\n%a = add(%e, @one)\n'


def number(value: float) -> np.ndarray:
    return np.full((1, 1, 1), value, np.float32)


GELU = {"root": number(math.sqrt(2 / math.pi)), "small": number(0.044715), "one": number(1), "half": number(0.5)}
TANH = '%t = activation(%u) {kind="tanh"}\n%a = add(%t, @one)\n%m = mul(%x, %a)\n%y = mul(%m, @half)'

SPELLINGS = {
    "silu": ('%s = activation(%x) {kind="sigmoid"}\n%y = mul(%x, %s)', {}, "silu"),
    "silu, turned round": ('%s = activation(%x) {kind="sigmoid"}\n%y = mul(%s, %x)', {}, "silu"),
    "hard swish by clip, mul": (
        "%a = add(%x, @three)\n%c = clip(%a) {low=0.0, high=6.0}\n%m = mul(%x, %c)\n%y = mul(%m, @sixth)",
        {"three": number(3), "sixth": number(1 / 6)},
        "hard_swish",
    ),
    "hard swish by scaled clip": (
        "%a = add(@three, %x)\n%c = clip(%a) {low=0.0, high=6.0}\n%m = mul(%c, @sixth)\n%y = mul(%x, %m)",
        {"three": number(3), "sixth": number(1 / 6)},
        "hard_swish",
    ),
    "hard sigmoid": (
        "%m = mul(%x, @sixth)\n%a = add(%m, @half)\n%y = clip(%a) {low=0.0, high=1.0}",
        {"half": number(0.5), "sixth": number(1 / 6)},
        "hard_sigmoid",
    ),
    "hard swish by hard sigmoid": (
        "%m = mul(%x, @sixth)\n%a = add(%m, @half)\n%h = clip(%a) {low=0.0, high=1.0}\n%y = mul(%x, %h)",
        {"half": number(0.5), "sixth": number(1 / 6)},
        "hard_swish",
    ),
    "gelu": (
        f"{ERF}%m = mul(%x, %a)\n%y = mul(%m, @half)",
        {"root": number(1 / math.sqrt(2)), "one": number(1), "half": number(0.5)},
        "gelu",
    ),
    "gelu, halved first": (
        f"{ERF}%m = mul(%x, @half)\n%y = mul(%m, %a)",
        {"root": number(1 / math.sqrt(2)), "one": number(1), "half": number(0.5)},
        "gelu",
    ),
    "gelu by tanh": (
        "%p = mul(%x, %x)\n%q = mul(%x, %p)\n%r = mul(@small, %q)\n%s = add(%x, %r)\n%u = mul(@root, %s)\n" + TANH,
        GELU,
        "gelu_tanh",
    ),
    "gelu by tanh, x outside": (
        "%p = mul(%x, @small)\n%q = mul(%p, %x)\n%r = add(@one, %q)\n%s = mul(%x, @root)\n%u = mul(%s, %r)\n" + TANH,
        GELU,
        "gelu_tanh",
    ),
    "mish": (
        '%s = activation(%x) {kind="softplus"}\n%t = activation(%s) {kind="tanh"}\n%y = mul(%x, %t)',
        {},
        "mish",
    ),
    "swish": (
        '%m = mul(@sharp, %x)\n%s = activation(%m) {kind="sigmoid"}\n%y = mul(%s, %x)',
        {"sharp": number(1.75)},
        "swish",
    ),
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_recognised(case: str) -> None:
    body, constants, kind = SPELLINGS[case]
    graph = graph_of(f'{INPUT}\n{body}\noutput "y" = %y', constants)
    made, _ = check_pass(Canonicalize(), graph, "%y = activation(%x)\nreturn %y")
    assert made.nodes[0].op == Activation(kind, 1.75 if kind == "swish" else 0.0)


OTHERS = {
    "another gate": '%s = activation(%x) {kind="sigmoid"}\n%t = relu(%x)\n%y = mul(%t, %s)',
    "tanh gate": '%s = activation(%x) {kind="tanh"}\n%y = mul(%x, %s)',
    "wrong scale": "%a = add(%x, @three)\n%c = clip(%a) {low=0.0, high=6.0}\n%y = mul(%x, %c)",
    "tanh of another cubic": "%p = mul(%x, %x)\n%q = mul(%x, %p)\n%s = add(%x, %q)\n%u = mul(%s, @root)\n" + TANH,
    "tanh of a square": "%u = mul(%x, %x)\n" + TANH,
    "sigmoid of a square": '%u = mul(%x, %x)\n%s = activation(%u) {kind="sigmoid"}\n%y = mul(%x, %s)',
    "sigmoid of a sum": '%u = add(%x, @one)\n%s = activation(%u) {kind="sigmoid"}\n%y = mul(%x, %s)',
    "softplus of something else": (
        '%t = relu(%x)\n%s = activation(%t) {kind="softplus"}\n%g = activation(%s) {kind="tanh"}\n%y = mul(%x, %g)'
    ),
    "wrong root": ERF.replace("@root", "@third") + "%m = mul(%x, %a)\n%y = mul(%m, @half)",
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_only_looks_alike_is_left(case: str) -> None:
    constants = GELU | {"three": number(3), "third": number(1 / 3)}
    body = OTHERS[case]
    used = {name: data for name, data in constants.items() if f"@{name}" in body}
    graph = graph_of(f'{INPUT}\n{body}\noutput "y" = %y', used)
    made, _ = check_pass(Canonicalize(), graph, None)
    assert made.nodes[-1].op.mnemonic == "mul"


@pytest.mark.parametrize("op", ["add", "mul"])
def test_chains_of_doublings_and_squares_end(op: str) -> None:
    """Looked through to the bottom, 60 of them would be 2^60 paths."""
    chain = "\n".join(f"%v{i + 1} = {op}(%v{i}, %v{i})" for i in range(60)).replace("%v0", "%x")
    gate = '%s = activation(%v60) {kind="sigmoid"}\n%y = mul(%v60, %s)\n%z = mul(%x, %s)'
    graph = graph_of(f'{INPUT}\n{chain}\n{gate}\noutput "y" = %y\noutput "z" = %z')
    Canonicalize().run(graph, Context())
    assert [node.op for node in graph.nodes].count(Activation("silu")) == (op == "add")


def test_values() -> None:
    x = np.array([-8.0, -3.0, -1.0, 0.0, 0.5, 3.0, 100.0])
    sigmoid = 1 / (1 + np.exp(-x))
    softplus, below = np.log(1 + np.exp(x)), np.exp(np.minimum(x, 0)) - 1
    expected = {
        "celu": np.maximum(x, 0) + 0.1 * (np.exp(np.minimum(x, 0) / 0.1) - 1),
        "elu": np.maximum(x, 0) + 0.1 * below,
        "erf": [math.erf(v) for v in x],
        "gelu": x * [0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x],
        "gelu_tanh": 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        "hard_sigmoid": [0, 0, 1 / 3, 0.5, 0.5 + 1 / 12, 1, 1],
        "hard_swish": x * [0, 0, 1 / 3, 0.5, 0.5 + 1 / 12, 1, 1],
        "leaky_relu": [-0.8, -0.3, -0.1, 0, 0.5, 3, 100],
        "mish": x * np.tanh(softplus),
        "selu": 1.0507009873554805 * (np.maximum(x, 0) + 1.6732632423543772 * below),
        "sigmoid": sigmoid,
        "silu": x * sigmoid,
        "softplus": softplus,
        "softsign": x / (1 + np.abs(x)),
        "swish": x / (1 + np.exp(-0.1 * x)),
        "tanh": np.tanh(x),
        "thresholded_relu": [0, 0, 0, 0, 0.5, 3, 100],
    }
    assert expected.keys() == KINDS.keys()
    for kind, values in expected.items():
        np.testing.assert_allclose(
            Activation(kind, 0.1).evaluate(x), values, rtol=1e-7 if kind == "selu" else 1e-12, atol=1e-15
        )


def test_values_far_out() -> None:
    far = {
        "sigmoid": [0.0, 1.0],
        "softplus": [0.0, 1e4],
        "mish": [0.0, 1e4],
        "silu": [0.0, 1e4],
        "elu": [-2.0, 1e4],
        "celu": [-2.0, 1e4],
        "swish": [0.0, 1e4],
    }
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for kind, values in far.items():
            assert Activation(kind, 2.0).evaluate(np.array([-1e4, 1e4])).tolist() == values


def test_celu_has_a_positive_alpha() -> None:
    with pytest.raises(IllegalOp, match="positive alpha"):
        Activation("celu", 0.0).infer(TensorType((1, 2), "f32", "NC"))
