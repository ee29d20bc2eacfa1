"""Activations in their exported spellings become one op, with the same numbers."""

import math

import numpy as np
import pytest

from ir_text import check_pass, graph_of
from nmc.compiler.ir.ops import Activation
from nmc.compiler.ir.ops.activation import KINDS
from nmc.compiler.passes.canonicalize import Canonicalize

INPUT = "input %x: f32[1,2,3]NCW"
ERF = '%d = mul(%x, @root)\n%e = activation(%d) {kind="erf"}\n%a = add(%e, @one)\n'


def number(value: float) -> np.ndarray:
    return np.full((1, 1, 1), value, np.float32)


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
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_recognised(case: str) -> None:
    body, constants, kind = SPELLINGS[case]
    graph = graph_of(f'{INPUT}\n{body}\noutput "y" = %y', constants)
    made, _ = check_pass(Canonicalize(), graph, "%y = activation(%x)\nreturn %y")
    assert made.nodes[0].op == Activation(kind)


OTHERS = {
    "another gate": '%s = activation(%x) {kind="sigmoid"}\n%t = relu(%x)\n%y = mul(%t, %s)',
    "tanh gate": '%s = activation(%x) {kind="tanh"}\n%y = mul(%x, %s)',
    "wrong scale": "%a = add(%x, @three)\n%c = clip(%a) {low=0.0, high=6.0}\n%y = mul(%x, %c)",
    "wrong root": ERF.replace("@root", "@third") + "%m = mul(%x, %a)\n%y = mul(%m, @half)",
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_only_looks_alike_is_left(case: str) -> None:
    constants = {"three": number(3), "third": number(1 / 3), "one": number(1), "half": number(0.5)}
    body = OTHERS[case]
    used = {name: data for name, data in constants.items() if f"@{name}" in body}
    graph = graph_of(f'{INPUT}\n{body}\noutput "y" = %y', used)
    made, _ = check_pass(Canonicalize(), graph, None)
    assert made.nodes[-1].op.mnemonic == "mul"


def test_values() -> None:
    x = np.array([-8.0, -3.0, -1.0, 0.0, 0.5, 3.0, 100.0])
    sigmoid = 1 / (1 + np.exp(-x))
    expected = {
        "erf": [math.erf(v) for v in x],
        "gelu": x * [0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x],
        "gelu_tanh": 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        "hard_sigmoid": [0, 0, 1 / 3, 0.5, 0.5 + 1 / 12, 1, 1],
        "hard_swish": x * [0, 0, 1 / 3, 0.5, 0.5 + 1 / 12, 1, 1],
        "leaky_relu": [-0.8, -0.3, -0.1, 0, 0.5, 3, 100],
        "sigmoid": sigmoid,
        "silu": x * sigmoid,
        "tanh": np.tanh(x),
    }
    assert expected.keys() == KINDS.keys()
    for kind, values in expected.items():
        np.testing.assert_allclose(Activation(kind, 0.1).evaluate(x), values, rtol=1e-12, atol=1e-15)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert Activation("sigmoid").evaluate(np.array([-1e4, 1e4])).tolist() == [0.0, 1.0]
