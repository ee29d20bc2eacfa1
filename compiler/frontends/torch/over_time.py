"""Operations over time that a trace holds beside those of PyTorch. Each is a node `call_function`; run as functions
they give a tensor of the right shape."""

from __future__ import annotations

import torch
from torch import Tensor


def each_step(x: Tensor, dim: int = 0) -> Tensor:
    """A train as the value it has in one timestep, without its time axis `dim`."""
    return x.select(dim, 0)


def every_step(y: Tensor, steps: int, dim: int = 0) -> Tensor:
    """The train of what one timestep gives, with a time axis at `dim`."""
    return torch.stack([y] * steps, dim)


def previous(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What `remember` was given in the step before, zeros in the first; x is a value of this step."""
    return x.new_zeros(shape)


def remember(state: Tensor, y: Tensor) -> Tensor:
    """y, which `state` (of `previous`) is in the next step."""
    return y.clone()


def mean_over_steps(x: Tensor) -> Tensor:
    """The mean of all timesteps so far."""
    return x.clone()


def sum_over_steps(x: Tensor) -> Tensor:
    """The sum of all timesteps so far."""
    return x.clone()
