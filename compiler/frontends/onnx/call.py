"""One ONNX node as its handler sees it: typed attributes, operands that are constants or values, and ways to emit IR.

Whatever a handler does not ask for (an attribute, an operand, an output that is used) is refused after it returns, so
nothing in a file is passed over silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from onnx import NodeProto

from ...ir import Graph, Value
from ..common.emit import Array, Emitter
from ..common.problems import DependsOnRefused, Refusal
from .attributes import Attributes
from .codes import COMPUTES, HINT, Coded
from .inside import HINT as HINT_SAMPLES
from .inside import Inside
from .names import NodeNames


@dataclass(frozen=True)
class Unknown:
    """What a refused node or tensor would have been; `computed` if it certainly depends on the graph's inputs."""

    computed: bool = False


UNKNOWN = Unknown()
COMPUTED = Unknown(computed=True)
Operand = Array | Value | Coded | Inside | Unknown | None
Result = Array | Value | Coded


@dataclass
class Model:
    """What all nodes of a model share.

    batches  lengths > 1 of axis 0 that the file states and the caller's input_shapes replaced by 1
    open_batch  does the file leave axis 0 of an input open?
    notes    sentences for the user about what was converted
    integer_weights  does the file hold arrays (not single axes) as integers with a scale?
    """

    graph: Graph
    names: NodeNames
    opset: int
    used: set[str]
    batches: frozenset[int] = frozenset()
    open_batch: bool = False
    notes: list[str] = field(default_factory=list)
    integer_weights: bool = False

    @property
    def several(self) -> bool:
        """Is the file one for several samples?"""
        return self.open_batch or bool(self.batches)


class Call(Attributes, Emitter):
    """One application of an ONNX operator."""

    def __init__(self, model: Model, proto: NodeProto, operands: list[Operand]):
        Attributes.__init__(self, proto)
        Emitter.__init__(self, model.graph, model.names, model.names.label(proto), proto.op_type)
        self.model, self.operands = model, operands
        self.opset = model.opset
        self.inner = 0  # axes that the first operand has in front of those in the file
        self._seen_operands: set[int] = set()

    # --- operands ---

    def raw(self, index: int) -> Operand:
        """The operand as it is; None if absent. For what handles more than values and constants."""
        self._seen_operands.add(index)
        return self.operands[index] if index < len(self.operands) else None

    def operand(self, index: int) -> Value | Array | None:
        """A value or a constant; None if absent. Refusal of everything else that an operand may be."""
        operand = self.raw(index)
        if isinstance(operand, Unknown):
            raise DependsOnRefused
        if isinstance(operand, Coded):
            raise Refusal("NMC-I011", COMPUTES, HINT)
        if isinstance(operand, Inside):
            raise Refusal("NMC-I015", operand.why, HINT_SAMPLES)
        return operand

    def given(self) -> list[Value | Array | None]:
        """All operands, each as `operand` gives it."""
        return [self.operand(i) for i in range(len(self.operands))]

    def optional_constant(self, index: int, role: str) -> Array | None:
        operand = self.raw(index)
        if isinstance(operand, Unknown):
            raise DependsOnRefused
        if isinstance(operand, Coded | Inside):
            operand = operand.value
        if isinstance(operand, Value):
            hint = "make it a parameter or buffer of the model, so that the exporter writes it as an initializer"
            raise Refusal("NMC-I013", f"its {role} is computed from the model's input (%{operand.name})", hint)
        return operand

    def constant(self, index: int, role: str) -> Array:
        """A constant operand that must be there."""
        found = self.optional_constant(index, role)
        if found is None:
            raise Refusal("NMC-I011", f"its {role} is missing")
        return found

    def optional_integers(self, index: int, role: str) -> tuple[int, ...] | None:
        """A constant operand of whole numbers (scalar or one axis)."""
        array = self.optional_constant(index, role)
        if array is None:
            return None
        whole = array.dtype.kind in "iu" and array.ndim <= 1
        self.require(whole, "NMC-I011", f"its {role} is {array.dtype}{list(array.shape)}, not a list of whole numbers")
        return tuple(map(int, array.reshape(-1)))

    def value(self, index: int = 0) -> Value:
        """An operand that is computed from the graph's inputs."""
        operand = self.operand(index)
        if operand is None:
            raise Refusal("NMC-I011", f"operand {index + 1} is missing")
        if not isinstance(operand, Value):
            raise Refusal("NMC-I011", "its operand is a constant", "fold it into the weights before exporting")
        return operand

    def results_used(self) -> int:
        """1 + the index of the last output that something reads."""
        used = [i for i, name in enumerate(self.proto.output) if name and name in self.model.used]
        return used[-1] + 1 if used else 1

    def take_all(self) -> None:
        """Every attribute and operand is looked at elsewhere."""
        self.ignore(*self.unseen())
        self._seen_operands.update(range(len(self.operands)))

    def check_complete(self, results: int) -> None:
        """Refusal if the file says something at this node that its handler did not look at."""
        unseen = self.unseen()
        self.require(not unseen, "NMC-I011", f"attribute {', '.join(unseen)} has no meaning here in opset {self.opset}")
        extra = [i + 1 for i, o in enumerate(self.operands) if o is not None and i not in self._seen_operands]
        self.require(
            not extra, "NMC-I011", f"operand {', '.join(map(str, extra))} has no meaning in opset {self.opset}"
        )
        self.require(self.results_used() <= results, "NMC-I011", f"its output {results + 1} is used")
