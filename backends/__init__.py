"""Targets: each folder holds the limits, the pass pipeline, the lowering and the exporters of one machine."""
