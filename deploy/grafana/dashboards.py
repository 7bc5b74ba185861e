"""The Grafana dashboards of this folder; run this file to write them again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FOLDER = Path(__file__).parent
LABELS = ("team", "service", "env")
SELECTED = ",".join(f'{label}=~"${label}"' for label in LABELS)
WIDTH, HEIGHT = 24, 8

PROMETHEUS: Json = {"type": "prometheus", "uid": "${datasource}"}
INFINITY: Json = {"type": "yesoreyeram-infinity-datasource", "uid": "${datasource}"}

DORA = "theodora_dora_"


def selected(name: str, *more: str) -> str:
    """The samples of a DORA metric that the variables of the dashboard select."""
    return f"{DORA}{name}{{{','.join((SELECTED, *more))}}}"


def ratio(part: str, whole: str, by: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped}({selected(part)}) / sum{grouped}({selected(whole)})"


def median(name: str) -> str:
    """Percentiles cannot be combined, so there is one line for each service."""
    return selected(name, 'quantile="0.5"')


def queries(*expressions: tuple[str, str]) -> list[Json]:
    """Prometheus' queries, each with the legend of its lines."""
    return [
        {"refId": chr(65 + number), "expr": expression, "legendFormat": legend}
        for number, (expression, legend) in enumerate(expressions)
    ]


def panel(
    kind: str, title: str, unit: str, targets: Sequence[Json], width: int, about: str
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": about,
        "targets": list(targets),
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "gridPos": {"w": width, "h": HEIGHT},
    }


def placed(panels: Iterable[Json], datasource: Json) -> list[Json]:
    """Panels from left to right, in rows, with their datasource."""
    x = y = 0
    found: list[Json] = []
    for number, each in enumerate(panels, 1):
        if x + each["gridPos"]["w"] > WIDTH:
            x, y = 0, y + HEIGHT
        position = {**each["gridPos"], "x": x, "y": y}
        targets = [{**target, "datasource": datasource} for target in each["targets"]]
        found.append(
            {
                **each,
                "id": number,
                "gridPos": position,
                "datasource": datasource,
                "targets": targets,
            }
        )
        x += each["gridPos"]["w"]
    return found


def dashboard(
    uid: str, title: str, panels: list[Json], variables: Sequence[Json], since: str
) -> Json:
    return {
        "uid": uid,
        "title": title,
        "tags": ["dora", "theodora"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "5m",
        "time": {"from": since, "to": "now"},
        "templating": {"list": list(variables)},
        "panels": panels,
    }


def datasource_variable(kind: str) -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": kind}


def label_variable(label: str) -> Json:
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": PROMETHEUS,
        "query": {"query": f"label_values({DORA}deployments, {label})", "refId": label},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


_SECONDS = "rate(theodora_request_seconds_bucket[$__rate_interval])"
_LINE = "{{service}} {{env}} {{team}}"
_WINDOW = "Of the window that Prometheus scrapes, 28 days by default."


def prometheus() -> Json:
    panels = [
        panel(
            "stat",
            "Deployments per day",
            "short",
            queries((f"sum({selected('deployments_per_day')})", "")),
            6,
            _WINDOW,
        ),
        panel(
            "stat",
            "Change failure rate",
            "percentunit",
            queries((ratio("failed_deployments", "evaluated_deployments"), "")),
            6,
            _WINDOW,
        ),
        panel(
            "stat",
            "Rework rate",
            "percentunit",
            queries((ratio("rework_deployments", "evaluated_deployments"), "")),
            6,
            _WINDOW,
        ),
        panel(
            "stat",
            "Open failures",
            "short",
            queries((f"sum({selected('open_incidents')})", "")),
            6,
            "Failures that have no end yet.",
        ),
        panel(
            "timeseries",
            "Deployments per day",
            "short",
            queries((f"sum by (service) ({selected('deployments_per_day')})", "{{service}}")),
            12,
            _WINDOW,
        ),
        panel(
            "timeseries",
            "Change lead time, median",
            "s",
            queries((median("change_lead_time_seconds"), _LINE)),
            12,
            "From a commit to the end of its deployment.",
        ),
        panel(
            "timeseries",
            "Change failure rate",
            "percentunit",
            queries(
                (ratio("failed_deployments", "evaluated_deployments", "service"), "{{service}}")
            ),
            12,
            _WINDOW,
        ),
        panel(
            "timeseries",
            "Failed deployment recovery time, median",
            "s",
            queries((median("failed_deployment_recovery_time_seconds"), _LINE)),
            12,
            "From a failed deployment to the one that fixed it.",
        ),
        panel(
            "timeseries",
            "Incident time to restore, median",
            "s",
            queries((median("incident_time_to_restore_seconds"), _LINE)),
            12,
            "Not one of DORA's five metrics.",
        ),
        panel(
            "timeseries",
            "Time since the last deployment of each source",
            "s",
            queries((f"time() - {DORA}source_last_received_timestamp_seconds", "{{source}}")),
            12,
            "Of any service.",
        ),
        panel(
            "timeseries",
            "Requests per second",
            "reqps",
            queries(
                (
                    "sum by (operation, status) (rate(theodora_requests_total[$__rate_interval]))",
                    "{{operation}} {{status}}",
                )
            ),
            8,
            "Of the server, for all organisations.",
        ),
        panel(
            "timeseries",
            "Slowest requests, 95th percentile",
            "s",
            queries(
                (f"histogram_quantile(0.95, sum by (le, operation) ({_SECONDS}))", "{{operation}}")
            ),
            8,
            "Of the server, for all organisations.",
        ),
        panel(
            "timeseries",
            "Needs attention",
            "short",
            queries(
                ("max(theodora_parked_sequences)", "not derived"),
                ("max(theodora_refused_retentions)", "old events not deleted"),
                (f"sum({DORA}source_silent)", "silent sources"),
            ),
            8,
            "Each has an alert in deploy/prometheus.",
        ),
    ]
    variables = [datasource_variable("prometheus"), *map(label_variable, LABELS)]
    return dashboard(
        "theodora-prometheus",
        "DORA metrics (Prometheus)",
        placed(panels, PROMETHEUS),
        variables,
        "now-30d",
    )


def asked(
    root: str, columns: Mapping[str, tuple[str, str]], form: str = "table", **parameters: str
) -> list[Json]:
    """A query of the metrics operation; `columns` maps titles to a path below `root` and a type."""
    known = {"from": "${__from:date:iso}", "to": "${__to:date:iso}", "query": "is:production"}
    return [
        {
            "refId": "A",
            "type": "json",
            "source": "url",
            "format": form,
            "parser": "backend",
            "url": "/api/v2/dora/metrics",
            "url_options": {
                "method": "GET",
                "params": [
                    {"key": key, "value": value} for key, value in {**known, **parameters}.items()
                ],
            },
            "root_selector": root,
            "columns": [
                {"selector": selector, "text": title, "type": kind}
                for title, (selector, kind) in columns.items()
            ],
        }
    ]


def total(title: str, path: str, unit: str) -> Json:
    targets = asked("data.0.attributes.total", {title: (path, "number")})
    return panel("stat", title, unit, targets, 6, "Of the period of the dashboard.")


def by_week(title: str, columns: Mapping[str, str], unit: str) -> Json:
    at = {"Week": ("start", "timestamp")}
    values = {name: (path, "number") for name, path in columns.items()}
    targets = asked("data.0.attributes.series", {**at, **values}, "timeseries", interval="week")
    return panel("timeseries", title, unit, targets, 12, "Week by week.")


_BY_SERVICE = {
    "Service": ("attributes.group.service", "string"),
    "Deployments": ("attributes.total.deployment_frequency.count", "number"),
    "Per day": ("attributes.total.deployment_frequency.per_day", "number"),
    "Lead time, median (s)": ("attributes.total.change_lead_time.p50", "number"),
    "Failure rate": ("attributes.total.change_failure_rate.value", "number"),
    "Recovery, median (s)": ("attributes.total.failed_deployment_recovery_time.p50", "number"),
    "Rework rate": ("attributes.total.deployment_rework_rate.value", "number"),
}


def infinity() -> Json:
    panels = [
        total("Deployments per day", "deployment_frequency.per_day", "short"),
        total("Change lead time, median", "change_lead_time.p50", "s"),
        total("Change failure rate", "change_failure_rate.value", "percentunit"),
        total("Failed deployment recovery, median", "failed_deployment_recovery_time.p50", "s"),
        by_week("Deployments", {"Deployments": "deployment_frequency.count"}, "short"),
        by_week(
            "Change lead time",
            {"Median": "change_lead_time.p50", "90 %": "change_lead_time.p90"},
            "s",
        ),
        by_week("Change failure rate", {"Rate": "change_failure_rate.value"}, "percentunit"),
        by_week(
            "Failed deployment recovery time",
            {"Median": "failed_deployment_recovery_time.p50"},
            "s",
        ),
        panel(
            "table",
            "Services",
            "short",
            asked("data", _BY_SERVICE, group_by="service"),
            WIDTH,
            "The first row is the total.",
        ),
    ]
    return dashboard(
        "theodora-api",
        "DORA metrics (API)",
        placed(panels, INFINITY),
        [datasource_variable("yesoreyeram-infinity-datasource")],
        "now-90d",
    )


def written() -> dict[str, str]:
    """The files of this folder by name."""
    made = {"prometheus.json": prometheus(), "api.json": infinity()}
    return {name: json.dumps(each, indent=2) + "\n" for name, each in made.items()}


if __name__ == "__main__":
    for file, text in written().items():
        (FOLDER / "dashboards" / file).write_text(text)
