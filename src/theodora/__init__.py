"""Theodora: a self-hosted DORA metrics server that speaks Datadog's DORA Metrics API v2."""

__version__ = "0.1.0"
