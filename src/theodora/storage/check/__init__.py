"""Checks of a complete store: what is damaged, and what differs from what it is computed from."""
