"""Pickles of networks for hs_api are read as data: whatever stands in them, nothing is run."""

from __future__ import annotations

import builtins
import codecs
import os
import pickle
import pickletools
import struct
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_hs_api import NET, refused, written
from test_hs_api_import import nmc

from nmc.backends.cri.export import read_hs_api
from nmc.backends.cri.export.hs_api_pickle import MAX_MARKS, read_pickle
from nmc.backends.cri.export.hs_api_pickle_names import SYMBOLS, Model
from nmc.backends.cri.export.hs_api_problems import HINTS, Refusal
from nmc.runtime.program import CODES, NmcError, digest, load

pytestmark = pytest.mark.slow

PROTOCOLS = range(6)


# --- stand-ins for hs_api's classes, whose pickles name them ---


class Neuron:
    def __init__(self, **attributes: Any):
        vars(self).update(attributes)


class LIF_neuron(Neuron): ...


class ANN_neuron(Neuron): ...


class IF_neuron(Neuron): ...


MODULE = ModuleType("hs_api.neuron_models")
for cls in (LIF_neuron, ANN_neuron, IF_neuron):
    cls.__module__ = MODULE.__name__
    setattr(MODULE, cls.__name__, cls)


def dumped(value: object, protocol: int = 4) -> bytes:
    """A pickle that names hs_api's classes; the module is there only while it is written."""
    sys.modules |= {"hs_api": ModuleType("hs_api"), MODULE.__name__: MODULE}
    try:
        return pickle.dumps(value, protocol)
    finally:
        del sys.modules["hs_api"], sys.modules[MODULE.__name__]


LIF = LIF_neuron(threshold=5, shift=-16, leak=64)
ANN = ANN_neuron(threshold=2, shift=-16, leak=0)


def network(wrap: Callable[[Any], Any] = lambda x: x) -> dict[str, Any]:
    """test_hs_api.NET in the types that a converter has; `wrap` makes each weight."""
    return {
        "axons": {"a": [("x", wrap(3)), ("y", wrap(-1))], "b": [("x", wrap(4))]},
        "connections": {"x": ([("y", wrap(7)), ("x", wrap(-2))], LIF), "y": ([], ANN)},
        "outputs": ["y", "x"],
    }


def saved(folder: Path, data: bytes, name: str = "net.pkl") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def same(program: Any, folder: Path) -> bool:
    """Whether a program is the network NET."""
    other = read_hs_api(written(folder, NET)).program
    drop = {"source": None}
    program.provenance.update(drop)
    other.provenance.update(drop)
    return digest(program) == digest(other)


# --- what is read ---


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_network_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = saved(tmp_path, dumped(network(), protocol))
    done = read_hs_api(path)
    assert (done.source, done.notes) == ("pickle", ())
    assert same(done.program, tmp_path)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("wrap", [np.int8, np.int16, np.int64, np.float32, np.float64, float, np.dtype(">i4").type])
def test_numbers_of_numpy(tmp_path: Path, protocol: int, wrap: Any) -> None:
    assert same(read_hs_api(saved(tmp_path, dumped(network(wrap), protocol))).program, tmp_path)


@pytest.mark.parametrize(
    "value", [np.float16(0.5), np.uint64(2**64 - 1), np.int8(-3), np.str_("ü"), np.str_(""), np.array([7], ">i4")[0]]
)
def test_scalars(value: Any) -> None:
    if value == "":  # numpy has no empty text: its pickle says one character, or none
        assert read_pickle(dumped([value.item()])) == [""]
    else:
        assert read_pickle(dumped(value)) == value.item()


@pytest.mark.parametrize("order", "<>")
def test_a_dtype_is_kept_for_reuse_before_its_byte_order_is_set(order: str) -> None:
    """Machines of either byte order write pickles; their second scalar names the dtype of the first."""
    scalar, state = (
        named("numpy._core.multiarray", "scalar"),
        b"(K\x03" + text(order) + b"NNNJ\xff\xff\xff\xffK\x00K\x00t",
    )
    dtype = named("numpy", "dtype") + text("i2") + b"\x89\x88\x87R" + op("BINPUT", b"\x05") + state + b"b"
    raw = [op("SHORT_BINBYTES", b"\x02" + struct.pack(f"{order}h", n)) + b"\x86R" for n in (5, -300)]
    assert read_pickle(scalar + dtype + raw[0] + scalar + op("BINGET", b"\x05") + raw[1] + b"\x86.") == (5, -300)


def test_names_that_are_numbers_or_numpy_s_text(tmp_path: Path) -> None:
    data = {
        "axons": OrderedDict({np.str_("a0"): [(np.int64(0), 5)]}),
        "connections": {0: ([(1, 2)], LIF), 1: ([], LIF)},
        "outputs": [np.int64(1), 0],
    }
    program = read_hs_api(saved(tmp_path, dumped(data))).program
    assert program.provenance["names"] == {"axons": ["a0"], "neurons": [0, 1]}
    assert program.readouts[0].neuron.tolist() == [1, 0] and len(program.models) == 1
    done = nmc("import", tmp_path / "net.pkl", "-o", tmp_path / "net.nmc", "--steps", 2)
    assert done.exit_code == 0 and digest(load(tmp_path / "net.nmc"))


def test_the_three_files_of_the_converter(tmp_path: Path) -> None:
    data = network()
    axons = defaultdict(list, data["axons"])
    for name, part in (("axon_dict", axons), ("neuron_dict", data["connections"]), ("output_neurons", data["outputs"])):
        saved(tmp_path, dumped(part), f"{name}.pkl")
    done = read_hs_api(tmp_path)
    assert done.source == "saved" and same(done.program, tmp_path)
    (tmp_path / "neuron_dict.pkl").unlink()
    assert [code for code, _ in refused(lambda: read_hs_api(tmp_path))] == ["F001"]


def test_equal_models_share_a_slot_and_later_names_are_known(tmp_path: Path) -> None:
    off = {"refractory_max": 0, "dual_synapse_en": 0, "delay_value": 0, "soft_reset": False, "legacy_noise_en": 0}
    models = [
        IF_neuron(threshold=7, shift=-17, **off),
        IF_neuron(theta=7, nu=-17),
        LIF_neuron(theta=np.int64(7), nu=-17, Lambda=63.0),
    ]
    data = {"axons": {}, "connections": {i: ([], model) for i, model in enumerate(models)}, "outputs": []}
    program = read_hs_api(saved(tmp_path, dumped(data)), profile="hw2024").program
    assert [(m.code, m.threshold, m.leak, m.shift) for m in program.models] == [(3, 7, 0, -17), (2, 7, 63, -17)]
    assert program.neuron_model.tolist() == [0, 0, 1]
    data["connections"][0] = ([], IF_neuron(threshold=7, shift=-17, soft_reset=True))
    found = refused(lambda: read_hs_api(saved(tmp_path, dumped(data)), profile="hw2024"))
    assert found == [("F031", "connections/0: soft_reset is 1, which profile hw2024 does not have")]


def test_shared_and_circular_lists() -> None:
    shared: list[Any] = [1]
    circle: list[Any] = [shared, shared]
    circle.append(circle)
    for protocol in PROTOCOLS:
        value: Any = read_pickle(dumped(circle, protocol))
        assert value[0] is value[1] and value[2] is value and value[0] == [1]


# --- what is refused ---

RAN = "NMC_TEST_RAN"


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None):
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test here may import a module, open a process, or leave the mark that the attacks would leave."""
    events: list[str] = []
    _watchers.append(events)
    yield
    _watchers.remove(events)
    assert RAN not in os.environ
    assert not [event for event in events if event in ("os.system", "subprocess.Popen", "os.exec", "pickle.find_class")]


_watchers: list[list[str]] = []
sys.addaudithook(lambda event, _: [events.append(event) for events in _watchers[-1:]] and None)

MARK_IT = f"__import__('os').environ['{RAN}'] = '1'"


def op(name: str, argument: bytes = b"") -> bytes:
    """The bytes of an instruction."""
    return next(o.code for o in pickletools.opcodes if o.name == name).encode("latin1") + argument


def text(value: str) -> bytes:
    return op("SHORT_BINUNICODE", bytes([len(value)]) + value.encode())


def named(module: str, name: str) -> bytes:
    return op("GLOBAL", f"{module}\n{name}\n".encode())


LIF_NAME = named("hs_api.neuron_models", "LIF_neuron")
SYSTEM = named("os", "system")
ATTACKS: dict[str, tuple[bytes, str]] = {
    "system": (dumped(Calls(os.system, f"touch {RAN}")), "F034"),
    "eval": (dumped(Calls(eval, MARK_IT)), "F034"),
    "exec": (dumped(Calls(exec, MARK_IT), 0), "F034"),
    "getattr": (dumped(Calls(getattr, "", "join")), "F034"),
    "import": (dumped(Calls(builtins.__import__, "os")), "F034"),
    "codecs": (dumped(Calls(codecs.encode, "uryyb", "rot13")), "F034"),
    "inside": (dumped({**network(), "outputs": [Calls(eval, MARK_IT)]}), "F034"),
    "two names": (text("os") + text("system") + op("STACK_GLOBAL") + op("STOP"), "F034"),
    "a dotted name": (text("hs_api.neuron_models") + text("LIF_neuron.__init__") + op("STACK_GLOBAL") + b".", "F034"),
    "a name that is no text": (op("NONE") + op("EMPTY_LIST") + op("STACK_GLOBAL") + b".", "F034"),
    "subclasses": (text("builtins") + text("object.__subclasses__") + op("STACK_GLOBAL") + b".", "F034"),
    "an instance": (op("MARK") + op("INST", b"os\nsystem\n") + b".", "F034"),
    "an object": (op("MARK") + LIF_NAME + op("OBJ") + b".", "F034"),
    "extension 1": (op("EXT1", b"\x01") + b".", "F034"),
    "extension 4": (op("EXT4", b"\x01\0\0\0") + b".", "F034"),
    "a persistent id": (op("PERSID", b"x\n") + b".", "F034"),
    "a persistent id of any kind": (op("NONE") + op("BINPERSID") + b".", "F034"),
    "a buffer": (op("NEXT_BUFFER") + b".", "F034"),
    "a bytearray": (dumped(bytearray(3), 5), "F034"),
    "a set": (dumped({1}), "F034"),
    "a class of the list called": (LIF_NAME + op("EMPTY_TUPLE") + op("REDUCE") + b".", "F034"),
    "a text called": (text("x") + op("EMPTY_TUPLE") + op("REDUCE") + b".", "F034"),
    "odd arguments": (LIF_NAME + op("NONE") + op("REDUCE") + b".", "F034"),
    "object made": (named("builtins", "object") + op("EMPTY_TUPLE") + op("NEWOBJ") + b".", "F034"),
    "made with arguments": (LIF_NAME + op("NONE") + op("TUPLE1") + op("NEWOBJ") + b".", "F034"),
    "made with keywords": (LIF_NAME + op("EMPTY_TUPLE") + op("EMPTY_DICT") + op("NEWOBJ_EX") + b".", "F034"),
    "a class's attributes": (LIF_NAME + op("EMPTY_DICT") + op("BUILD") + b".", "F034"),
    "slots": (LIF_NAME + b")\x81" + op("NONE") + op("EMPTY_DICT") + op("TUPLE2") + op("BUILD") + b".", "F034"),
    "a second state": (LIF_NAME + b")\x81" + 2 * (op("EMPTY_DICT") + op("BUILD")) + b".", "F034"),
    "reconstruct of a symbol": (
        named("copyreg", "_reconstructor") + 2 * named("builtins", "object") + b"N\x87R.",
        "F034",
    ),
    "a factory of a dictionary": (named("collections", "defaultdict") + LIF_NAME + b"\x85R.", "F034"),
    "dtype of objects": (dumped(Calls(np.dtype, "O8", False, True)), "F034"),
    "a structured dtype": (dumped(np.zeros((), [("a", "i4")])[()]), "F034"),
    "an array": (dumped(np.arange(3)), "F034"),
    "bytes of another length": (dumped(np.int64(3)).replace(b"i8", b"i4"), "F030"),
    "appending to text": (text("x") + op("NONE") + op("APPEND") + b".", "F034"),
    "items of a list": (op("EMPTY_LIST") + op("NONE") + op("NONE") + op("SETITEM") + b".", "F034"),
    "odd items": (op("EMPTY_DICT") + op("MARK") + op("NONE") + op("SETITEMS") + b".", "F034"),
    "a key twice": (b"}(K\x01NK\x01Nu.", "F032"),
    "a key that is a tuple": (dumped({(1,): 2}), "F034"),
    "a key that is true": (dumped({True: 2}), "F034"),
    "a deep key": (b"}" + b")" + b"\x85" * 200_000 + b"Ns.", "F034"),
    "deep nesting by marks": (b"(" * 1_000_000 + b".", "F035"),
    "deep nesting by tuples": (b")" + b"\x85" * 200_000 + b".", "read"),
    "a huge count of bytes": (op("BINBYTES8", struct.pack("<Q", 2**62)) + b"x.", "F030"),
    "a huge frame": (b"\x80\x04" + op("FRAME", struct.pack("<Q", 2**63)) + b"N.", "read"),
    "a huge number": (op("LONG4", struct.pack("<i", 2**31 - 1)) + b"\x01.", "F030"),
    "a negative count": (op("LONG4", struct.pack("<i", -1)) + b".", "F030"),
    "a number of many digits": (op("INT", b"9" * 100_000 + b"\n") + b".", "F030"),
    "a memo far out": (b"N" + op("LONG_BINPUT", struct.pack("<I", 2**32 - 1)) + b".", "read"),
    "a memo never filled": (op("BINGET", b"\x07") + b".", "F030"),
    "a protocol of the future": (b"\x80\x63N.", "F030"),
    "an empty stack": (b".", "F030"),
    "an empty stack popped": (b"\x85.", "F030"),
    "below a mark": (b"N(\x85.", "F030"),
    "an end without a beginning": (b"t.", "F030"),
    "two values": (b"NN.", "F030"),
    "an open container": (b"N(.", "F030"),
    "no end": (b"N", "F030"),
    "nothing": (b"", "F030"),
    "bytes behind": (b"N.N", "F030"),
    "no instruction": (b"\xff", "F030"),
    "text that is none": (op("SHORT_BINUNICODE", b"\x01\xff") + b".", "F030"),
    "an old text": (op("SHORT_BINSTRING", b"\x01x") + b".", "F034"),
    "an old text with escapes": (op("STRING", b"'\\d'\n") + b".", "F030 F034"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    data, code = ATTACKS[name]
    if code == "read":
        assert_only_data(read_pickle(data))
    else:
        with pytest.raises(Refusal) as caught:
            read_pickle(data)
        assert caught.value.code in code.split() and caught.value.code in HINTS
    found = refused(lambda: read_hs_api(saved(tmp_path, data)))
    assert found[0][0] in (code.split() if code != "read" else ["F030"])
    assert [path.name for path in tmp_path.iterdir()] == ["net.pkl"]


def test_the_list_of_names_is_short() -> None:
    """Nothing that could be called with an effect has crept in."""
    assert set(SYMBOLS.values()) == {
        *("LIF_neuron", "ANN_neuron", "IF_neuron", "reconstruct", "object", "list", "dict", "dtype", "scalar")
    }
    assert sys.getrecursionlimit() > MAX_MARKS


@pytest.mark.slow
def test_one_list_many_times_is_refused(tmp_path: Path) -> None:
    """A file of 40 KB that asks for 10^8 synapses."""
    synapses = [("x", 1)] * 10_000
    data = {"axons": {f"a{i}": synapses for i in range(10_000)}, "connections": {"x": ([], LIF)}, "outputs": []}
    found = refused(lambda: read_hs_api(saved(tmp_path, dumped(data))))
    assert found[0][0] == "F035" and "1,048,576 synapses" in found[0][1]
    data["axons"] = {f"a{i}": [None] * 10_000 for i in range(200)}
    shared = [None] * 10_000
    data["axons"] = {f"a{i}": shared for i in range(10_000)}
    assert refused(lambda: read_hs_api(saved(tmp_path, dumped(data))))[0][0] == "F035"


def test_values_that_are_too_long_to_print(tmp_path: Path) -> None:
    """Numbers of thousands of digits, and lists of lists whose text would have 10^30 characters."""
    laugh: Any = "ha"
    for _ in range(30):
        laugh = [laugh] * 10
    huge = 7**9999
    found = []
    for odd in (huge, laugh, [huge], -huge, LIF_neuron(threshold=laugh, shift=huge, leak=0)):
        data = {
            "axons": {"a": [("x", odd), (odd, 1), odd], "b": odd},
            "connections": {"x": ([], odd), "y": ([], LIF_neuron(threshold=odd, shift=-16, leak=0)), "z": odd},
            "outputs": [odd],
        }
        found += refused(lambda data=data: read_hs_api(saved(tmp_path, dumped(data))))
    assert {code for code, _ in found} == {"F031", "F032", "F033"}
    assert max(len(what) for _, what in found) < 250
    data = {"axons": {huge: [], -huge: []}, "connections": {"9" * 5000: ([], LIF)}, "outputs": ["9" * 5001, "١٢", 3]}
    found = refused(lambda: read_hs_api(saved(tmp_path, dumped(data))))
    assert [code for code, _ in found] == ["F032"] * 5


def test_names_beyond_64_bits(tmp_path: Path) -> None:
    data = {"axons": {2**70: []}, "connections": {}, "outputs": []}
    assert [code for code, _ in refused(lambda: read_hs_api(saved(tmp_path, dumped(data))))] == ["F032"]


# --- anything at all ---

DATA = (dict, list, tuple, str, int, float, bool, bytes, type(None), Model)


def assert_only_data(value: object) -> None:
    """Everything in the value is of a type of DATA, or what the reader puts for names and dtypes."""
    waiting, seen = [value], set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        assert type(item) in DATA or type(item).__module__.startswith("nmc.backends.cri.export."), type(item)
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            waiting += item
        elif isinstance(item, Model):
            waiting.append(item.state)


VALID = [
    dumped(network(wrap), protocol) for protocol in PROTOCOLS for wrap in (int, np.int16) if protocol > 2 or wrap is int
]
PIECES = [
    *(o.code.encode("latin1") for o in pickletools.opcodes),
    *(named(*key) for key in [("os", "system"), ("builtins", "eval"), *SYMBOLS]),
    *(data for data, _ in ATTACKS.values() if len(data) < 200),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid pickle with pieces cut out, doubled, overwritten, or put in."""
    data = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        cut = draw(st.integers(0, 6))
        piece = draw(st.one_of(st.binary(max_size=4), st.sampled_from(PIECES), st.just(data[at : at + 30])))
        data = data[:at] + piece + data[at + cut :]
    return data


@st.composite
def assembled(draw: st.DrawFn) -> bytes:
    """Instructions in any order."""
    return b"".join(draw(st.lists(st.sampled_from(PIECES), max_size=30))) + b"."


def check_anything(folder: Path, data: bytes) -> None:
    try:
        assert_only_data(read_pickle(data))
    except Refusal as refusal:
        assert refusal.code in HINTS and len(refusal.what) < 1000
    try:
        program = read_hs_api(saved(folder, data)).program
        assert len(digest(program)) == 64
    except NmcError as error:
        assert all(d.code in CODES and len(str(d)) < 2000 for d in error.diagnostics)


@settings(max_examples=300)
@given(st.one_of(mutated(), assembled(), st.binary(max_size=60)))
@example(VALID[0])
def test_nothing_else_ever_happens(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    check_anything(tmp_path_factory.getbasetemp(), data)


@pytest.mark.slow
@settings(max_examples=5000)
@given(st.one_of(mutated(), assembled()))
def test_nothing_else_ever_happens_at_length(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    check_anything(tmp_path_factory.getbasetemp(), data)


def test_names_are_told_but_not_imported(tmp_path: Path) -> None:
    """Not even modules of known names are imported, and messages show what was asked for."""
    before = set(sys.modules)
    data = named("antigravity", "geohash") + b"."
    found = refused(lambda: read_hs_api(saved(tmp_path, data)))
    assert found == [("F034", "the pickle names 'antigravity' 'geohash'")]
    assert read_hs_api(saved(tmp_path, VALID[0])).program.models
    assert set(sys.modules) == before
