"""HiAER-Spike / CRI: tables of integer spiking neurons. Networks with analog activations run in the unary code."""
