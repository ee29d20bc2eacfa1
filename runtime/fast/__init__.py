"""Engines that give the bits of the reference simulators sooner. docs/engines.md says how."""
