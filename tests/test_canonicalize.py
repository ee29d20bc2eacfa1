"""Each rewrite of canonicalize as text in, text out, with its declined cases."""

import re

import numpy as np
import pytest

from ir_text import check_pass, graph_of
from nmc.compiler.passes.canonicalize import Canonicalize

RNG = np.random.default_rng(0)
W = {"w": RNG.normal(size=(2, 2, 3, 3)).astype(np.float32), "b": np.array([1.0, -2.0], np.float32)}
CONV = "{stride=(1, 1), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
POOL = "{kernel=(2, 2), stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1)}"
PAD = "pads=((0, 0), (0, 0), (1, 0), (2, 1))"
IMAGE = "input %x: f32[1,2,4,4]NCHW"

CASES = {
    "relu of relu": ("%a = relu(%x)\n%b = relu(%a)", "%a = relu(%x)\nreturn %a"),
    "clip from 0 is relu": ("%a = clip(%x) {low=0.0}", "%a = relu(%x)\nreturn %a"),
    "relu then clip": ("%a = relu(%x)\n%b = clip(%a) {high=6.0}", "%b = clip(%x)\nreturn %b"),
    "clip then relu": ("%a = clip(%x) {low=-1.0, high=6.0}\n%b = relu(%a)", "%b = clip(%x)\nreturn %b"),
    "clips apart": ("%a = clip(%x) {high=-1.0}\n%b = clip(%a) {low=2.0}", "%b = clip(%x)\nreturn %b"),
    "clip without bounds": ("%a = clip(%x)", "return %x"),
    "reshape twice": (
        '%a = reshape(%x) {shape=(1, 32), axes="NC"}\n%b = reshape(%a) {shape=(1, 8, 4), axes="NCW"}',
        "%b = reshape(%x)\nreturn %b",
    ),
    "reshape and back": (
        '%a = reshape(%x) {shape=(1, 32), axes="NC"}\n%b = reshape(%a) {shape=(1, 2, 4, 4), axes="NCHW"}',
        "return %x",
    ),
    "transpose and back": (
        "%a = transpose(%x) {perm=(0, 2, 3, 1)}\n%b = transpose(%a) {perm=(0, 3, 1, 2)}",
        "return %x",
    ),
    "padding of nothing": ("%a = pad(%x) {pads=((0, 0), (0, 0), (0, 0), (0, 0))}", "return %x"),
    "pad into conv": (f"%p = pad(%x) {{{PAD}}}\n%y = conv(%p, @w) {CONV}", "%y = conv(%x, @w)\nreturn %y"),
    "pad of ones stays before conv": (f"%p = pad(%x) {{{PAD}, value=1.0}}\n%y = conv(%p, @w) {CONV}", None),
    "pad of channels stays": (
        f"%p = pad(%x) {{pads=((0, 0), (1, 0), (0, 0), (0, 0))}}\n%s = slice(%p) {{ranges=((0, 1, 1), (0, 2, 1), "
        f"(0, 4, 1), (0, 4, 1))}}\n%y = conv(%s, @w) {CONV}",
        None,
    ),
    "pad into average pool": (
        f"%p = pad(%x) {{pads=((0, 0), (0, 0), (1, 1), (1, 1))}}\n%y = avg_pool(%p) {POOL}",
        "%y = avg_pool(%x)\nreturn %y",
    ),
    "pad into max pool of a relu": (
        f"%r = relu(%x)\n%p = pad(%r) {{pads=((0, 0), (0, 0), (1, 1), (1, 1))}}\n%y = max_pool(%p) {POOL}",
        "%r = relu(%x)\n%y = max_pool(%r)\nreturn %y",
    ),
    "pad with 0 stays before max pool of signed values": (
        f"%p = pad(%x) {{pads=((0, 0), (0, 0), (1, 1), (1, 1))}}\n%y = max_pool(%p) {POOL}",
        None,
    ),
    "pad with -inf into max pool": (
        f"%p = pad(%x) {{pads=((0, 0), (0, 0), (1, 1), (1, 1)), value=-1e999}}\n%y = max_pool(%p) {POOL}",
        "%y = max_pool(%x)\nreturn %y",
    ),
    "average over everything": (
        "%y = avg_pool(%x) {kernel=(4, 4), stride=(4, 4), pads=((0, 0), (0, 0)), dilation=(1, 1)}",
        "%y = mean(%x)\nreturn %y",
    ),
    "mean without its axes": (
        "%y = mean(%x) {dims=(2, 3), keepdims=False}",
        "%y.mean = mean(%x)\n%y = reshape(%y.mean)\nreturn %y",
    ),
    "bias by add": (f"%c = conv(%x, @w) {CONV}\n%y = add(@bc, %c)", "%c = conv(%x, @w, @c.bias)\nreturn %c"),
    "second bias by add": (f"%c = conv(%x, @w, @b) {CONV}\n%y = add(%c, @bc)", "%c = conv(%x, @w, @c.bias)\nreturn %c"),
    "add within a channel is no bias": (f"%c = conv(%x, @w) {CONV}\n%y = add(%c, @map)", None),
    "bias stays where the layer has other readers": (
        f"%c = conv(%x, @w) {CONV}\n%d = add(%c, @bc)\n%y = add(%d, %c)",
        None,
    ),
    "add of 0 and mul by 1": ("%a = add(%x, @zero)\n%b = mul(%a, @one)", "return %x"),
    "zeros in front are padding": ("%y = concat(@zeros, %x) {dim=2}", "%y = pad(%x)\nreturn %y"),
    "ones in front are not": ("%y = concat(@ones, %x) {dim=2}", None),
    "norm meets its layer through a slice": (
        "%s = slice(%x) {ranges=((0, 1, 1), (0, 2, 1), (0, 3, 1), (1, 4, 1))}\n%y = batch_norm(%s, @b, @b, @b, @v)",
        "%y.whole = batch_norm(%x, @b, @b, @b, @v)\n%y = slice(%y.whole)\nreturn %y",
    ),
    "norm of some channels stays behind the slice": (
        "%c = concat(%x, %x) {dim=1}\n%s = slice(%c) {ranges=((0, 1, 1), (1, 3, 1), (0, 4, 1), (0, 4, 1))}\n"
        "%y = batch_norm(%s, @b, @b, @b, @v)",
        None,
    ),
    "dead code": ("%a = relu(%x)\n%b = mul(%x, %x)\n%a2 = relu(%x)", "%a2 = relu(%x)\nreturn %a2"),
    "constants fold": ("%a = add(@one, @one)\n%y = mul(%x, %a)", "%y = mul(%x, @a.value)\nreturn %y"),
}
CONSTANTS = {
    **W,
    "bc": np.array([3.0, 4.0], np.float32).reshape(1, 2, 1, 1),
    "map": RNG.normal(size=(1, 1, 2, 2)).astype(np.float32),
    "zeros": np.zeros((1, 2, 3, 4), np.float32),
    "ones": np.ones((1, 2, 3, 4), np.float32),
    "v": np.array([0.5, 2.0], np.float32),
    "zero": np.zeros((1, 1, 1, 1), np.float32),
    "one": np.ones((1, 1, 1, 1), np.float32),
}


@pytest.mark.parametrize(("body", "after"), CASES.values(), ids=CASES)
def test_rewrite(body: str, after: str | None) -> None:
    last = body.splitlines()[-1].split(" = ")[0]
    named = set(re.findall(r"@(\w+)", body))
    used = {name: data for name, data in CONSTANTS.items() if name in named}
    graph = graph_of(f'{IMAGE}\n{body}\noutput "y" = {last}', used)
    check_pass(Canonicalize(), graph, after)


def test_declined_rewrites_say_why() -> None:
    body = f'{IMAGE}\n%p = pad(%x) {{{PAD}, value=1.0}}\n%y = conv(%p, @w) {CONV}\noutput "y" = %y'
    _, context = check_pass(Canonicalize(), graph_of(body, {"w": W["w"]}), None, rewrites=0)
    assert [(d.where, d.why) for d in context.declined] == [("p", "it pads with 1.0, the layer with 0")]


def test_public_output_names_survive() -> None:
    graph = graph_of(f'{IMAGE}\n%a = relu(%x)\n%b = relu(%a)\noutput "first" = %a\noutput "second" = %b')
    after, _ = check_pass(Canonicalize(), graph, "%a = relu(%x)\nreturn %a, %a")
    assert list(after.outputs) == ["first", "second"]
