"""One node on tensors whose samples are not axis 0: what the rules read of it and change before its handler runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from ....ir import Value
from ...common.emit import Array
from ...common.problems import Refusal
from ..call import Call, Operand
from ..inside import HINT, Inside, Ints, alone, joined, placed, reshaped

Tensor = Array | Value | Inside | None
Results = Sequence[Operand]
Handler = Callable[[Call], Any]


@dataclass
class Shifted:
    """One node on such tensors: `call` as the file has it, the operands and attributes that its handler shall see.

    The samples are alone in all its tensors or in none of them. x is the first one.
    """

    call: Call
    x: Inside
    operands: list[Tensor]
    attributes: dict[str, Any]

    @property
    def rank(self) -> int:
        return len(self.x.shape)

    def mixes(self, what: str) -> Refusal:
        """The refusal of what would act on the samples."""
        return Refusal("NMC-I015", f"{self.x.why}: {what}", HINT)

    def axis(self, axis: int) -> int:
        """An axis of the file from the front; not that of the samples."""
        found = self.call.axis(axis, self.rank)
        if found == self.x.samples:
            raise self.mixes("it acts on that axis")
        return found

    def axes(self, axes: Sequence[int]) -> Ints:
        return tuple(self.axis(axis) for axis in axes)

    def constant(self, index: int) -> Array | None:
        return self.call.optional_constant(index, f"operand {index + 1}")

    def integers(self, name: str, index: int, since: int) -> Ints | None:
        """A list that is an attribute before an opset and an operand from it on."""
        return self.call.integers(name) if self.call.opset < since else self.call.optional_integers(index, name)

    def put_integers(self, name: str, index: int, since: int, values: Sequence[int]) -> None:
        if self.call.opset < since:
            self.attributes[name] = list(values)
            return
        self.operands += [None] * (index + 1 - len(self.operands))
        self.operands[index] = np.array(values, np.int64)

    def run(self, handler: Handler, opset: int = 0) -> list[Value]:
        """What the handler gives, which reads the node as one of at least this opset."""
        self.call.take_all()  # what has no meaning is found by the call that the handler sees
        proto = NodeProto()
        proto.CopyFrom(self.call.proto)
        del proto.attribute[:]
        proto.attribute.extend(helper.make_attribute(name, value) for name, value in self.attributes.items())
        call = Call(self.call.model, proto, [*self.operands])
        call.inner, call.opset = 0 if self.x.alone else 1, max(call.opset, opset)
        found = handler(call)
        results = [found] if isinstance(found, Value) else list(found)
        call.check_complete(len(results))
        return results

    def on_value(self, handler: Handler, samples: int | None = None) -> Results:
        """The handler's results on the first operand's value, with samples in this axis, by default where they were."""
        self.operands[0] = self.x.value
        return [self.made(y, self.x.samples if samples is None else samples) for y in self.run(handler)]

    # --- samples ---

    def made(self, y: Value, samples: int) -> Value | Inside:
        """A result with samples in this axis of the file, of the form that the operands have."""
        return alone(y, samples) if self.x.alone else placed(self.call, y, y.type.shape[1:], samples)

    def whole(self) -> Shifted:
        """With tensors that keep the samples' axis, though they be alone in it."""
        operands = [joined(self.call, o, f"whole{i}") if isinstance(o, Inside) else o
                    for i, o in enumerate(self.operands, 1)]  # fmt: skip
        return replace(self, x=next(o for o in operands if isinstance(o, Inside)), operands=operands)

    def samples_from_end(self) -> int:
        """The axis of the samples, counted from the end. Refusal if it is not the same in all tensors."""
        for i, operand in enumerate(self.operands):
            if isinstance(operand, Inside) and operand.samples - len(operand.shape) != self.x.samples - self.rank:
                raise self.mixes(f"in operand {i + 1} they lie elsewhere")
        return self.x.samples - self.rank

    def widened(self, x: Inside, rank: int, part: str) -> Value:
        """The value of a tensor that has axes of length 1 in front, up to this many in the file."""
        inner = (1,) * (rank - len(x.shape)) + x.value.type.shape[1:]
        return reshaped(self.call, x.value, inner, part)


Rule = Callable[[Shifted, Handler], Results]
