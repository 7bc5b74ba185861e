"""Metrics as a table: the same figures, a row for each group and interval."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from theodora.dora.metrics.report import GroupReport
from theodora.events import format_rfc3339
from theodora.report.csv_text import Cell, csv_bytes
from theodora.web.api.metrics.answer import Answer
from theodora.web.api.metrics.json_document import (
    TOTAL,
    IntervalBounds,
    id_of,
    interval_bounds,
    intervals_of,
)


def csv_of(answer: Answer) -> bytes:
    """The answer as CSV: for all events, then each group, the total, previous period, intervals.

    Columns are named after the members of the JSON document, with dots between levels.
    """
    keys = answer.question.query.group_by
    overall = answer.report.overall
    head = (
        *("id", *(f"group.{key}" for key in keys), "row", "start", "end", "partial"),
        *flat_cells(overall.total),
        *flat_cells(overall.change, "change."),
    )
    groups = (overall, *(answer.report.groups if keys else ()))
    bounds = interval_bounds(answer.report)
    rows = (row for group in groups for row in _rows(answer, group, bounds))
    return csv_bytes(head, ([row.get(name) for name in head] for row in rows))


def _rows(
    answer: Answer, found: GroupReport, bounds: Sequence[IntervalBounds]
) -> Iterator[Mapping[str, Cell]]:
    """The cells by column; those of a column that is not named are empty."""
    keys = answer.question.query.group_by
    named = dict(zip(keys, found.group, strict=False))
    group = {"id": id_of(named) or TOTAL} | {f"group.{key}": named.get(key) for key in keys}
    period, previous = answer.question.query.period, answer.report.previous_period
    yield {
        **group,
        "row": "total",
        **_ends(period.start_ns, period.end_ns),
        **flat_cells(found.total),
        **flat_cells(found.change, "change."),
    }
    yield {
        **group,
        "row": "previous",
        **_ends(previous.start_ns, previous.end_ns),
        **flat_cells(found.previous),
    }
    for each in intervals_of(found, bounds):
        yield {**group, "row": "interval", **flat_cells(each)}


def _ends(start_ns: int, end_ns: int) -> Mapping[str, Cell]:
    return {"start": format_rfc3339(start_ns), "end": format_rfc3339(end_ns)}


def flat_cells(value: Any, prefix: str = "") -> dict[str, Cell]:
    """The members of members, by their names with dots between."""
    found: dict[str, Cell] = {}
    for name, member in msgspec.to_builtins(value).items():
        if isinstance(member, dict):
            found |= flat_cells(member, f"{prefix}{name}.")
        else:
            found[prefix + name] = member
    return found
