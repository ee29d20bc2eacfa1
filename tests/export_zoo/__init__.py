"""Architectures that people have, exported as they would export them, through nmc: import, equality, both targets.

nets       the networks, narrow, in plain torch.nn; one file a family
written    models in the style of tf2onnx, written by hand
cases      which networks are exported how
exports    the files, made once and kept in a folder that git ignores
judge      what becomes of one file: imported, equal, compiled for each target or refused with which codes
page       docs/conformance_models.md
"""
