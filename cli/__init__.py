"""The `nmc` command."""
