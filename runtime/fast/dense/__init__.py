"""The dense engine: Akida programs, compiled; equal to the reference in every bit and count. See docs/engines.md."""
