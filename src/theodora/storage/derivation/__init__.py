"""Derivation of changed sequences, and explanations of its results."""
