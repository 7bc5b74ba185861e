"""The page of the audit log: who changed what, and the same as a CSV file."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from theodora.report.audit_table import (
    AUDIT_COLUMNS,
    AUDIT_FILTERS,
    MAX_AUDIT_ENTRIES,
    audit_row,
    read_audit_filters,
    read_entry_number,
)
from theodora.report.parameters import Parameters
from theodora.storage.access.audit import AuditQuery
from theodora.storage.engine.audit import AuditEntry
from theodora.storage.engine.audit_actions import AUDIT_ACTIONS
from theodora.web.pages.parts.csv_download import csv_stream
from theodora.web.pages.shell.page import Answer, View, Visit

PATH = "/settings/audit"

_SHOWN = 50
"""Entries of a page."""
_MOST_CHANGES = 20
_MOST_VALUE = 200
"""Characters of a value; the CSV file has all of it."""
_SEARCH = "search"
"""The parameter of the search: `query` is that of events, which all pages have."""
_OWN_FILTERS = (*(each for each in AUDIT_FILTERS if each not in {"from", "to", "query"}), _SEARCH)
"""Those that are not of every page's scope."""

_MEANINGS: Mapping[str, str] = {
    each.name: each.meaning[0].upper() + each.meaning[1:] for each in AUDIT_ACTIONS
}
_GROUPS = tuple(
    (first, tuple(each.name for each in actions))
    for first, actions in groupby(AUDIT_ACTIONS, lambda each: each.name.partition(".")[0])
)
"""Actions by their first part, which finds all of them."""


class ShownChange(NamedTuple):
    """A value that differs; empty where there was or is none."""

    name: str
    before: str
    after: str


class ShownEntry(NamedTuple):
    """An entry in words."""

    entry: AuditEntry
    meaning: str
    changes: tuple[ShownChange, ...]
    omitted: int
    """Changes that are not shown."""


def show_audit(visit: Visit) -> Answer:
    query = _read(visit)
    found = visit.store.audit.entries(visit.organisation, query._replace(limit=_SHOWN + 1))
    page = found[:_SHOWN]
    asked = _asked(visit)
    own = {name: asked[name] or None for name in _OWN_FILTERS}
    link = visit.scope.link
    local = visit.scope.clock.local
    return View(
        {
            "rows": tuple(map(_shown, page)),
            "asked": asked,
            "dates": {
                name: "" if at_ns is None else f"{local(at_ns):%Y-%m-%dT%H:%M}"
                for name, at_ns in (("from", query.from_ns), ("to", query.to_ns))
            },
            "kept": {
                name: text
                for name, text in visit.scope.given.items()
                if name not in {"from", "to", "range"}
            },
            "is_filtered": any(asked.values()),
            "groups": _GROUPS,
            "meanings": _MEANINGS,
            "newest_link": link(PATH, **own) if query.before_number is not None else "",
            "older_link": link(PATH, **own, before=page[-1].number) if found[_SHOWN:] else "",
            "csv_link": link(f"{PATH}.csv", **own),
        }
    )


def audit_csv(visit: Visit) -> Answer:
    """Every entry that the filters find, however many there are."""
    rows = map(audit_row, _every_entry(visit, _read(visit)))
    return csv_stream("audit.csv", AUDIT_COLUMNS, rows)


def _asked(visit: Visit) -> dict[str, str]:
    names = ("from", "to", *_OWN_FILTERS)
    return {name: visit.query_parameters.get(name, "").strip() for name in names}


def _read(visit: Visit) -> AuditQuery:
    """Raises `Invalid` for a filter or a page that cannot be."""
    before = visit.query_parameters.get("before", "")
    asked = _asked(visit)
    parameters = Parameters({**asked, "query": asked[_SEARCH], "before": before})
    query = read_audit_filters(parameters, visit.scope.calendar)
    before_number = parameters.read("before", read_entry_number, None)
    parameters.check()
    return query._replace(before_number=before_number)


def _every_entry(visit: Visit, query: AuditQuery) -> Iterator[AuditEntry]:
    part = query._replace(limit=MAX_AUDIT_ENTRIES)
    while found := visit.store.audit.entries(visit.organisation, part):
        yield from found
        part = part._replace(before_number=found[-1].number)


def _shown(entry: AuditEntry) -> ShownEntry:
    before, after = (json.loads(text or "{}") for text in (entry.before, entry.after))
    names = tuple(dict.fromkeys((*before, *after)))
    changes = tuple(
        ShownChange(name, _text_of(before, name), _text_of(after, name))
        for name in names[:_MOST_CHANGES]
    )
    meaning = _MEANINGS.get(entry.action, entry.action)
    return ShownEntry(entry, meaning, changes, len(names) - len(changes))


def _text_of(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return ""
    value = values[name]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_VALUE else f"{text[:_MOST_VALUE]}…"
