"""The reader of CSV tables, which yields the same objects as JSON Lines."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

from theodora.errors import Invalid, Problem
from theodora.events.json_values import JsonValue
from theodora.events.values import DEPLOYMENT_TEXTS, FAILURE_TEXTS, STAGE_AVERAGES
from theodora.sources.rows import Row

Cell: TypeAlias = Callable[[str], JsonValue]
"""Makes the value of a member from the text of a cell that is not empty."""

_DELIMITERS = ",;\t"
_SEPARATORS = re.compile(r"[,;\r\n]+")
_NAMED_DELIMITER = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The line before the header that names the delimiter for spreadsheets."""
_TIMESTAMP = re.compile(r"\d{9,19}", re.ASCII)
"""Shorter numbers are dates without dashes rather than seconds."""
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
_GUARDED_FORMULA = re.compile(r"'[=+\-@\t\r\n]")
"""The apostrophe with which exported tables keep a text from being a formula."""
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")


def text(cell: str) -> str:
    """The text itself."""
    return cell[1:] if _GUARDED_FORMULA.match(cell) else cell


def instant(cell: str) -> JsonValue:
    """A Unix timestamp in any of four units, or a date-time."""
    return int(cell) if _TIMESTAMP.fullmatch(cell) else cell


def integer(cell: str) -> JsonValue:
    """A number such as that of a pull request."""
    return int(cell) if _INTEGER.fullmatch(cell) else cell


def split_texts(cell: str) -> JsonValue:
    """Several texts with commas, semicolons or line breaks between them, or an array of JSON."""
    if cell.startswith("["):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            raise Invalid(Problem("is not an array of JSON")) from None
    return [each for part in _SEPARATORS.split(cell) if (each := text(part.strip()))]


def lines(cell: str) -> JsonValue:
    """Several texts, one a line."""
    return cell.splitlines()


def split_words(cell: str) -> JsonValue:
    """Several texts with spaces or commas between them."""
    return re.split(r"[\s,;]+", cell)


class Columns(NamedTuple):
    """The possible columns of a table."""

    cells: Mapping[str, Cell]
    """By the member that a column contains."""
    aliases: Mapping[str, str] = {}
    """Other names of columns, and their member."""
    ignored: frozenset[str] = frozenset()
    """Columns that exports have and that are not read, such as derived values."""
    required: Sequence[frozenset[str]] = ()
    """A table needs a column for one member of each set."""


class Table:
    """A table whose first row names its columns."""

    def __init__(
        self, given: Iterable[str], columns: Columns, mapped: Mapping[str, str] | None = None
    ) -> None:
        """`given` are lines with their ends; `mapped` names the column of some members.

        Raises `Invalid` if the header does not identify the columns.
        """
        remaining = iter(given)
        delimiter, header, skipped = _beginning(remaining)
        self._line = skipped
        self._columns = columns
        self._reader = csv.reader(
            chain([header], remaining), delimiter=delimiter, strict=True, skipinitialspace=True
        )
        self.header = self._read_header()
        self._members = _members_of(self.header, columns, mapped or {})
        self.unread = tuple(
            name
            for name, member in zip(self.header, self._members, strict=True)
            if member is None and name and _plain(name) not in columns.ignored
        )
        """Columns without a member."""

    def rows(self) -> Iterator[Row]:
        """Every row that is not empty."""
        while True:
            line = self._line + self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, None, Invalid(Problem(f"not CSV: {error}")))
                continue
            if any(cell.strip() for cell in cells):
                yield self._row(line, cells)

    def column_of(self, member: str) -> str | None:
        """The name of the column that a member comes from."""
        at = self._members.index(member) if member in self._members else None
        return None if at is None else self.header[at]

    def _read_header(self) -> tuple[str, ...]:
        try:
            cells = next(self._reader, [])
        except csv.Error as error:
            raise Invalid(Problem(f"the header is not CSV: {error}")) from None
        header = tuple(cell.strip() for cell in cells)
        if not any(header):
            raise Invalid(Problem("there is no header that names the columns"))
        return header

    def _row(self, line: int, cells: Sequence[str]) -> Row:
        if any(cell.strip() for cell in cells[len(self.header) :]):
            detail = f"{len(cells)} cells, but the header has {len(self.header)}"
            return Row(line, None, Invalid(Problem(detail)))
        document: dict[str, JsonValue] = {}
        problems: list[Problem] = []
        for member, cell in zip(self._members, cells, strict=False):
            if member is None or not cell.strip():
                continue
            try:
                document[member] = self._value(member, cell.strip())
            except Invalid as invalid:
                problems += (problem.beneath(member) for problem in invalid.problems)
        return Row(line, document, Invalid(*problems) if problems else None)

    def _value(self, member: str, cell: str) -> JsonValue:
        if _NOT_UTF8.search(cell):
            raise Invalid(Problem("is not UTF-8: save the table as CSV UTF-8"))
        return self._columns.cells[member](cell)


def _beginning(given: Iterator[str]) -> tuple[str, str, int]:
    """The delimiter, the line of the header, and the number of lines before it."""
    skipped = 0
    for line in given:
        if named := _NAMED_DELIMITER.fullmatch(line):
            return named[1], next(given, ""), skipped + 1
        if line.strip():
            # The one between most names; a comma in case of doubt.
            return max(_DELIMITERS, key=_outside_quotes(line).count), line, skipped
        skipped += 1
    return ",", "", skipped


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _members_of(
    header: Sequence[str], columns: Columns, mapped: Mapping[str, str]
) -> list[str | None]:
    """The member that each column is for."""
    chosen = {_plain(column): member for member, column in mapped.items()}
    names = [_plain(name) for name in header]
    problems = [
        Problem(f'there is no column "{column}"; the columns are {_quoted(header)}')
        for column in mapped.values()
        if _plain(column) not in names
    ]
    problems += [
        Problem(f'"{member}" is nothing that a column can be for: {_quoted(columns.cells)}')
        for member in mapped
        if member not in columns.cells
    ]
    if problems:
        raise Invalid(*problems)
    members = [chosen.get(name) or _own_member(name, columns, mapped) for name in names]
    given = [member for member in members if member]
    for member in dict.fromkeys(given):
        if given.count(member) > 1:
            both = [name for name, each in zip(header, members, strict=True) if each == member]
            raise Invalid(Problem(f'columns {_quoted(both)} are both for "{member}"'))
    for alternatives in columns.required:
        if not alternatives & set(given):
            name = min(alternatives)
            raise Invalid(
                Problem(
                    f'there is no column "{name}"; the columns are {_quoted(header)}. '
                    f"Name the one to take: --map {name}=COLUMN"
                )
            )
    return members


def _own_member(name: str, columns: Columns, mapped: Mapping[str, str]) -> str | None:
    """The member with the column's name, unless the mapping names another column for it."""
    member = columns.aliases.get(name, name)
    return member if member in columns.cells and member not in mapped else None


def _plain(name: str) -> str:
    """A column's name as it is compared: `Started At` is `started_at`."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names if name)


NO_COLUMNS = Columns({})
"""For kinds that have no table form."""
_EVENT_CELLS: Mapping[str, Cell] = {
    **dict.fromkeys(("id", "commit_sha", "repository_url"), text),
    **dict.fromkeys(("started_at", "finished_at", "created_at"), instant),
    "custom_tags": split_texts,
    "source": text,
}
_EVENT_ALIASES = {
    "tags": "custom_tags",
    "repository_id": "repository_url",
    "git.commit_sha": "commit_sha",
    "git.repository_url": "repository_url",
}
DEPLOYMENTS = Columns(
    {
        "service": text,
        **dict.fromkeys((each.name for each in DEPLOYMENT_TEXTS), text),
        **_EVENT_CELLS,
    },
    _EVENT_ALIASES,
    frozenset(
        (
            *("duration", "change_failure", "deployment_type", "failed_by", "remediation.id"),
            *("remediation.type", "recovery_time_sec", "number_of_commits", "change_lead_time"),
            "lead_time_status",
            *(each.name for each in STAGE_AVERAGES),
        )
    ),
    tuple(frozenset({name}) for name in ("service", "started_at", "finished_at")),
)
FAILURES = Columns(
    {
        "services": split_texts,
        **dict.fromkeys((each.name for each in FAILURE_TEXTS), text),
        **_EVENT_CELLS,
    },
    {"service": "services", **_EVENT_ALIASES},
    frozenset({"time_to_restore"}),
    (frozenset({"started_at"}), frozenset({"services", "team"})),
)
COMMITS = Columns(
    {
        **dict.fromkeys(("repository", "sha", "subject", "message"), text),
        **dict.fromkeys(("author_name", "author_email"), text),
        **dict.fromkeys(("author_time", "commit_time"), instant),
        "parents": split_words,
        "paths": lines,
    },
    {"repository_url": "repository", "repository_id": "repository", "commit_sha": "sha"},
    required=tuple(frozenset({name}) for name in ("repository", "sha", "author_time")),
)
PULL_REQUESTS = Columns(
    {
        **dict.fromkeys(("repository", "title", "branch", "author", "base", "url"), text),
        **dict.fromkeys(("merge_commit_sha", "merge_method"), text),
        **dict.fromkeys(("created_at", "ready_at", "last_approved_at", "merged_at"), instant),
        **dict.fromkeys(("first_reviewed_at", "closed_at"), instant),
        **dict.fromkeys(("number", "additions", "deletions"), integer),
        **dict.fromkeys(("labels", "reviewers"), split_texts),
    },
    {"repository_url": "repository", "repository_id": "repository"},
    required=(frozenset({"repository"}), frozenset({"number"})),
)
