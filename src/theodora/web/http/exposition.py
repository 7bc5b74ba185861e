"""Metrics as text: Prometheus' format, or OpenMetrics for a client that prefers it."""

import re
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from theodora.web.http.responses import Header

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_PARAMETER = re.compile(r"(version|q)\s*=\s*\"?(\d+(?:\.\d+)?)", re.ASCII)

VARY: tuple[Header, ...] = ((b"vary", b"Accept"),)


class Exposition(NamedTuple):
    """A text and its media type."""

    body: bytes
    media_type: str


def expose(registry: CollectorRegistry, accept: str) -> Exposition:
    """The metrics in the form that the header `Accept` prefers."""
    if prefers_openmetrics(accept):
        return Exposition(generate_openmetrics(registry), OPENMETRICS)
    return Exposition(generate_latest(registry), PROMETHEUS)


def prefers_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.x is accepted, with a weight that is no less than plain text's."""
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for choice in accept.lower().split(","):
        name, _, rest = choice.partition(";")
        kind, parameters = name.strip(), dict(_PARAMETER.findall(rest))
        is_older = kind == "application/openmetrics-text" and parameters.get("version") == "0.0"
        if kind in weights and not is_older:
            weights[kind] = max(weights[kind], float(parameters.get("q", "1")))
    openmetrics, text = weights.values()
    return openmetrics > 0 and openmetrics >= text
