"""Metrics as tables for people, with durations in words and rates with their counts."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from theodora.cli.tables import aligned
from theodora.dora.metrics.metrics import Metrics
from theodora.dora.metrics.report import GroupReport, Report
from theodora.report import wording
from theodora.report.clock import Clock
from theodora.report.wording import DASH
from theodora.web.api.metrics.answer import Answer
from theodora.web.api.metrics.json_document import SPANS_SERVICES
from theodora.web.pages.parts.lead_times import stage_rows

_COLUMNS = (
    *("deployments", "", "lead time", "p90", "recovery", "failed", ""),
    *("rework", "", "restored"),
)


def table_of(answer: Answer) -> Iterator[str]:
    """The lines: the five metrics, the stages of lead times if they were asked for, a table of the
    groups, a table of intervals for each."""
    question, report = answer.question, answer.report
    clock = Clock(question.query.calendar, question.query.as_of_ns)
    yield from _about(answer, clock)
    yield ""
    yield from _five(report.overall, question.query.period.days(question.query.as_of_ns))
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


def _five(report: GroupReport, days: float) -> Iterator[str]:
    now = report.total
    rows: list[tuple[str, ...]] = []
    for name, (title, value, of) in _FIGURES.items():
        moved = wording.movement(name, now, report.previous, report.change[name])
        before = f" ({moved.before})" if moved.before else ""
        said = f"{of(now)} in {wording.days(days)}" if name == "deployment_frequency" else of(now)
        rows.append((title, value(now), said, moved.words + before))
    return aligned(rows)


def _stages(report: Report) -> Iterator[str]:
    """The lead time stages of all commits."""
    lead = report.overall.total.change_lead_time
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
    """A row for each set of metrics; rates stand beside what they are rates of."""
    cells = [(title, *_COLUMNS), *((name, *_cells(metrics)) for name, metrics in rows)]
    return aligned(cells, right=range(1, len(cells[0])))


def _cells(metrics: Metrics) -> Iterator[str]:
    lead, failed = metrics.change_lead_time, metrics.change_failure_rate
    rework = metrics.deployment_rework_rate
    yield wording.number(metrics.deployment_frequency.count)
    yield wording.frequency(metrics.deployment_frequency, DASH)
    yield wording.duration(lead.p50, DASH)
    yield wording.duration(lead.p90, DASH)
    yield wording.duration(metrics.failed_deployment_recovery_time.p50, DASH)
    yield wording.percent(failed.value, DASH)
    yield f"{failed.failed}/{failed.evaluated}"
    yield wording.percent(rework.value, DASH)
    yield f"{rework.rework}/{rework.evaluated}"
    yield wording.duration(metrics.incident_time_to_restore.p50, DASH)


def _commits(metrics: Metrics) -> str:
    lead = metrics.change_lead_time
    if not lead.n:
        return "no commits"
    return f"median of {wording.counted(lead.n, 'commit')}, p90 {wording.duration(lead.p90)}"


def _recoveries(metrics: Metrics) -> str:
    recovery = metrics.failed_deployment_recovery_time
    return _spans(recovery.n, recovery.unresolved, "failure")


def _failures(metrics: Metrics) -> str:
    rate = metrics.change_failure_rate
    pending = f", {wording.number(rate.pending)} pending" if rate.pending else ""
    return f"{wording.of_all(rate.failed, rate.evaluated)} evaluated{pending}"


def _rework(metrics: Metrics) -> str:
    rate = metrics.deployment_rework_rate
    return f"{wording.of_all(rate.rework, rate.evaluated)} evaluated"


def _incidents(metrics: Metrics) -> str:
    restored = metrics.incident_time_to_restore
    return _spans(restored.n, restored.open, "incident")


def _spans(n: int, still_open: int, noun: str) -> str:
    """How many durations a median is of, and how many have not ended."""
    if not n and not still_open:
        return f"no {noun}s"
    is_open = f", {wording.number(still_open)} still open" if still_open else ""
    return (f"median of {wording.counted(n, noun)}" if n else "none ended") + is_open


_FIGURES: Mapping[str, tuple[str, Callable[[Metrics], str], Callable[[Metrics], str]]] = {
    "deployment_frequency": (
        "Deployment frequency",
        lambda metrics: wording.frequency(metrics.deployment_frequency, DASH),
        lambda metrics: wording.counted(metrics.deployment_frequency.count, "deployment"),
    ),
    "change_lead_time": (
        "Change lead time",
        lambda metrics: wording.duration(metrics.change_lead_time.p50, DASH),
        _commits,
    ),
    "failed_deployment_recovery_time": (
        "Failed deployment recovery",
        lambda metrics: wording.duration(metrics.failed_deployment_recovery_time.p50, DASH),
        _recoveries,
    ),
    "change_failure_rate": (
        "Change failure rate",
        lambda metrics: wording.percent(metrics.change_failure_rate.value, DASH),
        _failures,
    ),
    "deployment_rework_rate": (
        "Deployment rework rate",
        lambda metrics: wording.percent(metrics.deployment_rework_rate.value, DASH),
        _rework,
    ),
    "incident_time_to_restore": (
        "Incident time to restore",
        lambda metrics: wording.duration(metrics.incident_time_to_restore.p50, DASH),
        _incidents,
    ),
}
"""Of each metric, in DORA's order: its name, its value and what that is made of."""
