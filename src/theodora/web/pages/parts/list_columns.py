"""The columns of lists: a table for each kind, which heads, cells, sorting and the form read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from theodora.query import Field, Kind, Tag, Type
from theodora.query.fields import Searched, Target
from theodora.query.pull_request_fields import resolver, sort_field
from theodora.report import wording
from theodora.report.scope import Scope, column_names
from theodora.web.pages.parts.listing import Listing, own_parameters

R = TypeVar("R")

_TAG_MARK = "@"
_MOST_TAGS = 8
_MOST_UNKNOWN = 5


class CellPart(NamedTuple):
    """A text of a cell; those of a cell are side by side."""

    text: str
    link: str = ""
    look: Literal["", "small", "bad", "mu"] = ""
    is_given: bool = False
    """Whether others wrote it, so that it may run from right to left."""
    chip: str = ""
    """The kind of the chip that it is; empty for text."""


CellParts = Sequence[CellPart]

ABSENT: CellParts = (CellPart(wording.DASH),)


class ListContext(NamedTuple):
    """What cells are drawn for, besides their rows."""

    scope: Scope
    is_by_day: bool = False
    """Whether the rows of a day have a head of their own with its date."""
    names_env: bool = False
    """Whether services are shown with the environment."""


@dataclass(frozen=True, slots=True)
class ListColumn(Generic[R]):
    """A column of a list."""

    name: str
    """In addresses; the list can be sorted by it if it is a sort key."""
    label: str
    cell: Callable[[R, ListContext], CellParts]
    shown: Literal["always", "usually", "chosen"] = "usually"
    """`always` is what leads to the event, `usually` the default."""
    is_number: bool = False
    begins_ascending: bool = False
    """Whether its link first sorts from the least up: names do."""
    class_: str = ""
    is_head: bool = False
    """Whether its cells name their rows."""
    separator: str = " "
    """Between the parts of a cell."""


class ShownHead(NamedTuple):
    """The head of a column, as the page has it."""

    label: str
    link: str
    """That sorts by it; empty if the list cannot be."""
    sorted: Literal["ascending", "descending", ""]
    is_number: bool


class ShownCell(NamedTuple):
    """A cell, and the column that it is in."""

    column: ListColumn[Any]
    parts: CellParts


class ColumnChoice(NamedTuple, Generic[R]):
    """The columns that a page shows, and what its form to choose others has."""

    shown: Sequence[ListColumn[R]]
    choices: Sequence[tuple[ListColumn[R], bool]]
    """Every column of the table, and whether it is shown."""
    tags: str
    """The names of the columns of tags, as the field of the form has them."""
    unknown: Sequence[str]
    """Names in the address that are no columns."""

    def cells(self, row: R, context: ListContext) -> tuple[ShownCell, ...]:
        """The cells of a row, in order."""
        return tuple(ShownCell(column, column.cell(row, context)) for column in self.shown)

    def shows(self, name: str) -> bool:
        return any(column.name == name for column in self.shown)


def choose_columns(
    scope: Scope, table: Sequence[ListColumn[R]], tag_column: Callable[[str], ListColumn[R]] | None
) -> ColumnChoice[R]:
    """The columns that the address names, in the order of the table, then tags.

    `tag_column` makes the column of a tag; None for a kind without tags.
    """
    is_given, names = scope.columns is not None, column_names([scope.columns or ""])
    by_name = {column.name: column for column in table}
    tags = [name[1:] for name in names if name.startswith(_TAG_MARK) and name[1:]]
    made = [tag_column(tag) for tag in tags[:_MOST_TAGS]] if tag_column else []
    wanted = names if is_given else [each.name for each in table if each.shown == "usually"]
    shown = [each for each in table if each.shown == "always" or each.name in wanted]
    known = {*by_name, *(each.name for each in made)}
    return ColumnChoice(
        (*shown, *made),
        tuple((each, each in shown) for each in table),
        ", ".join(each.name for each in made),
        tuple(name for name in names if name not in known)[:_MOST_UNKNOWN],
    )


def heads(
    scope: Scope, path: str, listing: Listing, columns: Sequence[ListColumn[Any]]
) -> Iterator[ShownHead]:
    """The one sorted by turns round; others begin with what is largest, names with the first."""
    for column in columns:
        is_sorted = listing.sort.name == column.name
        ascends = listing.descending if is_sorted else column.begins_ascending
        order = column.name if ascends else f"-{column.name}"
        kept = None if order == f"-{listing.clock.name}" else order
        link = scope.link(path, **{**own_parameters(listing), "sort": kept})
        state: Literal["ascending", "descending"] = (
            "descending" if listing.descending else "ascending"
        )
        can_sort = sort_field(column.name, listing.kind) is not None
        yield ShownHead(
            column.label, link if can_sort else "", state if is_sorted else "", column.is_number
        )


def field_column(
    kind: Kind,
    event: Callable[[R], Searched],
    name: str,
    label: str,
    *,
    class_: str = "",
    shown: Literal["usually", "chosen"] = "chosen",
) -> ListColumn[R]:
    """The column of a field of the search language, with its values in words."""
    field = resolver(kind)(name)
    assert isinstance(field, Field), f"{name} is no field"
    return ListColumn(
        name,
        label,
        partial(_field_cell, field, event),
        shown,
        is_number=field.type in {Type.NUMBER, Type.DURATION},
        begins_ascending=field.type is Type.TEXT,
        class_=class_,
    )


def tag_column(event: Callable[[R], Searched], key: str) -> ListColumn[R]:
    """The column of a custom tag."""
    return ListColumn(f"{_TAG_MARK}{key}", key, partial(_field_cell, Tag(key), event), "chosen")


def _field_cell(
    target: Target, event: Callable[[R], Searched], row: R, context: ListContext
) -> CellParts:
    found = target.values(event(row))
    type_ = target.type if isinstance(target, Field) else Type.TEXT
    if not found:
        return ABSENT
    if type_ is Type.TEXT or isinstance(value := found[0], str):
        return (CellPart(", ".join(map(str, found)), is_given=True),)
    match type_:
        case Type.TIME:
            return (CellPart(context.scope.clock.time_tag(value)),)
        case Type.DURATION:
            return (CellPart(wording.duration(value)),)
        case Type.BOOLEAN:
            return (CellPart("yes" if value else "no"),)
        case Type.NUMBER:
            return (CellPart(wording.number(value)),)
