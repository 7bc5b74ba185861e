"""The columns of tables of what is listed, and the cells of a row."""

from collections.abc import Iterable, Mapping, Sequence

from theodora.query import Kind
from theodora.query.fields import Searched
from theodora.query.pull_request_fields import kind_of, resolver

COLUMNS: Mapping[Kind, Sequence[str]] = {
    Kind.DEPLOYMENT: ("started_at", "service", "env", "version", "team", "change_failure", "id"),
    Kind.FAILURE: ("started_at", "service", "env", "name", "severity", "time_to_restore", "id"),
    Kind.PULL_REQUEST: ("updated_at", "title", "author", "state", "cycle_time", "lines", "id"),
}
"""The fields of each kind in tables and CSV."""


def cells_of(event: Searched, columns: Iterable[str]) -> tuple[str, ...]:
    """The event's values of these fields, each as text."""
    resolve = resolver(kind_of(event))
    return tuple(" ".join(resolve(name).texts(event)) for name in columns)
