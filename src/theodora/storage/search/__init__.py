"""Runs queries: conditions, probes of the index, and the plan of a list."""
