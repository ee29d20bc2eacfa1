"""The framework's own network with the table's integers in place of its weights, in float64.

Weights and biases come from the integer graph, by the layers' paths; batch norms, which are folded there, become the
identity, average pools become sums, neurons get integer thresholds and reset to 0. Nothing else changes: control flow,
containers, step modes and neurons are SpikingJelly's.
"""

from __future__ import annotations

import copy
import re

import numpy as np
import torch
from spiking_parts import Net, Residual
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

from nmc.compiler.driver import Compilation
from nmc.compiler.ir import Node
from nmc.compiler.ir.ops import Conv, ConvTranspose, Dense, Spike
from nmc.runtime.encode import codes

LAYERS = Conv | ConvTranspose | Dense
Array = np.ndarray


class PlainLIF(neuron.LIFNode):
    """SpikingJelly's own neuron, which keeps what it compares with the threshold in `charged`."""

    def single_step_functional_forward(self, inputs, states, **kwargs):
        self.__dict__.setdefault("charged", []).append(states[0] - states[0] / self.tau + inputs[0])
        return super().single_step_functional_forward(inputs, states, **kwargs)

    def multi_step_functional_forward(self, inputs, states, **kwargs):
        spikes = []
        for x in inputs[0]:
            (spike,), states = self.single_step_functional_forward((x,), states)
            spikes.append(spike)
        return (torch.stack(spikes),), states


class FloorLIF(PlainLIF):
    """SpikingJelly's loop with its leak replaced by the machine's: v − floor(v / tau) + x."""

    def single_step_functional_forward(self, inputs, states, **kwargs):
        v = states[0] - torch.floor(states[0] / self.tau) + inputs[0]
        spike = (v >= self.v_threshold).to(v)
        return (spike,), (v * (1 - spike),)


class SumPool(nn.Module):
    """An average pool without the division, on (…, C, H, W) of any step mode."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.kernel, self.stride = getattr(pool, "kernel_size", None), getattr(pool, "stride", None)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(0, -4) if x.dim() > 4 else x
        kernel = self.kernel or flat.shape[-2:]
        y = nn.functional.avg_pool2d(flat, kernel, self.stride or kernel, divisor_override=1)
        return y.reshape(*x.shape[:-2], *y.shape[-2:])


class Twin:
    """One network and its integer twin; `leaky` is the class that its LIF neurons get."""

    def __init__(self, net: Net, compilation: Compilation, leaky: type[neuron.LIFNode] = FloorLIF):
        self.net, self.compilation, self.program = net, compilation, compilation.program
        self.leaky = leaky
        self.scales = {entry.name: entry for entry in compilation.reports["quantize-spiking"]}
        self.module = copy.deepcopy(net.build()).double().eval()
        self.spikes: dict[str, list[Tensor]] = {}
        for path, part in list(self.module.named_modules()):
            self._replace(path, part)
        for path, part in self.module.named_modules():
            if isinstance(part, neuron.BaseNode):
                part.register_forward_hook(self._listen(path))

    # --- what becomes of each module ---

    def _layers(self, path: str) -> list[Node]:
        """The integer layers that a layer of the framework became: one for each train it reads."""
        own = re.compile(rf"{re.escape(path)}(\.[ab])*\.int")
        return [n for n in self.compilation.lowered.nodes if own.fullmatch(n.result.name) and isinstance(n.op, LAYERS)]

    def _replace(self, path: str, part: nn.Module) -> None:
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            self._put(path, nn.Identity())
        elif isinstance(part, nn.AvgPool2d | nn.AdaptiveAvgPool2d):
            self._put(path, SumPool(part))
        elif isinstance(part, nn.modules.conv._ConvNd | nn.Linear):
            self._integers(path, part)
        elif isinstance(part, neuron.BaseNode):
            self._neuron(path, part)
        elif isinstance(part, layer.LinearRecurrentContainer):
            self._recurrent(path, part)
        elif isinstance(part, Residual) and part.kind == "plain":
            gain = float(np.round(self._unit(f"{path}.sn2")))
            part.forward = lambda x, p=part, g=gain: p.sn2(p.bn2(p.conv2(p.sn1(p.bn1(p.conv1(x))))) + g * x)
        elif isinstance(part, layer.ElementWiseRecurrentContainer):
            half = float(np.round(0.5 * self._unit(f"{path}.sub_module")))
            part.element_wise_function = lambda y, x: x - half * y  # x is a layer's sum, in these units already

    def _put(self, path: str, made: nn.Module) -> None:
        parent, _, name = path.rpartition(".")
        setattr(self.module.get_submodule(parent), name, made)

    def _integers(self, path: str, part: nn.Module) -> None:
        nodes = self._layers(path)
        if not nodes:
            return  # in front of a recurrent container, which takes its weights
        weights = [node.operands[1].data for node in nodes]
        assert all(w.dtype.kind == "i" and np.array_equal(w, weights[0]) for w in weights)
        part.weight.data = torch.from_numpy(weights[0].astype(np.float64))
        biases = [v.data.astype(np.float64) for node in nodes for v in node.operands[2:]]
        part.bias = nn.Parameter(torch.from_numpy(sum(biases))) if biases else None

    def _recurrent(self, path: str, part: layer.LinearRecurrentContainer) -> None:
        """Linear in front of the container's own: the table holds their product, so the first does nothing here."""
        parts = [n for n in self.compilation.lowered.nodes if re.fullmatch(rf"{path}\.rc\.[01]\.int", n.result.name)]
        weight = np.concatenate([n.operands[1].data for n in parts], axis=1).astype(np.float64)
        self._put("0", nn.Identity())
        part.rc = nn.Linear(weight.shape[1], len(weight)).double()
        part.rc.weight.data = torch.from_numpy(weight)
        part.rc.bias.data = torch.from_numpy(parts[0].operands[2].data.astype(np.float64))

    def _spike(self, path: str) -> Node:
        nodes = self.compilation.lowered.nodes
        (node,) = [n for n in nodes if n.result.origin[-1:] == (path,) and isinstance(n.op, Spike)]
        return node

    def _unit(self, path: str) -> float:
        """How many units of the neuron's integer potential 1 of its input is."""
        return 1 / self.scales[self._spike(path).result.name].scale

    def _neuron(self, path: str, part: neuron.BaseNode) -> None:
        node = self._spike(path)
        threshold, leak = (int(value.data.reshape(-1)[0]) for value in node.operands[1:])
        part.v_threshold = float(threshold)
        part.v_reset = None if part.v_reset is None else 0.0
        part.set_reset_value("v", 0.0)
        part.reset()
        if not isinstance(part, neuron.IFNode):
            made = self.leaky(float(2**leak), False, float(threshold), part.v_reset, step_mode=part.step_mode)
            self._put(path, made)

    def _listen(self, path: str):
        def hook(module: nn.Module, args: object, result: Tensor) -> None:
            self.spikes.setdefault(path, []).append(result if module.step_mode == "m" else result[None])

        return hook

    def population(self, path: str) -> str:
        """Name of the population that a neuron module became."""
        return self._spike(path).result.name

    # --- running it ---

    def inputs(self, given: Array) -> Array:
        """What the twin takes: the codes of a held image, spikes as they are."""
        return codes(self.program.inputs[0], given)[0].astype(np.float64) if self.net.mode == "held" else given

    def run(self, given: Array) -> tuple[Array, dict[str, Array]]:
        """Outputs as the framework lays them out, and every neuron's spikes (samples, T, …) by path."""
        self.spikes.clear()
        functional.reset_net(self.module)
        x = torch.from_numpy(self.inputs(given))
        with torch.no_grad():
            if self.net.mode == "s":
                found = torch.stack([self.module(x[:, t]) for t in range(x.shape[1])])
            else:
                found = self.module(x.transpose(0, 1) if self.net.mode == "m" else x)
        spikes = {path: torch.cat(parts).transpose(0, 1).numpy() for path, parts in self.spikes.items()}
        return (found if "last" in self.net.tags else found.transpose(0, 1)).numpy(), spikes
