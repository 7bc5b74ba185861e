"""Paths of events in the dashboard, and the chips of verdicts."""

from collections.abc import Mapping
from urllib.parse import quote

from theodora.events import Deployment

VERDICTS: Mapping[bool | None, tuple[str, str]] = {
    False: ("ok", "OK"),
    True: ("failed", "Failed"),
    None: ("pending", "Pending"),
}
"""The chip of a verdict: its icon, and its word."""

PULL_REQUESTS_PATH = "/pull-requests"

STATES: Mapping[str, tuple[str, str]] = {
    "open": ("pending", "Open"),
    "draft": ("baseline", "Draft"),
    "merged": ("ok", "Merged"),
    "closed": ("failed", "Closed"),
}
"""The chip of a pull request's state: its icon, and its word."""

UNMEASURED: Mapping[str, str] = {
    "baseline": "Baseline",
    "gap": "After a gap",
    "shallow": "Shallow clone",
}
"""The word of the chip for why a deployment has no lead time."""


def deployment_path(deployment: Deployment) -> str:
    """`/deployments/{id}`; whatever the id holds is quoted."""
    return path_of(deployment.id)


def path_of(id_: str) -> str:
    """The same, if only the id is known."""
    return f"/deployments/{quote(id_, safe='')}"


def pull_request_path(id_: str) -> str:
    """`/pull-requests/{id}`; whatever the id holds is quoted."""
    return f"{PULL_REQUESTS_PATH}/{quote(id_, safe=':')}"


def failure_path(id_: str) -> str:
    """`/failures/{id}`; whatever the id holds is quoted."""
    return f"/failures/{quote(id_, safe='')}"
