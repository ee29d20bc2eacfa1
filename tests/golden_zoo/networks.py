"""Networks of the zoo that are made from code: structure from examples/, weights from a seed.

No weight comes from floating-point sums, whose last bits differ between processors: all are drawn as whole numbers and
scaled. So the programs are the same on every machine.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from dvs_gesture.network import dvs_gesture as dvs_gesture_network

from models import tenn


def seeded(model: nn.Module, seed: int, gain: float = 1.0) -> nn.Module:
    """The model in eval mode; weights uniform with variance 2 · gain² / fan-in, parameters of batch norms near neutral.

    A draw is the upper 24 bits of PCG64's raw stream, as in `nmc.runtime.golden.draw`.
    """
    stream = np.random.PCG64(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            drawn = np.atleast_1d(stream.random_raw(tensor.numel())) >> np.uint64(40)
            unit = drawn.astype(np.float64) / 2**23 - 1  # from −1 to below 1
            if tensor.ndim > 1:
                values = unit * (gain * math.sqrt(6 / tensor[0].numel()))
            elif name.endswith("running_var") or (name.endswith("weight") and tensor.ndim == 1):
                values = 1 + unit / 2
            else:
                values = unit / 4
            tensor.copy_(torch.from_numpy(values.reshape(tensor.shape)))
    return model.eval()


def jester() -> nn.Module:
    """TENN for hand gestures in video: (N, 3, 16, H, W)."""
    return seeded(tenn.jester("pad"), 1)


def dvs128() -> nn.Module:
    """TENN for hand gestures before an event camera: (N, 2, 15, H, W)."""
    return seeded(tenn.dvs128("chomp"), 2)


def eye_tracking() -> nn.Module:
    """TENN that tracks pupils: (N, 2, T, H, W)."""
    return seeded(tenn.eye_tracking("concat"), 3)


def dvs_gesture() -> nn.Module:
    """The spiking DVS gesture network in full size."""
    return seeded(dvs_gesture_network(), 4, gain=2.0)
