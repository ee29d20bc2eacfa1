"""snnTorch networks whose `forward` takes the states of its neurons and returns them: they become states of the graph.

def forward(self, x, mem):
    spk, mem = self.lif(self.fc(x), mem)
    return spk, mem
"""

from __future__ import annotations

import inspect
import operator
from dataclasses import replace
from typing import Any

from torch import fx, nn
from torch.utils import _pytree as pytree

from ..common.problems import Refusal
from .shapes import REFUSAL
from .spiking_classes import is_neuron, state_names
from .trace import Traced

_ANEW = "take it as an input of `forward` and return what it becomes, or use init_hidden=True"


def given_states(node: fx.Node, module: nn.Module) -> dict[str, Any]:
    """The states that a neuron is called with, by their names."""
    bound = inspect.signature(module.forward).bind(*node.args, **node.kwargs).arguments
    return {name: value for name, value in list(bound.items())[1:] if value is not None}


def _part(node: fx.Node, index: int) -> fx.Node | None:
    """The node that picks one of a node's results."""
    found = [user for user in node.users if user.target is operator.getitem and user.args[1] == index]
    return found[0] if found else None


def result_part(node: fx.Node, module: nn.Module, name: str) -> fx.Node | None:
    """The node that picks the state `name` of what a neuron gives."""
    return _part(node, ["spk", *state_names(module)].index(name))


def _check(traced: Traced, node: fx.Node, name: str, state: Any, after: fx.Node | None) -> None:
    """Refusal unless the state is an input of the network, and what it becomes an output."""
    if state not in traced.inputs.values():
        why = f"its state {name!r} is made anew in every call of `forward`"
        raise Refusal("NMC-I011", why, _ANEW)
    returned = after is not None and after in pytree.tree_leaves(traced.output)
    if len(state.users) > 1 or not returned:
        why = f"its state {name!r} comes from the input {state.target!r}, and what it becomes is not returned"
        raise Refusal("NMC-I011", why, "return the neuron's own state, and use the input for nothing else")


def inner_states(traced: Traced) -> tuple[Traced, list[str]]:
    """The trace without inputs and outputs that are states of neurons, and a sentence about those. Neurons whose states
    come from elsewhere carry a refusal."""
    gone: dict[fx.Node, str] = {}  # outputs
    taken: list[str] = []
    for node in traced.graph.nodes:
        module = traced.root.get_submodule(str(node.target)) if node.op == "call_module" else None
        if module is None or not is_neuron(module):
            continue
        try:
            for name, state in given_states(node, module).items():
                after = result_part(node, module, name)
                _check(traced, node, name, state, after)
                taken.append(str(state.target))
                if name != "spk" and after is not None:
                    gone[after] = name
            node.args, node.kwargs = node.args[:1], {}
        except Refusal as refusal:
            node.meta[REFUSAL] = refusal
    if not taken:
        return traced, []
    inputs = {name: node for name, node in traced.inputs.items() if node.target not in taken}
    traced.graph.erase_node(traced.graph.output_node())
    made = traced.graph.output(_without(traced.output, gone))
    note = f"the inputs {', '.join(taken)} are states of neurons, which the network keeps itself and does not return"
    return replace(traced, inputs=inputs, output=made.args[0]), [note]


def _without(output: Any, gone: dict[fx.Node, str]) -> Any:
    """What the model returns, without some of it."""
    if isinstance(output, dict):
        return {key: _without(item, gone) for key, item in output.items() if item not in gone}
    if isinstance(output, tuple | list):
        return type(output)(
            _without(item, gone) for item in output if not isinstance(item, fx.Node) or item not in gone
        )
    return output
