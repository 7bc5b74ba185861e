"""The monthly report as Markdown, short enough for a chat."""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

from theodora.dora.metrics.shapes import Frequency, Rate
from theodora.dora.metrics.table import CHANGE_FAILURE_RATE, DORA_METRICS, Metric
from theodora.report import wording
from theodora.report.cards import Card
from theodora.report.insight import Insight
from theodora.report.metric_words import Described
from theodora.report.monthly import FailedRow, MonthReport
from theodora.report.wording import DASH

_MOST_FAILED = 10
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~!])")


def markdown_of(report: MonthReport) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: MonthReport) -> Iterator[str]:
    whose = f" of {safe_name(report.team)}" if report.team is not None else ""
    so_far = ", so far" if report.is_running else ""
    yield f"## Delivery{whose}, {report.title}{so_far}"
    yield ""
    yield from _table(
        ("", report.title, "of", f"compared with {report.before}", "score"),
        [
            (
                card.metric.title,
                f"**{_value(card)}**",
                card.of,
                " ".join(filter(None, (card.movement.words, _before(card.movement.before)))),
                _score(report, card),
            )
            for card in report.cards
        ],
    )
    yield ""
    yield from _changes(report)
    if report.services:
        yield ""
        yield from _services(report)
    if report.failed:
        yield ""
        yield from _failed(report)
    yield ""
    yield f"_Scores of 0 to 10 as in {report.benchmark.source}. A mirror, not a target._"


def _value(card: Card) -> str:
    return " ".join(f"{part.figure} {part.unit}" for part in card.parts) or "no value"


def _before(before: str) -> str:
    return f"({before})" if before else ""


def _score(report: MonthReport, card: Card) -> str:
    score = report.benchmark.scores.get(card.metric.name)
    if score is None:
        return DASH
    mean = "" if score.mean is None else f" (mean {wording.decimal(score.mean)})"
    return wording.decimal(score.value) + mean


def _changes(report: MonthReport) -> Iterator[str]:
    changes, needs = report.insights.changes, report.insights.needs
    if changes:
        yield from _sentences("What changed:", changes)
    else:
        yield f"No significant change since {report.before}."
    if needs:
        yield ""
        yield from _sentences("What needs you:", needs)


def _sentences(head: str, found: Sequence[Insight]) -> Iterator[str]:
    yield head
    yield from (f"- {_escaped(each.text)}" for each in found)


def _services(report: MonthReport) -> Iterator[str]:
    head = ("service", *(_head(metric) for metric in DORA_METRICS))
    rows = [(safe_name(row.name), *map(_cell, row.cells)) for row in report.services]
    return _table(head, rows)


def _head(metric: Metric[Any]) -> str:
    is_median = metric.shape.unit == "seconds"
    return metric.short.lower() + (" p50" if is_median else "")


def _cell(said: Described) -> str:
    """A rate is followed by what it is a rate of."""
    match said.figures:
        case Frequency() as frequency:
            return wording.number(frequency.count)
        case Rate() as rate:
            return f"{said.words} ({rate.hits}/{rate.n})"
        case _:
            return said.words


def _failed(report: MonthReport) -> Iterator[str]:
    yield "Failed deployments:"
    for row in report.failed[:_MOST_FAILED]:
        yield f"- {_failed_row_text(row, report)}"
    more = report.total[CHANGE_FAILURE_RATE].hits - _MOST_FAILED
    if more > 0:
        yield f"- … and {wording.number(more)} more"


def _failed_row_text(row: FailedRow, report: MonthReport) -> str:
    event = row.deployment
    named = " ".join(safe_name(each) for each in (event.service, event.version) if each)
    when = report.scope.clock.moment(event.finished_at_ns)
    if event.remediation is None or event.recovery_time_sec is None:
        return f"{named}, {when}: not fixed for {wording.duration(row.open_sec)}"
    after = wording.duration(event.recovery_time_sec)
    return f"{named}, {when}: {event.remediation.type} after {after}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def safe_name(name: str | None) -> str:
    """A name with its Markdown characters escaped."""
    return _escaped(wording.plain(name or ""))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", html.escape(text, quote=False))
