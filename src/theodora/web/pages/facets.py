"""Facets: the values that deployments have, how many, and links that put them into the query."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from theodora.query import Exists, Field, Query, complement
from theodora.query.fields import Scalar
from theodora.query.operands import equals
from theodora.web.pages import wording
from theodora.web.pages.clauses import Choices, known_field, text_of
from theodora.web.pages.frame import Visit

MOST_VALUES = 8


@dataclass(frozen=True, slots=True)
class FacetField:
    """A field that is offered as a facet."""

    name: str
    label: str
    fixed: tuple[tuple[str, str], ...] = ()
    """Its values and their words, where it has no others; the empty one is having none."""

    @property
    def field(self) -> Field:
        return known_field(self.name)


FACETS = (
    FacetField("env", "Environment"),
    FacetField("team", "Team"),
    FacetField("service", "Service"),
    FacetField("change_failure", "Verdict", (("false", "OK"), ("true", "Failed"), ("", "Pending"))),
    FacetField(
        "deployment_type",
        "Made as",
        (("standard", "Standard"), ("rollback", "Rollback"), ("rollforward", "Rollforward")),
    ),
    FacetField("source", "Source"),
)


class Choice(NamedTuple):
    """One value of a facet."""

    name: str
    deployments: int
    link: str
    """Puts it into the query, or takes it out."""
    not_link: str
    """Leaves it out, or no longer."""
    is_chosen: bool
    is_excluded: bool


class Facet(NamedTuple):
    """A field, and those of its values that most deployments have."""

    label: str
    choices: tuple[Choice, ...]
    has_more: bool


def facets(visit: Visit, tree: Query) -> Iterator[Facet]:
    """Counts of each ignore what the query says of its own field."""
    for facet in FACETS:
        choices = Choices(tree, facet.field)
        counts = visit.store.metrics.value_counts(
            visit.organisation, visit.scope.period, choices.others, facet.field, MOST_VALUES + 2
        )
        values = _fixed(facet, counts) if facet.fixed else _found(facet, counts)
        shown = tuple(
            _choice(visit, choices, clause, name, count) for clause, name, count in values
        )
        if any(choice.deployments for choice in shown):
            yield Facet(facet.label, shown[:MOST_VALUES], len(shown) > MOST_VALUES)


_Counts = Sequence[tuple[Scalar | None, int]]


def _fixed(facet: FacetField, counts: _Counts) -> list[tuple[Query, str, int]]:
    by_text: Mapping[str, int] = {_text(facet, value): count for value, count in counts}
    return [
        (_clause(facet.field, value), word, by_text.get(value, 0)) for value, word in facet.fixed
    ]


def _found(facet: FacetField, counts: _Counts) -> list[tuple[Query, str, int]]:
    return [
        (_clause(facet.field, _text(facet, value)), wording.visible(_text(facet, value)), count)
        if value is not None
        else (_clause(facet.field, ""), f"no {facet.label.lower()}", count)
        for value, count in counts
    ]


def _text(facet: FacetField, value: Scalar | None) -> str:
    if value is None:
        return ""
    is_boolean = any(word == "true" for word, _ in facet.fixed)
    return str(bool(value)).lower() if is_boolean else facet.field.text_form(value)


def _clause(field: Field, value: str) -> Query:
    return equals(field, value) if value else complement(Exists(field))


def _choice(visit: Visit, choices: Choices, clause: Query, name: str, count: int) -> Choice:
    def link(query: Query) -> str:
        return visit.scope.link("/deployments", query=text_of(query))

    return Choice(
        name,
        count,
        link(choices.toggled(clause)),
        link(choices.without(clause)),
        choices.is_chosen(clause),
        choices.is_excluded(clause),
    )
