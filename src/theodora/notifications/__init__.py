"""Digests and alerts: what is sent to whom, when and how."""
