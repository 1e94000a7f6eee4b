"""Measurements, run by hand: `python -m tests.benchmarks.NAME`. Their tables are committed beside them."""
