"""A metrics question put to the store, and the answer's metadata."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from theodora.dora.metrics.report import Report
from theodora.errors import Invalid, Problem
from theodora.storage import Organisation, Store
from theodora.storage.facts.settings import WHOLE_ORGANISATION
from theodora.web.api.metrics.question import Question

MOST_CELLS = 50_000
"""Most sets of metrics in one answer: groups times intervals."""


class LeadTimeClock(msgspec.Struct, frozen=True):
    """The clock that lead times start by: author time or commit time."""

    default: str
    services: Mapping[str, str]
    """Services with another clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A question answered."""

    question: Question
    report: Report
    clock: LeadTimeClock
    spans_services: bool
    """Whether the total holds deployments of several services."""


def answer_of(store: Store, org: Organisation, question: Question) -> Answer:
    """Raises `Invalid` if the answer would have more than 50,000 cells."""
    query = question.query
    report = store.metrics.report(org, query, question.tree)
    _check_size(report)
    return Answer(question, report, _clock(store, org), report.spans_services)


def _check_size(report: Report) -> None:
    groups = len(report.groups)
    if groups * (len(report.buckets) + 2) > MOST_CELLS:
        detail = (
            f'parameter "group_by" must not make more than {MOST_CELLS} sets of metrics; there '
            f"are {groups} groups: narrow the query or the period, or widen the interval"
        )
        raise Invalid(Problem(detail, parameter="group_by"))


def _clock(store: Store, org: Organisation) -> LeadTimeClock:
    clocks = dict(store.settings.lead_time_clocks(org))
    default = clocks.pop(WHOLE_ORGANISATION)
    return LeadTimeClock(
        default, {name: clock for name, clock in clocks.items() if clock != default}
    )
