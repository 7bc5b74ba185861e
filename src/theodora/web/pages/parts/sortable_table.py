"""Tables with links for sorting in their heads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from theodora.errors import Invalid, Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SortableColumn(Generic[T]):
    """A column that a table may be sorted by."""

    name: str
    label: str
    value: Callable[[T], Any]
    is_number: bool = True


class Head(NamedTuple):
    """The head of a column: where it leads, and how it is sorted now."""

    name: str
    label: str
    order: str
    """What its link sorts by."""
    sorted: Literal["ascending", "descending", ""]
    is_number: bool


def columns(table: Sequence[SortableColumn[Any]], order: str) -> Iterator[Head]:
    """Heads; the one sorted by turns round, others begin with what is largest."""
    for column in table:
        is_sorted = order.lstrip("-") == column.name
        falls = order.startswith("-")
        begins = f"-{column.name}" if column.is_number else column.name
        turned = column.name if falls else f"-{column.name}"
        state: Literal["ascending", "descending"] = "descending" if falls else "ascending"
        yield Head(
            column.name,
            column.label,
            turned if is_sorted else begins,
            state if is_sorted else "",
            column.is_number,
        )


def sorted_rows(rows: Sequence[T], table: Sequence[SortableColumn[T]], order: str) -> list[T]:
    """The rows in the order of the parameter `sort`; rows without a value are always last."""
    column = next((column for column in table if column.name == order.removeprefix("-")), None)
    if column is None:
        names = " ".join(column.name for column in table)
        detail = f'must be one of "{names}", with - before it for the largest first'
        raise Invalid(Problem(detail, parameter="sort"))
    known = [row for row in rows if column.value(row) is not None]
    unknown = [row for row in rows if column.value(row) is None]
    return sorted(known, key=column.value, reverse=order.startswith("-")) + unknown
