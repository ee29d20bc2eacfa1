"""Narrow networks: the structure of the papers, few channels, small inputs."""
