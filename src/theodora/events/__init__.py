"""Deployments and failures as frozen values."""

from theodora.events.repository import MatchKeys, match_key, repository_id, without_credentials
from theodora.events.timestamps import (
    format_minute,
    format_rfc3339,
    format_second,
    nanoseconds_from_integer,
    nanoseconds_from_json,
    nanoseconds_from_rfc3339,
)
from theodora.events.values import (
    ActivePeriod,
    Deployment,
    DeploymentType,
    Failure,
    Git,
    Remediation,
    RemediationType,
    with_team_of_services,
)

__all__ = [
    "ActivePeriod",
    "Deployment",
    "DeploymentType",
    "Failure",
    "Git",
    "MatchKeys",
    "Remediation",
    "RemediationType",
    "format_minute",
    "format_rfc3339",
    "format_second",
    "match_key",
    "nanoseconds_from_integer",
    "nanoseconds_from_json",
    "nanoseconds_from_rfc3339",
    "repository_id",
    "with_team_of_services",
    "without_credentials",
]
