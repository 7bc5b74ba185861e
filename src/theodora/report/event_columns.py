"""The columns of tables of events, and the cells of an event."""

from collections.abc import Iterable, Mapping, Sequence

from theodora.query import Event, Kind, resolve

COLUMNS: Mapping[Kind, Sequence[str]] = {
    Kind.DEPLOYMENT: ("started_at", "service", "env", "version", "team", "change_failure", "id"),
    Kind.FAILURE: ("started_at", "service", "env", "name", "severity", "time_to_restore", "id"),
}
"""The fields of events in tables and CSV."""


def cells_of(event: Event, columns: Iterable[str]) -> tuple[str, ...]:
    """The event's values of these fields, each as text."""
    return tuple(" ".join(resolve(name).texts(event)) for name in columns)
