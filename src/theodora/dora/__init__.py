"""Derivation and metrics: pure functions from events, commits and rules to what they mean."""
