"""What deployments were, and the metrics of them: pure functions of events and facts.

`derive` judges one sequence of deployments, `make_report` answers a metrics query from
columns of derived deployments. Nothing here does I/O, reads a clock or knows SQL or HTTP.
"""

from theodora.dora.buckets import Calendar, Period
from theodora.dora.columns import (
    DeploymentColumns,
    IncidentColumns,
    Labels,
    Selected,
    select_deployments,
    select_incidents,
)
from theodora.dora.commits import Commit, PullRequest, Repository
from theodora.dora.derivation import Derivation, derive
from theodora.dora.derived import Derived
from theodora.dora.overrides import GivenRemediation, Override
from theodora.dora.recall import Recall
from theodora.dora.report import MetricsQuery, Report, make_report
from theodora.dora.rows import DeploymentRow, IncidentRow, deployment_row, incident_row
from theodora.dora.rules import LinkedRule, StaticRule
from theodora.dora.sequence import DeploymentSequence
from theodora.dora.settings import ServiceSettings

__all__ = [
    "Calendar",
    "Commit",
    "DeploymentColumns",
    "DeploymentRow",
    "DeploymentSequence",
    "Derivation",
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
    "Recall",
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
