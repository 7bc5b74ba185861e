"""Completions of a search: names, values with their counts, operators."""

from collections.abc import Iterator

import msgspec

from theodora.events.pull_requests import STATES
from theodora.query import Equals, Everything, Field, Kind, Tag, Type, resolve, to_text
from theodora.query.completion import Completion, complete
from theodora.query.fields import Scalar, Target
from theodora.query.parser import MAX_CHARACTERS, Unnamed
from theodora.query.pull_request_fields import fields_of
from theodora.report import wording
from theodora.web.pages.shell.page import Answer, Download, Visit

MOST = 12
_SOUGHT = 400
"""Values that are looked through for those that begin as what is typed."""

_VALUES = {
    "change_failure": ("true", "false"),
    "deployment_type": ("standard", "rollback", "rollforward"),
    "remediation.type": ("rollback", "rollforward"),
    "state": STATES,
    "is_bot": ("true", "false"),
}
"""Of fields that have no others, and so need not be counted."""


_IS = Unnamed.STATE.value
_STATES = {"production": "In an environment that the settings call production."}


class Suggestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way to complete the text at the cursor."""

    text: str
    """What is put there."""
    label: str
    about: str = ""
    deployments: int | None = None
    """How many have the value, of those in the period."""


class Suggestions(msgspec.Struct, frozen=True):
    """The texts that may replace `query[start:end]`, counted in characters."""

    start: int
    end: int
    items: tuple[Suggestion, ...]


def suggest(visit: Visit) -> Answer:
    """JSON, for the script of the search box; the box works without it."""
    query = visit.query_parameters.get("query", "")[:MAX_CHARACTERS]
    cursor = visit.query_parameters.get("at", "")
    at = min(int(cursor), len(query)) if cursor.isascii() and cursor.isdigit() else len(query)
    place = complete(query, at, visit.scope.kind)
    items = tuple(_suggestions(visit, place))[:MOST]
    body = msgspec.json.encode(Suggestions(place.start, place.end, items))
    return Download(body, "application/json")


def _suggestions(visit: Visit, place: Completion) -> Iterator[Suggestion]:
    typed = place.typed.casefold()
    for state in place.states:
        if state.startswith(typed):
            yield Suggestion(f"{state} ", state, _STATES[state])
    if place.values_of is not None:
        yield from _values(visit, place, place.values_of)
    if place.names and typed.startswith("@"):
        yield from _tags(visit, typed[1:])
        yield from _names(visit.scope.kind, typed[1:])
    elif place.names:
        yield from _names(visit.scope.kind, typed)
        if typed:
            yield from _tags(visit, typed)
    for operator in place.operators:
        if operator.casefold().startswith(typed):
            yield Suggestion(f"{operator} ", operator)


def _names(kind: Kind, typed: str) -> Iterator[Suggestion]:
    """Fields by their own names; one of another name that fits is offered by its own."""
    for field in fields_of(kind):
        names = (field.name, *field.aliases)
        if field.source(kind) and any(name.startswith(typed) for name in names):
            yield Suggestion(f"{field.name}:", field.name, field.about)
    if _IS.startswith(typed):
        yield Suggestion(f"{_IS}:", _IS, "Defined by settings: `is:production`.")


def _tags(visit: Visit, typed: str) -> Iterator[Suggestion]:
    """Keys of custom tags, but for those that are the names of fields; requests have none."""
    if visit.scope.kind is Kind.PULL_REQUEST:
        return
    for key in visit.store.deployments.tag_keys(visit.organisation, _SOUGHT):
        target = resolve(key)
        if isinstance(target, Tag) and key.casefold().startswith(typed):
            name = to_text(Equals(target, "x")).removesuffix("x")
            yield Suggestion(name, wording.visible(key), "custom tag")


def _values(visit: Visit, place: Completion, target: Target) -> Iterator[Suggestion]:
    typed = place.typed.casefold()
    if isinstance(target, Tag):
        for value in visit.store.deployments.tag_values(
            visit.organisation, target.key, place.typed, MOST
        ):
            yield Suggestion(f"{_quoted(target, value)} ", wording.visible(value))
        return
    if target.name in _VALUES:
        known: list[tuple[Scalar | None, int | None]] = [
            (value, None) for value in _VALUES[target.name]
        ]
    elif target.type is Type.TEXT and _stands_in_a_column(target):
        known = [
            *visit.store.metrics.value_counts(
                visit.organisation, visit.scope.period, Everything(), target, _SOUGHT
            )
        ]
    else:
        return
    for value, count in known:
        if isinstance(value, str) and value.casefold().startswith(typed):
            yield Suggestion(f"{_quoted(target, value)} ", value, deployments=count)


def _stands_in_a_column(field: Field) -> bool:
    return field.deployment is not None and field.deployment.column is not None


def _quoted(target: Target, value: str) -> str:
    """The value as a query has it: in quotes where it needs them."""
    return to_text(Equals(target, value)).partition(":")[2]
