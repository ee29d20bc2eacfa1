"""Front ends, IR and passes: from a trained network to a program for a target."""

from .driver import Compilation, compile_model, compile_verbose

__all__ = ["Compilation", "compile_model", "compile_verbose"]
