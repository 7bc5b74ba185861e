"""Derivation and metrics of deployments: pure functions of events and facts.

`derive` evaluates one sequence of deployments, `make_report` answers a metrics query from columns
of derived deployments. Nothing here does I/O, reads a clock or knows SQL or HTTP.
"""

from theodora.dora.derivation.cache import DerivationCache
from theodora.dora.derivation.commits import Commit, PullRequest, Repository
from theodora.dora.derivation.derive import Derivation, derive
from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.overrides import GivenRemediation, Override
from theodora.dora.derivation.rules import LinkedRule, StaticRule
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import ServiceSettings
from theodora.dora.metrics.calendar import Calendar, Period
from theodora.dora.metrics.columns import (
    DeploymentColumns,
    IncidentColumns,
    Labels,
    Selected,
    select_deployments,
    select_incidents,
)
from theodora.dora.metrics.report import MetricsQuery, Report, make_report
from theodora.dora.metrics.rows import DeploymentRow, IncidentRow, deployment_row, incident_row

__all__ = [
    "Calendar",
    "Commit",
    "DeploymentColumns",
    "DeploymentRow",
    "DeploymentSequence",
    "Derivation",
    "DerivationCache",
    "Derived",
    "GivenRemediation",
    "IncidentColumns",
    "IncidentRow",
    "Labels",
    "LinkedRule",
    "MetricsQuery",
    "Override",
    "Period",
    "PullRequest",
    "Report",
    "Repository",
    "Selected",
    "ServiceSettings",
    "StaticRule",
    "deployment_row",
    "derive",
    "incident_row",
    "make_report",
    "select_deployments",
    "select_incidents",
]
