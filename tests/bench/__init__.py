"""Benchmarks of a whole etld; `make bench` runs them."""
