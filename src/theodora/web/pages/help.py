"""Help: how each number is computed, how to search, and the keyboard."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from theodora.dora.metrics.table import (
    CHANGE_FAILURE_RATE,
    CHANGE_LEAD_TIME,
    DEPLOYMENT_FREQUENCY,
    DEPLOYMENT_REWORK_RATE,
    FAILED_DEPLOYMENT_RECOVERY_TIME,
    INCIDENT_TIME_TO_RESTORE,
    METRICS,
    Metric,
)
from theodora.query import FIELDS, Field
from theodora.query.fields import EVENT_KINDS
from theodora.report.benchmark import PARAMETER, choices
from theodora.web.pages.parts.marked_text import marked
from theodora.web.pages.shell.navigation import ENTRIES
from theodora.web.pages.shell.page import Answer, View, Visit

EXPLANATIONS: Mapping[Metric[Any], str] = {
    DEPLOYMENT_FREQUENCY: (
        "Deployments that finished in the period, divided by its exact length in days. Every "
        "deployment counts: first ones, repetitions, rollbacks and fixes. The unit is the most "
        "readable one: a day, a week or a month."
    ),
    CHANGE_LEAD_TIME: (
        "For each commit, from the moment its author wrote it to the moment it ran. A commit "
        "counts once per service and environment: in the first deployment that has it. Merge "
        "commits are left out; if a service has path filters, commits that change none of its "
        "paths are left out too. The headline is the median over all commits of the period.\n"
        "The first deployment of a service is its **baseline**: it ships the complete history, so "
        "it has no lead time. A deployment more than 60 days after the previous one has none "
        "either; the failure rules of a service can set another limit."
    ),
    CHANGE_FAILURE_RATE: (
        "Deployments that failed, of those that have been evaluated. **Pending** deployments count "
        "on neither side and are shown separately. A deployment is marked failed when a later one "
        "goes back to what ran before it (a **rollback**), when a later one reverts or fixes it (a "
        "**rollforward**), or when a person overrides the verdict. Each deployment's page names "
        "the rule."
    ),
    FAILED_DEPLOYMENT_RECOVERY_TIME: (
        "From the end of a failed deployment to the end of the one that fixed it; the median over "
        "those that are fixed. Failures without a fix are counted separately; their recovery time "
        "is never guessed."
    ),
    DEPLOYMENT_REWORK_RATE: (
        "Unplanned deployments that fix something (rollbacks, rollforwards, and those tagged "
        "`rework:true`), of those that have been evaluated."
    ),
    INCIDENT_TIME_TO_RESTORE: (
        "From the start of an incident to its end; the median over those that have ended. Not one "
        "of DORA's five: incidents mark no deployment as failed unless you turn that on for a "
        "service."
    ),
}
"""In paragraphs, a line each; of a metric without any its definition is shown."""

CONSTRUCTS = (
    ("env:production", "a field has exactly this value"),
    ("is:production", "in any environment that the settings call production"),
    ('version:"v1 (beta)"', "a value with spaces or signs in quotes"),
    ("service:web team:storefront", "both; AND between them is optional"),
    ("env:staging OR env:production", "either"),
    ("service:(web OR search)", "one of several values"),
    ("-team:payments", "not; NOT before it means the same"),
    ("service:api*", "* is any run of characters, ? exactly one"),
    ("@duration:>5m", "more than; also >= < <="),
    ("started_at:[2026-01-01 TO 2026-01-31]", "a range with its ends; { } without"),
    ("change_failure:true", "failed deployments; neither true nor false while pending"),
    ("_missing_:team", "has no value; _exists_ has one"),
    ("language:java", "a custom tag with the key language"),
    ("webserver down", "free text, in any case"),
)
"""Examples of each construct of the search language, and what each means."""

SHORTCUTS = (
    ("/", "Search"),
    ("?", "This page"),
    *((f"g {entry.shortcut}", entry.label) for entry in ENTRIES),
    ("[", "Previous period"),
    ("]", "Next period"),
    ("j", "Next row"),
    ("k", "Previous row"),
    ("Enter", "Open the row"),
    ("Esc", "Close what is open"),
)


class FieldRow(NamedTuple):
    """A searchable field as the page shows it."""

    name: str
    also: tuple[str, ...]
    type: str
    events: str
    about: Markup


def show_metrics_help(visit: Visit) -> Answer:
    """The definitions of metrics, and the sources of the benchmarks."""
    kept = (visit.query_parameters.get(name) for name in _OF_OVERVIEW)
    own = {name: text for name, text in zip(_OF_OVERVIEW, kept, strict=True) if text}
    return View(
        {
            "metrics": METRICS,
            "explained": {
                each: [marked(text) for text in EXPLANATIONS.get(each, each.about).splitlines()]
                for each in METRICS
            },
            "benchmarks": tuple(choices()),
            "chosen": visit.query_parameters.get(PARAMETER, ""),
            "kept": {**visit.scope.given, **own},
        }
    )


_OF_OVERVIEW = ("group_by", "sort")
"""The overview's own parameters, which it has again when something else is chosen."""


def show_search_help(_: Visit) -> Answer:
    return View({"constructs": CONSTRUCTS, "fields": tuple(field_rows())})


def show_keyboard_help(_: Visit) -> Answer:
    return View({"shortcuts": SHORTCUTS})


def field_rows() -> Iterator[FieldRow]:
    for field in FIELDS:
        yield FieldRow(
            field.name, field.aliases, field.type.value, _events(field), marked(field.about)
        )


def _events(field: Field) -> str:
    kinds = [f"{kind.value}s" for kind in EVENT_KINDS if field.source(kind)]
    return "both" if len(kinds) == len(EVENT_KINDS) else kinds[0]
