"""Writes the NIR files and reference traces in this folder: `python make.py FRAMEWORK`, with FRAMEWORK one of norse,
sinabs, snntorch, spikingjelly.

Each case is a small network with random weights that its own framework exports to `<framework>_<case>.nir`, and what
the framework itself computes from random input trains: `<framework>_<case>.npz` with `input` and `output`, shape
(samples, steps, …). The frameworks do not agree on their dependencies, so each needs an environment of its own, e.g.

    pip install torch==2.13.0 nir nirtorch norse==1.1.0          (--no-deps for norse and sinabs)
    pip install torch==2.13.0 nir nirtorch sinabs==3.1.3 pbr
    pip install torch==2.13.0 nir nirtorch snntorch==1.0.0
    pip install torch==2.13.0 nir nirtorch spikingjelly==2.0.0

The tests read the files and need none of these.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nir
import numpy as np
import torch
from torch import Tensor, nn

FOLDER = Path(__file__).parent
SAMPLES, STEPS, INPUTS, HIDDEN, OUTPUTS = 2, 120, 12, 16, 8


def linear(inputs: int, outputs: int, gain: float = 1.0) -> nn.Linear:
    """Random weights that drive neurons of threshold 1 to a fair number of spikes."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, 0.15 * gain, 0.6 * gain)
    nn.init.normal_(layer.bias, 0.05 * gain, 0.1 * gain)
    return layer


def trains(*shape: int) -> Tensor:
    return (torch.rand(SAMPLES, STEPS, *shape) < 0.4).float()


def store(name: str, graph: nir.NIRGraph, given: Tensor, found: Tensor) -> None:
    """One case: the exported graph, the input and the output."""
    rate = float((found > 0).float().mean())
    assert 0.02 < rate < 0.6, f"{name}: {rate:.2f} of the outputs are spikes"
    nir.write(FOLDER / f"{name}.nir", graph, compression=None)
    arrays = {"input": given.numpy().astype(np.uint8), "output": found.detach().numpy()}
    np.savez_compressed(FOLDER / f"{name}.npz", **arrays)


def stepped(net: Callable[..., tuple[Tensor, object]], given: Tensor) -> Tensor:
    """Outputs of a network that takes one step and its state."""
    state, found = None, []
    for step in given.unbind(1):
        y, state = net(step, state)
        found.append(y)
    return torch.stack(found, 1)


def norse() -> None:
    import norse.torch as norse
    from norse.torch.utils.export_nir import to_nir

    def lif_box(size: int) -> nn.Module:
        ones = torch.ones(size)
        return norse.LIFBoxCell(norse.LIFBoxParameters(tau_mem_inv=100 * ones, v_leak=0 * ones, v_th=ones))

    def iaf(size: int) -> nn.Module:
        return norse.IAFCell(norse.IAFParameters(v_th=torch.ones(size)))

    def lif(size: int) -> nn.Module:
        ones = torch.ones(size)
        taus = {"tau_syn_inv": 200 * ones, "tau_mem_inv": 100 * ones}
        return norse.LIFCell(norse.LIFParameters(**taus, v_leak=0 * ones, v_th=ones))

    for name, (make, gain) in {"lif_box": (lif_box, 8.0), "iaf": (iaf, 0.7), "lif": (lif, 0.8)}.items():
        net = norse.SequentialState(
            linear(INPUTS, HIDDEN, gain), make(HIDDEN), linear(HIDDEN, OUTPUTS, gain), make(OUTPUTS)
        )
        given = trains(INPUTS)
        store(f"norse_{name}", to_nir(net, given[:1, 0]), given, stepped(net, given))


def sinabs() -> None:
    import sinabs.layers as sl
    from sinabs.activation import MembraneReset, MembraneSubtract, MultiSpike, SingleSpike
    from sinabs.nir import to_nir

    def leaky(size: int, reset: object) -> sl.LIF:
        return sl.LIF(torch.full((size,), 6.0), spike_fn=SingleSpike, reset_fn=reset, spike_threshold=torch.ones(size))

    def plain(size: int, fire: object) -> sl.IAF:
        return sl.IAF(spike_fn=fire, spike_threshold=torch.ones(size))

    cases = {
        "lif_subtract": (lambda size: leaky(size, MembraneSubtract()), 2.5),
        "lif_value": (lambda size: leaky(size, MembraneReset()), 5.0),
        "iaf": (lambda size: plain(size, SingleSpike), 0.3),
        "iaf_multi": (lambda size: plain(size, MultiSpike), 0.6),
    }
    for name, (make, gain) in cases.items():
        net = nn.Sequential(linear(INPUTS, HIDDEN, gain), make(HIDDEN), linear(HIDDEN, OUTPUTS, gain), make(OUTPUTS))
        given = trains(INPUTS)
        found = net(given)
        store(f"sinabs_{name}", to_nir(net, given[:1]), given, found)


def snntorch() -> None:
    import snntorch
    from snntorch.export_nir import export_to_nir

    def leaky(size: int, **settings: object) -> nn.Module:
        beta = torch.linspace(0.6, 0.95, size)
        return snntorch.Leaky(beta=beta, threshold=torch.ones(size), init_hidden=True, **settings)

    def synaptic(size: int, **settings: object) -> nn.Module:
        alpha, beta = torch.full((size,), 0.5), torch.full((size,), 0.8)
        return snntorch.Synaptic(alpha=alpha, beta=beta, threshold=torch.ones(size), init_hidden=True, **settings)

    def recurrent(size: int, **settings: object) -> nn.Module:
        made = snntorch.RLeaky(beta=0.8, linear_features=size, init_hidden=True, **settings)
        nn.init.normal_(made.recurrent.weight, 0, 0.3)
        nn.init.normal_(made.recurrent.bias, 0.1, 0.1)
        return made

    cases = {
        "leaky_subtract": (lambda size: leaky(size), 0.5),
        "leaky_zero": (lambda size: leaky(size, reset_mechanism="zero"), 0.5),
        "leaky_at_once": (lambda size: leaky(size, reset_delay=False), 0.5),
        "synaptic": (lambda size: synaptic(size), 0.3),
        "rleaky": (lambda size: recurrent(size), 0.5),
    }
    for name, (make, gain) in cases.items():
        net = nn.Sequential(linear(INPUTS, HIDDEN, gain), make(HIDDEN), linear(HIDDEN, OUTPUTS, gain), make(OUTPUTS))
        if name == "leaky_at_once":  # keeps v below twice the threshold, beyond which snnTorch resets twice
            net[0].weight.clamp_(0, 0.1), net[2].weight.clamp_(0, 0.1)
        given = trains(INPUTS)
        graph = export_to_nir(net, given[:1, 0], ignore_dims=[0])
        for module in net.modules():
            if hasattr(module, "reset_mem"):
                module._init_mem()
        found = torch.stack([net(step) for step in given.unbind(1)], 1)
        store(f"snntorch_{name}", graph, given, found)


def spikingjelly() -> None:
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    def dense(make: Callable[[], nn.Module], gain: float) -> Iterator[nn.Module]:
        yield from (linear(INPUTS, HIDDEN, gain), make(), linear(HIDDEN, OUTPUTS, gain), make())

    def image() -> Iterator[nn.Module]:
        yield from (layer.Conv2d(2, 4, 3, padding=1, stride=2), neuron.IFNode(v_threshold=0.5), layer.AvgPool2d(2))
        yield from (layer.Conv2d(4, 6, 3, padding=1), neuron.IFNode(v_threshold=0.3), layer.Flatten(), linear(24, 5))
        yield neuron.LIFNode(tau=4.0, v_threshold=0.25)

    cases = {
        "if": (dense(neuron.IFNode, 0.6), (INPUTS,)),
        "lif": (dense(lambda: neuron.LIFNode(tau=3.0), 2.0), (INPUTS,)),
        "lif_undecayed": (dense(lambda: neuron.LIFNode(tau=3.0, decay_input=False), 0.8), (INPUTS,)),
        "lif_reset": (dense(lambda: neuron.LIFNode(tau=3.0, v_reset=-0.25), 2.0), (INPUTS,)),
        "plif": (dense(lambda: neuron.ParametricLIFNode(init_tau=2.5), 2.0), (INPUTS,)),
        "cuba": (dense(lambda: neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75), 0.15), (INPUTS,)),
        "image": (image(), (2, 8, 8)),
    }
    for name, (modules, shape) in cases.items():
        net = nn.Sequential(*modules)
        given = trains(*shape)
        graph = export_to_nir(net, given[:1, 0])
        functional.reset_net(net)
        found = torch.stack([net(step) for step in given.unbind(1)], 1)
        store(f"spikingjelly_{name}", graph, given, found)


if __name__ == "__main__":
    torch.manual_seed(0)
    with torch.no_grad():
        {"norse": norse, "sinabs": sinabs, "snntorch": snntorch, "spikingjelly": spikingjelly}[sys.argv[1]]()
