"""Facets: values of deployments with their counts and links into the query."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from theodora.query import Exists, Field, Production, Query, complement
from theodora.query.fields import Scalar
from theodora.query.operands import equals
from theodora.report import wording
from theodora.report.links import UNMEASURED
from theodora.report.reasons import judge_name
from theodora.storage.metrics.counts import PeriodCounts, ValueCounts
from theodora.web.pages.parts.clauses import Choices, clauses_of, joined, known_field, text_of
from theodora.web.pages.shell.page import Visit

MOST_VALUES = 8


@dataclass(frozen=True, slots=True)
class FacetField:
    """A field that is offered as a facet."""

    name: str
    label: str
    fixed: tuple[tuple[str, str], ...] = ()
    """Its values and their words, where it has no others; the empty one is having none."""
    name_of: Callable[[str], str] = wording.visible
    """What other values are called."""
    offers_none: bool = True
    """Whether having no value may be chosen."""

    @property
    def field(self) -> Field:
        return known_field(self.name)


ENVIRONMENT = FacetField("env", "Environment")
FACETS = (
    ENVIRONMENT,
    FacetField("team", "Team"),
    FacetField("service", "Service"),
    FacetField("change_failure", "Verdict", (("false", "OK"), ("true", "Failed"), ("", "Pending"))),
    FacetField(
        "deployment_type",
        "Type",
        (("standard", "Standard"), ("rollback", "Rollback"), ("rollforward", "Rollforward")),
    ),
    FacetField("source", "Source"),
    FacetField("failed_by", "Detected by", name_of=judge_name, offers_none=False),
    FacetField("lead_time_status", "Flags", tuple(UNMEASURED.items())),
)


class FacetValue(NamedTuple):
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
    choices: tuple[FacetValue, ...]
    has_more: bool


def count_production(those: PeriodCounts, tree: Query) -> int:
    """Deployments to production, ignoring the query's clauses for environments."""
    others = Choices(tree, ENVIRONMENT.field).others
    return those.count(joined((*clauses_of(others), Production())))


def count_facets(those: PeriodCounts, tree: Query) -> list[ValueCounts]:
    """The values of each; its counts ignore the query's clauses for its own field."""
    return [
        those.values(Choices(tree, facet.field).others, facet.field, MOST_VALUES + 2)
        for facet in FACETS
    ]


def facets(
    visit: Visit, tree: Query, counts: Sequence[ValueCounts], in_production: int
) -> Iterator[Facet]:
    """`counts` are those of `count_facets`, `in_production` is that of `count_production`."""
    for facet, of_facet in zip(FACETS, counts, strict=True):
        choices = Choices(tree, facet.field)
        values = _fixed(facet, of_facet) if facet.fixed else _found(facet, of_facet)
        if facet is ENVIRONMENT and in_production:
            values = [(Production(), "production (from settings)", in_production), *values]
        shown = tuple(
            _choice(visit, choices, clause, name, count) for clause, name, count in values
        )
        if any(choice.deployments for choice in shown):
            yield Facet(facet.label, shown[:MOST_VALUES], len(shown) > MOST_VALUES)


def _fixed(facet: FacetField, counts: ValueCounts) -> list[tuple[Query, str, int]]:
    by_text: Mapping[str, int] = {_text(facet, value): count for value, count in counts}
    return [
        (_clause(facet.field, value), word, by_text.get(value, 0)) for value, word in facet.fixed
    ]


def _found(facet: FacetField, counts: ValueCounts) -> list[tuple[Query, str, int]]:
    return [
        (_clause(facet.field, _text(facet, value)), facet.name_of(_text(facet, value)), count)
        if value is not None
        else (_clause(facet.field, ""), f"no {facet.label.lower()}", count)
        for value, count in counts
        if value is not None or facet.offers_none
    ]


def _text(facet: FacetField, value: Scalar | None) -> str:
    if value is None:
        return ""
    is_boolean = any(word == "true" for word, _ in facet.fixed)
    return str(bool(value)).lower() if is_boolean else facet.field.text_form(value)


def _clause(field: Field, value: str) -> Query:
    return equals(field, value) if value else complement(Exists(field))


def _choice(visit: Visit, choices: Choices, clause: Query, name: str, count: int) -> FacetValue:
    def link(query: Query) -> str:
        return visit.scope.link("/deployments", query=text_of(query))

    return FacetValue(
        name,
        count,
        link(choices.toggled(clause)),
        link(choices.without(clause)),
        choices.is_chosen(clause),
        choices.is_excluded(clause),
    )
