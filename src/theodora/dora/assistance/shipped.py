"""What AI impact reads: deployments with the commits that they were the first to ship."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from theodora.dora.derivation.authorship import Authorship

GROUPED = ("service", "team", "env", "repository_id")
"""The keys to group deployments by. There is none for people: nobody is ranked."""


class ShippedCommit(NamedTuple):
    """A commit that a deployment counts."""

    authorship: Authorship
    lead_time_ns: int | None = None
    request: int | None = None
    """The number of its pull request."""


class ShippedDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """A derived deployment with at least one commit. Instants and spans are nanoseconds."""

    id: str
    finished_at_ns: int
    repository: str
    """The match key of its repository: numbers of requests count within it."""
    service: str = ""
    team: str | None = None
    env: str | None = None
    repository_id: str | None = None
    change_failure: bool | None = None
    is_rework: bool = False
    recovery_ns: int | None = None
    """None while nothing has fixed it."""
    commits: tuple[ShippedCommit, ...] = ()
    cycle_times_ns: Mapping[int, int] = {}
    """From the first of its commits to the merge of a request, by its number."""


class ActiveDay(NamedTuple):
    """A day on which a person used a tool."""

    user_email: str
    """In lower case."""
    day: int
    """Days since 1970-01-01."""
    tool: str
