"""Loop and Scan with a constant number of iterations, unrolled: every iteration becomes nodes of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...ir import Value
from ..common.problems import DependsOnRefused
from .call import Call, Operand, Unknown
from .control import Body, Control, Scope, branch, constant_number, graph_attribute
from .inside import Inside, alone

_HINT = "loop a number of times that is fixed when the model is exported: for i in range(8)"


def loop(call: Call, scope: Scope, control: Control) -> Sequence[Operand]:
    """for i in range(M), while a condition holds: (condition, carried) ← body(i, condition, carried).

    What the body gives beyond that is stacked along a new axis in front.
    """
    body = Body(control, graph_attribute(call, "body"), scope)
    carried = _given(call)[2:]
    stacks = _stacks(call, body, len(carried), 2, 1)
    limit = None if call.raw(0) is None else int(constant_number(call, call.raw(0), "trip count", "iu", _HINT))
    condition = np.array(True) if call.raw(1) is None else call.raw(1)
    done = 0
    while (limit is None or done < limit) and _holds(call, condition, done):
        condition, *results = body.iteration([np.array(done, np.int64), condition, *carried], done)
        carried = results[: len(carried)]
        for stack, part in zip(stacks, results[len(carried) :], strict=True):
            stack.append(part)
        done += 1
    _note(call, done)
    return [*carried, *(_stacked(call, control, stack, 0) for stack in _read(call, len(carried), stacks))]


def _holds(call: Call, condition: Operand, done: int) -> bool:
    role = f"condition after iteration {done}" if done else "condition"
    return bool(constant_number(call, condition, role, "b", _HINT))


def scan(call: Call, scope: Scope, control: Control) -> Sequence[Operand]:
    """carried, *outputs ← body(carried, *elements), for the elements of operands along an axis, one after the other.

    The outputs of the iterations are stacked.
    """
    body = Body(control, graph_attribute(call, "body"), scope)
    operands = _given(call)
    count = call.required_integer("num_scan_inputs")
    call.require(0 < count <= len(operands), "NMC-I012", f"it scans {count} of its {len(operands)} operands")
    carried, scanned = operands[:-count], operands[-count:]
    if any(isinstance(operand, Unknown) for operand in operands):
        raise DependsOnRefused
    stacks = _stacks(call, body, len(carried), 0, 0, count)
    axes, turned = _per_operand(call, "scan_input_axes", count), _per_operand(call, "scan_input_directions", count)
    ends = _per_operand(call, "scan_output_axes", len(stacks))
    back = _per_operand(call, "scan_output_directions", len(stacks))
    axes = [call.axis(axis, len(_shape(x)), "scan_input_axes") for x, axis in zip(scanned, axes, strict=True)]
    lengths = {_shape(x)[axis] for x, axis in zip(scanned, axes, strict=True)}
    call.require(len(lengths) == 1, "NMC-I012", f"its operands have {sorted(lengths)} elements along their axes")
    (length,) = lengths
    for done in range(length):
        places = [length - 1 - done if flag else done for flag in turned]
        elements = [_element(call, control, *which) for which in zip(scanned, axes, places, strict=True)]
        results = body.iteration([*carried, *elements], done)
        carried = results[: len(carried)]
        for stack, part in zip(stacks, results[len(carried) :], strict=True):
            stack.append(part)
    _note(call, length)
    turned_stacks = [stack[::-1] if flag else stack for stack, flag in zip(stacks, back, strict=True)]
    read = _read(call, len(carried), turned_stacks)
    return [*carried, *(_stacked(call, control, stack, axis) for stack, axis in zip(read, ends, strict=False))]


def _given(call: Call) -> list[Operand]:
    """All operands; only those of a Loop that say how often it runs may be absent."""
    operands = [call.raw(i) for i in range(len(call.operands))]
    needed = operands[2:] if call.op == "Loop" else operands
    call.require(all(operand is not None for operand in needed), "NMC-I011", "one of its operands is missing")
    return operands


def _stacks(call: Call, body: Body, carried: int, extra: int, flags: int, scanned: int = 0) -> list[list[Operand]]:
    """An empty list for each output of the body that is stacked. Refusal if body and node do not fit together.

    extra, flags  inputs and outputs of the body in front of the carried ones
    """
    fits = len(body.inputs) == extra + carried + scanned and len(body.outputs) >= flags + carried
    fits = fits and len(call.proto.output) <= len(body.outputs) - flags
    why = f"its body takes {len(body.inputs)} values and makes {len(body.outputs)}, which do not fit the node's"
    call.require(fits, "NMC-I012", why)
    return [[] for _ in range(len(body.outputs) - flags - carried)]


def _per_operand(call: Call, name: str, count: int) -> list[int]:
    """An attribute with a number for each operand or output; zeros if it is not given."""
    found = list(call.integers(name) or (0,) * count)
    call.require(len(found) == count, "NMC-I012", f"{name} {found} are not {count}")
    return found


def _read(call: Call, carried: int, stacks: list[list[Operand]]) -> list[list[Operand]]:
    """The stacks that something reads, and those before them; nothing is made of the others."""
    return stacks[: max(call.results_used() - carried, 0)]


def _note(call: Call, iterations: int) -> None:
    call.require(not call.unseen(), "NMC-I011", f"attribute {', '.join(call.unseen())} has no meaning here")
    note = f"{call.label.where}: the {call.op} is unrolled, iterations: {iterations}"
    if note not in call.model.notes:
        call.model.notes.append(note)


def _shape(operand: Operand) -> tuple[int, ...]:
    """The shape in the file."""
    if isinstance(operand, np.ndarray | Inside):
        return operand.shape
    return operand.type.shape if isinstance(operand, Value) else ()


def _element(call: Call, control: Control, x: Operand, axis: int, place: int) -> Operand:
    if isinstance(x, np.ndarray):
        return np.asarray(np.take(x, place, axis))
    return control.made(call, "Gather", [x, np.array(place)], axis=axis)


def _stacked(call: Call, control: Control, parts: list[Operand], axis: int) -> Operand:
    """What the iterations gave along a new axis. Samples in axis 0 come behind it, as if by a Transpose."""
    call.require(len(parts) > 0, "NMC-I012", "it runs no iteration, so what it stacks has no elements")
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    axis = call.axis(axis, len(_shape(parts[0])) + 1, "scan_output_axes")
    if len(arrays) == len(parts):
        call.require(len({array.shape for array in arrays}) == 1, "NMC-I012", "its iterations give several shapes")
        control.folder.take(sum(array.size for array in arrays))
        return np.stack(arrays, axis)
    in_front = axis == 0 and any(isinstance(part, Value) for part in parts)
    place = 1 if in_front else axis
    longer = [_longer(call, control, part, place) for part in parts]
    joined = control.made(call, "Concat", longer, axis=place)
    return alone(joined, 1) if in_front and isinstance(joined, Value) else joined


def _longer(call: Call, control: Control, part: Operand, axis: int) -> Operand:
    """With a new axis of length 1."""
    if isinstance(part, np.ndarray):
        return np.expand_dims(part, axis)
    if call.opset < 13:
        return control.made(call, "Unsqueeze", [part], axes=[axis])
    return control.made(call, "Unsqueeze", [part, np.array([axis])])


CONTROL: dict[str, Callable[[Call, Scope, Control], Sequence[Operand]]] = {"If": branch, "Loop": loop, "Scan": scan}
