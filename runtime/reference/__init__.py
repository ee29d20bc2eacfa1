"""The simulator that defines what a program means: plain numpy, integers only, no cleverness."""
