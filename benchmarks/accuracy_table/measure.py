"""One cell of the table: compile or quantize, decide on all test samples, count."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from nmc.cli.verification.report import equals_integers
from nmc.compiler import Compilation, compile_verbose
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.frontends import import_model
from nmc.compiler.ir import Graph, evaluate
from nmc.runtime import Session
from nmc.runtime.classify import decide, smooth
from nmc.runtime.float_model import FloatModel
from nmc.runtime.program import AkidaProgram
from nmc.runtime.program.container import digest as program_digest

from .formats import Cell, format_of
from .networks import Array, Data, Network, network_of

ROOT = Path(__file__).parents[2]
SOURCES = ("compiler/**/*.py", "backends/**/*.py", "runtime/arith.py", "runtime/program/*.py")
PROVED = 4  # samples of an integer network that the machine's tables are held against
AT_ONCE = 64
Found = dict[str, Any]


@cache
def _data(network: Network) -> tuple[Data, str]:
    data = network.load()
    return data, data.digest


@cache
def _sources() -> str:
    """Digest of the sources that decide integers."""
    files = sorted(file for pattern in SOURCES for file in ROOT.glob(pattern))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def found_of(cell: Cell, limit: int | None, folder: Path) -> Found:
    """What is in a cell, from the folder of earlier results if nothing it depends on has changed.

    correct, smoothed: samples decided as labelled, of `samples`; seconds, compile_seconds; or `refused`, a sentence.
    """
    network, row = network_of(cell.network), format_of(cell.format)
    data, digest = _data(network)
    limit = min((most for most in (limit, row.most(network)) if most is not None), default=None)
    if limit is not None:
        data = replace(data, test=data.test[:limit], labels=data.labels[:limit])
    whose = version("onnxruntime") if row.target in ("onnxruntime", "") else _sources()
    depends = [cell.name, limit, row.options, network.digest, digest, whose, np.__version__]
    return _kept(folder, depends, lambda: _measure(cell, network, data, [digest, limit], folder))


def _kept(folder: Path, depends: list[Any], compute: Callable[[], Found]) -> Found:
    """A result that was stored under the digest of what it depends on, else computed and stored."""
    path = folder / f"{hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]}.json"
    if path.exists():
        return json.loads(path.read_text())
    found = compute()
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(json.dumps(found))
    part.replace(path)
    return found


def _measure(cell: Cell, network: Network, data: Data, digests: list[Any], folder: Path) -> Found:
    row = format_of(cell.format)
    if not row.target:
        return _counted(network, data, _floats(network))
    if row.target == "onnxruntime":
        return _of_onnxruntime(network, data, row.options["calibrate_method"])
    start = time.perf_counter()
    try:
        samples = None if network.spiking else data.typical
        options = {"optimize": cell.level, **row.options}
        made = compile_verbose(network.file, row.target, calibration=samples, **options)
    except NmcError as error:
        if error.exit_code not in (Exit.UNSUPPORTED, Exit.LIMIT):
            raise
        return {"refused": "; ".join(str(d.why or d.what) for d in error.diagnostics)}
    seconds = time.perf_counter() - start
    same = [*digests, program_digest(replace(made.program, provenance={}))]
    found = _kept(folder, same, lambda: _counted(network, data, _answers(made, network, data)))
    return found | {"compile_seconds": round(seconds, 2)}


def _counted(network: Network, data: Data, run: Callable[[Array], Array]) -> Found:
    """How many samples are decided as labelled, from scores (n, classes) or (n, frames, classes)."""
    start = time.perf_counter()
    scores = np.concatenate([run(data.test[low : low + AT_ONCE]) for low in range(0, len(data.test), AT_ONCE)])
    found = {"samples": len(scores), "seconds": round(time.perf_counter() - start, 2)}
    last = scores[:, -1] if network.smoothed else scores
    found["correct"] = int((decide(last) == data.labels).sum())
    if network.smoothed:
        found["smoothed"] = int((decide(smooth(scores)[:, -1]) == data.labels).sum())
    return found


def _floats(network: Network) -> Callable[[Array], Array]:
    if network.file.suffix == ".onnx":
        model = FloatModel(network.file)
        return lambda x: _only(model({network.input: x}))
    graph = import_model(network.file).graph
    return lambda x: _of_graph(graph, network, x)


def _answers(made: Compilation, network: Network, data: Data) -> Callable[[Array], Array]:
    """The program's answers. A CRI table of an activation network is run on a few samples only, which must give what
    its integer network gives; that one answers for it, as it takes a tenth of the time."""
    if isinstance(made.program, AkidaProgram) or made.lowered.stepped:
        session = Session(made.program)
        return lambda x: _only(session.run(x).outputs)
    if not equals_integers(made.lowered, made.program, {network.input: data.test[:PROVED]}):
        raise AssertionError(f"{network.name}: the table does not answer as its integer network")
    return lambda x: _of_graph(made.lowered, network, x)


def _of_graph(graph: Graph, network: Network, x: Array) -> Array:
    return _only(evaluate(graph, {network.input: x}))


def _only(outputs: Any) -> Array:
    (found,) = outputs.values()
    return np.asarray(found)


# --- onnxruntime ---


class _Samples:
    """Calibration samples, one at a time."""

    def __init__(self, name: str, samples: Array):
        self.left: Iterator[dict[str, Array]] = iter([{name: sample[None]} for sample in samples])

    def get_next(self) -> dict[str, Array] | None:
        return next(self.left, None)


def _of_onnxruntime(network: Network, data: Data, method: str) -> Found:
    """Its static quantization: QDQ, weights by channel, unsigned activations, on the same calibration samples."""
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(network.file, plain)
        start = time.perf_counter()
        quantize_static(
            plain,
            made,
            _Samples(network.input, data.typical),  # pyright: ignore[reportArgumentType]
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=getattr(CalibrationMethod, method),
        )
        seconds = time.perf_counter() - start
        model = FloatModel(made)
        found = _counted(network, data, lambda x: _only(model({network.input: x})))
    return found | {"compile_seconds": round(seconds, 2)}
