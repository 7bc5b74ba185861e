"""Metrics as tables for people, with durations in words and rates with their counts."""

from collections.abc import Iterable, Iterator
from typing import Any

from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import GroupReport, Report
from theodora.dora.metrics.shapes import Frequency, Rate
from theodora.dora.metrics.table import CHANGE_LEAD_TIME, IN_DORAS_ORDER, Metric
from theodora.report import wording
from theodora.report.clock import Clock
from theodora.report.metric_words import Described, figure_words
from theodora.report.stages import stage_rows
from theodora.report.text_table import aligned
from theodora.web.api.metrics.answer import Answer
from theodora.web.api.metrics.json_document import SPANS_SERVICES


def table_of(answer: Answer) -> Iterator[str]:
    """The lines: the five metrics, the stages of lead times if they were asked for, a table of the
    groups, a table of intervals for each."""
    question, report = answer.question, answer.report
    clock = Clock(question.query.calendar, question.query.as_of_ns)
    yield from _about(answer, clock)
    yield ""
    yield from _each_metric(report.overall, question.query.period.days(question.query.as_of_ns))
    if question.query.stages:
        yield from _stages(report)
    groups = report.groups if question.query.group_by else ()
    if groups:
        yield ""
        title = " / ".join(question.query.group_by)
        yield from _table(title, ((_name(group), group.total) for group in groups))
    for group in (report.overall, *groups):
        if group.series:
            yield ""
            yield from _table(_name(group), _series(group, answer, clock))
    if answer.spans_services:
        yield ""
        yield SPANS_SERVICES


def _about(answer: Answer, clock: Clock) -> Iterator[str]:
    question, period = answer.question, answer.question.query.period
    before = wording.days(answer.report.previous_period.days())
    ends = f"{clock.moment(period.start_ns)} to {clock.moment(period.end_ns)}"
    yield f"{ends} ({question.zone}), compared with the {before} before"
    yield f"Of events that match {question.text}" if question.text else "Of every event"


def _name(group: GroupReport) -> str:
    return " / ".join(map(wording.visible, group.group)) or "all"


def _series(group: GroupReport, answer: Answer, clock: Clock) -> Iterator[tuple[str, Metrics]]:
    interval = answer.question.query.interval
    for each in group.series:
        yield clock.bucket(each.bucket, interval), each.metrics


def _each_metric(report: GroupReport, days: float) -> Iterator[str]:
    """A line a metric: its name, its value, what that is of, and how it changed."""
    now = report.total
    rows: list[tuple[str, ...]] = []
    for metric in IN_DORAS_ORDER:
        moved = wording.movement(metric, now, report.previous, report.change[metric.name])
        before = f" ({moved.before})" if moved.before else ""
        said = Described(metric, now)
        basis = said.basis + _more(metric, now, days)
        rows.append((metric.title, said.words, basis, moved.words + before))
    return aligned(rows)


def _more(metric: Metric[Any], now: Metrics, days: float) -> str:
    if metric.shape.unit == "per day":
        return f" in {wording.days(days)}"
    if "p90" in metric.brief and now[metric].n:
        return f", p90 {figure_words(metric, now, 'p90')}"
    return ""


def _stages(report: Report) -> Iterator[str]:
    """The lead time stages of all commits."""
    lead = report.overall.total[CHANGE_LEAD_TIME]
    rows = [
        (
            row.stage.name,
            wording.whole_percent(row.share),
            *(wording.duration(each) for each in (row.took.mean, row.took.p50, row.took.p90)),
            wording.number(row.took.n),
        )
        for row in stage_rows(lead)
    ]
    yield ""
    if not rows:
        yield (
            "Stages of lead times are known only for commits with a pull request; "
            "none of these has one."
        )
        return
    yield from aligned(
        [("stage", "share", "mean", "p50", "p90", "commits"), *rows], right=range(1, 6)
    )


def _table(title: str, rows: Iterable[tuple[str, Metrics]]) -> Iterator[str]:
    """A row for each set of metrics; each rate is followed by what it is a rate of."""
    heads = (head for metric in IN_DORAS_ORDER for head in _heads(metric))
    cells = [(title, *heads)]
    cells += [
        (name, *(cell for metric in IN_DORAS_ORDER for cell in _cells(metric, metrics)))
        for name, metrics in rows
    ]
    return aligned(cells, right=range(1, len(cells[0])))


def _heads(metric: Metric[Any]) -> Iterator[str]:
    yield metric.short.lower()
    if metric.shape.unit != "seconds":
        yield ""
    elif "p90" in metric.brief:
        yield "p90"


def _cells(metric: Metric[Any], metrics: Metrics) -> Iterator[str]:
    figures = metrics[metric]
    if isinstance(figures, Frequency):
        yield wording.number(figures.count)
    yield Described(metric, metrics).words
    if isinstance(figures, Rate):
        yield f"{figures.hits}/{figures.n}"
    elif "p90" in metric.brief:
        yield figure_words(metric, metrics, "p90")
