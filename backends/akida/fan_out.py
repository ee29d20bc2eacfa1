"""No layer is read more often than the machine allows: identity convolutions pass on what more readers need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .floats import FloatLayer, FloatNet, parameters_of

MOST_READERS = 2


def limit_readers(net: FloatNet) -> FloatNet:
    """The net with at most two readers a layer, one for an image layer; a graph output counts as a reader."""
    made = FloatNet({}, net.inputs, net.outputs)
    for layer in net.layers.values():
        made.layers[layer.name] = layer
        last, number = layer, 1
        readers = [(r, i) for r in net.readers(layer.name) for i, name in enumerate(r.inbounds) if name == layer.name]
        outside = net.is_output(layer.name)
        while len(readers) + outside > (1 if last.kind == "InputConv2D" else MOST_READERS):
            while f"{layer.name}.copy{number}" in net.layers:
                number += 1
            follower = made.add(_identity(last, f"{layer.name}.copy{number}"))
            if last.kind != "InputConv2D":
                readers, outside = readers[not outside :], False
            elif outside:
                moved = [replace(o, layer=follower.name) if o.layer == last.name else o for o in made.outputs]
                made.outputs = moved
            for reader, i in readers:
                reader.inbounds = (*reader.inbounds[:i], follower.name, *reader.inbounds[i + 1 :])
            last, number = follower, number + 1
    return made


def _identity(layer: FloatLayer, name: str) -> FloatLayer:
    channels = layer.made[2]
    parameters = parameters_of("Conv2D", filters=channels, kernel_size=1)
    weight, bias = np.eye(channels)[None, None], np.zeros(channels)
    return FloatLayer(name, "Conv2D", (layer.name,), parameters, weight, bias, identity=True, origin=layer.origin)
