"""Events and commits as Parquet, with typed columns, a group of rows in memory at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import click

from theodora.events.values import DEPLOYMENT_TEXTS, FAILURE_TEXTS, STAGE_AVERAGES, TextAttribute

ROWS_AT_ONCE = 10_000
"""Rows of a row group; only one group is in memory."""

# Types in Arrow's own words; instants are nanoseconds of UTC, and lists may be empty.
_TEXT, _INTEGER, _BOOLEAN = "string", "int64", "bool"
_INSTANT, _TEXTS = "timestamp", "list"


class ParquetColumn(NamedTuple):
    """A column: its name, its type and where a row has its value."""

    name: str
    type: str
    path: str

    def values(self, rows: Iterable[Any]) -> list[Any]:
        """None if the path does not exist."""
        return [self._value(row) for row in rows]

    def _value(self, row: Any) -> Any:
        for name in self.path.split("."):
            row = getattr(row, name, None)
        return row


def _columns(type_: str, names: str, path: str = "{}") -> Iterator[ParquetColumn]:
    for name in names.split():
        yield ParquetColumn(name, type_, path.format(name))


def _text_columns(texts: Iterable[TextAttribute]) -> Iterator[ParquetColumn]:
    for text in texts:
        yield ParquetColumn(text.name, _TEXT, text.name)


_GIT = (*_columns(_TEXT, "commit_sha repository_url repository_id", "git.{}"),)
_TAGS_AND_RECEIPT = (
    *_columns(_TEXTS, "custom_tags"),
    *_columns(_TEXT, "source"),
    *_columns(_INSTANT, "created_at", "{}_ns"),
)

DEPLOYMENT_COLUMNS = (
    *_columns(_TEXT, "id service"),
    *_text_columns(DEPLOYMENT_TEXTS),
    *_columns(_INSTANT, "started_at finished_at", "{}_ns"),
    *_GIT,
    *_TAGS_AND_RECEIPT,
    *_columns(_BOOLEAN, "change_failure"),
    *_columns(_TEXT, "deployment_type"),
    ParquetColumn("remediation_id", _TEXT, "remediation.id"),
    ParquetColumn("remediation_type", _TEXT, "remediation.type"),
    *_columns(_INTEGER, "recovery_time_sec number_of_commits change_lead_time duration"),
    *_columns(_INTEGER, " ".join(each.name for each in STAGE_AVERAGES)),
    *_columns(_TEXT, "failed_by lead_time_status"),
)
FAILURE_COLUMNS = (
    *_columns(_TEXT, "id"),
    *_columns(_TEXTS, "services"),
    *_text_columns(FAILURE_TEXTS),
    *_columns(_INSTANT, "started_at finished_at", "{}_ns"),
    *_GIT,
    *_TAGS_AND_RECEIPT,
    *_columns(_INTEGER, "time_to_restore"),
)
COMMIT_COLUMNS = (
    ParquetColumn("repository", _TEXT, "repository_id"),
    *_columns(_TEXT, "sha", "commit.{}"),
    *_columns(_TEXTS, "parents", "commit.{}"),
    *_columns(_INSTANT, "author_time commit_time", "commit.{}_ns"),
    *_columns(_TEXT, "subject message", "commit.{}"),
    *_columns(_TEXTS, "paths", "commit.{}"),
    *_columns(_TEXT, "author_name author_email", "commit.{}"),
)


def write_parquet(rows: Iterable[Any], columns: Sequence[ParquetColumn], output: BinaryIO) -> None:
    """Writes a file even without rows."""
    if find_spec("pyarrow") is None:
        raise click.ClickException(
            'Parquet needs pyarrow, which is not installed: pip install "theodora[parquet]"'
        )
    if output.isatty():
        raise click.ClickException("Parquet is not for terminals: name a file with --output")
    import pyarrow as pa  # noqa: PLC0415 - it is large, and optional
    import pyarrow.parquet as pq  # noqa: PLC0415

    types: Mapping[str, Any] = {
        _TEXT: pa.string(),
        _INTEGER: pa.int64(),
        _BOOLEAN: pa.bool_(),
        _INSTANT: pa.timestamp("ns", tz="UTC"),
        _TEXTS: pa.list_(pa.string()),
    }
    schema = pa.schema([(column.name, types[column.type]) for column in columns])
    remaining = iter(rows)
    with pq.ParquetWriter(output, schema, compression="zstd") as writer:
        while some := list(islice(remaining, ROWS_AT_ONCE)):
            arrays = [pa.array(column.values(some), types[column.type]) for column in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
