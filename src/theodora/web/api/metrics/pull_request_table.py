"""Metrics of pull requests as tables for people."""

from collections.abc import Iterable, Iterator

from theodora.dora.metrics.pull_requests import (
    PULL_REQUEST_METRICS,
    PullRequestFigures,
    PullRequestGroup,
    PullRequestReport,
)
from theodora.report import wording
from theodora.report.clock import Clock
from theodora.report.pull_request_words import (
    SHOWN,
    change_words,
    distribution_words,
    median_words,
    throughput_words,
)
from theodora.report.text_table import aligned
from theodora.web.api.metrics.pull_requests import PullRequestQuestion


def table_of(question: PullRequestQuestion, report: PullRequestReport) -> Iterator[str]:
    """The lines: each metric, a table of the groups, a table of intervals for each."""
    query = question.query
    clock = Clock(query.calendar, query.as_of_ns)
    yield from _about(question, report, clock)
    yield ""
    yield from _each_metric(report.overall)
    groups = report.groups if query.group_by else ()
    if groups:
        yield ""
        rows = ((_name(group), group.total) for group in groups)
        yield from _medians(" / ".join(query.group_by), rows)
    for group in (report.overall, *groups):
        if group.series:
            yield ""
            intervals = (
                (clock.bucket(each.bucket, query.interval), each.figures) for each in group.series
            )
            yield from _medians(_name(group), intervals)


def _about(question: PullRequestQuestion, report: PullRequestReport, clock: Clock) -> Iterator[str]:
    period, total = question.query.period, report.overall.total
    before = wording.days(report.previous_period.days())
    ends = f"{clock.moment(period.start_ns)} to {clock.moment(period.end_ns)}"
    yield f"{ends} ({question.zone}), compared with the {before} before"
    matched = f"that match {question.text}" if question.text else "of the organisation"
    without = "" if question.with_bots else ", without those of bots"
    yield f"Of pull requests {matched}{without}"
    throughput = throughput_words(total)
    rate = f", {throughput} deployed per author and day" if throughput else ""
    yield f"{total.merged} merged, {total.deployed} deployed{rate}"


def _name(group: PullRequestGroup) -> str:
    return " / ".join(map(wording.visible, group.group)) or "all"


def _each_metric(group: PullRequestGroup) -> Iterator[str]:
    rows: list[tuple[str, ...]] = [("metric", "n", *SHOWN, "change of p50")]
    for metric in PULL_REQUEST_METRICS:
        found = group.total.distributions[metric.name]
        figures = distribution_words(metric, found)
        rows.append((metric.label, str(found.n), *figures, change_words(metric, group)))
    return aligned(rows, right=range(1, len(SHOWN) + 2))


def _medians(title: str, rows: Iterable[tuple[str, PullRequestFigures]]) -> Iterator[str]:
    """A row for each set of figures, with the medians."""
    labels = (f"{metric.label.lower()} p50" for metric in PULL_REQUEST_METRICS)
    cells = [(title, "merged", "deployed", *labels)]
    for name, figures in rows:
        counts = str(figures.merged), str(figures.deployed)
        cells.append((name, *counts, *median_words(figures)))
    return aligned(cells, right=range(1, len(cells[0])))
