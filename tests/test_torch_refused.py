"""What the PyTorch front end says no to: where, why, with which code and exit code."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nmc.cli.main import main
from nmc.compiler.diagnostics import Diagnostic, Exit, NmcError
from nmc.compiler.frontends import import_model, model_stem, read_model

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

IMAGE = {"": (1, 4, 6, 6)}
ROW = {"": (1, 4)}


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.forward = function


def refusal(model: Any, shapes: Any, exit_code: Exit = Exit.UNSUPPORTED, **more: Any) -> list[Diagnostic]:
    with pytest.raises(NmcError) as caught:
        read_model(model, shapes, **more)
    assert caught.value.exit_code == exit_code
    return caught.value.diagnostics


def test_every_unsupported_layer_is_named_at_once() -> None:
    inner = nn.Sequential(nn.Softshrink(), nn.Flatten())
    model = nn.Sequential(nn.Conv2d(4, 4, 1), inner, nn.Hardshrink(), nn.Linear(144, 2), nn.LogSigmoid())
    found = refusal(model, IMAGE)
    assert [d.code for d in found] == ["NMC-I010"] * 3
    assert [d.where.split(",")[0] for d in found] == [
        "layer '1.0' (Softshrink)",
        "layer '2' (Hardshrink)",
        "layer '4' (LogSigmoid)",
    ]
    assert [d.what.split()[0] for d in found] == ["softshrink", "hardshrink", "log_sigmoid"]


def test_a_layer_that_reads_a_constant_alone_is_refused_as_well() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("start", torch.zeros(1, 4))
            self.memory = nn.RNNCell(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.memory(self.start)

    found = refusal(Net(), ROW)
    assert [(d.code, d.where) for d in found] == [("NMC-I010", "layer 'memory' (RNNCell), node 'memory'")]


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (nn.LSTMCell(4, 5), ROW),
        (nn.GRUCell(4, 5), ROW),
    ],
)
def test_recurrent_layers_are_refused_as_layers(layer: nn.Module, shapes: Any) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.memory = layer

        def forward(self, x: Tensor) -> Tensor:
            found = self.memory(x)
            return (found[0] if isinstance(found, tuple) else found) * 2

    (found,) = refusal(Net(), shapes)
    name = type(layer).__name__
    assert found.what == f"{name} is not supported" and found.where == f"layer 'memory' ({name}), node 'memory'"
    assert "causal" in found.hint


# function, shapes, code, words of the message
REFUSED: dict[str, tuple[nn.Module | Callable[..., Any], Any, str, str]] = {
    "unknown function": (lambda x: torch.lgamma(x), ROW, "NMC-I010", "lgamma is not supported"),
    "near name": (lambda x: torch.randn_like(x), ROW, "NMC-I010", "did you mean"),
    "comparison": (lambda x: (x > 0).float(), ROW, "NMC-I010", "comparisons"),
    "maximum": (lambda x: x.max(1).values, ROW, "NMC-I010", "maximum over a whole axis"),
    "attribute": (lambda x: torch.complex(x, x).real, ROW, "NMC-I010", "complex"),
    "unknown argument": (lambda x: torch.clamp(x, max=2, min=1, out=None), ROW, "NMC-I011", "out"),
    "computed weight": (lambda x: F.linear(x, x), ROW, "NMC-I013", "weight is computed"),
    "product over samples": (lambda x: x @ x, {"": (1, 1)}, "NMC-I015", "samples in front"),
    "constant on the left": (lambda x: torch.ones(2, 3) @ x, {"": (1, 3, 3)}, "NMC-I011", "left operand"),
    "rounding": (lambda x: torch.div(x, 2, rounding_mode="floor"), ROW, "NMC-I011", "rounding_mode"),
    "division by zero": (lambda x: x / torch.tensor([0.0, 1, 2, 3]), ROW, "NMC-I011", "divides by zero"),
    "samples joined": (lambda x: torch.cat([x, x]), ROW, "NMC-I015", "axis 0"),
    "samples averaged": (lambda x: x.mean(), ROW, "NMC-I015", "all of them"),
    "samples selected": (lambda x: x[0], ROW, "NMC-I015", "axis 0"),
    "samples moved": (lambda x: x.t(), ROW, "NMC-I015", "axis 0"),
    "samples squeezed": (lambda x: x.squeeze(), {"": (1, 4, 1)}, "NMC-I015", "axis 0 too"),
    "samples with time": (lambda x: x.flatten(0, 1), {"": (1, 5, 4, 6, 6)}, "NMC-I015", "keep the batch axis"),
    "samples apart": (lambda x: x + torch.ones(3, 4), ROW, "NMC-I015", "another number for each sample"),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE, "NMC-I011", "interpolates"),
    "uneven enlargement": (lambda x: F.interpolate(x, size=(9, 6)), IMAGE, "NMC-I011", "no multiple"),
    "reflecting": (nn.ReflectionPad2d(1), IMAGE, "NMC-I011", "'reflect'"),
    "circular": (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular"), IMAGE, "NMC-I011", "'circular'"),
    "adaptive": (nn.AdaptiveAvgPool2d(4), IMAGE, "NMC-I011", "windows of different sizes"),
    "divisor": (nn.AvgPool2d(2, divisor_override=3), IMAGE, "NMC-I011", "divisor_override"),
    "indices": (lambda x: F.max_pool2d(x, 2, return_indices=True)[1], IMAGE, "NMC-I01", "indices"),
    "unbatched": (nn.MaxPool2d(2), {"": (1, 4, 6)}, "NMC-I012", "batch axis"),
    "own statistics": (nn.BatchNorm2d(4, track_running_stats=False), IMAGE, "NMC-I011", "statistics"),
    "dropout": (lambda x: F.dropout(x), ROW, "NMC-I011", "self.training"),
    "integers": (lambda x: x.long(), ROW, "NMC-I010", "long"),
    "casts": (lambda x: x.to(torch.int32), ROW, "NMC-I011", "int32"),
    "several indices": (lambda x: x[:, [0, 3, 1]], IMAGE, "NMC-I011", "evenly spaced"),
    "repeated": (lambda x: x[:, :, None].expand(1, 4, 3), ROW, "NMC-I011", "repeats"),
    "softplus": (nn.Softplus(threshold=2), ROW, "NMC-I011", "threshold"),
    "overwritten view": (lambda x: [y := x * 2, y[:, :2].relu_(), y][2], ROW, "NMC-I011", "overwrote"),
    "number": (lambda x: (x, 3), ROW, "NMC-I011", "'output_1'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_operations(name: str) -> None:
    layer, shapes, code, words = REFUSED[name]
    model = layer if isinstance(layer, nn.Module) else Function(layer)
    (found,) = refusal(model.eval(), shapes)
    assert found.code.startswith(code) and words in str(found)


class Writes(nn.Module):
    """A recurrent net that keeps its potential: as a buffer, in place, or as an attribute."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.register_buffer("v", torch.zeros(1, 4))

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "buffer":
            self.v = self.v + x
        elif self.how == "in place":
            self.v.add_(x)
        elif self.how == "sliced":
            self.v[:, :2] = x[:, :2]
        else:
            self.last = x * 2
        return self.v + x


@pytest.mark.parametrize("how", ["buffer", "in place", "attribute", "sliced"])
def test_models_that_keep_a_state(how: str) -> None:
    model = Writes(how)
    (found,) = refusal(model, ROW)
    assert found.code == "NMC-I032" and "state" in found.what
    assert ("'last'" if how == "attribute" else "'v'") in found.why
    assert type(model.v) is Tensor and not model.v.any()


def test_random_numbers_are_refused() -> None:
    before = torch.random.get_rng_state()
    (found,) = refusal(Function(lambda x: x + torch.rand(4)), ROW)
    assert found.code == "NMC-I032" and "random" in found.what
    assert torch.equal(torch.random.get_rng_state(), before)


def test_forward_that_fails_or_looks_at_the_data(capfd: pytest.CaptureFixture[str]) -> None:
    (found,) = refusal(Function(lambda x: x if x.sum() > 0 else -x), ROW)
    assert found.code == "NMC-I032" and "TraceError" in found.why and "torch.export" in found.why
    (found,) = refusal(nn.Linear(5, 2), ROW)
    assert found.code == "NMC-I032" and "[1, 4]" in found.why
    (found,) = refusal(Function(lambda x: x + missing), ROW)  # type: ignore[name-defined]  # noqa: F821
    assert "NameError" in found.why and f"{Path(__file__).name}:" in found.where
    assert capfd.readouterr() == ("", "")


def test_damaged_weights() -> None:
    model = nn.Linear(4, 2)
    model.weight.data[0, 0] = float("nan")
    (found,) = refusal(model, ROW, Exit.BAD_FILE)
    assert found.code == "NMC-I006" and "1 of 8" in found.why
    with torch.device("meta"):
        (found,) = refusal(nn.Linear(4, 2), ROW, Exit.BAD_FILE)
    assert found.code == "NMC-I030" and "meta" in found.why


# --- shapes ---


@pytest.mark.parametrize(
    ("shapes", "codes", "words"),
    [
        (None, ["NMC-I004", "NMC-I004"], "--input-shape a=1,"),
        ({"a": (1, 4)}, ["NMC-I004"], "'b'"),
        ({"a": (2, 4), "b": (1, 0)}, ["NMC-I005", "NMC-I005"], "does not start with 1"),
        ({"a": (1, 4), "b": (1, 4), "z": (1, 4)}, ["NMC-I005"], "'a', 'b', 'scale'"),
    ],
)
def test_shapes_that_are_missing_or_wrong(shapes: Any, codes: list[str], words: str) -> None:
    found = refusal(Function(lambda a, b, scale=2: a + b * scale), shapes, Exit.USAGE)
    assert [d.code for d in found] == codes and words in str(found[0])


def test_inputs_without_samples_axis_or_names() -> None:
    assert [d.code for d in refusal(nn.ReLU(), {"": (1,)})] == ["NMC-I017"]
    assert refusal(nn.ReLU(), {"": (1, 1 << 20, 1 << 20)})[0].code == "NMC-I011"
    assert "NMC-I004" in [d.code for d in refusal(Function(lambda *x: x[0]), None, Exit.USAGE)]


# --- code, weights and archives ---

FACTORIES = """
import torch
from torch import nn

def net(): return nn.Sequential(nn.Linear(4, 3), nn.ReLU())
def raises(): raise ValueError("no such variant")
def leaves(): raise SystemExit(3)
def number(): return 3
def needs(width): return nn.Linear(4, width)
def texts(): return net(), ["x"]
constant = 5
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "made.py"
    path.write_text(FACTORIES)
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nett", "did you mean 'net'?"),
        ("zzz", "it defines net, raises"),
        ("raises", "ValueError: no such variant"),
        ("leaves", "SystemExit"),
        ("number", "it returns int"),
        ("needs", "called without arguments"),
        ("texts", "no tensors"),
        ("constant", "is not callable"),
    ],
)
def test_factories_that_do_not_work(code: Path, name: str, words: str) -> None:
    (found,) = refusal(f"{code}:{name}", ROW, Exit.BAD_FILE)
    assert found.code == "NMC-I030" and words in str(found)
    if name == "raises":
        assert found.where == f"{code}:6"


def test_code_that_is_missing_or_fails(tmp_path: Path) -> None:
    (found,) = refusal(f"{tmp_path}/none.py:net", ROW, Exit.BAD_FILE)
    assert found.code == "NMC-I001" and "no such file" in found.why
    (found,) = refusal("no_such_package.module:net", ROW, Exit.BAD_FILE)
    assert found.code == "NMC-I030" and "ModuleNotFoundError" in found.why and "file.py:factory" in found.hint
    bad = tmp_path / "bad.py"
    for text, words in (
        ("import nothing_here", "nothing_here"),
        ("x = (", "SyntaxError"),
        ("from . import y", "package"),
    ):
        bad.write_text(text)
        (found,) = refusal(f"{bad}:net", ROW, Exit.BAD_FILE)
        assert found.code == "NMC-I030" and words in str(found)
    assert not [name for name in sys.modules if name.startswith("nmc_model_") and name.endswith("bad_py")]


def test_state_dicts_that_do_not_fit(code: Path) -> None:
    path = code.parent / "w.pt"
    torch.save({"0.weight": torch.zeros(3, 5), "1.bias": torch.zeros(3)}, path)
    found = refusal(f"{code}:net", ROW, Exit.BAD_FILE, state_dict=path)
    assert [d.code for d in found] == ["NMC-I031"] * 3
    assert [d.why for d in found] == [
        "'0.bias' is missing in the file",
        "'0.weight' has shape [3, 5], the model's has [3, 4]",
        "the model has no '1.bias'",
    ]
    torch.save({"model": {"0.weight": torch.zeros(3, 4)}}, path)
    assert "'model'" in refusal(f"{code}:net", ROW, Exit.BAD_FILE, state_dict=path)[0].why
    torch.save(nn.Linear(4, 3), path)
    assert "tensors only" in refusal(f"{code}:net", ROW, Exit.BAD_FILE, state_dict=path)[0].hint
    path.write_bytes(b"no weights")
    assert refusal(f"{code}:net", ROW, Exit.BAD_FILE, state_dict=path)[0].code == "NMC-I031"
    path.with_suffix(".safetensors").write_bytes(b"no weights")
    found = refusal(f"{code}:net", ROW, Exit.BAD_FILE, state_dict=path.with_suffix(".safetensors"))
    assert found[0].code == "NMC-I031"
    assert refusal(f"{code}:net", ROW, Exit.BAD_FILE, state_dict="none.pt")[0].code == "NMC-I001"
    assert refusal("net.onnx", None, Exit.USAGE, state_dict=path)[0].code == "NMC-I031"
    for model in (nn.ReLU(), read_model(nn.ReLU(), ROW)):
        assert refusal(model, ROW, Exit.USAGE, state_dict=path)[0].code == "NMC-I031"


def saved(path: Path, batch: int = 1) -> Path:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(nn.Linear(4, 2), (torch.zeros(batch, 4),)), path)
    return path


def test_archives_that_cannot_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    assert refusal(path, None, Exit.BAD_FILE)[0].code == "NMC-I001"
    path.write_bytes(b"not an archive")
    assert refusal(path, None, Exit.BAD_FILE)[0].code == "NMC-I034"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/readme", "nothing")
    assert refusal(path, None, Exit.BAD_FILE)[0].code == "NMC-I034"
    with zipfile.ZipFile(saved(path), "a") as archive:
        archive.writestr("m/data/constants/opaque_obj_0", b"anything")
    (found,) = refusal(path, None, Exit.BAD_FILE)
    assert found.code == "NMC-I034" and "opaque_obj_0" in found.why


def test_shapes_of_archives(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.pt2")
    assert read_model(path).inputs[0].type.shape == (1, 4)
    assert refusal(path, {"": (1, 5)}, Exit.USAGE)[0].code == "NMC-I005"
    assert refusal(path, {"z": (1, 4)}, Exit.USAGE)[0].code == "NMC-I005"
    (found,) = refusal(saved(path, 3), None)
    assert found.code == "NMC-I017" and "3 samples" in found.what


# --- the command line ---


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_exit_codes_of_the_commands(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(code.parent)
    for command in ("compile", "check"):
        common = (command, "made.py:net", "--target", "cri")
        done = nmc(*common)
        assert done.exit_code == Exit.USAGE and "NMC-I004" in done.output and "--input-shape input=1," in done.output
        assert nmc(*common, "--input-shape", "1,4", "--state-dict", "none.pt").exit_code == Exit.BAD_FILE
        assert nmc(command, "made.py:raises", "--target", "cri").exit_code == Exit.BAD_FILE
        done = nmc(command, "made.py", "--target", "cri")
        assert done.exit_code == Exit.BAD_FILE and "made.py:factory" in done.output
        done = nmc(command, "w.pt", "--target", "cri")
        assert done.exit_code == Exit.BAD_FILE and "--state-dict w.pt" in done.output
    assert [path.name for path in code.parent.glob("*.nmc")] == []


def test_names_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_stem("a/b.py:make") == "make" and model_stem("pkg.mod:Nets.small") == "small"
    assert model_stem("a/b.onnx") == "b" and model_stem(Path("x.pt2")) == "x"
    monkeypatch.chdir(tmp_path)
    Path("odd.py:name.onnx").write_bytes(b"")
    assert model_stem("odd.py:name.onnx") == "odd.py:name"
    assert refusal("odd.py:name.onnx", None, Exit.BAD_FILE)[0].code == "NMC-I002"
    with pytest.raises(TypeError, match="not dict"):
        import_model({})  # type: ignore[arg-type]


def test_without_torch_the_user_is_told_what_to_install(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (found,) = refusal(f"{code}:net", ROW, Exit.USAGE)
    assert found.code == "NMC-I033" and "nmc[torch]" in found.hint
