"""A webhook delivery as an adapter reads it, and the settings of its source."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from theodora.events.json_values import JsonObject
from theodora.sources.webhooks.names import value_named

COUNT_QUERIES = ("count_deployments", "count_failures")
"""Settings that are search queries."""


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one source; each kind of source reads some members."""

    service: str = ""
    """Service of everything that it sends; empty for the one that the payload names."""
    service_from: str = ""
    """Path of the member of the payload that gives the service, before everything else."""
    env: str = ""
    """Environment of what names none."""
    env_from: str = ""
    """Path of the member of the payload that gives the environment, before everything else."""
    services: Mapping[str, str] = {}
    """Services by the provider's names of them (of a repository, a service, a job); in names of
    settings, `*` matches any characters."""
    envs: Mapping[str, str] = {}
    """Environments by the provider's names of them; of what names none, by those of its job, its
    branch or its repository."""
    team: str = ""
    """Team of everything that names none."""
    teams: Mapping[str, str] = {}
    """Teams of what names none, by its service."""
    count_deployments: str = ""
    """Search query of the deployments that count; empty for all."""
    count_failures: str = ""
    """Search query of the incidents that count; empty for all."""
    workflows: tuple[str, ...] = ()
    """Workflows, jobs or pipelines that deploy."""
    branches: tuple[str, ...] = ()
    """Branches that those deploy from; empty for the default branch."""
    releases: bool | None = None
    """Whether publishing a release is a deployment; None, as False, unless it is set for all
    sources."""
    deployment: Mapping[str, str] = {}
    """JSONPath queries of a deployment's members and conditions, by their names."""
    incident: Mapping[str, str] = {}
    """JSONPath queries of an incident's members and conditions, by their names."""

    severities: tuple[str, ...] = ()
    """Severities or priorities of incidents and alerts that count; empty for the source's own."""

    types: tuple[str, ...] = ()
    """Types or labels of issues that are incidents; empty for the source's own."""

    def service_of(self, *names: str | None) -> str | None:
        """The service for the provider's names of one thing, the most precise name first.

        Where the settings know none of them it is the last name itself.
        """
        return value_named(self.services, names) or self.service or names[-1]

    def env_of(self, name: str | None) -> str | None:
        """The environment for the provider's name of it."""
        return value_named(self.envs, [name]) or name if name else self.env or None

    def env_for(self, *names: str | None) -> str | None:
        """The environment of what names none, for the provider's names of its job, its branch or
        its repository."""
        return value_named(self.envs, names) or self.env or None

    def team_of(self, *services: str | None) -> str | None:
        """The team of what is about these services and names none."""
        return value_named(self.teams, services) or self.team or None


class Delivery(NamedTuple):
    """What came in: the headers that matter, with names in lower case, and the body's object."""

    headers: Mapping[str, str]
    payload: JsonObject
    teams: Mapping[str, str] = {}
    """Teams of services, as the settings of the organisation give them."""
    received_at_ns: int = 0
    """When it came in first; for messages that name no time."""


class Ignored(NamedTuple):
    """A delivery that says nothing about deployments, changes or incidents."""

    reason: str
    """A sentence without a full stop, which the source's page shows."""


DEFAULT_SETTINGS = SourceSettings()
