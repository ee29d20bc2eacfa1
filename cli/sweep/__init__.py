"""Compiling a network with every combination of options, and measuring what each is worth and costs."""
