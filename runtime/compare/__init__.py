"""Comparing results and programs: float against integers, profile against profile, file against file."""
