"""Writes that are run at once with others of their kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Generic, TypeVar

from theodora.storage.engine.cursor import Cursor

I = TypeVar("I")  # noqa: E741 - an item, as in `Batched`
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batched(Generic[I, T]):
    """A write of one item. Those of a kind that wait next to each other are run as one.

    `run` writes the items of an organisation, one after another, and returns the result of each. If
    it raises, each item is written on its own.
    """

    run: Callable[[Cursor, Sequence[I]], Sequence[T]]
    org: int
    item: I

    def __call__(self, cursor: Cursor) -> T:
        return self.run(cursor, [self.item])[0]


def run_in_order(cursor: Cursor, writes: Sequence[Callable[[Cursor], Any]]) -> list[Any]:
    """Runs writes one after another, batches as one; the result of each."""
    results: list[Any] = []
    for batch, alike in groupby(writes, _batch_of):
        if batch is None:
            results += [write(cursor) for write in alike]
        else:
            results += batch[0](cursor, [each.item for each in alike if isinstance(each, Batched)])
    return results


def _batch_of(write: Any) -> tuple[Any, int] | None:
    return (write.run, write.org) if isinstance(write, Batched) else None
