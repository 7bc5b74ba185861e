"""Members of payloads that settings name by a path with dots, such as `labels.severity`.

Queries of settings name them as tags, `@payload.labels.severity`. A fact keeps the values of those
that a query names, so that the event can be asked about them once all facts are known.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from theodora.events import Deployment, Failure
from theodora.events.attributes import CONTROL
from theodora.events.json_values import JsonObject, JsonValue, is_object
from theodora.query import Query, leaves_of, parse_cached
from theodora.query.fields import Tag
from theodora.sources.webhooks.delivery import COUNT_QUERIES, SourceSettings
from theodora.sources.webhooks.facts import DeploymentFact, IncidentFact, WebhookFact, decode_fact
from theodora.sources.webhooks.names import value_named

PREFIX = "payload."
_MOST_VALUES = 50
"""Of one member."""
_MOST_CHARACTERS = 200
_MOST_STEPS = 20
"""Of a path."""
_LABEL_NAMES = ("name", "title", "key")
_FROM = (("service", "services", "service_from"), ("env", "envs", "env_from"))


class MemberValue(NamedTuple):
    """A value at the end of a path."""

    text: str
    is_label: bool = False
    """Whether it is an element of an array, such as a label among others."""


def member_values(payload: JsonObject, path: str) -> list[MemberValue]:
    """The values at the end of a path, with those of all elements of arrays on the way.

    A name with dots is one step if the payload has it. A label `env:production`, or an object
    with its name and its value, has the value `production` at `env`.
    """
    steps = path.split(".")
    found = _walk(payload, steps) if len(steps) <= _MOST_STEPS else iter(())
    values = (each for each in found if each.text)
    return [each for _, each in zip(range(_MOST_VALUES), values, strict=False)]


def with_members_for_queries(
    fact: WebhookFact, payload: JsonObject, settings: SourceSettings
) -> WebhookFact:
    """The fact with the members of its payload that the queries of the settings name."""
    if not isinstance(fact, DeploymentFact | IncidentFact):
        return fact
    names = [name for query in COUNT_QUERIES for name in members_in(getattr(settings, query))]
    members = dict.fromkeys(
        f"{name}:{value.text}"
        for name in names
        for value in member_values(payload, name.removeprefix(PREFIX))
    )
    return replace(fact, members=tuple(members)) if members else fact


def with_members_of_facts(
    event: Deployment | Failure, documents: Sequence[str]
) -> Deployment | Failure:
    """The event with the members that its facts have, as tags; of each the last values count."""
    facts = sorted((decode_fact(each) for each in sorted(documents)), key=lambda each: each.at_ns)
    last: dict[str, list[str]] = {}
    for fact in facts:
        if isinstance(fact, DeploymentFact | IncidentFact):
            named: dict[str, list[str]] = {}
            for tag in fact.members:
                named.setdefault(tag.partition(":")[0], []).append(tag)
            last |= named
    tags = (tag for values in last.values() for tag in values)
    return replace(event, custom_tags=(*event.custom_tags, *tags))


def with_names_of_payload(settings: SourceSettings, payload: JsonObject) -> SourceSettings:
    """The settings for a payload whose members give its service or its environment.

    What the table has for a value counts. Another one counts as it is, unless it is a label.
    """
    given: dict[str, object] = {}
    for name, table, path in _FROM:
        if not (asked := getattr(settings, path)):
            continue
        values = member_values(payload, asked)
        sole = next((each.text for each in values if not each.is_label), None)
        if named := value_named(getattr(settings, table), [each.text for each in values]) or sole:
            given |= {name: named, table: {"*": named}}
    return replace(settings, **given)


@lru_cache(maxsize=512)
def members_in(query: str) -> Sequence[str]:
    """The members of payloads that a query names, such as `payload.labels.severity`."""
    return tuple(sorted(set(_members(parse_cached(query))))) if query else ()


def _members(query: Query) -> Iterator[str]:
    for leaf in leaves_of(query):
        target = getattr(leaf, "target", None)
        if isinstance(target, Tag) and target.key.startswith(PREFIX):
            yield target.key


def _walk(value: JsonValue, steps: Sequence[str]) -> Iterator[MemberValue]:
    if isinstance(value, list):
        for each in value:
            if steps:
                yield from _labelled(each, ".".join(steps))
            for found in _walk(each, steps):
                yield found if steps else found._replace(is_label=True)
    elif is_object(value) and steps:
        # A name may have dots itself: the longest one that is there counts.
        names = (".".join(steps[:end]) for end in range(len(steps), 0, -1))
        if name := next((each for each in names if each in value), None):
            yield from _walk(value[name], steps[name.count(".") + 1 :])
    elif is_object(value):
        yield MemberValue(_cleaned(_name(value) or ""))
    elif not steps and value is not None:
        yield MemberValue(_text(value))


def _labelled(value: JsonValue, name: str) -> Iterator[MemberValue]:
    """The value of a label, if it has this name."""
    if is_object(value) and _name(value) == name and "value" in value:
        yield MemberValue(_text(value["value"]))
        return
    text = _name(value) if is_object(value) else value
    if isinstance(text, str) and text.startswith(f"{name}:"):
        yield MemberValue(_cleaned(text[len(name) + 1 :]))


def _name(value: JsonObject) -> str | None:
    names = (value.get(each) for each in _LABEL_NAMES)
    return next((each for each in names if isinstance(each, str)), None)


def _text(value: JsonValue) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return _cleaned(str(value))
        case _:
            return ""


def _cleaned(text: str) -> str:
    return CONTROL.sub(" ", text)[:_MOST_CHARACTERS].strip()
