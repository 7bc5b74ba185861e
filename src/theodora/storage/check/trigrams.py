"""Segments and trigrams of events, compared with the events' words."""

from typing import Any

from theodora.storage.check.findings import REPAIR, Findings
from theodora.storage.check.values import pages
from theodora.storage.engine.cursor import Cursor
from theodora.storage.events.segments import found_by_trigrams
from theodora.storage.events.tables import EventTable


def check_trigrams(
    cursor: Cursor, table: EventTable[Any], indexed: set[tuple[int, int]], findings: Findings
) -> None:
    """Whether each indexed event, an organisation and a key, is found by every trigram it has."""
    missing = set(indexed)
    for page in pages(cursor, table.unsegmented, "org, event", "org, event"):
        missing.difference_update(page)
    for page in pages(cursor, table.segments, "org, segment", "org, segment, events"):
        for org, segment, events in page:
            try:
                found = found_by_trigrams(cursor, table, org, segment, events)
            except ValueError:
                # Bytes of an odd length: a rule reports them.
                continue
            missing.difference_update((org, key) for key in found)
    for org, key in sorted(missing):
        findings.add(
            table.trigrams, "an event is not found by the parts of its words", REPAIR, (org, key)
        )
