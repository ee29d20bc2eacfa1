"""Golden regression: cases (a model, how it is compiled, an input), what was recorded of them, and what differs now."""
