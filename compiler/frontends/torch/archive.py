"""`.pt2` files: programs that torch.export.save wrote."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from ...diagnostics import Collector, Exit, NmcError, bad_file, unsupported
from ..common.imported import Imported
from .export import from_program, specialize
from .importer import Importer
from .inputs import check_samples_axis, check_shapes
from .spiking_classes import is_neuron_path
from .trace import KeepsState, Traced
from .where import quiet

_FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_HINT = "save it with torch.export.save(torch.export.export(model.eval(), example), path)"


@contextmanager
def _weights_only() -> Iterator[None]:
    """torch.export.load unpickles whatever it finds if it finds no tensors; this forbids it."""
    before = os.environ.get(_FORCE)
    os.environ[_FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FORCE]
        else:
            os.environ[_FORCE] = before


def _check_members(path: Path) -> None:
    """Refuses archives with pickled Python objects among their constants: loading those runs code."""
    with zipfile.ZipFile(path) as archive:
        for member in map(PurePosixPath, archive.namelist()):
            inside = "constants" in member.parts and not member.name.startswith("tensor_")
            if inside and member.suffix not in (".json", ".pt"):
                why = f"{member.name!r} is no tensor, and loading it could run any code"
                raise bad_file("NMC-I034", "the file holds pickled objects", where=str(path), why=why)


def load(path: Path) -> ExportedProgram:
    """The program in the file. NmcError NMC-I001 or NMC-I034 (bad file) if there is none, or it is damaged."""
    if not path.is_file():
        raise bad_file("NMC-I001", "cannot read the model", where=str(path), why="there is no such file")
    try:
        _check_members(path)
        with quiet(), _weights_only():
            return torch.export.load(path)
    except NmcError:
        raise
    except Exception as error:  # damaged files raise many kinds, and unpickling errors have no common class
        lines = str(error).strip().splitlines()
        why = lines[0][:200] if lines else type(error).__name__
        what = "the file is no program of torch.export, or is damaged"
        raise bad_file("NMC-I034", what, where=str(path), why=why, hint=_HINT) from None


def _sizes(program: ExportedProgram) -> dict[str, tuple[Any, ...]]:
    """The shape of each input; sizes that the file leaves open are symbols."""
    users = {s.arg.name for s in program.graph_signature.input_specs if s.kind == InputKind.USER_INPUT}
    nodes = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in users]
    return {node.name: tuple(getattr(node.meta["val"], "shape", ())) for node in nodes}


def _shapes(sizes: Mapping[str, tuple[Any, ...]], given: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shape of each input for one sample: the file's where it says so, the given one elsewhere."""
    given = {name or (next(iter(sizes)) if len(sizes) == 1 else ""): shape for name, shape in given.items()}
    errors = Collector(Exit.USAGE)
    check_shapes(given, list(sizes), errors)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, have in sizes.items():
        shape = given.get(name, (1, *have[1:]) if have and not isinstance(have[0], int) else have)
        fixed = [i for i, size in enumerate(have) if isinstance(size, int)]
        if len(shape) != len(have) or any(shape[i] != have[i] for i in fixed if i):
            errors.add("NMC-I005", f"shape {shape} for input {name!r} contradicts the file, which has {have}")
        elif not all(isinstance(size, int) for size in shape):
            example = ",".join(map(str, shape))
            hint = f"give --input-shape {name}={example} with numbers for the open dimensions"
            errors.add("NMC-I004", f"input {name!r} leaves dimensions open: {have}", hint=hint)
        shapes[name] = tuple(shape)
    errors.raise_if_any()
    return shapes


def _check_batch(sizes: Mapping[str, tuple[Any, ...]]) -> None:
    """NmcError NMC-I017 where the file fixes the number of samples."""
    errors = Collector()
    for name, have in sizes.items():
        if have and isinstance(have[0], int) and have[0] != 1:
            why = f"axis 0 holds the samples, and the file fixes it to {have[0]}"
            hint = "export with a dynamic batch axis or with batch 1"
            errors.add("NMC-I017", f"input {name!r} is for {have[0]} samples at once", why=why, hint=hint)
    errors.raise_if_any()


def _check_neurons(program: ExportedProgram, path: Path) -> None:
    """NmcError NMC-I032 if the program was made from spiking neurons: it has lost the states that they had."""
    stacks = [(node.meta.get("nn_module_stack") or {}).values() for node in program.graph.nodes]
    found = {str(where): str(kind) for stack in stacks for where, kind in stack if is_neuron_path(str(kind))}
    if found:
        names = ", ".join(f"{where!r} ({kind.rpartition('.')[2]})" for where, kind in found.items())
        why = f"torch.export drops the states of {names}"
        hint = "compile the module itself: file.py:factory"
        raise unsupported("NMC-I032", "the program holds spiking neurons", str(path), why, hint)


def read_archive(path: Path, given: Mapping[str, tuple[int, ...]]) -> Imported:
    """See `import_archive`."""
    program = load(path)
    _check_neurons(program, path)
    sizes = _sizes(program)
    shapes = _shapes(sizes, given)
    _check_batch(sizes)
    check_samples_axis(shapes)
    return Imported(Importer(_traced(program, sizes, shapes, path), path.stem).run())


def _traced(
    program: ExportedProgram, sizes: Mapping[str, tuple[Any, ...]], shapes: Mapping[str, tuple[int, ...]], path: Path
) -> Traced:
    try:
        if any(not isinstance(size, int) for have in sizes.values() for size in have):
            return specialize(program, shapes)
        return from_program(program, program.graph_module)
    except KeepsState as error:
        raise unsupported("NMC-I032", "the program keeps a state between calls", str(path), str(error)) from None
    except Exception as error:  # what torch raises where a size is out of the range that the file allows
        lines = str(error).strip().splitlines()
        why = lines[0][:300] if lines else type(error).__name__
        raise unsupported("NMC-I032", "the program cannot be run at this shape", str(path), why) from None
