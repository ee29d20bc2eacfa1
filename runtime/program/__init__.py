"""The program file and what it holds: a leaf that compiler, backends and runtime share (numpy and safetensors only)."""
