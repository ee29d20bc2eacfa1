"""Softmax, norms, attention and functions of PyTorch modules, against torch, by both tracers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends import import_model
from nmc.compiler.ir import Graph, evaluate

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from nmc.compiler.frontends.torch.export import export as traced_by_export  # noqa: E402
from nmc.compiler.frontends.torch.handlers import row_of  # noqa: E402
from nmc.compiler.frontends.torch.importer import Importer  # noqa: E402
from nmc.compiler.frontends.torch.trace import trace  # noqa: E402

pytestmark = pytest.mark.slow

IMAGE, TOKENS, HEADS = (1, 4, 5, 6), (1, 5, 8), (1, 2, 5, 4)


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


class Attention(nn.Module):
    """As vision transformers spell it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        n, length, size = x.shape
        parts = self.qkv(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (part.reshape(n, length, 2, size // 2).transpose(1, 2) for part in parts)
        weights = ((q @ k.transpose(-2, -1)) * 0.5).softmax(dim=-1)
        return x + self.out((weights @ v).transpose(1, 2).reshape(n, length, size))


class Fused(nn.Module):
    """As timm spells it: queries, keys and values are taken apart in front of the samples."""

    def __init__(self, spelling: str) -> None:
        super().__init__()
        self.qkv, self.out, self.spelling = nn.Linear(8, 24), nn.Linear(8, 8), spelling

    def forward(self, x: Tensor) -> Tensor:
        n, length, size = x.shape
        qkv = self.qkv(x).reshape(n, length, 3, 2, size // 2)
        if self.spelling == "items":
            qkv = torch.permute(qkv, (2, 0, 3, 1, 4))
            q, k, v = qkv[0], qkv[1], qkv[-1]
        elif self.spelling == "select":
            qkv = qkv.permute(2, 0, 3, 1, 4)
            q, k, v = qkv.select(0, 0), qkv.select(0, 1), torch.select(qkv, 0, 2)
        else:
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, length, size))


class Heads(nn.Module):
    """nn.MultiheadAttention; its own options, and those of its call."""

    def __init__(self, call: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, **({"batch_first": True} | options))
        self.options = {"need_weights": False} | (call or {})

    def forward(self, x: Tensor) -> Any:
        other = x[:, 1:, :6] if self.attention.kdim == 6 else x
        y, weights = self.attention(x, other, other, **self.options)
        return (y, weights) if self.options["need_weights"] else y


def _norms(x: Tensor) -> Tensor:
    return F.layer_norm(x, (5, 6)) + F.group_norm(x, 2) + F.instance_norm(x)


MASK = torch.tensor(np.where(np.tri(5) > 0, 0.5, -np.inf).astype(np.float32))
HIDDEN = torch.tensor([[True] * 5] * 4 + [[False] * 5])
CASES: dict[str, tuple[tuple[int, ...], Any]] = {
    "softmax": (TOKENS, nn.Sequential(nn.Softmax(-1), nn.LogSoftmax(1))),
    "softmax, functions": (TOKENS, lambda x: torch.softmax(x, 1) + F.log_softmax(x, dim=2) + x.softmax(2)),
    "layer norm": (TOKENS, nn.LayerNorm(8, eps=1e-3)),
    "rms norm": (TOKENS, nn.RMSNorm(8)),
    "group norm": (IMAGE, nn.GroupNorm(2, 4)),
    "instance norm": (IMAGE, nn.InstanceNorm2d(4, affine=True)),
    "norms without parameters": (IMAGE, _norms),
    "functions": (IMAGE, lambda x: torch.exp(x).sqrt().log() + x.abs() + torch.sin(x) * x.floor() + torch.sign(x)),
    "roots": (IMAGE, lambda x: torch.rsqrt(x * x + 1) + (x * x + 1) ** -1.0 + (x * x) ** 0.5 + (x * x) ** 0.75),
    "powers of values": (IMAGE, lambda x: torch.sigmoid(x) ** x + 2.0**x),
    "quotients": (IMAGE, lambda x: x / (1 + x.abs()) + 1 / (2 + x * x)),
    "the larger, the smaller": (IMAGE, lambda x: torch.maximum(x, -x) + torch.minimum(x, x * 2)),
    "sums": (IMAGE, lambda x: x.sum((2, 3), keepdim=True) + torch.sum(x, -1, True)),
    "matmul of values": (TOKENS, lambda x: torch.matmul(x, x.transpose(1, 2))),
    "bmm": (TOKENS, lambda x: torch.bmm(x.transpose(1, 2), x)),
    "attention": (HEADS, lambda x: F.scaled_dot_product_attention(x, x * 2, x)),
    "attention, causal": (HEADS, lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.75)),
    "attention, mask": (HEADS, lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=MASK)),
    "attention, BOOL mask": (HEADS, lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=MASK > 0)),
    "attention spelled out": (TOKENS, Attention()),
    "fused": (TOKENS, Fused("unbind")),
    "fused, items": (TOKENS, Fused("items")),
    "fused, select": (TOKENS, Fused("select")),
}
MULTIHEAD: dict[str, Heads] = {
    "plain": Heads(),
    "without biases": Heads(bias=False),
    "dropout": Heads(dropout=0.5),
    "other keys": Heads(kdim=6, vdim=6),
    "mask": Heads({"attn_mask": MASK}),
    "BOOL mask": Heads({"attn_mask": MASK < 0}),
    "causal": Heads({"attn_mask": MASK, "is_causal": True}),
    "weights": Heads({"need_weights": True}),
    "weights of each head": Heads({"need_weights": True, "average_attn_weights": False, "attn_mask": MASK}),
}


def random_module(module: Any) -> nn.Module:
    module = module if isinstance(module, nn.Module) else Function(module)
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.eval()


def by_fx(model: nn.Module, shape: tuple[int, ...], name: str) -> Graph:
    """The graph by way of torch.fx, without torch.export to fall back on."""
    return Importer(trace(model, {name: shape}, lambda part: row_of(part) is not None), "traced").run()


def by_export(model: nn.Module, shape: tuple[int, ...], name: str) -> Graph:
    return Importer(traced_by_export(model, {name: shape}), "exported").run()


@pytest.mark.parametrize("tracer", [by_fx, by_export])
@pytest.mark.parametrize("name", CASES)
def test_equals_torch(name: str, tracer: Callable[..., Graph]) -> None:
    module, shape = random_module(CASES[name][1]), CASES[name][0]
    graph = tracer(module, shape, "x" if "x" in inspect.signature(module.forward).parameters else "input")
    x = torch.randn((2, *shape[1:]), generator=torch.Generator().manual_seed(1))
    (found,) = evaluate(graph, {graph.inputs[0].name: x.numpy()}).values()
    for i in range(2):
        wanted = module(x[i : i + 1]).detach().numpy()
        np.testing.assert_allclose(found[i : i + 1], wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", MULTIHEAD)
def test_multihead_attention_equals_torch(name: str) -> None:
    module = random_module(MULTIHEAD[name])
    graph = by_fx(module, TOKENS, "x")
    x = torch.randn((2, *TOKENS[1:]), generator=torch.Generator().manual_seed(1))
    outputs = evaluate(graph, {"x": x.numpy()})
    for i in range(2):
        wanted = module(x[i : i + 1])
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for found, other in zip(outputs.values(), wanted, strict=True):
            expected = other.detach().numpy()
            np.testing.assert_allclose(found[i : i + 1], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


NO_HEADS: dict[str, tuple[Heads, str, str]] = {
    "time in front": (Heads(batch_first=False), "NMC-I015", "batch_first=True"),
    "keys of its own": (Heads(add_bias_kv=True), "NMC-I011", "scaled_dot_product_attention"),
    "padding": (Heads({"key_padding_mask": torch.zeros(1, 5, dtype=torch.bool)}), "NMC-I011", "leave padding out"),
    "a mask for each head": (Heads({"attn_mask": MASK.repeat(2, 1, 1)}), "NMC-I015", ""),
}


@pytest.mark.parametrize("name", NO_HEADS)
def test_refused_multihead_attention(name: str) -> None:
    module, code, hint = NO_HEADS[name]
    with pytest.raises(NmcError) as caught:
        import_model(module.eval(), {"x": TOKENS})
    (found,) = caught.value.diagnostics
    assert found.code == code and hint in found.hint and "attention" in found.where


REFUSED = {
    "samples": (lambda x: x.softmax(0), "NMC-I015"),
    "no dim": (lambda x: F.softmax(x, dim=None), "NMC-I011"),
    "a hidden row": (lambda x: F.scaled_dot_product_attention(x, x, x, attn_mask=HIDDEN), "NMC-I011"),
    "samples in a norm": (lambda x: F.layer_norm(x, x.shape), "NMC-I015"),
    "samples moved": (lambda x: x.permute(1, 0, 2, 3) * 2, "NMC-I015"),
    "samples moved, sliced": (lambda x: x.permute(1, 0, 2, 3)[:1].sum(0), "NMC-I015"),
    "sum of samples": (lambda x: x.sum(), "NMC-I015"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    function, code = REFUSED[name]
    with pytest.raises(NmcError) as caught:
        import_model(Function(function), {"x": HEADS})
    assert [d.code for d in caught.value.diagnostics] == [code]
