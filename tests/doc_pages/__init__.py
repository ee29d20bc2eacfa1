"""Runs the commands of README, docs/ and the examples' READMEs in order, page by page: `make docs-test`."""
