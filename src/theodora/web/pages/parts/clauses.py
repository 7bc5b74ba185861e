"""Edits of a query by clause, for links that add, remove or exclude a value.

A query is taken as a conjunction; the text of what comes out is printed from the tree, so
that no name, whatever it holds, can break it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from theodora.query import (
    And,
    Equals,
    Everything,
    Exists,
    Field,
    Leaf,
    Not,
    Or,
    Production,
    Query,
    Text,
    all_of,
    any_of,
    complement,
    leaves_of,
    resolve,
    to_text,
)
from theodora.query.fields import Target


def known_field(name: str) -> Field:
    """A field of the table."""
    found = resolve(name)
    assert isinstance(found, Field), f"{name} is a custom tag"
    return found


def clauses_of(query: Query) -> tuple[Query, ...]:
    """The clauses that must all match; none for a query that every event matches."""
    if isinstance(query, Everything):
        return ()
    return query.parts if isinstance(query, And) else (query,)


def joined(clauses: Iterable[Query]) -> Query:
    parts = tuple(dict.fromkeys(clauses))
    return all_of(parts) if parts else Everything()


def text_of(query: Query) -> str:
    """The query as the search box shows it: empty for everything."""
    return "" if isinstance(query, Everything) else to_text(query)


@dataclass(frozen=True, slots=True)
class Choices:
    """The clause about one field: included and excluded values."""

    query: Query
    target: Target

    @property
    def _own(self) -> tuple[Query, ...]:
        return tuple(part for part in clauses_of(self.query) if is_about(part, self.target))

    @property
    def others(self) -> Query:
        """The query without its clauses for this field."""
        own = self._own
        return joined(part for part in clauses_of(self.query) if part not in own)

    def is_chosen(self, clause: Query) -> bool:
        return any(clause in _alternatives(part) for part in self._own)

    def is_excluded(self, clause: Query) -> bool:
        return complement(clause) in self._own and not self.is_chosen(clause)

    def toggled(self, clause: Query) -> Query:
        """The query with one more of the allowed values, or without it."""
        if self.is_chosen(clause):
            return self._unchosen(clause)
        kept = [part for part in clauses_of(self.query) if part != complement(clause)]
        for index, part in enumerate(kept):
            if is_about(part, self.target) and all(map(self._is_choice, _alternatives(part))):
                kept[index] = any_of((part, clause))
                return joined(kept)
        return joined((*kept, clause))

    def without(self, clause: Query) -> Query:
        """The query with the value excluded, or no longer excluded."""
        if self.is_excluded(clause):
            return joined(part for part in clauses_of(self.query) if part != complement(clause))
        chosen = Choices(self.toggled(clause), self.target) if self.is_chosen(clause) else self
        return joined((*clauses_of(chosen.query), complement(clause)))

    def _unchosen(self, clause: Query) -> Query:
        parts: list[Query] = []
        for part in clauses_of(self.query):
            alternatives = [part]
            if part in self._own:
                alternatives = [each for each in _alternatives(part) if each != clause]
            if alternatives:
                parts.append(any_of(alternatives))
        return joined(parts)

    def _is_choice(self, clause: Query) -> bool:
        return isinstance(clause, Equals | Production) or clause == Not(Exists(self.target))


def is_about(query: Query, target: Target) -> bool:
    """Whether it speaks of this field alone."""
    return all(_is_leaf_about(leaf, target) for leaf in leaves_of(query))


def _is_leaf_about(leaf: Everything | Leaf | Production, target: Target) -> bool:
    match leaf:
        case Everything() | Text():
            return False
        case Production():
            return isinstance(target, Field) and target.name == "env"
        case _:
            return leaf.target == target


def _alternatives(query: Query) -> Sequence[Query]:
    return query.parts if isinstance(query, Or) else (query,)
