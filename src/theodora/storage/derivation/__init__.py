"""Runs derivation over what has changed, and explains its results."""
