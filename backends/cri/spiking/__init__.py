"""Spiking networks on the CRI machine: from the integer frame graph to the table, one timestep a layer."""

from .lower import SpikingLowering

__all__ = ["SpikingLowering"]
