"""Programs on torch, on a CPU or a GPU: the integers of the reference, many samples at once (docs/engines.md)."""
