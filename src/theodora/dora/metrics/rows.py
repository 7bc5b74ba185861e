"""The input rows of metrics, one for each deployment and incident."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.stages import Stages
from theodora.events import DeploymentType, Failure

REWORK_TAG = "rework:true"

_FIELDS = ("team", "env", "repository_id")


class DeploymentRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A derived deployment for metrics. Instants and spans are nanoseconds."""

    id: str
    service: str
    env: str | None = None
    team: str | None = None
    repository_id: str | None = None
    custom_tags: tuple[str, ...] = ()
    finished_at_ns: int
    lead_times_ns: tuple[int, ...] = ()
    """Of its new commits, those that have one."""
    stages: tuple[Stages, ...] = ()
    """Of the same commits."""
    change_failure: bool | None = None
    deployment_type: DeploymentType = "standard"
    recovery_time_ns: int | None = None

    def values(self) -> Mapping[str, Sequence[str]]:
        """Its values by key, for grouping; without keys that it has no value for."""
        return _values(self, (self.service,))

    @property
    def is_rework(self) -> bool:
        """Whether it is an unplanned fix (DORA 2024: deployment rework rate)."""
        return self.deployment_type != "standard" or REWORK_TAG in self.custom_tags


class IncidentRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An incident for metrics. Instants and spans are nanoseconds."""

    services: tuple[str, ...] = ()
    env: str | None = None
    team: str | None = None
    repository_id: str | None = None
    custom_tags: tuple[str, ...] = ()
    started_at_ns: int
    is_open: bool
    time_to_restore_ns: int | None = None

    def values(self) -> Mapping[str, Sequence[str]]:
        """Its values by key, for grouping; without keys that it has no value for."""
        return _values(self, self.services)


def deployment_row(derived: Derived) -> DeploymentRow:
    deployment, verdict = derived.deployment, derived.verdict
    measured = [each for each in derived.changes.commits if each.lead_time_ns is not None]
    return DeploymentRow(
        id=deployment.id,
        service=deployment.service,
        env=deployment.env,
        team=deployment.team,
        repository_id=deployment.git.repository_id if deployment.git else None,
        custom_tags=deployment.custom_tags,
        finished_at_ns=deployment.finished_at_ns,
        lead_times_ns=tuple(
            each.lead_time_ns for each in measured if each.lead_time_ns is not None
        ),
        stages=tuple(each.stages for each in measured if each.stages),
        change_failure=verdict.change_failure,
        deployment_type=verdict.deployment_type,
        recovery_time_ns=verdict.recovery_time_ns,
    )


def incident_row(incident: Failure) -> IncidentRow:
    return IncidentRow(
        services=incident.services,
        env=incident.env,
        team=incident.team,
        repository_id=incident.git.repository_id if incident.git else None,
        custom_tags=incident.custom_tags,
        started_at_ns=incident.started_at_ns,
        is_open=incident.finished_at_ns is None,
        time_to_restore_ns=incident.time_to_restore_ns,
    )


def _values(
    row: DeploymentRow | IncidentRow, services: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    """The values of fields, and of tags by key; a field hides a tag of its name."""
    tags = values_by_key(row.custom_tags)
    fields = {"service": services} | {
        name: (value,) if (value := getattr(row, name)) else () for name in _FIELDS
    }
    return {key: each for key, each in (tags | fields).items() if each}


def values_by_key(custom_tags: Iterable[str]) -> dict[str, Sequence[str]]:
    """The different values of each key, in the order in which they come."""
    found: dict[str, dict[str, None]] = {}
    for tag in custom_tags:
        key, _, value = tag.partition(":")
        found.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in found.items()}
