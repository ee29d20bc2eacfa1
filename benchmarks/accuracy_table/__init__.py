"""What `benchmarks/accuracy.py` measures: networks, formats, cells of the table, the page and its bounds."""
