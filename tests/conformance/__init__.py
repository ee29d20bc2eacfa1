"""The ONNX backend suite through nmc: importer and reference interpreter against the suite's own outputs.

suite     the cases that the installed onnx package holds
readings  how a case becomes a network with samples, as nmc imports them
verdict   what becomes of one case: equal, refused, wrong or crashed
page      docs/conformance.md
"""
