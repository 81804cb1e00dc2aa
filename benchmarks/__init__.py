"""Benchmarks: each file prints one table and is run as ``python -m benchmarks.NAME``."""
