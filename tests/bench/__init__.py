"""Benchmarks: they print measurements and ratios and judge nothing. `make bench` runs them, one after the other."""
