"""One CRI network over the processes (ranks) of an MPI run. docs/mpi.md says how."""

from .exchange import Comm
from .session import LostError, MpiSession

__all__ = ["Comm", "LostError", "MpiSession"]
