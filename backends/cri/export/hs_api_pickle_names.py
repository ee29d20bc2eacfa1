"""The names that pickles of hs_api's networks mention, and what stands for calling them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .hs_api_numpy import Dtype, make_dtype, to_python
from .hs_api_problems import Refusal, short

NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
MODELS = ("LIF_neuron", "ANN_neuron", "IF_neuron")

SYMBOLS: dict[tuple[object, object], str] = {
    **{("hs_api.neuron_models", name): name for name in MODELS},
    **{(module, "_reconstructor"): "reconstruct" for module in ("copyreg", "copy_reg")},
    **{(module, "object"): "object" for module in ("builtins", "__builtin__")},
    **{(module, "list"): "list" for module in ("builtins", "__builtin__")},
    ("collections", "OrderedDict"): "dict",
    ("collections", "defaultdict"): "dict",
    ("numpy", "dtype"): "dtype",
    **{(module, "scalar"): "scalar" for module in NUMPY},
}
"""(module, name) to what it means here; every other name is refused."""


@dataclass(frozen=True)
class Symbol:
    """A name on the stack: one of the values of SYMBOLS."""

    name: str


@dataclass(eq=False, repr=False)
class Model:
    """An instance of one of hs_api's neuron classes: the class's name and the instance's attributes."""

    kind: str
    state: dict[Any, Any] | None = None

    def __repr__(self) -> str:
        return f"<{self.kind}>"  # without the attributes, which may nest so that their text has no end


def symbol(module: object, name: object) -> Symbol:
    """What a name means. Refusal NMC-F034 for any that is not in the table."""
    known = SYMBOLS.get((module, name)) if type(module) is str and type(name) is str else None
    if known is None:
        raise Refusal("F034", f"the pickle names {short(module)} {short(name)}")
    return Symbol(known)


def call(called: object, arguments: object) -> object:
    """What a call gives if the arguments are those that pickle writes, else Refusal NMC-F034."""
    match called, arguments:
        case Symbol("reconstruct"), (Symbol(made), Symbol("object"), None) if made in MODELS:
            return Model(made)
        case Symbol("dict"), () | (Symbol("list"),):
            return {}
        case Symbol("dtype"), (str(name), bool() | int(), bool() | int()):
            return make_dtype(name)
        case Symbol("scalar"), (Dtype() as dtype, bytes(data)):
            return to_python(dtype, data)
    raise Refusal("F034", f"the pickle calls {described(called)} in a way that no network needs")


def described(value: object) -> str:
    """A value in words, for messages."""
    return f"the name {value.name!r}" if type(value) is Symbol else f"a value of type {type(value).__name__}"
