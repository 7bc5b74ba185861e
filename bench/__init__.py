"""Benchmarks: each prints ratios against a yardstick that is run beside it."""
