"""MODEL strings that name code: `path/to/file.py:factory` and `package.module:factory`. Both run that code."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from ...diagnostics import NmcError, bad_file
from .where import place

CODE = "NMC-I030"


@dataclass(frozen=True)
class Built:
    """What a factory returned: the module, example inputs (none if it gave none), and the factory's name."""

    module: nn.Module
    examples: Sequence[Any] | Mapping[str, Any]
    name: str


def _raised(what: str, error: BaseException, text: str, hint: str = "") -> NmcError:
    lines = str(error).strip().splitlines()
    why = f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
    return bad_file(CODE, what, where=place(error) or text, why=why, hint=hint)


def _run_file(path: Path, text: str) -> ModuleType:
    """The module that a file defines. It stays known to Python, under a name that no other module has: classes are
    looked up by their module's name."""
    if not path.is_file():
        why = "it is a folder" if path.is_dir() else "there is no such file"
        raise bad_file("NMC-I001", "cannot read the model's code", where=str(path), why=why)
    name = f"nmc_model_{re.sub(r'[^0-9A-Za-z_]', '_', str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a .py file has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        relative = isinstance(error, ImportError) and "relative import" in str(error)
        hint = "name it package.module:factory, from the folder that holds the package" if relative else ""
        raise _raised("the model's code fails when it is run", error, text, hint) from None
    return module


def _import(name: str, text: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        hint = f"run nmc where {name.split('.')[0]!r} can be imported, or give path/to/file.py:factory"
        missing = isinstance(error, ModuleNotFoundError)
        raise _raised(f"cannot import {name!r}", error, text, hint if missing else "") from None


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The folder in front of sys.path, as Python has it for a script or for `-m`."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _factory(module: ModuleType, name: str, text: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
            own = [n for n in public if getattr(getattr(module, n), "__module__", "") == module.__name__]
            close = get_close_matches(name, own or public, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it defines {', '.join(own) or 'nothing to call'}"
            raise bad_file(CODE, f"there is no {name!r} in the model's code", where=text, hint=hint)
        found = getattr(found, part)
    return found


def _call(factory: Any, name: str, text: str) -> Any:
    """What the factory returns; a module in the place of a factory is that module."""
    if isinstance(factory, nn.Module):
        return factory
    if not callable(factory):
        raise bad_file(CODE, f"{name!r} is not callable", where=text, why=f"it is of type {type(factory).__name__}")
    try:
        return factory()
    except (Exception, SystemExit) as error:
        hint = "a factory is called without arguments: give its parameters defaults, or wrap it"
        wrong_call = isinstance(error, TypeError) and "argument" in str(error)
        raise _raised(f"{name}() fails", error, text, hint if wrong_call else "") from None


def build(text: str) -> Built:
    """Run the code that `text` names and call its factory without arguments.

    NmcError NMC-I001 or NMC-I030 (bad file) if the code is missing or fails, has no such factory, or if that returns
    neither an nn.Module nor a pair (module, example inputs).
    """
    code, _, name = text.rpartition(":")
    is_file = code.endswith(".py")
    with _importable(Path(code).parent if is_file else Path.cwd()):
        module = _run_file(Path(code), text) if is_file else _import(code, text)
        made = _call(_factory(module, name, text), name, text)
    examples: Any = ()
    if isinstance(made, tuple) and len(made) == 2:
        made, examples = made
        examples = examples if isinstance(examples, tuple | list | Mapping) else (examples,)
    if not isinstance(made, nn.Module):
        why = f"it returns {type(made).__name__}"
        raise bad_file(
            CODE, f"{name}() returns no torch.nn.Module", where=text, why=why, hint="return the model itself"
        )
    given = examples.values() if isinstance(examples, Mapping) else examples
    if not all(isinstance(example, Tensor) for example in given):
        raise bad_file(CODE, f"{name}() returns example inputs that are no tensors", where=text)
    return Built(made, examples, name.rpartition(".")[2])
