"""Video and image networks that the tests and benchmarks compile, and their export to ONNX."""
