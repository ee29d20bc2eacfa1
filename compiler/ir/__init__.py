"""The intermediate representation: graphs of ops over named-axis tensors, their text form and reference interpreter."""

from ...runtime.program.timing import Timing
from .graph import Graph, Node, Value
from .interpret import evaluate, observe, trace
from .ops.base import IllegalOp, Op
from .session import FrameSession, steps_of, stretched
from .text import constant_bank, parse_graph, print_graph
from .types import TensorType

__all__ = [
    "FrameSession",
    "Graph",
    "IllegalOp",
    "Node",
    "Op",
    "TensorType",
    "Timing",
    "Value",
    "constant_bank",
    "evaluate",
    "observe",
    "parse_graph",
    "print_graph",
    "steps_of",
    "stretched",
    "trace",
]
