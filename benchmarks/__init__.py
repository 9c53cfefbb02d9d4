"""Measurements of the export: `python -m benchmarks`, or `make bench`."""
