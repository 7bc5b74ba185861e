"""Eight real histories, against totals that another program computed from them."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest

from dora.histories import SERVICES, SHARED, sequences
from golden.compare import differences
from pooling import pooled
from theodora.dora.derivation.derive import derive
from theodora.dora.derivation.derived import Derived
from theodora.dora.derivation.overrides import GivenRemediation, Override
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.rows import DeploymentRow, deployment_row
from theodora.events import nanoseconds_from_rfc3339

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there"),
]

WRAPPED_REVERT = Override(
    deployment_id="staging--2023-07-11--10-00-07",
    change_failure=True,
    remediation=GivenRemediation(type="rollforward", id="staging--2023-07-11--10-49-21"),
)
"""The other program takes `Revert "Revert "… (#12590)" (#12597)" (#12598)` for a revert, for a
number stands between the closing quotes. It begins with two reverts, so it is a re-landing."""

JUDGED_OTHERWISE = {("force", "staging"): (WRAPPED_REVERT,)}

SEQUENCES = [
    (service, env)
    for service in SERVICES
    for env in ("production", "staging")
    if env == "production" or service in {"force", "metaphysics", "positron"}
]


@pytest.mark.parametrize(("service", "env"), SEQUENCES)
def test_totals_agree(service: str, env: str):
    expected = json.loads((SHARED / "real_expected.json").read_text("utf-8"))
    window = Period(*(_ns(expected["window"][end]) for end in ("from", "to")))
    history = msgspec.structs.replace(
        sequences(service)[env], overrides=JUDGED_OTHERWISE.get((service, env), ())
    )
    observed = _totals(history, window)
    assert list(differences(expected["services"][service][env], observed)) == []


def _totals(history: DeploymentSequence, window: Period) -> dict[str, Any]:
    derived = _in(window, derive(history))
    rows = [deployment_row(each) for each in derived]
    found = msgspec.to_builtins(pooled(rows))
    flags = Counter(flag for each in derived for flag in each.flags)
    return {
        "deployments": len(derived),
        "status": Counter(each.changes.status for each in derived),
        "deployment_type": Counter(each.verdict.deployment_type for each in derived),
        "stale_target": flags["stale_target"],
        "truncated": flags["commits_truncated"],
        "negative_span_commits": sum(
            "negative_span" in commit.flags for each in derived for commit in each.changes.commits
        ),
        "change_failure_rate": _rounded(found["change_failure_rate"]),
        "rework": _rounded(found["deployment_rework_rate"]),
        "recovery_seconds": _rounded(found["failed_deployment_recovery_time"]),
        "lead_time_commit_seconds": _rounded(found["change_lead_time"]),
        "lead_time_deployment_seconds": _lead_time(rows, granularity="deployment"),
        "lead_time_commit_seconds_commit_clock": _by_commit_clock(history, window),
        "rows_total": len(history.deployments),
    }


def _by_commit_clock(history: DeploymentSequence, window: Period) -> dict[str, Any]:
    settings = msgspec.structs.replace(history.settings, lead_time_clock="commit_time")
    derived = derive(msgspec.structs.replace(history, settings=settings))
    return _lead_time(_rows(_in(window, derived)))


def _in(window: Period, derived: Iterable[Derived]) -> list[Derived]:
    return [each for each in derived if each.deployment.finished_at_ns in window]


def _rows(derived: Iterable[Derived]) -> list[DeploymentRow]:
    return [deployment_row(each) for each in derived]


def _lead_time(rows: Iterable[DeploymentRow], **how: Any) -> dict[str, Any]:
    return _rounded(msgspec.to_builtins(pooled(rows, **how).change_lead_time))


def _rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """As the other program wrote them: rates to six digits, spans to three."""
    return {
        name: round(value, 6 if name == "value" else 3) if isinstance(value, float) else value
        for name, value in figures.items()
    }


def _ns(text: str) -> int:
    found = nanoseconds_from_rfc3339(text)
    assert found is not None
    return found
