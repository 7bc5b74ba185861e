"""Datadog's DORA Metrics API v2, read and written as a client."""
